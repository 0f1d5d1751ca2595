"""`anadil tokenizer verify`: what it prints, and the exit code for each way it can end."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anadil import cli
from anadil.errors import GATE_FAILED
from anadil.model.load import copy_companions, from_shape, save, set_special_ids
from anadil.recipe import Shape
from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of
from anadil.tokenizer.template import Template
from tests.roads import make_texts

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the command in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["anadil", "tokenizer", "verify", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A base's tokenizer, one made from it in place, and a model with that one."""
    base, made, model = (tmp_path_factory.mktemp(name) for name in ("base", "made", "model"))
    english = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None)).words
    build(None, "replace", english, [], Size(vocab_size=400, min_pair_count=1), base)
    target = count_words(make_texts("az", 60, 1), pre_tokenizer_of(base)).words
    build(base, "inplace", target, [Kept("en", english, 40)], Size(new_tokens=40, target_min_count=400), made)
    small = from_shape(Shape(hidden_size=32, layers=1, heads=2, kv_heads=1, ffn_size=64, max_position=64), 400, seed=0)
    set_special_ids(small, Template(load_tokenizer(made)))
    save(small, model)
    copy_companions(made, model)
    return base, made, model


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Held-out text of one source; the other has none."""
    folder = tmp_path / "corpus"
    (folder / "text" / "one").mkdir(parents=True)
    table = pa.table({"text": ["\n".join(make_texts("az", 9, 5)), "İşıq e\u0301\n"]})
    pq.write_table(table, folder / "text" / "one" / "heldout.parquet")
    (folder / "sources.json").write_text(json.dumps({"sources": [{"name": "one"}, {"name": "two"}]}))
    return folder


def test_a_line_for_each_check(verify: Verify, folders: tuple[Path, Path, Path], corpus: Path) -> None:
    base, made, _ = folders
    code, out, err = verify(made, "--base", base, "--corpus", corpus, "--strings", 50)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 14
    assert all(line.startswith(("pass  ", "not checked  ")) for line in lines[:-1])
    assert "round trip             all of 50 strings come back" in out
    assert "kept tokens            360 ids" in out
    assert lines[-1] == f"{made} is as it should be"


def test_the_model_is_checked_where_there_is_one(verify: Verify, folders: tuple[Path, Path, Path]) -> None:
    code, out, _ = verify(folders[2], "--strings", 5, "--json")
    found = json.loads(out)
    assert (code, found["passed"]) == (0, True)
    assert found["folder"] == str(folders[2])
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["forward pass"]["result"] == by_name["round trip"]["result"] == "pass"
    assert by_name["kept tokens"]["result"] == "not checked"


def test_a_failed_check_exits_as_a_failed_gate(
    verify: Verify, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders[2], tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"eos_token_id": 3}))
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages[0].content }}")
    code, out, err = verify(tmp_path / "model", "--strings", 5)
    assert (code, err) == (GATE_FAILED, "")
    failed = [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("FAIL")]
    assert [line[:13].strip() for line in failed] == ["chat template", "special ids"]
    assert "2 of 19 checks failed" in out
    code, out, _ = verify(tmp_path / "model", "--strings", 5, "--json")
    assert (code, json.loads(out)["passed"]) == (GATE_FAILED, False)


def test_a_tokenizer_that_does_not_load_ends_it(
    verify: Verify, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders[2], tmp_path / "model")
    data = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    data["model"]["merges"].append(["no", "such"])
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(data))
    code, out, _ = verify(tmp_path / "model")
    assert code == GATE_FAILED
    assert "1 of 1 checks failed" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "there is no folder none"),
        (["."], "there is no tokenizer.json in"),
        (["{made}", "--base", "none/such/base"], "none/such/base"),
        (["{made}", "--base", "."], "there is no tokenizer.json in"),
        (["{made}", "--corpus", "."], "is no corpus"),
        (["{made}", "--strings", "-1"], "--strings"),
        ([], "FOLDER"),
    ],
)
def test_bad_input(
    verify: Verify,
    folders: tuple[Path, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = verify(*(argument.format(made=folders[1]) for argument in arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_held_out_text_that_cannot_be_read(verify: Verify, folders: tuple[Path, Path, Path], corpus: Path) -> None:
    (corpus / "text" / "one" / "heldout.parquet").write_bytes(b"PAR1")
    code, _, err = verify(folders[1], "--corpus", corpus)
    assert code == 2
    assert "held-out text of 'one'" in err
