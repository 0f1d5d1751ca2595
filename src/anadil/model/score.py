"""The negative log likelihood of documents, from which bits per byte follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anadil.model import ranks
from anadil.model.load import plain_model
from anadil.model.loss import IGNORE_INDEX
from anadil.model.objective import Objective

LONGEST_CONTEXT = 8192
"""Tokens that one window has at most, unless asked for."""


@dataclass(frozen=True)
class _Span:
    """Inputs [start, stop) of a document; the tokens [scored, stop] are scored, those before are context."""

    document: int
    start: int
    scored: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


def score_documents(
    model: nn.Module,
    ids: Sequence[Sequence[int]],
    *,
    max_tokens: int = 8192,
    context: int | None = None,
) -> list[float]:
    """Sum of the negative log likelihoods in nats of each document's tokens but the first: see `score_tokens`."""
    return [float(nll_T.sum()) for nll_T in score_tokens(model, ids, max_tokens=max_tokens, context=context)]


@torch.no_grad()
def score_tokens(
    model: nn.Module,
    ids: Sequence[Sequence[int]],
    *,
    max_tokens: int = 8192,
    context: int | None = None,
) -> list[NDArray[np.float64]]:
    """The negative log likelihood in nats of each token but the first (BOS) of each document, [tokens - 1] each.

    Each is scored exactly once. A document longer than `context` tokens (default: what the model was made for, at
    most `LONGEST_CONTEXT`) goes in windows that overlap by half, so that every token but those of the first window
    has at least half a window before it. `max_tokens` bounds one forward pass, which is of one window at least: it
    does not change the score. Processes that train together share the work.
    """
    objective = model if isinstance(model, Objective) else Objective(model)
    config = getattr(plain_model(objective.model), "config", None)
    longest = getattr(config, "max_position_embeddings", None) or LONGEST_CONTEXT
    context = min(context or LONGEST_CONTEXT, longest)
    spans = [span for index, document in enumerate(ids) for span in _spans(index, len(document), context)]
    scores = [np.zeros(max(0, len(document) - 1)) for document in ids]
    was_training, device = model.training, objective.device
    model.eval()
    for group, is_mine in _shared(list(_groups(spans, max_tokens))):
        input_ids = torch.zeros(len(group), group[0].size, dtype=torch.int64)
        labels = torch.full_like(input_ids, IGNORE_INDEX)
        for row, span in enumerate(group):
            window = torch.tensor(ids[span.document][span.start : span.stop + 1])
            input_ids[row, : span.size] = window[:-1]
            labels[row, span.scored - 1 - span.start : span.size] = window[span.scored - span.start :]
        # padding stands on the right, where a causal model does not see it
        nll = objective(input_ids.to(device), labels.to(device), each=True).double().cpu().numpy() * is_mine
        ends = np.cumsum([span.stop - span.scored + 1 for span in group])
        for span, part in zip(group, np.split(nll, ends[:-1]), strict=True):
            scores[span.document][span.scored - 1 : span.stop] += part
    model.train(was_training)
    return [np.array(ranks.summed(part.tolist())) for part in scores] if ranks.world()[1] > 1 else scores


def _shared(groups: list[list[_Span]]) -> Iterator[tuple[list[_Span], bool]]:
    """This process's groups, as many on each, for sharded models gather their weights together; those that only fill
    up do not count."""
    rank, size = ranks.world()
    for start in range(0, len(groups), size):
        yield groups[min(start + rank, len(groups) - 1)], start + rank < len(groups)


def _spans(document: int, length: int, context: int) -> Iterator[_Span]:
    start, scored = 0, 1
    while scored < length:
        stop = min(start + context, length - 1)
        yield _Span(document, start, scored, stop)
        start, scored = start + max(1, context // 2), stop + 1


def _groups(spans: list[_Span], max_tokens: int) -> Iterator[list[_Span]]:
    """Spans of similar length together, the longest first, `max_tokens` with padding at most."""
    group: list[_Span] = []
    for span in sorted(spans, key=lambda span: -span.size):
        if group and group[0].size * (len(group) + 1) > max_tokens:
            yield group
            group = []
        group.append(span)
    if group:
        yield group
