"""untrained: control tokens that the base never learned are told from those it did."""

from pathlib import Path

import pytest
import torch
from tests.transfer.test_rows import moved_model, place  # noqa: F401  (a fixture)

from anadil.model.load import copy_companions, load, save
from anadil.tokenizer.load import Vocabulary, added_token, byte_alphabet, llama3_pre_tokenizer, read_vocabulary
from anadil.tokenizer.surgery import Size
from anadil.transfer.untrained import untrained

ADDED = range(300, 310)


def vocabulary() -> Vocabulary:
    tokens = {character: byte for byte, character in enumerate(byte_alphabet())}
    tokens |= {f"a{number}": number for number in range(256, 300)}
    added = [added_token(f"<|{number}|>", number) for number in ADDED]
    return Vocabulary(tokens, [], added, llama3_pre_tokenizer(), ignore_merges=True)


def trained_table(lost: list[int], noise: float, seed: int = 0) -> torch.Tensor:
    """Rows of a trained model: each of its own, but those never seen stand together, `noise` apart."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(310, 32, generator=generator)
    never = [0xC0, 0xC1, *range(0xF5, 0x100), *lost]
    together = torch.randn(32, generator=generator) * 0.5
    rows[never] = together + noise * torch.randn(len(never), 32, generator=generator)
    return rows


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("lost", [[], [300], [302, 305, 309], list(ADDED)])
def test_exactly_the_rows_among_the_impossible_bytes_are_found(lost: list[int], noise: float) -> None:
    assert untrained(trained_table(lost, noise), vocabulary()) == lost


def test_a_base_in_which_no_row_stands_out_has_none() -> None:
    rows = torch.randn(310, 32, generator=torch.Generator().manual_seed(1))
    assert untrained(rows, vocabulary()) == []


def test_rows_that_the_table_lacks_are_not_asked_for() -> None:
    assert untrained(trained_table([302], 0.01)[:305], vocabulary()) == [302]


@pytest.mark.parametrize("mode", ["keep", "inplace", "extend", "replace"])
def test_they_are_made_like_new_ones_and_the_others_stay(place: Path, tmp_path: Path, mode: str) -> None:  # noqa: F811
    base = read_vocabulary(place / "base")
    model = load(place / "base")
    table = model.get_input_embeddings().weight.data
    table += 5 * torch.randn(table.shape, generator=torch.Generator().manual_seed(3))  # as training would
    lost = [base.added_ids["<|start_header_id|>"], base.added_ids["<|eot_id|>"]]
    never = [base.tokens[byte_alphabet()[byte]] for byte in (0xC0, 0xC1, *range(0xF5, 0x100))]
    table[[*never, *lost]] = table[0] / 3
    (tmp_path / "base").mkdir()
    save(model, tmp_path / "base")
    copy_companions(place / "tokenizer", tmp_path / "base")
    (tmp_path / "corpus").symlink_to(place / "corpus")
    size = Size(new_tokens=0 if mode == "inplace" else 30, vocab_size=420, min_pair_count=1)
    moved, surgery, metrics = moved_model(tmp_path, tmp_path / "out", mode, size)
    after = read_vocabulary(tmp_path / "out" / "tokenizer")
    rows = moved.get_input_embeddings().weight.data
    assert metrics["untrained_rows"] == 2
    assert metrics["new_rows"] == sum(len(old) > 1 for _, old in surgery.new)
    for name, identifier in base.added_ids.items():
        same = torch.equal(rows[after.added_ids[name]], table[identifier])
        assert same == (identifier not in lost), name
    assert torch.isfinite(rows).all()
