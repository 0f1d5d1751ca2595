"""Progress on stderr: bars with rate and remaining time on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO


class Task(Protocol):
    """One running piece of work."""

    def advance(self, amount: float = 1) -> None: ...
    def note(self, text: str) -> None:
        """Replace the short text shown beside the bar (loss, rate, ...)."""


class Progress(Protocol):
    """Where a stage says what it is doing."""

    def task(self, label: str, total: float | None, unit: str) -> AbstractContextManager[Task]: ...
    def line(self, text: str) -> None: ...


class _SilentTask:
    def advance(self, amount: float = 1) -> None:
        del amount

    def note(self, text: str) -> None:
        del text


class _Silent:
    @contextmanager
    def task(self, label: str, total: float | None, unit: str) -> Iterator[Task]:
        del label, total, unit
        yield _SilentTask()

    def line(self, text: str) -> None:
        del text


def silent() -> Progress:
    """Progress that says nothing, for tests and for use as a library."""
    return _Silent()


class _PlainTask:
    """Prints a line every `every` seconds and one at the end: readable in a log file."""

    def __init__(self, stream: TextIO, label: str, total: float | None, unit: str, every: float):
        self.stream, self.label, self.total, self.unit, self.every = stream, label, total, unit, every
        self.done, self.text, self.printed = 0.0, "", -1.0
        self.started = self.last = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        if time.monotonic() - self.last >= self.every:
            self.print()

    def note(self, text: str) -> None:
        self.text = text

    def print(self) -> None:
        if self.printed == self.done:
            return
        self.last, self.printed = time.monotonic(), self.done
        seconds = max(self.last - self.started, 1e-9)
        of = f" of {self.total:,.0f}" if self.total else ""
        words = [f"  {self.label}: {self.done:,.0f}{of} {self.unit}", f"{self.done / seconds:,.1f} {self.unit}/s"]
        if self.total and 0 < self.done < self.total:
            words.append(f"{(self.total - self.done) * seconds / self.done:,.0f} s left")
        self.stream.write(", ".join([*words, self.text] if self.text else words) + "\n")
        self.stream.flush()


class _Plain:
    def __init__(self, stream: TextIO, every: float):
        self.stream, self.every = stream, every

    @contextmanager
    def task(self, label: str, total: float | None, unit: str) -> Iterator[Task]:
        task = _PlainTask(self.stream, label, total, unit, self.every)
        yield task
        task.print()

    def line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


class _RichTask:
    def __init__(self, bars: "object", identifier: int):
        self._bars, self._id = bars, identifier

    def advance(self, amount: float = 1) -> None:
        self._bars.advance(self._id, amount)  # type: ignore[attr-defined]

    def note(self, text: str) -> None:
        self._bars.update(self._id, note=text)  # type: ignore[attr-defined]


class _Rich:
    def __init__(self, stream: TextIO):
        from rich.console import Console

        self.console = Console(file=stream, highlight=False)

    @contextmanager
    def task(self, label: str, total: float | None, unit: str) -> Iterator[Task]:
        from rich import progress as rich

        columns: list[rich.ProgressColumn] = [rich.TextColumn("  {task.description}"), rich.BarColumn(bar_width=24)]
        columns += [rich.TextColumn("{task.completed:,.0f}" + (" of {task.total:,.0f} " if total else " ") + unit)]
        columns += [rich.TimeRemainingColumn(), rich.TextColumn("[dim]{task.fields[note]}")]
        with rich.Progress(*columns, console=self.console) as bars:
            yield _RichTask(bars, bars.add_task(label, total=total, note=""))

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def to_stderr(every_seconds: float = 10.0) -> Progress:
    """Bars where stderr is a terminal, plain lines every `every_seconds` where it is a file or a pipe."""
    return _Rich(sys.stderr) if sys.stderr.isatty() else _Plain(sys.stderr, every_seconds)
