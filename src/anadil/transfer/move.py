"""The model moved onto the new vocabulary: old rows copied, new rows made, everything else untouched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from anadil.context import Context
from anadil.model.load import set_special_ids, tokenizer
from anadil.tokenizer.continue_bpe import Cutter, word_of
from anadil.tokenizer.load import Vocabulary, other_kind, read_vocabulary
from anadil.tokenizer.shards import TokenShards
from anadil.tokenizer.surgery import read_surgery
from anadil.tokenizer.template import template_of
from anadil.transfer import rows
from anadil.transfer.contexts import sample_contexts
from anadil.transfer.untrained import untrained

PROBABILITY_CONTEXTS = 4096
"""Contexts over which the probability of a new token is taken; the direction is fitted on all of the sample."""


def move(
    model: PreTrainedModel, base: Path, corpus: Path, tokenizer_folder: Path, shards: TokenShards, *,
    method: str, sample_tokens: int, seed: int, context: Context,
) -> tuple[dict[str, float], list[int]]:  # fmt: skip
    """Give `model` the rows of the tokenizer in `tokenizer_folder`, in place; returns metrics and the ids made anew.

    `shards` are the training text under the new tokenizer. Kept ids keep their rows bit for bit,
    but for control tokens that the base never learned: those are made like new ones. With neither the model is
    unchanged. Tied tables stay tied. The rows are made on the CPU, wherever the model is. The ids that begin, end
    and pad a text become those of the new tokenizer.
    """
    surgery = read_surgery(tokenizer_folder)
    old_in_VD, old_out_VD = _tables(model)
    pieces = {int(identifier): [int(old) for old in olds] for identifier, olds in surgery["new"]}
    anew = {} if other_kind(base) else _never_learned(surgery["mode"], pieces, read_vocabulary(base), old_out_VD.cpu())
    pieces |= anew
    new = sorted(identifier for identifier, old in pieces.items() if len(old) > 1)
    size = max(
        int(surgery["vocab_size"]), old_in_VD.shape[0] if surgery["mode"] in ("keep", "extend", "inplace") else 0
    )
    tied = old_in_VD.data_ptr() == old_out_VD.data_ptr()
    old_in_VD, old_out_VD = old_in_VD.cpu(), old_out_VD.cpu()
    made_of = rows.shrunk_mean if method == "calibrated" else rows.norm_matched_mean
    in_VD, out_VD = (rows.moved(old_VD, size, pieces, made_of) for old_VD in (old_in_VD, old_out_VD))
    metrics = {"copied_rows": float(size - len(new)), "new_rows": float(len(new) - len(anew)), "tied": float(tied)}
    metrics["untrained_rows"] = float(len(anew))
    if new and method == "random":
        out_VD = rows.random_rows(out_VD, new, old_out_VD, seed)
        in_VD = rows.random_rows(in_VD, new, old_in_VD, seed)
    elif new and method == "calibrated":
        contexts = sample_contexts(model, tokenizer(base), corpus, sample_tokens, context)
        bias_D = rows.bias_direction(contexts)
        few = contexts.thinned(PROBABILITY_CONTEXTS)
        out_VD = rows.calibrate(out_VD, new, few, _shares(shards.language_counts()), bias_D)
        metrics["calibration_contexts"] = float(len(contexts.hidden_ND))
    _put(model, out_VD if tied else in_VD, out_VD, tied)
    set_special_ids(model, template_of(tokenizer_folder, tokenizer(tokenizer_folder)))
    return metrics, new


def _never_learned(
    mode: str, pieces: Mapping[int, list[int]], before: Vocabulary, rows_VD: Tensor
) -> dict[int, list[int]]:
    """The control tokens whose rows [V, D] the base never trained, under their new ids, with the ids of the letters
    of their names, from which they are made."""
    names = {identifier: name for name, identifier in before.added_ids.items()}
    cut = Cutter(before)
    spelled = {old: cut.ids(word_of(names[old])) for old in untrained(rows_VD, before)}
    stands = {} if mode == "replace" else {old: old for old in spelled}
    stands |= {olds[0]: identifier for identifier, olds in pieces.items() if len(olds) == 1}
    return {stands[old]: letters for old, letters in spelled.items() if old in stands}


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


def _shares(counts: Mapping[str, NDArray[np.int64]]) -> Tensor:
    """Share [V] of each token in the text, every language counting the same; one that does not occur in a language
    is taken as half a count there."""
    shares = [
        torch.from_numpy(counts_V).double().clamp_min(0.5) / max(1, counts_V.sum()) for counts_V in counts.values()
    ]
    return torch.stack(shares).mean(0)
