"""Fine-tuning on dialogues: LoRA on every linear layer of the decoder, merged into a plain model at the end."""

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from anadil.context import Context
from anadil.corpus.dialogues import read_dialogues
from anadil.model import load, ranks, sharding
from anadil.recipe import Sft
from anadil.tokenizer.chat import render_ids
from anadil.train.data import batch
from anadil.train.loop import batch_rows, step_count, train
from anadil.train.pack import Packs, Row
from anadil.train.pretrain import summary, write_model


def run_sft(
    model_folder: Path, out: Path, settings: Sft, context: Context, *, seed: int, system_prompt: str = ""
) -> dict[str, float]:
    """Fine-tune the model in `model_folder` on the dialogues of `settings.data` and write it to `out/model`.

    Only what the assistant says is learned. Metrics account for every dialogue. Goes on from
    `out/checkpoints`, which stay until the stage is done.
    """
    tokenizer = load.tokenizer(model_folder)
    packs = Packs(list(rows(settings, tokenizer, system_prompt)), settings.sequence_length, seed, settings.over_long)
    base = load.load(model_folder, device=context.device)
    load.check_fits(base, vocab_size=0, sequence_length=settings.sequence_length)
    model = with_lora(base, settings, seed)
    per_batch = batch_rows(settings)
    steps = step_count(settings, packs.per_epoch, per_batch)
    state = train(
        model,
        lambda step: batch(packs, step, per_batch),
        settings,
        out,
        context,
        steps=steps,
        seed=seed,
    )
    adapter = {name: sharding.whole(p.detach()) for name, p in model.named_parameters() if p.requires_grad}
    if ranks.world()[1] > 1:  # what is divided cannot be merged
        model = with_lora(load.load(model_folder), settings, seed)
        model.load_state_dict(adapter, strict=False)
    plain = merged(model)
    write_model(plain, plain.state_dict(), model_folder, out)
    counts = {f"{name}_dialogues": float(n) for name, n in asdict(packs.accounting).items() if name != "learned_tokens"}
    return (
        summary(out)
        | counts
        | {
            "learned_tokens_per_epoch": packs.accounting.learned_tokens,
            "steps": state.step,
            "trained_tokens": state.tokens,
            "skipped_updates": state.skipped,
        }
    )


def with_lora(model: PreTrainedModel, settings: Sft, seed: int) -> PeftModel:
    """The model with LoRA matrices on all linear layers but the output head; nothing else is trained.

    All layers, MLP too: https://thinkingmachines.ai/blog/lora. Embeddings stay frozen, hence tied.
    """
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # only ever divided by r
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it renamed
        wrapped = get_peft_model(model, config)
    assert isinstance(wrapped, PeftModel)
    return wrapped


def merged(model: PeftModel) -> PreTrainedModel:
    """The plain model with the LoRA matrices added to its weights; `model` cannot be used afterwards."""
    plain = model.merge_and_unload()
    assert isinstance(plain, PreTrainedModel)
    return plain


def rows(settings: Sft, tokenizer: Tokenizer, system_prompt: str = "") -> Iterator[Row]:
    """Ids and learning mask of each dialogue; the system prompt goes before those that have none of their own."""
    for messages in read_dialogues(settings.data, settings.prompt_field, settings.answer_field):
        if system_prompt and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": system_prompt}, *messages]
        yield render_ids(tokenizer, messages, False)
