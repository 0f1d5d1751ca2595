"""Continued pre-training on an encoded corpus, watched in bits per byte of held-out text."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel

from anadil import durable
from anadil.context import Context
from anadil.errors import UserError
from anadil.model import load, ranks, sharding
from anadil.model.score import score_documents
from anadil.recipe import Pretrain
from anadil.tokenizer.shards import TokenShards, sha256_of
from anadil.train.data import Phases, Stream, Windows
from anadil.train.loop import batch_rows, read_metrics, step_count, train

MEASURED_AT_A_TIME = 4096
"""Tokens of held-out text in one forward pass, if a sequence is not longer."""


def run_pretrain(
    model_folder: Path,
    tokens_folder: Path,
    out: Path,
    settings: Pretrain,
    context: Context,
    *,
    seed: int,
    target: str,
    original: str,
) -> dict[str, float]:
    """Train the model in `model_folder` on the encode output `tokens_folder` and write it to `out/model`.

    `target` and `original` are the codes of the languages whose held-out text is measured under
    these names; all further languages together are `other`. Goes on from `out/checkpoints`, which
    stay until the stage is done.
    """
    model, shards = load.load(model_folder, device=context.device), TokenShards(tokens_folder)
    _check_fits(model, model_folder, shards, settings)
    if ranks.world()[0] == 0:
        shards.verify()
    windows = Windows(shards, settings.sequence_length, seed)
    parts = [(phase.share, phase.weights) for phase in settings.phases] or [(1.0, {})]
    names = {target: "target", original: "original"}
    heldout = Heldout(shards, load.tokenizer(model_folder), settings.eval_tokens, names)
    rows = batch_rows(settings)
    steps = step_count(settings, windows.per_epoch, rows)
    phases = Phases(shards, settings.sequence_length, seed, parts, steps)
    state = train(
        model,
        lambda step: phases.batch(step, rows),
        settings,
        out,
        context,
        steps=steps,
        seed=seed,
        evaluate=lambda step, objective: heldout.bits_per_byte(objective, MEASURED_AT_A_TIME, settings.sequence_length),
        evaluate_after=lambda step: step % settings.eval_every == 0,
        best_of="target_bits_per_byte" if settings.keep == "best" else None,
        words_per_token=shards.words_per_token(),
    )
    write_model(model, sharding.whole_state(model), model_folder, out)
    return summary(out) | {
        "steps": state.step,
        "epochs": state.step * rows / windows.per_epoch,
        "trained_tokens": state.tokens,
        "skipped_updates": state.skipped,
    }


def write_model(model: PreTrainedModel, state: dict[str, Tensor], before: Path, out: Path) -> None:
    """Leave `out/model`: weights `state`, whole on the first process, with the tokenizer and licence of `before`."""
    if ranks.world()[0] == 0:
        with durable.new_folder(out / "model", "model") as folder:
            load.save(model, folder, state=state)
            load.copy_companions(before, folder)
    ranks.wait_for_all()


def _check_fits(model: PreTrainedModel, folder: Path, shards: TokenShards, settings: Pretrain) -> None:
    load.check_fits(model, vocab_size=shards.vocab_size, sequence_length=settings.sequence_length)
    if (found := sha256_of(folder / "tokenizer.json")) != shards.tokenizer_sha256:
        what = f"the text was encoded with another tokenizer ({shards.tokenizer_sha256[:12]}) than {folder} has"
        raise UserError(f"{what} ({found[:12]})", hint="encode it again with this model's tokenizer")


def summary(out: Path) -> dict[str, float]:
    """The figures of a run that its curve holds: last loss, median speed, first and last measurements."""
    curve = read_metrics(out)
    updates = [row for row in curve if "loss" in row]
    found = {name: value for row in curve for name, value in row.items() if name.endswith("bits_per_byte")}
    before = {f"{name}_before": curve[0][name] for name in found if name in curve[0]}
    speed = float(np.median([row["tokens_per_second"] for row in updates]))
    last = [row["loss"] for row in updates[-10:] if row["loss"] is not None]
    loss = sum(last) / len(last) if last else math.nan
    return found | before | {"train_loss_nats": loss, "tokens_per_second": speed, "seconds": updates[-1]["seconds"]}


class Heldout:
    """The first held-out documents of each language, `max_tokens` of them, shared equally by its sources."""

    def __init__(self, shards: TokenShards, tokenizer: Tokenizer, max_tokens: int, names: dict[str, str]):
        streams = [
            (names.get(s["language"], "other"), Stream(shards.split(s["name"], "heldout"))) for s in shards.sources
        ]
        streams = [(name, stream) for name, stream in streams if stream.size]
        self.documents: dict[str, list[list[int]]] = {name: [] for name, _ in streams}
        self.bytes = dict.fromkeys(self.documents, 0)
        for name, stream in streams:
            room = max_tokens // sum(other == name for other, _ in streams)
            for ids in _documents(stream, room):
                self.documents[name].append(ids)
                self.bytes[name] += len(tokenizer.decode(ids[1:], skip_special_tokens=False).encode())

    def bits_per_byte(self, model: nn.Module, max_tokens: int, context: int) -> dict[str, float]:
        """`<name>_bits_per_byte` of the model now."""
        nats = {
            name: sum(score_documents(model, documents, max_tokens=max_tokens, context=context))
            for name, documents in self.documents.items()
            if self.bytes[name]
        }
        return {f"{name}_bits_per_byte": value / math.log(2) / self.bytes[name] for name, value in nats.items()}


def _documents(stream: Stream, room: int) -> Iterator[list[int]]:
    """Documents with BOS and without their end token (bits per byte are those of the text), `room` tokens in all."""
    for start, stop in stream.documents():
        stop = min(stop - 1, start + room)
        if stop - start > 1:
            yield stream.read(start, stop)[0].tolist()
        room -= stop - start
        if room < 2:
            return
