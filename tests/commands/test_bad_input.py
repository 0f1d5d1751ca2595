"""Bad input: exit code 2, a message with value and fix, and everything as it was."""

import errno
import fcntl
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from anadil import cli
from anadil.commands.init import init
from anadil.languages import load_profile
from anadil.recipe import load
from anadil.tokenizer.count import count_words
from anadil.tokenizer.surgery import Size, build, pre_tokenizer_of
from tests.corpus.documents import pdf
from tests.roads import FROM_NOTHING, IN_PLACE, SHAPE, make_texts, write_road, write_texts

TURKISH = json.dumps(
    {
        "question": "Aşağıdaki cümlelerden hangisi geçen yıl yayımlanan kitapların neden basıldığını açıklıyor?",
        "choices": ["Okuyucular daha fazlasını istediği için", "Matbaanın elinde boş kağıt kaldığı için"],
        "answer": 0,
    }
)
LIGHT = ["corpus", "tokenizer", "encode"]


def anadil(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "anadil.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def files(folder: Path) -> dict[str, bytes]:
    """Everything but logs of attempts (which stage was begun, how often)."""
    ignored = {".lock", "started.json", ".hashes.json", "run.json"}
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in ignored}


def replace_in(recipe: Path, old: str, new: str) -> None:
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))


def make_base(folder: Path, vocab_size: int = 400) -> Path:
    """A base folder as far as the torch-free stages look: tokenizer, config, the embedding."""
    folder.mkdir()
    words = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None)).words
    surgery = build(None, "replace", words, [], Size(vocab_size=vocab_size, min_pair_count=1), folder)
    (folder / "config.json").write_text(json.dumps({"vocab_size": surgery.vocab_size}))
    write_table(folder, np.zeros((surgery.vocab_size, 4), np.float32))
    return folder


def write_table(folder: Path, table_VD: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
    save_file({"model.embed_tokens.weight": table_VD}, folder / "model.safetensors")


@dataclass(frozen=True)
class Case:
    """What is broken, and what the message must name."""

    name: str
    break_it: Callable[[Path], None]
    names: tuple[str, ...]
    settings: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def _source_of(name: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    """The first source is a file of this name."""

    def break_it(recipe: Path) -> None:
        replace_in(recipe, "az.jsonl", name)
        write(recipe.parent / name)

    return break_it


LOCKED = pdf("a", locked=True)


def _append(name: str, data: bytes) -> Callable[[Path], None]:
    def broken(recipe: Path) -> None:
        path = recipe.parent / name
        path.write_bytes(path.read_bytes() + data)

    return broken


def _base_without(pattern: str) -> Callable[[Path], None]:
    def broken(recipe: Path) -> None:
        next(make_base(recipe.parent / "base").glob(pattern)).unlink()
        replace_in(recipe, SHAPE, 'path = "base"')

    return broken


def _rows_too_few(recipe: Path) -> None:
    (make_base(recipe.parent / "base") / "config.json").write_text('{"vocab_size": 399}')
    replace_in(recipe, SHAPE, 'path = "base"')
    replace_in(recipe, FROM_NOTHING, IN_PLACE)


def _base_with_table(rows: int, value: float = 0.0) -> Callable[[Path], None]:
    def broken(recipe: Path) -> None:
        table_VD = np.zeros((rows, 4), np.float32)
        table_VD[7, 2] = value
        write_table(make_base(recipe.parent / "base"), table_VD)
        replace_in(recipe, SHAPE, 'path = "base"')
        replace_in(recipe, FROM_NOTHING, IN_PLACE)

    return broken


def _on_base(recipe: Path) -> None:
    make_base(recipe.parent / "base")
    replace_in(recipe, SHAPE, 'path = "base"')


def _unigram_base(recipe: Path) -> None:
    _on_base(recipe)
    replace_in(recipe, FROM_NOTHING, IN_PLACE)
    (recipe.parent / "base" / "tokenizer.json").write_text('{"model": {"type": "Unigram", "vocab": []}}')


def _no_text_left(recipe: Path) -> None:
    write_texts(recipe.parent / "az.jsonl", ["Это не тот алфавит, совсем не тот."] * 3 + ["Bir."])
    write_texts(recipe.parent / "dirty.jsonl", [""])


def _nothing(recipe: Path) -> None:
    del recipe


CASES = [
    Case("missing file", lambda r: (r.parent / "az.jsonl").unlink(), ("az.jsonl", "'az'", "relative to the recipe")),
    Case(
        "empty corpus",
        lambda r: [(r.parent / n).write_bytes(b"") for n in ("az.jsonl", "dirty.jsonl")] and None,
        ("no documents at all", "of 0 documents"),
    ),
    Case("no text left", _no_text_left, ("wrong_script 3", "too_short 1", "empty 1", "corpus.min_words")),
    Case(
        "invalid utf-8",
        _append("az.jsonl", b'{"text": "bir \xff"}\n'),
        ("az.jsonl", "byte ", "0xff", 'on_error = "skip"'),
    ),
    Case(
        "broken json", _append("en.jsonl", b'{"text": "one\n'), ("en.jsonl", "line 61", "not JSON", 'on_error = "skip"')
    ),
    Case("truncated gzip", lambda r: _truncated(r), ("az.jsonl.gz", "damaged or cut short")),
    Case(
        "parquet without the column",
        _source_of("az.parquet", lambda p: pq.write_table(pa.table({"body": ["bir"]}), p)),
        ("az.parquet", "no column 'text'", "it has: body", "text_field"),
    ),
    Case(
        "nested json",
        _append("az.jsonl", b'{"text": {"body": "bir"}}\n'),
        ("az.jsonl", "line 61", "no text in field 'text'", "set text_field"),
    ),
    Case(
        "encrypted pdf",
        _source_of("az.pdf", lambda p: p.write_bytes(LOCKED)),
        ("is encrypted", "password"),
    ),
    Case(
        "damaged parquet",
        _source_of("az.parquet", lambda p: p.write_bytes(b"PAR1 and no more")),
        ("az.parquet", "not a parquet file", "fetch it again"),
    ),
    Case("two sources of one name", lambda r: replace_in(r, 'name = "en"', 'name = "az"'), ("'az'", "its own name")),
    Case("no licence", _nothing, ("'az' has no licence", "as its owner does"), ("corpus.require_licence=true",)),
    Case(
        "a source that changed",
        lambda r: replace_in(r, 'path = "az.jsonl"', f'path = "az.jsonl"\nsha256 = "{"0" * 64}"'),
        ("source 'az'", "have the sha256", "0000", "put the new hash"),
    ),
    Case("a source without path", lambda r: replace_in(r, 'path = "az.jsonl"', ""), ("'az'", "either path or url")),
    Case(
        "a bucket that is not there",
        lambda r: replace_in(r, 'path = "az.jsonl"', 'url = "memory://no/such"'),
        ("cannot read memory://no/such", "check the address"),
    ),
    Case(
        "an evaluation set that is not there",
        lambda r: r.write_text(r.read_text() + '\n[[corpus.contamination]]\nname = "exam"\npath = "exam.jsonl"\n'),
        ("exam.jsonl", "corpus.contamination.path"),
    ),
    Case(
        "disk full in the corpus",
        _nothing,
        ("No space left", "free some space"),
        (),
        {"ANADIL_FAILPOINT": "chunk.write:enospc"},
    ),
    Case(
        "unknown key",
        lambda r: replace_in(r, "heldout_share", "heldout_shere"),
        ("corpus.heldout_shere", "'heldout_share'"),
    ),
    Case("wrong type", lambda r: replace_in(r, "steps = 6", 'steps = "six"'), ("pretrain.steps", "'six'", "integer")),
    Case(
        "wrong range",
        lambda r: replace_in(r, "heldout_share = 0.2", "heldout_share = 2"),
        ("heldout_share", "2", "less than 1"),
    ),
    Case("base folder missing", lambda r: replace_in(r, SHAPE, 'path = "nowhere"'), ("nowhere", "hub id")),
    Case("base without config", _base_without("config.json"), ("base", "no config.json", "whole Hugging Face model")),
    Case(
        "base without weights", _base_without("model.safetensors"), ("base", "no weights", "whole Hugging Face model")
    ),
    Case("base without tokenizer", _base_without("tokenizer.json"), ("base", "no tokenizer.json")),
    Case("tokenizer and weights do not fit", _rows_too_few, ("400 tokens", "399 rows", "model's own")),
    Case(
        "NaN does not fit a base",
        _base_with_table(400, np.nan),
        ("embed_tokens", "row 7", "not finite", "fetch the base again"),
    ),
    Case(
        "tokenizer and table do not fit",
        _base_with_table(399),
        ("embed_tokens", "399 rows", "400 tokens", "model's own"),
    ),
    Case(
        "disk full",
        _nothing,
        ("No space left", "free some space"),
        environment={"ANADIL_FAILPOINT": "corpus.write:enospc@2"},
    ),
    Case("disk broken", _nothing, ("Input/output error",), environment={"ANADIL_FAILPOINT": "tokenizer.fsync:eio"}),
    Case(
        "too large a vocabulary",
        _nothing,
        ("tokenizer.vocab_size = 90000", "or less"),
        settings=("tokenizer.vocab_size=90000",),
    ),
    Case(
        "unset variable", lambda r: replace_in(r, '"az.jsonl"', '"${NO_SUCH}/az.jsonl"'), ("NO_SUCH", "export NO_SUCH=")
    ),
    Case(
        "unknown language",
        lambda r: r.write_text(r.read_text().replace('"az"\n', '"xx"\n')),
        ("'xx'", "known languages: az"),
    ),
    Case("sft data missing", lambda r: (r.parent / "dialogues.jsonl").unlink(), ("sft.data", "dialogues.jsonl")),
    Case(
        "sft a dialogue without an answer",
        _append("dialogues.jsonl", b'{"messages": [{"role": "user", "content": "x"}]}\n'),
        ("dialogues.jsonl, line 9", "no message of the assistant", 'sft.on_error = "skip"'),
    ),
    Case(
        "sft roles out of order",
        _append("dialogues.jsonl", b'{"messages": [{"role": "assistant", "content": "x"}]}\n'),
        ("dialogues.jsonl, line 9", "message 1 is of assistant", "user and assistant in turns"),
    ),
    Case(
        "sft a template that does not parse",
        lambda r: (r.parent / "mine.jinja").write_text("{{ bos_token }}\n{% for x in messages %}\n{{ x |}}\n"),
        ("chat template, line 3", "llama3"),
        ("sft.template=mine.jinja",),
    ),
    Case("sft no such template", _nothing, ("none.jinja", "sft.template"), ("sft.template=none.jinja",)),
    Case(
        "sft a base without a chat template",
        lambda r: (_on_base(r), (r.parent / "base/chat_template.jinja").unlink()),
        ('sft.template = "base"', "has no chat template", '"llama3"'),
        ("sft.template=base",),
    ),
    Case(
        "sft a table of one column",
        lambda r: (r.parent / "tariffs.csv").write_text("tarif\nUlduz\n"),
        ("tariffs.csv, row 1", "a name and a value"),
        ("sft.grounded.tables=['tariffs.csv']",),
    ),
    Case("sft two ways at once", _nothing, ('method = "full"', "dora"), ("sft.method=full", "sft.dora=true")),
    Case(
        "evaluate a question without an answer",
        _append("questions.jsonl", b'{"id": "9", "question": "N\xc9\x99 vaxt?"}\n'),
        ("questions.jsonl, line 5", "reference"),
    ),
    Case(
        "evaluate a task of another language",
        lambda r: _task(r, TURKISH),
        ("exam.jsonl", "look like tr", "not az", 'language = "tr"'),
    ),
    Case(
        "evaluate a task without answers",
        lambda r: _task(r, '{"question": "Bir?", "choices": ["a", "b"]}'),
        ("exam.jsonl, line 1", "answer"),
    ),
    Case(
        "evaluate questions to a model without a template",
        _nothing,
        ("evaluate.questions", "no chat template", "add the stage sft"),
        (f"stages={[*LIGHT, 'transfer', 'export', 'evaluate']}",),
    ),
    Case(
        "evaluate a gate of two bounds",
        _nothing,
        ("gates", "one of"),
        ("gates=[{metric='answers_token_f1', max=1.0, min=0.0}]",),
    ),
    Case(
        "evaluate a canary without a secret",
        lambda r: (r.parent / "canaries.jsonl").write_text('{"id": "1", "prefix": "Kod:"}\n'),
        ("canaries.jsonl, line 1", "secret"),
        ("evaluate.safety.canaries=canaries.jsonl",),
    ),
    Case("evaluate no such word list", _nothing, ("word_list", "none.txt"), ("evaluate.produced.word_list=none.txt",)),
    Case(
        "half a surrogate pair",
        _append("az.jsonl", b'{"text": "bir \\ud83d"}\n'),
        ("az.jsonl", "line 61", "surrogate", 'on_error = "skip"'),
    ),
    Case(
        "keep without text",
        _nothing,
        ("'tr'", "`keep`", "its sources are in: az, en"),
        ("tokenizer.keep=['en', 'tr']",),
    ),
    Case(
        "a kept sample is missing",
        _nothing,
        ("tokenizer.keep", "ru.txt", "relative to the recipe"),
        ("tokenizer.keep=['en', 'ru.txt']",),
    ),
    Case(
        "no such script",
        _nothing,
        ("'cyrilic'", "did you mean cyrillic"),
        ("tokenizer.keep=['script:cyrilic']",),
    ),
    Case(
        "text does not fit the language",
        lambda r: [write_texts(r.parent / n, make_texts("en", 60, 7)) for n in ("az.jsonl", "dirty.jsonl")] and None,
        ("'az'", "beyond ASCII", "name the language"),
    ),
    Case("a base of a kind that does not fit", lambda r: _unigram_base(r), ("base", "Unigram", "replace")),
    Case(
        "too little text for the tokens asked",
        lambda r: _on_base(r),
        ("tokenizer.new_tokens = 90000", "merges have a count below min_pair_count", "or less"),
        ("tokenizer.mode=extend", "tokenizer.new_tokens=90000"),
    ),
    Case(
        "more than can be freed",
        lambda r: _on_base(r),
        ("tokenizer.new_tokens = 5000", "can be freed", "or less"),
        ("tokenizer.mode=inplace", "tokenizer.new_tokens=5000"),
    ),
    Case("a stage is missing", _nothing, ("encode needs tokenizer",), ("stages=['corpus', 'encode']",)),
    Case("nothing to begin with", _nothing, ("sft needs pretrain or transfer",), ("stages=['sft']",)),
    Case("not toml", lambda r: r.write_text("name = yes"), ("recipe.toml", "TOML")),
]


def _source_of(name: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    """The first source is a file of this name."""

    def break_it(recipe: Path) -> None:
        replace_in(recipe, "az.jsonl", name)
        write(recipe.parent / name)

    return break_it


def _task(recipe: Path, row: str) -> None:
    (recipe.parent / "exam.jsonl").write_text(row + "\n")
    task = 'name = "exam"\npath = "exam.jsonl"\nprompt = "{{question}}"\nchoices = "choices"\n'
    recipe.write_text(recipe.read_text() + f"\n[[evaluate.tasks]]\n{task}")


def _truncated(recipe: Path) -> None:
    data = gzip.compress((recipe.parent / "az.jsonl").read_bytes())
    (recipe.parent / "az.jsonl.gz").write_bytes(data[: len(data) // 2])
    replace_in(recipe, '"az.jsonl"', '"az.jsonl.gz"')


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(tmp_path: Path, case: Case) -> None:
    chat = [*LIGHT, "transfer", "sft"]
    stages = {"sft": chat, "evaluate": [*chat, "export", "evaluate"]}.get(case.name.split()[0], LIGHT)
    recipe = write_road(tmp_path / "in", stages=stages)
    case.break_it(recipe)
    before = files(tmp_path / "in")
    settings = [argument for setting in case.settings for argument in ("--set", setting)]
    done = anadil("run", str(recipe), *settings, cwd=tmp_path, **case.environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for name in case.names:
        assert name in done.stderr
    assert files(tmp_path / "in") == before
    some = case.environment or case.settings or "fit" in case.name  # corpus is done by then, and stays
    assert some or not list(tmp_path.glob("runs/*/*/manifest.json"))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_what_was_done_survives_bad_input(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in", stages=LIGHT)
    assert anadil("run", str(recipe), cwd=tmp_path).returncode == 0
    before = files(tmp_path)
    for settings, names in [
        (["--set", "name=other", "--run-folder", "runs/small"], ["'small'", "'other'", "a folder of its own"]),
        (["--set", "corpus.min_words=9"], ["corpus.min_words: None -> 9", "--rerun"]),
    ]:
        done = anadil("run", str(recipe), *settings, cwd=tmp_path)
        assert done.returncode == 2
        for name in names:
            assert name in done.stderr
        assert files(tmp_path) == before
    with held(tmp_path / "runs" / "small"):
        done = anadil("run", str(recipe), cwd=tmp_path)
    assert done.returncode == 2
    assert "is running in" in done.stderr
    assert files(tmp_path) == before
    done = anadil("run", str(recipe), cwd=tmp_path)
    assert done.returncode == 0
    assert "nothing to run" in done.stdout


def test_skipped_lines_are_counted(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in", stages=["corpus"])
    _append("az.jsonl", b'{"text": \n{"text": "\xff"}\n')(recipe)
    assert anadil("run", str(recipe), "--set", "corpus.on_error=skip", cwd=tmp_path).returncode == 0
    shown = json.loads(anadil("show", "small", "--json", cwd=tmp_path).stdout)
    assert shown["metrics"]["corpus"]["unreadable_lines"] == 2
    arguments = ["--in", str(recipe.parent / "az.jsonl"), "--on-error", "skip", "--out", "clean"]
    assert "skipped: 2 lines" in anadil("corpus", "run", *arguments, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["run"], ["RECIPE"]),
        (["run", "none.toml"], ["none.toml", "quickstart"]),
        (["show", "nothing"], ["no run at nothing", "runs here: none"]),
        (["chat", "nothing"], ["no run at nothing"]),
        (["jump"], ["jump"]),
        (["corpus", "run", "--in", "none", "--out", "x"], ["none"]),
        (["run", "none.toml", "--set", "x"], ["none.toml"]),
        (["corpus", "run", "--in", "x", "--out", "y", "--heldout-share", "1"], ["--heldout-share", "0<=x<1"]),
        (["tokenizer", "build", "--base", ".", "--corpus", ".", "--out", "x", "--new-tokens", "-5"], ["--new-tokens"]),
        (["tokenizer", "build", "--base", ".", "--corpus", ".", "--out", "x", "--vocab-size", "100"], ["--vocab-size"]),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], names: list[str]) -> None:
    done = anadil(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for name in names:
        assert name in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in", stages=["corpus"])
    (tmp_path / "file").write_text("mine")
    for arguments in (
        ["run", str(recipe), "--run-folder", "file"],
        ["corpus", "run", "--in", "in/az.jsonl", "--out", "file"],
        ["tokenizer", "build", "--base", str(make_base(tmp_path / "base")), "--corpus", "in", "--out", "x"],
    ):
        done = anadil(*arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert ("no corpus" if "--corpus" in arguments else "error: file") in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_what_the_system_refuses_is_no_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: OSError) -> None:
        def refuse(**settings: object) -> None:
            raise error

        monkeypatch.setattr("anadil.cli.base.root.main", refuse)
        cli.main()

    with pytest.raises(SystemExit) as caught:
        fail(PermissionError(errno.EACCES, "Permission denied", "recipe.toml"))
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: recipe.toml: Permission denied\n  check the permissions\n"
    for bug in (PermissionError(errno.EACCES, "Permission denied"), OSError(errno.ENOENT, "none", "x")):
        with pytest.raises(OSError, match=bug.strerror):
            fail(bug)


def test_the_report_is_that_of_the_last_run(tmp_path: Path) -> None:
    recipe, report = write_road(tmp_path / "in", stages=["corpus"]), tmp_path / "runs" / "small" / "report.html"
    killed = anadil("run", str(recipe), cwd=tmp_path, ANADIL_FAILPOINT="report.write:kill")
    assert killed.returncode == -9
    assert not report.exists()
    assert "nothing to run" in anadil("run", str(recipe), cwd=tmp_path).stdout
    first = (report.read_bytes(), report.stat().st_mtime_ns)
    assert anadil("run", str(recipe), cwd=tmp_path).returncode == 0
    assert (report.read_bytes(), report.stat().st_mtime_ns) == first
    os.utime(report, ns=(0, 0))
    report.write_text("old")
    os.utime(report, ns=(0, 0))  # of before the stages' last run
    assert anadil("run", str(recipe), cwd=tmp_path).returncode == 0
    assert report.read_bytes() == first[0]


@pytest.mark.parametrize(
    ("title", "name"),
    [("söhbət", "sohbet"), ("İşıq", "isiq"), ("Café 2.0", "cafe-2.0"), ("чат", "my-bot"), ("_x", "x"), ("٣", "my-bot")],
)
def test_a_name_that_the_recipe_takes(tmp_path: Path, title: str, name: str) -> None:
    assert load(init(tmp_path / title)).name == name


def test_help_opens_with_examples_and_is_quick(tmp_path: Path) -> None:
    done = anadil("--help", cwd=tmp_path)
    assert done.stdout.startswith("Examples:")
    code = "import sys; import anadil.cli; print([m for m in sys.modules if m.split('.')[0] in "
    code += "('torch', 'transformers', 'pydantic', 'pyarrow', 'numpy', 'rich')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert loaded.strip() == "[]", "what makes a start slow"


def test_init_writes_a_recipe_that_plans_and_never_overwrites(tmp_path: Path) -> None:
    assert anadil("init", "My Bot", cwd=tmp_path).returncode == 0
    recipe = load(tmp_path / "My Bot" / "recipe.toml")
    assert (recipe.name, load_profile(recipe.language).code) == ("my-bot", "az")
    before = files(tmp_path)
    done = anadil("init", "My Bot", cwd=tmp_path)
    assert done.returncode == 2
    assert files(tmp_path) == before
