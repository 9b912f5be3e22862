"""Who wants to know how long the parts of a recall take is told; nobody else pays for it.

with watched(lambda name, began, ended: ...):           # ns, of `time.perf_counter_ns`
    memory.recall("...")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["timed", "watched"]

Watcher = Callable[[str, int, int], None]
_watcher: ContextVar[Watcher | None] = ContextVar("wayfare_timing", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell `watcher` of every part that ends meanwhile in this thread or asyncio task: its name, when it began and
    ended."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


class timed:
    """A part: `with timed("words"): ...`."""

    __slots__ = ("began", "name")

    def __init__(self, name: str) -> None:
        self.name, self.began = name, 0

    def __enter__(self) -> None:
        self.began = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        watcher = _watcher.get()
        if watcher is not None:
            watcher(self.name, self.began, time.perf_counter_ns())
