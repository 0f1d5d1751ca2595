"""Rows of the embedding for new tokens, from the rows of the old tokens they were cut into.

Shapes: V_old and V_new entries, width D, N contexts. A row is tied (input and output at once) in models such as
Llama 3.2 1B, so a new row must be right as a classifier too: `calibrate` gives it the probability that its frequency
demands, in whatever context.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Pieces = Mapping[int, Sequence[int]]
"""New id -> the old ids whose bytes it is made of; a new id that is not in it is the old token of the same id."""
SHRINK = 0.85
"""Of the mean of the pieces: a shorter row is wrong in fewer contexts. From 0.5 to 0.85 it matters little
for the rows themselves; the shorter they are, the slower fine-tuning with LoRA learns (docs/lab/LOG.md)."""
CAUTION = 1.0
"""Nats below the probability that its share of the text demands: a row that knows little about where its token stands
takes from those that know. From 0.5 to 1.5 it matters little; both were set on the proxy base (docs/lab/LOG.md)."""
RIDGE = 1e-3
"""Of the mean square of the hidden states: keeps the bias direction short."""
_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Contexts:
    """Final hidden states [N, D] of the base, the logarithms [N] of their sums of exp(logit) over its vocabulary, and
    the weight [N] of each, 1 in all."""

    hidden_ND: Tensor
    log_partition_N: Tensor
    weights_N: Tensor

    def thinned(self, number: int) -> "Contexts":
        """About `number` of them, evenly spread, with the weights that makes."""
        some = slice(None, None, max(1, len(self.hidden_ND) // number))
        weights_N = self.weights_N[some]
        return Contexts(self.hidden_ND[some], self.log_partition_N[some], weights_N / weights_N.sum())


def moved(old_VD: Tensor, size: int, pieces: Pieces, made_of: Callable[[Tensor], Tensor]) -> Tensor:
    """The new table [size, D]: rows of old tokens copied, rows of new ones `made_of` those of their pieces, [P, D].

    A new token of one piece is that old token under another id: its row is copied bit for bit.
    """
    new_VD = torch.empty(size, old_VD.shape[1], dtype=old_VD.dtype)
    same = [identifier for identifier in range(size) if identifier not in pieces]
    new_VD[same] = old_VD[same]
    for identifier, old in pieces.items():
        new_VD[identifier] = old_VD[old[0]] if len(old) == 1 else made_of(old_VD[list(old)])
    return new_VD


def norm_matched_mean(rows_PD: Tensor) -> Tensor:
    """A mean of vectors is shorter than they are; give it their mean length."""
    mean_D = rows_PD.mean(0)
    matched_D: Tensor = mean_D * (rows_PD.norm(dim=1).mean() / mean_D.norm().clamp_min(1e-12))
    return matched_D


def shrunk_mean(rows_PD: Tensor) -> Tensor:
    """`SHRINK` times the mean: what `calibrate` starts from."""
    return SHRINK * rows_PD.mean(0)


def bias_direction(contexts: Contexts) -> Tensor:
    """The vector [D] whose product with every hidden state is as near to 1 as can be (ridge regression, float64).

    A row moved along it by b has its logit moved by about b in every context. The mean hidden state does not do that:
    its product with the states of one language is several times that with another's.
    """
    hidden, weights_N1 = contexts.hidden_ND.double(), contexts.weights_N.double()[:, None]
    gram_DD = hidden.T @ (weights_N1 * hidden)
    ridge = RIDGE * gram_DD.trace() / len(gram_DD)
    identity_DD = torch.eye(len(gram_DD), dtype=torch.float64)
    direction_D: Tensor = torch.linalg.solve(gram_DD + ridge * identity_DD, (weights_N1 * hidden).sum(0))
    return direction_D


def calibrate(rows_VD: Tensor, ids: Sequence[int], contexts: Contexts, shares_V: Tensor, bias_D: Tensor) -> Tensor:
    """Shift the rows `ids` along `bias_D` until their mean probability over the contexts is what their share of the
    text (`shares_V`, new tokens) demands, less `CAUTION`. Returns a new table."""
    calibrated_VD = rows_VD.clone()
    log_weights_N = torch.log(contexts.weights_N.double())
    for part in torch.split(torch.as_tensor(ids, dtype=torch.long), _ROWS_AT_A_TIME):
        rows_ID = rows_VD[part].float()
        log_probability_IN = rows_ID @ contexts.hidden_ND.float().T - contexts.log_partition_N.float()
        log_mean_I = torch.logsumexp(log_probability_IN.double() + log_weights_N, 1)
        lacking_I = torch.log(shares_V[part].double()) - CAUTION - log_mean_I
        calibrated_VD[part] = (rows_ID.double() + lacking_I[:, None] * bias_D).to(rows_VD.dtype)
    return calibrated_VD


def random_rows(rows_VD: Tensor, ids: Sequence[int], old_VD: Tensor, seed: int) -> Tensor:
    """For comparison: the rows `ids` drawn from a normal distribution with mean and spread of the old table."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(ids), old_VD.shape[1], generator=generator)
    drawn_VD = rows_VD.clone()
    drawn_VD[torch.as_tensor(ids, dtype=torch.long)] = (old_VD.mean(0) + old_VD.std(0) * noise).to(rows_VD.dtype)
    return drawn_VD
