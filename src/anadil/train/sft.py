"""Fine-tuning on dialogues: LoRA on every linear layer, merged into a plain model at the end; or all weights."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from tokenizers import Tokenizer
from torch import nn

from anadil import durable
from anadil.context import Context
from anadil.dialogues.prepare import Prepared, Surroundings, prepare
from anadil.dialogues.rows import Row
from anadil.dialogues.template import choose_template
from anadil.errors import UserError
from anadil.model import load, ranks, sharding
from anadil.model.adapter import ADAPTER, merge, save_adapter, with_lora
from anadil.model.score import score_tokens
from anadil.recipe import Sft
from anadil.tokenizer.shards import TokenShards
from anadil.tokenizer.template import FILE as TEMPLATE
from anadil.tokenizer.template import Template
from anadil.train.data import Batch, Windows, batch
from anadil.train.loop import batch_rows, step_count, train
from anadil.train.pack import Packs
from anadil.train.pretrain import MEASURED_AT_A_TIME, summary

HELDOUT = "answers_bits_per_byte"


def run_sft(
    model_folder: Path,
    out: Path,
    settings: Sft,
    context: Context,
    around: Surroundings,
    *,
    base: Path | None = None,
    tokens_folder: Path | None = None,
) -> dict[str, float]:
    """Fine-tune the model in `model_folder` on the dialogues of `settings` and write it to `out/model`.

    Only what the assistant says is learned. Metrics account for every dialogue. LoRA leaves `out/adapter` too, in
    peft's format. `base` is the folder that has the base's own template, if that is asked for; `tokens_folder` the
    encoded corpus, of which some is replayed. Goes on from `out/checkpoints`, which stay until the stage is done.
    """
    template = choose_template(settings, load.tokenizer(model_folder), model_folder, base)
    prepared = prepare(settings, template, around)
    model = load.load(model_folder, device=context.device)
    load.check_fits(model, vocab_size=0, sequence_length=settings.sequence_length)
    trained: nn.Module = with_lora(model, settings, around.seed) if settings.method == "lora" else model
    batches = Batches(prepared, settings, around.seed, tokens_folder)
    heldout = HeldoutAnswers(prepared.heldout, template.tokenizer)
    if settings.keep == "best" and not heldout.rows:
        context.progress.line("  no dialogue is held out to choose the best weights by: the last are kept")
    if ranks.world()[0] == 0:
        durable.write_json(out / "dialogues.json", _facts(prepared, template), "dialogues")
    state = train(
        trained,
        batches.batch,
        settings,
        out,
        context,
        steps=(steps := step_count(settings, batches.packs.per_epoch, batches.dialogues)),
        seed=around.seed,
        evaluate=heldout.measure if heldout.rows else None,
        evaluate_after=lambda step: step % settings.eval_every == 0,
        best_of=HELDOUT if heldout.rows and settings.keep == "best" else None,
        patience_steps=settings.patience * settings.eval_every,
    )
    _write(trained, model_folder, out, template)
    return (
        summary(out)
        | prepared.account.metrics()
        | {
            "steps": state.step,
            "planned_steps": steps,
            "trained_tokens": state.tokens,
            "skipped_updates": state.skipped,
        }
    )


class Batches:
    """Global batches: packed dialogues, and running text of the corpus in its share of the sequences."""

    def __init__(self, prepared: Prepared, settings: Sft, seed: int, tokens_folder: Path | None):
        length, self.rows = settings.sequence_length, batch_rows(settings)
        self.packs = Packs([(row.rendered.ids, row.rendered.learned) for row in prepared.rows], length, seed)
        self.replayed = min(self.rows - 1, round(settings.replay_share * self.rows))
        if settings.replay_share and not self.replayed:
            what = f"sft.replay_share = {settings.replay_share} of {self.rows} sequences in an update is none"
            raise UserError(what, hint="raise it, or sft.global_batch_tokens")
        self.dialogues = self.rows - self.replayed
        self.windows = Windows(TokenShards(tokens_folder), length, seed) if self.replayed and tokens_folder else None

    def batch(self, step: int) -> Batch:
        """That of update `step`."""
        mine = batch(self.packs, step, self.dialogues)
        if not self.windows:
            return mine
        replayed = batch(self.windows, step, self.replayed)
        pairs = zip(mine.tensors(), replayed.tensors(), strict=True)
        return Batch(*(torch.cat(pair) for pair in pairs))


class HeldoutAnswers:
    """What dialogues that are not learned from cost in bits a byte of their answers: comparable over tokenizers."""

    def __init__(self, rows: Sequence[Row], tokenizer: Tokenizer):
        self.rows = [(row.rendered.ids, np.array(row.rendered.learned[1:], bool)) for row in rows]
        said = ([i for i, yes in zip(row.rendered.ids, row.rendered.learned, strict=True) if yes] for row in rows)
        self.bytes = sum(len(tokenizer.decode(ids, skip_special_tokens=True).encode()) for ids in said)

    def measure(self, step: int, objective: nn.Module) -> dict[str, float]:
        """Of the model now."""
        nats = score_tokens(objective, [ids for ids, _ in self.rows], max_tokens=MEASURED_AT_A_TIME)
        total = sum(float(nll_T[learned].sum()) for nll_T, (_, learned) in zip(nats, self.rows, strict=True))
        return {HELDOUT: total / math.log(2) / max(1, self.bytes)}


def _facts(prepared: Prepared, template: Template) -> dict[str, Any]:
    """For people: what became of the dialogues, and the first rows with what is learned of them."""
    account = prepared.account
    samples = [
        {"place": row.place, "kind": row.kind, "pieces": template.pieces(row.rendered)} for row in prepared.rows[:20]
    ]
    counts = {"read": account.read, "made": account.made, "out": account.out, "changed": account.changed}
    return counts | {"kept": account.kept, "heldout": account.heldout, "samples": samples}


def _write(model: nn.Module, before: Path, out: Path, template: Template) -> None:
    """Leave `out/model`, and of LoRA the adapter that it was merged from, from the first process."""
    plain = load.plain_model(model)
    if isinstance(model, PeftModel):
        state = {name: sharding.whole(p.detach()) for name, p in model.named_parameters() if p.requires_grad}
    else:
        state = sharding.whole_state(model)
    if ranks.world()[0] == 0:
        if isinstance(model, PeftModel):
            with durable.new_folder(out / ADAPTER, "adapter") as folder:
                save_adapter(model, state, folder)
        with durable.new_folder(out / "model", "model") as folder:
            if isinstance(model, PeftModel):
                merge(before, out / ADAPTER, folder)
                load.copy_files(before, folder, load.CONFIG_FILES)
            else:
                load.save(plain, folder, state=state)
            load.copy_companions(before, folder)
            (folder / TEMPLATE).write_text(template.text, encoding="utf-8")
            _name_ends(folder, template)
    ranks.wait_for_all()


def _name_ends(folder: Path, template: Template) -> None:
    """Both configs say what ends an answer with this template."""
    for name in ("config.json", "generation_config.json"):
        if (folder / name).is_file():
            config = json.loads((folder / name).read_bytes()) | load.special_ids(template)
            (folder / name).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
