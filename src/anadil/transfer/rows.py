"""Rows of the embedding for new tokens, from the rows of the old tokens they were cut into.

Shapes: V_old and V_new entries, width D. A row is tied (input and output at once) in models such as Llama 3.2 1B,
so a new row must be right as a classifier too: `calibrate` gives it the mean logit that its frequency predicts.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Pieces = Mapping[int, Sequence[int]]
"""New id -> the old ids whose bytes it is made of; a new id that is not in it is the old token of the same id."""


def moved(old_VD: Tensor, size: int, pieces: Pieces) -> Tensor:
    """The new table [size, D]: rows of old tokens copied, rows of new ones the norm-matched mean of their pieces.

    A new token of one piece is that old token under another id: its row is copied bit for bit.
    """
    new_VD = torch.empty(size, old_VD.shape[1], dtype=old_VD.dtype)
    same = [identifier for identifier in range(size) if identifier not in pieces]
    new_VD[same] = old_VD[same]
    for identifier, old in pieces.items():
        new_VD[identifier] = old_VD[old[0]] if len(old) == 1 else _norm_matched_mean(old_VD[list(old)])
    return new_VD


def _norm_matched_mean(rows_PD: Tensor) -> Tensor:
    """A mean of vectors is shorter than they are; give it their mean length."""
    mean_D = rows_PD.mean(0)
    matched_D: Tensor = mean_D * (rows_PD.norm(dim=1).mean() / mean_D.norm().clamp_min(1e-12))
    return matched_D


def fit_mean_logits(rows_VD: Tensor, hidden_D: Tensor, counts_V: Tensor) -> tuple[float, float]:
    """Least squares of mean logit = a + b * log(share of tokens) over the tokens that occur; returns (a, b).

    `hidden_D` is the mean final hidden state over the text that `counts_V` counts; rows_VD @ hidden_D are then
    the mean logits over it.
    """
    seen = counts_V > 0
    shares = torch.log(counts_V[seen].double() / counts_V.sum())
    logits = rows_VD[seen].double() @ hidden_D.double()
    design = torch.stack([torch.ones_like(shares), shares], 1)
    a, b = torch.linalg.lstsq(design, logits[:, None]).solution.flatten().tolist()
    return a, b


def calibrate(
    rows_VD: Tensor, ids: Sequence[int], hidden_D: Tensor, counts_V: Tensor, line: tuple[float, float]
) -> Tensor:
    """Shift the rows `ids` along the mean hidden state to the mean logit that their frequency predicts.

    `counts_V` counts new tokens; one that does not occur is taken as half a count. Returns a new table.
    """
    chosen = torch.as_tensor(ids, dtype=torch.long)
    shares = torch.log(counts_V[chosen].double().clamp_min(0.5) / counts_V.sum().clamp_min(1))
    wanted = line[0] + line[1] * shares
    hidden = hidden_D.double()
    lacking = (wanted - rows_VD[chosen].double() @ hidden) / (hidden @ hidden)
    shifted_VD = rows_VD.clone()
    shifted_VD[chosen] += (lacking[:, None] * hidden).to(rows_VD.dtype)
    return shifted_VD


def random_rows(rows_VD: Tensor, ids: Sequence[int], old_VD: Tensor, seed: int) -> Tensor:
    """For comparison: the rows `ids` drawn from a normal distribution with mean and spread of the old table."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(ids), old_VD.shape[1], generator=generator)
    drawn_VD = rows_VD.clone()
    drawn_VD[torch.as_tensor(ids, dtype=torch.long)] = (old_VD.mean(0) + old_VD.std(0) * noise).to(rows_VD.dtype)
    return drawn_VD
