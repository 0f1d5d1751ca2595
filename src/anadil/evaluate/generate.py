"""Answers of a model to many conversations, each by itself, some side by side."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Self, cast

from anadil import durable
from anadil.engines import GGUF_PREFERENCE, open_engine
from anadil.engines.protocol import Engine, GenerateParams, PromptTooLong
from anadil.errors import UserError
from anadil.progress import Progress
from anadil.tokenizer.chat import CONTROL_TOKENS, PAD
from anadil.tokenizer.load import load_tokenizer

Conversation = Sequence[Mapping[str, str]]

MOST_LANES = 4
SMALL_BYTES = 256 << 20
"""Of a GGUF file: a larger one is loaded once, for each lane may keep a copy of the weights."""


@dataclass(frozen=True)
class Answer:
    """What a model said, and whether it ended by itself. A question that is too long has no answer."""

    text: str
    stopped: bool


@dataclass(frozen=True)
class Place:
    """Where and how engines run."""

    threads: int = 0
    device: str = "cpu"
    context_tokens: int = 1024


class Speaker:
    """A model that answers conversations, each likeliest word by word.

    Never in a batch, and nothing kept from one to the next: both change the last bits of the arithmetic, and with them
    some answers. Cores are used by engines of one thread each that answer side by side.
    """

    def __init__(self, model: Path, place: Place):
        with ExitStack() as opened:
            lanes = _lanes(model, place)
            threads = max(1, place.threads // lanes) if place.threads else 0
            options = {"slots": 1, "threads": threads, "context_tokens": place.context_tokens, "device": place.device}
            self._engines = [opened.enter_context(open_engine(model, **options)) for _ in range(lanes)]  # type: ignore[arg-type]
            self._close = opened.pop_all().close
        self.name = self._engines[0].name

    def answers(
        self, asked: Sequence[Conversation], max_new_tokens: int, label: str, progress: Progress
    ) -> list[Answer]:
        """An answer to each conversation, in order; the same whatever else is asked."""
        params = GenerateParams(max_new_tokens=max_new_tokens, temperature=0.0, cache_prompt=False)
        free = SimpleQueue[Engine]()
        for engine in self._engines:
            free.put(engine)

        def answer(conversation: Conversation) -> Answer:
            engine = free.get()
            try:
                return _answer(engine, conversation, params)
            finally:
                free.put(engine)

        found = []
        with (
            ThreadPoolExecutor(len(self._engines)) as pool,
            progress.task(f"{label} ({self.name})", len(asked), "answers") as task,
        ):
            for one in pool.map(answer, asked):
                found.append(one)
                task.advance()
        return found

    def continued(self, text: str, first_id: int, max_new_tokens: int) -> str:
        """What the model writes after a running text that begins with the token `first_id`, in no conversation."""
        engine = self._engines[0]
        ids = [first_id, *engine.tokenize(text)]
        params = GenerateParams(max_new_tokens=max_new_tokens, temperature=0.0, cache_prompt=False)
        return "".join(token.text for token in engine.generate_ids(ids, params))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()


def _answer(engine: Engine, conversation: Conversation, params: GenerateParams) -> Answer:
    try:
        tokens = list(engine.generate(conversation, params))
    except PromptTooLong:
        return Answer("", False)
    return Answer("".join(token.text for token in tokens).strip(), bool(tokens) and tokens[-1].finish == "stop")


def _lanes(model: Path, place: Place) -> int:
    file = gguf_of(model)
    if file is None or file.stat().st_size > SMALL_BYTES or place.device != "cpu":
        return 1
    return max(1, min(MOST_LANES, place.threads))


def gguf_of(export: Path) -> Path | None:
    """The GGUF file that is served from an export folder, if there is one."""
    files = (export / f"model-{kind}.gguf" for kind in GGUF_PREFERENCE)
    return next((file for file in files if file.is_file()), None)


@contextmanager
def base_speaker(base: Path, delivered: str, export: Path, scratch: Path, place: Place) -> Iterator[Speaker | None]:
    """The base, run as what was `delivered` is: where from a GGUF file, from one of the same type, made in `scratch`.

    Through transformers where the base has no GGUF; None for a base without chat tokens.
    """
    tokenizer = load_tokenizer(base)
    if any(tokenizer.token_to_id(name) is None for name in CONTROL_TOKENS if name != PAD):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=durable.TEMPORARY, dir=scratch) as folder:
        model = _as_gguf(base, export, Path(folder)) if delivered == "xllamacpp" else base
        with Speaker(model, place) as speaker:
            yield speaker


def _as_gguf(base: Path, export: Path, folder: Path) -> Path:
    from anadil.export.gguf import GgufType, write_gguf

    kind = next(kind for kind in GGUF_PREFERENCE if (export / f"model-{kind}.gguf").is_file())
    try:
        write_gguf(base, folder / f"model-{kind}.gguf", cast(GgufType, kind), name="base")
    except UserError:  # no Llama
        return base
    shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
    return folder
