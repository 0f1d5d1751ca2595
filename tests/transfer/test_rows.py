"""transfer: kept rows bit for bit, ids permuted are logits permuted, new rows with the logit that they should have."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.roads import make_texts, write_road

from anadil.context import Context
from anadil.corpus.build import build as build_corpus
from anadil.export.huggingface import export_huggingface
from anadil.model.load import copy_companions, from_shape, load, save
from anadil.progress import silent
from anadil.recipe import Shape
from anadil.recipe import load as load_recipe
from anadil.stages import transfer
from anadil.tokenizer.chat import BOS, END_TURN, EOS, PAD
from anadil.tokenizer.count import count_words
from anadil.tokenizer.encode import encode
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.shards import TokenShards
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of
from anadil.transfer import move as moving
from anadil.transfer import rows
from anadil.transfer.contexts import sample_contexts
from anadil.transfer.move import move
from anadil.transfer.rows import Contexts

SHAPE = Shape(hidden_size=16, layers=1, heads=2, kv_heads=1, ffn_size=32, max_position=256)


def table(entries: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(entries, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_permuted_ids_are_permuted_rows(order: list[int]) -> None:
    old = table(12, 5)
    assert torch.equal(
        rows.moved(old, 12, {new: [order[new]] for new in range(12)}, rows.norm_matched_mean), old[order]
    )


def test_without_new_tokens_nothing_changes_and_old_rows_are_copied() -> None:
    old = table(10, 4)
    assert torch.equal(rows.moved(old, 10, {}, rows.norm_matched_mean), old)
    grown = rows.moved(old, 12, {10: [1, 2], 11: [3, 4, 5]}, rows.norm_matched_mean)
    assert torch.equal(grown[:10], old)
    assert torch.allclose(grown[11].norm(), old[[3, 4, 5]].norm(dim=1).mean())
    direction = torch.nn.functional.cosine_similarity(grown[10], old[1] + old[2], dim=0)
    assert torch.allclose(direction, torch.tensor(1.0))


def contexts(number: int, width: int, seed: int, far: float = 1.0) -> Contexts:
    """Two languages, the second with states `far` times as long; their last coordinate is always 2, so that half of
    it is a perfect bias direction."""
    hidden = torch.cat([table(number, width - 1, seed), torch.full((number, 1), 2.0)], 1)
    hidden[number // 2 :, :-1] *= far
    weights = torch.rand(number, generator=torch.Generator().manual_seed(seed)) + 0.1
    return Contexts(hidden, torch.logsumexp(hidden @ table(20, width, seed).T, 1), weights / weights.sum())


def test_the_bias_direction_moves_every_logit_alike() -> None:
    some = contexts(400, 8, 1, far=3.0)
    hidden = some.hidden_ND.double()
    assert torch.allclose(hidden @ rows.bias_direction(some), torch.ones(400).double(), atol=0.05)
    mean = hidden.mean(0)
    spread = (hidden @ rows.bias_direction(some)).std()
    assert spread < 0.2 * (hidden @ mean / (mean @ mean)).std(), "better than along the mean"


def test_thinned_contexts_are_some_of_them_with_their_weights() -> None:
    some = contexts(400, 8, 1)
    few = some.thinned(100)
    assert torch.equal(few.hidden_ND, some.hidden_ND[::4])
    assert torch.allclose(few.weights_N.sum(), torch.tensor(1.0))
    assert torch.allclose(few.weights_N / few.weights_N[0], some.weights_N[::4] / some.weights_N[0])
    assert len(some.thinned(5000).hidden_ND) == 400


@pytest.mark.parametrize("rows_at_a_time", [1, 3, 4096])
def test_calibrated_rows_have_the_probability_that_their_share_demands(
    rows_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_ROWS_AT_A_TIME", rows_at_a_time)
    old, some, shares = table(6, 8), contexts(50, 8, 3), torch.tensor([0.1, 0.2, 0.3, 0.3, 0.001, 0.04])
    bias = torch.zeros(8).double()
    bias[-1] = 0.5
    moved = rows.calibrate(old, [4, 2, 5], some, shares, bias)
    probability = torch.exp(some.hidden_ND @ moved[[4, 2, 5]].T - some.log_partition_N[:, None])
    wanted = shares[[4, 2, 5]] * math.exp(-rows.CAUTION)
    assert torch.allclose(some.weights_N @ probability, wanted, rtol=1e-4)
    assert torch.equal(moved[[0, 1, 3]], old[[0, 1, 3]])
    assert torch.equal(moved[:, :-1], old[:, :-1]), "a row only moves along the bias direction"


def test_a_shrunk_mean_is_part_of_the_mean() -> None:
    assert torch.allclose(rows.shrunk_mean(table(3, 5)), rows.SHRINK * table(3, 5).mean(0))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and a base model with a tokenizer of its own."""
    folder = tmp_path_factory.mktemp("transfer")
    recipe = load_recipe(write_road(folder / "in"))
    build_corpus(recipe.corpus, "az", folder / "corpus", silent())
    words = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None)).words
    build(None, "replace", words, [], Size(vocab_size=400, min_pair_count=1), folder / "tokenizer")
    (folder / "base").mkdir()
    save(from_shape(SHAPE, 400, seed=3), folder / "base")
    copy_companions(folder / "tokenizer", folder / "base")
    return folder


def test_every_language_has_the_same_weight_in_the_contexts(place: Path) -> None:
    base = place / "base"
    found = sample_contexts(load(base), load_tokenizer(base), place / "corpus", 10**6, Context())
    assert torch.allclose(found.weights_N.sum(), torch.tensor(1.0))
    values, numbers = found.weights_N.unique(return_counts=True)
    assert torch.allclose(values * numbers, torch.full((len(values),), 1 / 2)), "az and en"
    assert len(found.hidden_ND) == len(found.log_partition_N) == len(found.weights_N)


def moved_model(place: Path, out: Path, mode: str, size: Size, method: str = "calibrated",
    device: str = "cpu", special: dict[str, int] | None = None):  # type: ignore[no-untyped-def]  # fmt: skip
    cut = pre_tokenizer_of(place / "base")
    target, kept = (count_words(make_texts(language, 60, 1), cut).words for language in ("az", "en"))
    surgery = build(place / "base", mode, target, [Kept("en", kept, 40)], size, out / "tokenizer")  # type: ignore[arg-type]
    encode(place / "corpus", out / "tokenizer", out / "encode")
    model = load(place / "base", device=device)
    for config in (model.config, model.generation_config):
        for name, value in (special or {}).items():
            setattr(config, name, value)
    shards = TokenShards(out / "encode")
    arguments = {"method": method, "sample_tokens": 2000, "seed": 1, "context": Context(device=device)}
    metrics, _ = move(model, place / "base", place / "corpus", out / "tokenizer", shards, **arguments)  # type: ignore[arg-type]
    return model, surgery, metrics


def test_keeping_the_vocabulary_keeps_the_model_bit_for_bit(place: Path, tmp_path: Path) -> None:
    model, _, metrics = moved_model(place, tmp_path, "keep", Size())
    before = load(place / "base").state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert metrics["new_rows"] == 0


@pytest.mark.parametrize("method", ["calibrated", "mean", "random"])
def test_in_place_only_the_new_rows_change(place: Path, tmp_path: Path, method: str) -> None:
    model, surgery, metrics = moved_model(place, tmp_path, "inplace", Size(new_tokens=40, target_min_count=400), method)
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


class Elsewhere(torch.Tensor):
    """A tensor that stands on another device: only `cpu`, `copy_` and what reads no values work beside CPU tensors."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        if func not in (torch.Tensor.copy_, torch.Tensor.data_ptr, torch.Tensor.shape.__get__):
            raise RuntimeError("Expected all tensors to be on the same device")
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.parametrize("method", ["calibrated", "mean", "random"])
def test_rows_are_made_on_the_cpu_wherever_the_model_is(
    place: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Size(new_tokens=40, target_min_count=400)
    here, _, _ = moved_model(place, tmp_path / "a", "inplace", size, method)
    tables = moving._tables
    monkeypatch.setattr(moving, "_tables", lambda model: tuple(t.as_subclass(Elsewhere) for t in tables(model)))
    there, _, _ = moved_model(place, tmp_path / "b", "inplace", size, method)
    assert all(torch.equal(x, there.state_dict()[name]) for name, x in here.state_dict().items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mode", ["inplace", "extend", "replace"])
def test_a_model_on_a_gpu_moves_too(place: Path, tmp_path: Path, mode: str) -> None:
    size = Size(new_tokens=30, vocab_size=420, min_pair_count=1)
    here, _, _ = moved_model(place, tmp_path / "a", mode, size)
    there, _, _ = moved_model(place, tmp_path / "b", mode, size, device="cuda")
    for name, tensor in here.state_dict().items():
        torch.testing.assert_close(tensor, there.state_dict()[name].cpu(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [300, 420])
def test_the_ids_that_begin_end_and_pad_are_those_of_the_new_tokenizer(place: Path, tmp_path: Path, size: int) -> None:
    model, _, _ = moved_model(
        place, tmp_path, "replace", Size(vocab_size=size, min_pair_count=1), special={"pad_token_id": 398}
    )
    ids = load_tokenizer(tmp_path / "tokenizer").token_to_id
    save(model, tmp_path)
    again = load(tmp_path)
    for config in (again.config, again.generation_config):
        assert config is not None
        found = config.bos_token_id, config.eos_token_id, config.pad_token_id
        assert found == (ids(BOS), [ids(EOS), ids(END_TURN)], ids(PAD))


def test_the_licence_of_the_base_goes_with_the_model(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "base", tmp_path / "base")
    for name in ("LICENSE.txt", "NOTICE", "USE_POLICY.md"):
        (tmp_path / "base" / name).write_text(name)
    recipe = load_recipe(write_road(tmp_path / "in", base=f'path = "{tmp_path / "base"}"'))
    counts = count_words(make_texts("az", 60, 1), pre_tokenizer_of(place / "base"))
    build(place / "base", "keep", counts.words, [], Size(), tmp_path / "tokenizer")
    encode(place / "corpus", tmp_path / "tokenizer", tmp_path / "encode")
    inputs = {"corpus": place / "corpus", "tokenizer": tmp_path / "tokenizer", "encode": tmp_path / "encode"}
    transfer.run(recipe, inputs, tmp_path / "out", Context())
    delivered = export_huggingface(tmp_path / "out" / "model", tmp_path / "hf")
    assert (delivered / "LICENSE.txt").read_text() == "LICENSE.txt"
    assert {"NOTICE", "USE_POLICY.md"} <= {file.name for file in delivered.iterdir()}
