"""transfer: kept rows bit for bit, ids permuted are logits permuted, new rows with the logit that they should have."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.roads import make_texts, write_road

from anadil.context import Context
from anadil.corpus.build import build as build_corpus
from anadil.model.load import copy_tokenizer, from_shape, load, save
from anadil.progress import silent
from anadil.recipe import Shape
from anadil.recipe import load as load_recipe
from anadil.tokenizer.encode import encode
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.shards import TokenShards
from anadil.tokenizer.surgery import Size, build, pre_tokenizer_of
from anadil.tokenizer.train import count_words
from anadil.transfer import rows
from anadil.transfer.move import move

SHAPE = Shape(hidden_size=16, layers=1, heads=2, kv_heads=1, ffn_size=32, max_position=256)


def table(entries: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(entries, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_permuted_ids_are_permuted_rows(order: list[int]) -> None:
    old = table(12, 5)
    assert torch.equal(rows.moved(old, 12, {new: [order[new]] for new in range(12)}), old[order])


def test_without_new_tokens_nothing_changes_and_old_rows_are_copied() -> None:
    old = table(10, 4)
    assert torch.equal(rows.moved(old, 10, {}), old)
    grown = rows.moved(old, 12, {10: [1, 2], 11: [3, 4, 5]})
    assert torch.equal(grown[:10], old)
    assert torch.allclose(grown[11].norm(), old[[3, 4, 5]].norm(dim=1).mean())
    direction = torch.nn.functional.cosine_similarity(grown[10], old[1] + old[2], dim=0)
    assert torch.allclose(direction, torch.tensor(1.0))


def test_the_fit_finds_the_line_it_was_made_from() -> None:
    hidden = table(1, 8, 1)[0]
    counts = torch.tensor([0, 5, 80, 700, 33, 1])
    wanted = 1.5 + 0.7 * torch.log(counts.double() / counts.sum())
    some = table(6, 8, 2).double()
    lacking = (wanted.nan_to_num(neginf=0) - some @ hidden.double()) / hidden.double().dot(hidden.double())
    made = some + lacking[:, None] * hidden.double()
    a, b = rows.fit_mean_logits(made, hidden, counts)
    assert (a, b) == pytest.approx((1.5, 0.7), abs=1e-6)


def test_calibrated_rows_have_the_mean_logit_of_their_frequency() -> None:
    old, hidden, counts = table(6, 8), table(1, 8, 3)[0], torch.tensor([10, 20, 30, 40, 0, 4])
    moved = rows.calibrate(old, [4, 5], hidden, counts, (2.0, 0.5))
    shares = torch.tensor([0.5, 4.0]) / 104
    assert torch.allclose(moved[4:] @ hidden, 2.0 + 0.5 * torch.log(shares), atol=1e-4)
    assert torch.equal(moved[:4], old[:4])
    across = moved[4] - old[4] - hidden * ((moved[4] - old[4]) @ hidden) / (hidden @ hidden)
    assert torch.allclose(across, torch.zeros(8), atol=1e-5), "a row only moves along the mean hidden state"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and a base model with a tokenizer of its own."""
    folder = tmp_path_factory.mktemp("transfer")
    recipe = load_recipe(write_road(folder / "in"))
    build_corpus(recipe.corpus, "az", folder / "corpus", silent())
    words = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None))
    build(None, "replace", words, {}, Size(vocab_size=400, min_pair_count=1), folder / "tokenizer")
    (folder / "base").mkdir()
    save(from_shape(SHAPE, 400, seed=3), folder / "base")
    copy_tokenizer(folder / "tokenizer", folder / "base")
    return folder


def moved_model(place: Path, out: Path, mode: str, size: Size, method: str = "calibrated"):  # type: ignore[no-untyped-def]
    cut = pre_tokenizer_of(place / "base")
    target, kept = count_words(make_texts("az", 60, 1), cut), count_words(make_texts("en", 60, 1), cut)
    surgery = build(place / "base", mode, target, {"en": kept}, size, out / "tokenizer")  # type: ignore[arg-type]
    encode(place / "corpus", out / "tokenizer", out / "encode")
    model = load(place / "base")
    counts = TokenShards(out / "encode").token_counts()
    arguments = {"method": method, "sample_tokens": 2000, "seed": 1, "context": Context()}
    metrics = move(model, place / "base", place / "corpus", out / "tokenizer", counts, **arguments)  # type: ignore[arg-type]
    return model, surgery, metrics


def test_keeping_the_vocabulary_keeps_the_model_bit_for_bit(place: Path, tmp_path: Path) -> None:
    model, _, metrics = moved_model(place, tmp_path, "keep", Size())
    before = load(place / "base").state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert metrics["new_rows"] == 0


@pytest.mark.parametrize("method", ["calibrated", "mean", "random"])
def test_in_place_only_the_new_rows_change(place: Path, tmp_path: Path, method: str) -> None:
    model, surgery, metrics = moved_model(
        place, tmp_path, "inplace", Size(new_tokens=40, keep_min_count=40, target_min_count=400), method
    )
    before, after = load(place / "base").get_input_embeddings().weight, model.get_input_embeddings().weight
    new = [identifier for identifier, old in surgery.new if len(old) > 1]
    same = (before == after).all(dim=1).nonzero().flatten().tolist()
    assert sorted(set(range(400)) - set(same)) == sorted(new)
    assert metrics["new_rows"] == len(new) > 0
    assert torch.isfinite(after).all()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight, "tied stays tied"


@pytest.mark.parametrize("mode", ["extend", "replace"])
def test_other_modes_fit_their_tokenizer(place: Path, tmp_path: Path, mode: str) -> None:
    model, surgery, _ = moved_model(place, tmp_path, mode, Size(new_tokens=30, vocab_size=420, min_pair_count=1))
    assert model.config.vocab_size == model.get_input_embeddings().weight.shape[0] == surgery.vocab_size
    text = make_texts("az", 1, 5)[0]
    ids = load_tokenizer(tmp_path / "tokenizer").encode(text).ids
    assert torch.isfinite(model(input_ids=torch.tensor([ids])).logits).all()


def test_replacing_copies_the_rows_of_tokens_that_both_have(place: Path, tmp_path: Path) -> None:
    model, _, _ = moved_model(place, tmp_path, "replace", Size(vocab_size=420, min_pair_count=1), "mean")
    old, new = read_vocabulary(place / "base"), read_vocabulary(tmp_path / "tokenizer")
    before, after = load(place / "base").get_input_embeddings().weight, model.get_input_embeddings().weight
    shared = old.tokens.keys() & new.tokens.keys()
    assert len(shared) >= 256
    assert all(torch.equal(before[old.tokens[token]], after[new.tokens[token]]) for token in shared)
    for name, identifier in old.added_ids.items():
        assert torch.equal(before[identifier], after[new.added_ids[name]])
