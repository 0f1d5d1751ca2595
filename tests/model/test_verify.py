"""Every check passes on a moved model, and exactly one fails for each fault."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.roads import make_texts

from anadil.errors import UserError
from anadil.model import load
from anadil.model.verify import verify_model
from anadil.recipe import Shape
from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import load_tokenizer, read_vocabulary, write_folder
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of, read_surgery
from anadil.tokenizer.template import Template
from anadil.transfer.rows import moved, norm_matched_mean

NAMES = ["rows", "tied tables", "finite weights", "special ids", "distinct rows", "forward pass"]
IN, OUT = "model.embed_tokens.weight", "lm_head.weight"
SHAPE = Shape(hidden_size=32, layers=2, heads=2, kv_heads=1, ffn_size=64, max_position=256)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Of 400 tokens and 8 rows more, as bases are that round their rows up."""
    folder = tmp_path_factory.mktemp("base")
    words = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None)).words
    size = build(None, "replace", words, [], Size(vocab_size=400, min_pair_count=1), folder).vocab_size
    load.save(load.from_shape(SHAPE, size + 8, seed=0), folder)
    return folder


@pytest.fixture(scope="module", params=["tied", "untied"])
def either(request, base, tmp_path_factory) -> Path:
    """The base moved in place, with 40 new tokens; tied, or with an output table of its own."""
    return _moved(base, tmp_path_factory.mktemp("moved"), tied=request.param == "tied")


@pytest.fixture(scope="module")
def model(base, tmp_path_factory) -> Path:
    return _moved(base, tmp_path_factory.mktemp("moved"), tied=True)


def _moved(base: Path, out: Path, *, tied: bool) -> Path:
    english, target = (count_words(make_texts(code, 60, 1), pre_tokenizer_of(base)).words for code in ("en", "az"))
    build(base, "inplace", target, [Kept("en", english, 40)], Size(new_tokens=40, target_min_count=400), out)
    pieces = dict(read_surgery(out)["new"])
    made = load.from_shape(SHAPE, 408, seed=0, tied=tied)
    with torch.no_grad():
        for table in (made.get_input_embeddings(), made.get_output_embeddings()):
            if tied is False or table is made.get_input_embeddings():
                table.weight.copy_(moved(table.weight.detach().clone(), 408, pieces, norm_matched_mean))
    load.set_special_ids(made, Template(load_tokenizer(out)))
    load.save(made, out)
    return out


def test_a_moved_model_is_in_order(either):
    checks = verify_model(either)
    assert [(check.name, check.result) for check in checks] == [(name, "pass") for name in NAMES], checks


def test_the_base_itself_is_in_order_but_for_its_special_ids(base):
    failed = {check.name: check.detail for check in verify_model(base) if not check.passed}
    assert list(failed) == ["special ids"]
    assert "bos_token_id is None" in failed["special ids"]


def test_weights_in_sixteen_bits_and_in_parts(model, tmp_path):
    shutil.copytree(model, tmp_path / "half")
    made = load.load(model)
    (tmp_path / "half" / "model.safetensors").unlink()
    made.to(torch.bfloat16).save_pretrained(tmp_path / "half", max_shard_size="40KB")
    assert len(list((tmp_path / "half").glob("*.safetensors"))) > 1
    checks = verify_model(tmp_path / "half")
    assert [check.name for check in checks if check.result != "pass"] == []
    assert checks[2].detail.startswith(f"{made.num_parameters():,} values")


Damage = Callable[[Path], object]


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def _config(name: str = "config.json", **values: Any) -> Damage:
    def damage(folder: Path) -> None:
        data = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(data))

    return damage


def _more_tokens(folder: Path) -> None:
    vocabulary = read_vocabulary(folder)
    longer = {"longer" * (place + 1): vocabulary.size + place for place in range(9)}
    write_folder(replace(vocabulary, tokens={**vocabulary.tokens, **longer}), folder)


def _one_row_for_two(folder: Path) -> None:
    one, two = (identifier for identifier, olds in read_surgery(folder)["new"][:2])
    _weights(lambda tensors: tensors[IN][one].copy_(tensors[IN][two]))(folder)


def _says_what_is_no_token(folder: Path) -> None:
    """The last row, of no token, becomes what every text ends in."""
    body, _ = load.hidden_and_head(load.load(folder))
    ids = load_tokenizer(folder).encode("Salam!").ids
    with torch.no_grad():
        hidden_D = body(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0, -1]
    _weights(lambda tensors: tensors[IN][-1].copy_(100 * hidden_D))(folder)


FAULTS: list[tuple[str, str, str, Damage]] = [
    ("more tokens than rows", "rows", "408 rows, the tokenizer 409", _more_tokens),
    ("fewer rows than config.json says", "rows", "vocab_size 407", _config(vocab_size=407)),
    ("no input table", "rows", IN, _weights(lambda tensors: tensors.pop(IN))),
    ("an output table beside the tied one", "tied tables", OUT,
     _weights(lambda tensors: tensors.update({OUT: tensors[IN] + 1}))),
    ("untied without an output table", "tied tables", OUT, _config(tie_word_embeddings=False)),
    ("not a number in one row", "finite weights", "first at [7, 0]",
     _weights(lambda tensors: tensors[IN][7].fill_(torch.nan))),
    ("infinite in a norm", "finite weights", "model.norm.weight",
     _weights(lambda tensors: tensors["model.norm.weight"][3:4].fill_(torch.inf))),
    ("another end", "special ids", "eos_token_id is [7]", _config(eos_token_id=[7])),
    ("no begin", "special ids", "bos_token_id is None", _config(bos_token_id=None)),
    ("another end when generating", "special ids", "generation_config.json: eos_token_id is 7",
     _config("generation_config.json", eos_token_id=7)),
    ("padding with text", "special ids", "pad_token_id is 7", _config(pad_token_id=7)),
    ("a row never filled", "distinct rows", "first of id 9", _weights(lambda tensors: tensors[IN][9].zero_())),
    ("one row for two new tokens", "distinct rows", "made of other pieces", _one_row_for_two),
    ("logits too large", "forward pass", "not finite",
     _weights(lambda tensors: tensors["model.norm.weight"].fill_(3e38))),
    ("says what is no token", "forward pass", "407", _says_what_is_no_token),
    ("a tensor lost", "forward pass", "lack 1 tensors",
     _weights(lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "name", "said", "damage"), FAULTS, ids=[fault for fault, *_ in FAULTS])
def test_a_fault_fails_the_check_that_is_for_it_and_no_other(model, tmp_path, fault, name, said, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(model, folder)
    damage(folder)
    checks = verify_model(folder)
    assert [check.name for check in checks] == NAMES
    failed = {check.name: check.detail for check in checks if not check.passed}
    assert list(failed) == [name], fault
    assert said in failed[name]


def test_a_tied_output_table_may_be_written_out(model, tmp_path):
    shutil.copytree(model, tmp_path / "whole")
    _weights(lambda tensors: tensors.update({OUT: tensors[IN].clone()}))(tmp_path / "whole")
    assert all(check.passed for check in verify_model(tmp_path / "whole"))


def test_what_was_tied_stays_tied(base, tmp_path):
    untied = _moved(base, tmp_path, tied=False)
    failed = {check.name: check.detail for check in verify_model(untied, base) if not check.passed}
    assert failed == {"tied tables": "config.json says untied, the base's tied"}


def test_equal_rows_of_equal_pieces_are_explained(model, tmp_path):
    """A mean knows neither order nor a common factor; a row of one piece twice is that piece's."""
    folder = tmp_path / "equal"
    shutil.copytree(model, folder)
    record = read_surgery(folder)
    (one, _), (two, _), (three, _), *rest = record["new"]
    kept = min(set(range(record["source_tokens"])) - {identifier for identifier, _ in record["new"]})
    record["new"] = [(one, [5, 6]), (two, [6, 5, 5, 6]), (three, [kept, kept]), *rest]
    (folder / "surgery.json").write_text(json.dumps(record))
    _weights(lambda tensors: tensors[IN][one].copy_(tensors[IN][two]))(folder)
    _weights(lambda tensors: tensors[IN][three].copy_(tensors[IN][kept]))(folder)
    assert all(check.passed for check in verify_model(folder))
    _weights(lambda tensors: tensors[IN][three].copy_(tensors[IN][two]))(folder)
    assert [check.name for check in verify_model(folder) if not check.passed] == ["distinct rows"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "none-such"}'), "config.json"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "t5"}'), "no causal language model"),
        (lambda folder: (folder / "generation_config.json").write_text("["), "generation_config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x10"), "model.safetensors"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
    ],
)
def test_what_cannot_be_read_is_the_users(model, tmp_path, break_it, said):
    folder = tmp_path / "damaged"
    shutil.copytree(model, folder)
    break_it(folder)
    with pytest.raises(UserError, match=said):
        verify_model(folder)
