import io
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anadil.engines.protocol import PromptTooLong
from anadil.languages import load_profile
from anadil.recipe import Serve
from anadil.serve.chat import chat
from tests.serve.scripted import Scripted

AZ = load_profile("az")
ROOT = Path(__file__).parents[2]
ANSWER = "Salam dünya"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def engine(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path, ANSWER)


def talk(engine: Scripted, lines: str, *, terminal: bool = False, **settings: object) -> str:
    out = io.StringIO()
    stdin = Terminal(lines) if terminal else io.StringIO(lines)
    chat(engine, AZ, Serve.model_validate(settings), stdin=stdin, stdout=out)
    return out.getvalue()


def test_a_pipe_gets_answers_only_one_a_line(engine: Scripted) -> None:
    assert talk(engine, "Salam\n\nNecəsən?\n") == f"{ANSWER}\n{ANSWER}\n"


def test_a_last_line_without_an_end_is_a_question(engine: Scripted) -> None:
    assert talk(engine, "Salam") == f"{ANSWER}\n"


def test_the_conversation_goes_on(engine: Scripted) -> None:
    talk(engine, "Birinci\nİkinci\n", system_prompt="Qısa yaz.")
    second = engine.asked[1][0]
    assert second.index("Qısa yaz.") < second.index("Birinci") < second.index(ANSWER) < second.index("İkinci")


def test_new_forgets_and_exit_leaves(engine: Scripted) -> None:
    talk(engine, "Birinci\n/new\nİkinci\n/exit\nÜçüncü\n")
    assert len(engine.asked) == 2
    assert "Birinci" not in engine.asked[1][0]


def test_a_terminal_is_greeted_in_its_language(engine: Scripted) -> None:
    shown = talk(engine, "Salam\n", terminal=True)
    assert shown.startswith(AZ.page["greeting"])
    assert f"{AZ.page['assistant']}: {ANSWER}\n" in shown
    assert shown.endswith(f"{AZ.page['goodbye']}\n")


def test_the_oldest_turns_are_forgotten_when_the_context_is_full(engine: Scripted) -> None:
    engine.context_tokens = 120
    talk(engine, "".join(f"sual-{number}\n" for number in range(20)), system_prompt="Qısa yaz.")
    last = engine.asked[-1][0]
    assert "sual-19" in last
    assert "sual-0" not in last
    assert last.count("Qısa yaz.") == 1
    assert all(len(engine.tokenize(prompt)) for prompt, _ in engine.asked)


def test_a_question_longer_than_the_context_ends_a_pipe_but_not_a_terminal(engine: Scripted) -> None:
    long = "x" * 300
    with pytest.raises(PromptTooLong):
        talk(engine, f"{long}\n")
    assert ANSWER in talk(engine, f"{long}\nSalam\n", terminal=True)
    assert "xxx" not in engine.asked[-1][0]


def test_an_interrupt_in_a_pipe_ends_the_program(engine: Scripted) -> None:
    def interrupted(ids: object, params: object) -> object:
        yield from ()
        raise KeyboardInterrupt

    engine.generate_ids = interrupted
    with pytest.raises(KeyboardInterrupt):
        talk(engine, "Salam\n")


def test_ctrl_c_stops_the_answer_and_not_the_program(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.serve.scripted", "chat", str(tmp_path)]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # shells ignore it in background
    )
    os.close(theirs)
    try:
        read_until(ours, "Siz: ")
        os.write(ours, b"Salam\n")
        read_until(ours, "dünya Salam dünya")
        process.send_signal(signal.SIGINT)
        read_until(ours, "Siz: ")
        shown = b""
        while b"Siz: " not in shown:  # at the prompt: the line is given up
            process.send_signal(signal.SIGINT)  # again: one that falls between prompt and wait is seen at the next key
            while select.select([ours], [], [], 2)[0] and b"Siz: " not in shown:
                shown += os.read(ours, 4096)
        os.write(ours, b"/exit\n")
        read_until(ours, AZ.page["goodbye"])
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, text: str) -> None:
    shown = b""
    while text.encode() not in shown:
        assert select.select([terminal], [], [], 60)[0], f"no {text!r} within a minute, only {shown!r}"
        shown += os.read(terminal, 4096)


def test_a_question_that_is_no_utf8_is_answered_all_the_same(engine: Scripted) -> None:
    assert talk(engine, "salam\udcff\udcfe\n")
