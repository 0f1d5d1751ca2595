"""The model moved onto the new vocabulary: old rows copied, new rows made, everything else untouched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel

from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.model.load import hidden_and_head, set_special_ids, tokenizer
from anadil.tokenizer.chat import encode_plain
from anadil.tokenizer.continue_bpe import Cutter, word_of
from anadil.tokenizer.load import Vocabulary, read_vocabulary
from anadil.tokenizer.surgery import read_surgery
from anadil.transfer import rows
from anadil.transfer.untrained import untrained

SAMPLE_DOCUMENT_TOKENS = 256


def move(
    model: PreTrainedModel, base: Path, corpus: Path, tokenizer_folder: Path, counts_V: np.ndarray, *,
    method: str, sample_tokens: int, seed: int, context: Context,
) -> tuple[dict[str, float], list[int]]:  # fmt: skip
    """Give `model` the rows of the tokenizer in `tokenizer_folder`, in place; returns metrics and the ids made anew.

    `counts_V` are the tokens of the training text under the new tokenizer. Kept ids keep their rows bit for bit,
    but for control tokens that the base never learned: those are made like new ones. With neither the model is
    unchanged. Tied tables stay tied. The rows are made on the CPU, wherever the model is. The ids that begin, end
    and pad a text become those of the new tokenizer.
    """
    surgery = read_surgery(tokenizer_folder)
    old_in_VD, old_out_VD = _tables(model)
    pieces, lost = _pieces(surgery, read_vocabulary(base), old_out_VD.cpu())
    new = sorted(identifier for identifier, old in pieces.items() if len(old) > 1)
    size = max(
        int(surgery["vocab_size"]), old_in_VD.shape[0] if surgery["mode"] in ("keep", "extend", "inplace") else 0
    )
    tied = old_in_VD.data_ptr() == old_out_VD.data_ptr()
    old_in_VD, old_out_VD = old_in_VD.cpu(), old_out_VD.cpu()
    in_VD, out_VD = rows.moved(old_in_VD, size, pieces), rows.moved(old_out_VD, size, pieces)
    metrics = {"copied_rows": float(size - len(new)), "new_rows": float(len(new) - lost), "tied": float(tied)}
    metrics["untrained_rows"] = float(lost)
    if new and method == "random":
        out_VD = rows.random_rows(out_VD, new, old_out_VD, seed)
        in_VD = rows.random_rows(in_VD, new, old_in_VD, seed)
    elif new and method == "calibrated":
        hidden_D, old_counts_V = _mean_hidden(model, tokenizer(base), corpus, sample_tokens, context)
        line = rows.fit_mean_logits(old_out_VD[: len(old_counts_V)], hidden_D, old_counts_V)
        out_VD = rows.calibrate(out_VD, new, hidden_D, torch.from_numpy(counts_V), line)
        metrics |= {"mean_logit_at_share_1": line[0], "mean_logit_per_log_share": line[1]}
    _put(model, out_VD if tied else in_VD, out_VD, tied)
    set_special_ids(model, tokenizer(tokenizer_folder))
    return metrics, new


def _pieces(surgery: Mapping[str, Any], before: Vocabulary, rows_VD: Tensor) -> tuple[dict[int, list[int]], int]:
    """New id -> old ids that it is made of; and how many control tokens are made anew, from the letters of their
    name, because their rows [V, D] in the base were never trained."""
    pieces = {int(identifier): [int(old) for old in olds] for identifier, olds in surgery["new"]}
    names = {identifier: name for name, identifier in before.added_ids.items()}
    cut = Cutter(before)
    spelled = {old: cut.ids(word_of(names[old])) for old in untrained(rows_VD, before)}
    moved = {olds[0]: identifier for identifier, olds in pieces.items() if len(olds) == 1}
    if surgery["mode"] != "replace":  # there what is not new stands where it stood
        moved |= {old: old for old in spelled}
    anew = {moved[old]: letters for old, letters in spelled.items() if old in moved}
    return pieces | anew, len(anew)


def _tables(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Input and output embedding, [V, D] each; the same tensor where they are tied."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return embedding.weight.data, head.weight.data


def _put(model: PreTrainedModel, in_VD: Tensor, out_VD: Tensor, tied: bool) -> None:
    if in_VD.shape[0] != model.config.vocab_size:
        model.resize_token_embeddings(in_VD.shape[0], mean_resizing=False)
    to_in_VD, to_out_VD = _tables(model)
    to_in_VD.copy_(in_VD)
    if not tied:
        to_out_VD.copy_(out_VD)
    model.tie_weights()


def _mean_hidden(
    model: PreTrainedModel, tokenizer_: Tokenizer, corpus: Path, sample_tokens: int, context: Context
) -> tuple[Tensor, Tensor]:
    """Mean final hidden state [D] of the base over a sample of the training text, and its token counts [V_old]."""
    body, head_VD = hidden_and_head(model)
    total_D = torch.zeros(head_VD.shape[1], dtype=torch.float64)
    counts_V = torch.zeros(head_VD.shape[0], dtype=torch.int64)
    read = 0
    torch.set_num_threads(context.threads)
    with torch.no_grad(), context.progress.task("hidden states", sample_tokens, "tokens") as task:
        for ids in _sample(corpus, tokenizer_, sample_tokens):
            total_D += _sum_hidden(body, ids, context.device)
            counts_V += torch.bincount(ids, minlength=len(counts_V))
            read += len(ids)
            task.advance(len(ids))
    return (total_D / max(read, 1)).float(), counts_V


def _sum_hidden(body: nn.Module, ids: Tensor, device: str) -> Tensor:
    hidden_TD = body(input_ids=ids[None].to(device), use_cache=False).last_hidden_state[0]
    summed: Tensor = hidden_TD.double().sum(0).cpu()
    return summed


def _sample(corpus: Path, tokenizer_: Tokenizer, tokens: int) -> "list[Tensor]":
    """Beginnings of training documents under the old tokenizer: each source by its share of what is trained on."""
    every = [source for source in sources(corpus) if source["weight"] > 0 and source["train"]["documents"]]
    total = sum(source["weight"] * source["train"]["bytes"] for source in every)
    sample: list[Tensor] = []
    for source in every:
        room = round(tokens * source["weight"] * source["train"]["bytes"] / total)
        for text in texts(corpus, source["name"], "train"):
            ids = encode_plain(tokenizer_, text[: SAMPLE_DOCUMENT_TOKENS * 16])[: min(SAMPLE_DOCUMENT_TOKENS, room)]
            room -= len(ids)
            if len(ids) > 1:
                sample.append(torch.tensor(ids))
            if room < 2:
                break
    return sample
