"""An engine whose answers are known: it says its script word by word, and counts what it has been asked to do."""

import sys
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from anadil.engines.protocol import Engine, GenerateParams, Token
from anadil.languages import load_profile
from anadil.recipe import Serve
from anadil.tokenizer.load import write_folder
from tests.engines.tiny import vocabulary


class Scripted(Engine):
    """Words of `script`, over and over if `endless`; `gate`, where set, is waited for before each word."""

    pause_seconds = 0.0

    name = "scripted"

    def __init__(self, folder: Path, script: str, *, endless: bool = False, slots: int = 1, context_tokens: int = 256):
        write_folder(vocabulary(), folder)
        super().__init__(folder)
        self.script, self.endless, self.slots, self.context_tokens = script, endless, slots, context_tokens
        self.gate: threading.Semaphore | None = None
        self.running = self.most_running = self.said = 0
        self.asked: list[tuple[str, GenerateParams]] = []
        self.idle = threading.Event()

    def generate_ids(self, ids: Sequence[int], params: GenerateParams) -> Generator[Token, None, None]:
        self.asked.append((self.tokenizer.decode(list(ids), skip_special_tokens=False), params))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        self.idle.clear()
        try:
            yield from self._say(params.max_new_tokens)
        finally:
            self.running -= 1
            self.idle.set()

    def _say(self, limit: int) -> Generator[Token, None, None]:
        words = self.script.split(" ")
        number = 0
        while number < limit and (self.endless or number < len(words)):
            if self.gate:
                assert self.gate.acquire(timeout=60)
            time.sleep(self.pause_seconds)
            number += 1
            self.said += 1
            space = " " if number > 1 else ""
            yield Token(space + words[(number - 1) % len(words)], number, finish="length" if number == limit else None)
        if number < limit:
            yield Token("", 0, finish="stop")

    def score(self, ids: Sequence[int]) -> list[float]:
        raise NotImplementedError

    def close(self) -> None:
        self.idle.set()


def main(what: str, folder: str) -> None:
    """`serve` or `chat` in a process of its own, for tests of signals."""
    from anadil.serve.app import serve
    from anadil.serve.chat import chat

    engine = Scripted(Path(folder), "Salam dünya", endless=what == "chat", context_tokens=100_000)
    if what == "serve":
        serve(engine, "balaca", load_profile("az"), port=0)
    else:
        engine.pause_seconds = 0.01
        chat(engine, load_profile("az"), Serve(max_new_tokens=90_000, context_tokens=100_000))


if __name__ == "__main__":
    main(*sys.argv[1:])
