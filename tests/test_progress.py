"""progress: plain lines that say how far, how fast and how long still."""

import io

import pytest

from anadil.progress import _Plain, silent, to_stderr


def test_plain_lines_say_how_far_and_end_with_a_last_one() -> None:
    stream = io.StringIO()
    with _Plain(stream, every=0.0).task("read", 4, "documents") as task:
        for _ in range(4):
            task.note("loss 1.5")
            task.advance()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert "1 of 4 documents" in lines[0]
    assert "s left" in lines[0]
    assert lines[-1].startswith("  read: 4 of 4 documents")
    assert lines[-1].endswith("loss 1.5")


def test_in_between_it_is_quiet() -> None:
    stream = io.StringIO()
    with _Plain(stream, every=3600).task("read", None, "bytes") as task:
        for _ in range(100):
            task.advance(5)
    assert stream.getvalue().splitlines() == [line for line in stream.getvalue().splitlines() if "500 bytes" in line]
    assert len(stream.getvalue().splitlines()) == 1


def test_stderr_that_is_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    to_stderr().line("done")
    silent().line("nothing")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "done\n")
