"""Batches made ahead by a thread, so that the device does not wait for files."""

import queue
import threading
import time
from collections.abc import Callable, Iterator

from anadil.train.data import Batch

AHEAD = 2
"""Batches that are ready before they are asked for."""


class Prefetch:
    """`batch_of(step)` for the steps [first, last), in order; on the way to a GPU in pinned memory.

    An error of `batch_of` is raised where its batch is asked for. To be closed when one stops early.
    """

    def __init__(self, batch_of: Callable[[int], Batch], first: int, last: int, *, pin: bool = False):
        self.waited_seconds = 0.0
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._work = (batch_of, first, last, pin)
        self._thread = threading.Thread(target=self._fill, name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        """The batches; `waited_seconds` counts the time that they were not ready."""
        for _ in range(self._work[1], self._work[2]):
            began = time.monotonic()
            found = self._queue.get()
            self.waited_seconds += time.monotonic() - began
            if isinstance(found, BaseException):
                raise found
            yield found

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get()
            self._thread.join(0.05)

    def _fill(self) -> None:
        batch_of, first, last, pin = self._work
        for step in range(first, last):
            if self._stopped.is_set():
                return
            try:
                found: Batch | BaseException = batch_of(step)
                if pin and isinstance(found, Batch):
                    found = found.pinned()
            except BaseException as error:
                found = error
            self._queue.put(found)
            if isinstance(found, BaseException):
                return
