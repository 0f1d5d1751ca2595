"""Scores of documents: each token once, whatever the batch and the window."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.tiny import SHAPE, VOCAB
from torch.nn.functional import cross_entropy

from anadil.model import load
from anadil.model.score import _spans, score_documents

MODEL = load.from_shape(SHAPE, VOCAB, seed=3)
DOCUMENTS = [[256, *range(n)] for n in (5, 40, 0, 1, 23, 5)]


def one_by_one(document: list[int]) -> float:
    if len(document) < 2:
        return 0.0
    ids = torch.tensor([document])
    with torch.no_grad():
        logits = MODEL(input_ids=ids).logits[0, :-1]
    return float(cross_entropy(logits, ids[0, 1:], reduction="sum"))


@pytest.mark.parametrize("max_tokens", [40, 64, 10_000])
def test_a_batch_gives_what_each_document_gives_alone(max_tokens: int) -> None:
    found = score_documents(MODEL, DOCUMENTS, max_tokens=max_tokens)
    assert found == pytest.approx([one_by_one(d) for d in DOCUMENTS], rel=1e-5, abs=1e-6)


@given(length=st.integers(0, 200), context=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_every_token_but_the_first_is_scored_once_with_half_a_window_before_it(length: int, context: int) -> None:
    spans = list(_spans(0, length, context))
    scored = [token for span in spans for token in range(span.scored, span.stop + 1)]
    assert scored == list(range(1, length))
    assert all(span.size <= context for span in spans)
    assert all(span.scored - span.start >= context // 2 for span in spans[1:])


def test_a_uniform_model_gives_the_logarithm_of_its_vocabulary() -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=3)
    with torch.no_grad():
        model.model.norm.weight.zero_()
    [nats] = score_documents(model, [[256, *range(100)]], max_tokens=50, context=16)
    assert nats == pytest.approx(100 * math.log(VOCAB), rel=1e-6)


def test_the_model_keeps_its_mode() -> None:
    MODEL.train()
    score_documents(MODEL, DOCUMENTS[:1])
    assert MODEL.training
    MODEL.eval()


@pytest.mark.parametrize("max_tokens", [8, 16, 40, 10_000])
def test_the_context_is_the_one_asked_for_whatever_the_batch(max_tokens: int) -> None:
    [few] = score_documents(MODEL, [[256, *range(100)]], max_tokens=max_tokens, context=32)
    [many] = score_documents(MODEL, [[256, *range(100)]], max_tokens=1000, context=32)
    assert few == pytest.approx(many, rel=1e-6)
