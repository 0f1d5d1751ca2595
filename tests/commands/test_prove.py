"""`anadil prove` as a user runs it: go or no-go, stopped by a signal and gone on with, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.test_bad_input import anadil
from tests.prove.test_run import place  # noqa: F401  (a fixture)

pytest.importorskip("torch")


def arguments(place: Path, out: Path, *more: str) -> list[str]:  # noqa: F811
    texts = [f"--corpus=az={place / 'az.jsonl'}", f"--corpus=en={place / 'en.jsonl'}"]
    sizes = ["--megabytes=0.0005", "--megabytes=0.001", "--documents=10", "--sequence-length=32", "--batch-tokens=128"]
    counts = ["--keep-min-count=50", "--target-min-count=500", "--min-pair-count=1", "--learning-rate=1e-2"]
    return ["prove", "--base", str(place / "base"), "--out", str(out), *texts, *sizes, *counts, "--precision=float32",
        "--candidate=inplace:30", *more]  # fmt: skip


def test_it_says_go_or_no_go_and_goes_on_after_a_signal(place: Path, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out"
    command = [sys.executable, "-m", "anadil.cli", *arguments(place, out)]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr
    for line in running.stderr:
        if line.startswith("row keep"):
            break
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode not in (0, 1, 2)
    done = anadil(*arguments(place, out, "--json"), cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert done.returncode == (0 if facts["verdict"]["go"] else 3), done.stderr
    assert [candidate["label"] for candidate in facts["candidates"]] == ["keep", "inplace-30"]
    assert "Azerbaijani" in (out / "proof.html").read_text(encoding="utf-8")
    began = time.monotonic()
    again = anadil(*arguments(place, out), cwd=tmp_path)
    assert again.returncode == done.returncode
    assert "keep" in again.stdout
    assert time.monotonic() - began < 60
    assert os.path.getsize(out / "tokenizers" / "decision.html") > 1000


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--corpus=tr"], ("--corpus 'tr'", "LANGUAGE=PATH")),
        (["--corpus=az=x.jsonl"], ("--corpus 'az=x.jsonl'", "once for each language")),
        (["--language=kk"], ("none in the target language kk", "--corpus kk=PATH")),
        (["--candidate=extend"], ("--candidate 'extend'", "extend:16000")),
        (["--megabytes=50"], ("megabytes", "or less")),
        (["--base=nowhere"], ("nowhere",)),
    ],
)
def test_what_cannot_be_is_refused(place: Path, tmp_path: Path, more: list[str], names: tuple[str, ...]) -> None:  # noqa: F811
    done = anadil(*arguments(place, tmp_path / "out", *more), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert all(name in done.stderr for name in names), done.stderr
