"""`tokenizer build`: what it writes and prints, and what it refuses before any work is lost."""

import json
from pathlib import Path

import pytest

from anadil import cli
from anadil.commands.tokenizer import Wishes, _in_options, table_of
from anadil.corpus.build import build
from anadil.errors import UserError
from anadil.progress import silent
from anadil.recipe import Candidate, Corpus, Keep, Source
from tests.commands.test_bad_input import anadil, files, make_base
from tests.roads import make_texts, write_texts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base/ and corpus/ beside some texts."""
    folder = tmp_path_factory.mktemp("place")
    make_base(folder / "base")
    found = [
        Source(name=code, path=write_texts(folder / f"{code}.jsonl", make_texts(code, 60, 1)), language=code)
        for code in ("az", "en")
    ]
    build(Corpus(sources=found, heldout_share=0.2), "az", folder / "corpus", silent())
    write_texts(folder / "talk.jsonl", make_texts("az", 8, 5))
    return folder


def run(place: Path, out: Path, *arguments: str, **_: str) -> None:
    """The command in this process: what is imported and found out once serves all tests."""
    command = ["tokenizer", "build", "--base", str(place / "base"), "--corpus", str(place / "corpus")]
    cli.root.main([*command, "--out", str(out), *arguments], standalone_mode=False)


def test_the_chosen_one_the_others_and_the_decision_are_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = f"talk={place / 'talk.jsonl'}"
    arguments = ["--new-tokens", "20", "--mode", "extend", "--candidate", "replace:512", "--keep", "en"]
    run(place, tmp_path / "out", *arguments, "--measure-on", measured, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["vocabulary_tokens"] == 420
    assert printed["out"] == str(tmp_path / "out")
    decision = printed["decision"]
    assert [c["label"] for c in decision["candidates"]] == ["keep", "extend-20", "replace-512"]
    assert decision["domains"] == ["az", "en", "talk"]
    assert decision["candidates"][1]["build_seconds"] > 0
    written = json.loads((tmp_path / "out" / "decision.json").read_text())
    assert written["recommendation"] == decision["recommendation"]
    assert (tmp_path / "out" / "candidates" / "replace-512" / "tokenizer.json").is_file()
    assert (tmp_path / "out" / "decision.html").is_file()


def test_a_short_table_is_printed(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(place, tmp_path / "out", "--new-tokens", "20", "--mode", "extend", "--keep", "en")
    printed = capsys.readouterr().out
    assert "Recommended for Azerbaijani" in printed
    assert "extend-20" in printed
    assert len(printed.splitlines()) < 40
    assert printed.splitlines()[-1] == f"written to {tmp_path / 'out'}; more in {tmp_path / 'out' / 'decision.html'}"


REFUSED = [
    (["--candidate", "foo:3"], "'foo:3' is none", "MODE:SIZE"),
    (["--candidate", "extend:many"], "'extend:many' is none", "extend:16000"),
    (["--candidate", "keep:5"], "'keep:5' is none", "MODE"),
    (["--candidate", "extend"], "'extend' lacks", "extend:16000"),
    (["--candidate", "replace:100"], "--candidate 100", "--help"),
    (["--candidate", "inplace"], "two candidates are the same: inplace", "--help"),
    (["--mode", "extend"], "needs the number of tokens", "--new-tokens, for example"),
    (["--keep", "tr"], "no training text in 'tr' (in --keep)", "mend --keep"),
    (["--keep", "script:klingon"], "--keep: no script 'klingon'", ""),
    (["--keep", "none/*.txt"], "--keep: no .jsonl", "check the path"),
    (["--measure-on", "talk"], "'talk' has no name or no path", "NAME=LANGUAGE:PATH"),
    (["--measure-on", "talk="], "'talk=' has no name or no path", "NAME=PATH"),
    (["--measure-on", "talk=none.jsonl"], "--measure-on: 'talk' has no", "check the path"),
    (["--measure-on", "Talk=none.jsonl"], "--measure-on 'Talk'", "--help"),
    (["--measure-on", "az=none.jsonl"], "named 'az' too", "another name"),
    (["--language", "xx"], "'xx'", "known languages: az"),
    (["--original", "xx"], "'xx'", "known languages: az"),
    (["--new-tokens", "90000", "--mode", "extend"], "--new-tokens 90000", "set --new-tokens"),
    (["--candidate", "extend:90000"], "candidate extend-90000: too little text", "write --candidate extend:"),
    (["--mode", "replace", "--vocab-size", "90000"], "--vocab-size 90000", "set --vocab-size"),
]


@pytest.mark.parametrize(("arguments", "what", "hint"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_is_said_in_the_words_of_the_options(
    place: Path, tmp_path: Path, arguments: list[str], what: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(place, tmp_path / "out", *arguments)
    assert what in caught.value.what
    assert hint in caught.value.hint
    for word in ("tokenizer.", "_tokens", "_size", "_count", "recipe"):
        assert word not in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_what_is_there_is_not_overwritten(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = files(tmp_path), files(place)
    for out, what in [
        (tmp_path / "mine", "there already and is not empty"),
        (tmp_path / "file", "there already, and is a file"),
        (place / "corpus", "lies in --corpus"),
        (place / "corpus" / "text" / "new", "lies in --corpus"),
        (place / "base", "not empty"),
    ]:
        with pytest.raises(UserError, match=what):
            run(place, out)
    assert (files(tmp_path), files(place)) == before


def test_options_are_the_recipes_keys() -> None:
    table = table_of(
        Wishes(
            language="az",
            original="en",
            mode="inplace",
            new_tokens=7,
            vocab_size=32_000,
            keep_min_count=2,
            target_min_count=5,
            min_pair_count=2,
            text_field="text",
            most_kept_languages_may_pay=0.03,
            candidate=("keep", "inplace", "inplace:9", "extend:5", "replace:600"),
            keep=("en", "script:Cyrillic", "texts/*.txt"),
            measure_on=("a=x.jsonl", "b=tr:y.jsonl", "c=my.toml:z.jsonl", "d=./odd:name.txt"),
        )
    )
    assert [candidate.label for candidate in table.candidates] == [
        "keep", "inplace", "inplace-9", "extend-5", "replace-600",
    ]  # fmt: skip
    assert table.chosen == Candidate(mode="inplace", new_tokens=7)
    assert table.keep == [Keep(language="en"), Keep(script="cyrillic"), Keep(sample=Path("texts/*.txt"))]
    assert [(one.name, one.language, str(one.path)) for one in table.measure_on] == [
        ("a", "az", "x.jsonl"), ("b", "tr", "y.jsonl"), ("c", "my.toml", "z.jsonl"), ("d", "az", "odd:name.txt"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        (
            "set tokenizer.new_tokens = 5 or less, raise keep_min_count",
            "set --new-tokens 5 or less, raise --keep-min-count",
        ),
        ("give a base, or set mode = replace", "give a base, or set --mode replace"),
        ("mend tokenizer.keep (none: keep = [])", "mend --keep (none: leave it out)"),
        ("base.path: no folder at x", "--base: no folder at x"),
        ("a file of that mode", "a file of that mode"),
    ],
)
def test_keys_become_options(recipe: str, options: str) -> None:
    assert _in_options(recipe) == options


def test_the_command_exits_with_2_and_no_traceback(place: Path, tmp_path: Path) -> None:
    done = anadil("tokenizer", "build", "--base", "none", "--corpus", str(place / "corpus"), "--out", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert "--base: no folder at none" in done.stderr
    assert "Traceback" not in done.stderr
