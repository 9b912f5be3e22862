"""A call that is not wanted any more: how whoever waits for it says so, and where its thread looks.

    stop = Stop()
    stop.over(work)         # in a thread: each transaction of `work` looks where it begins and before it commits
    stop.ask()              # from any other: True, and nothing is changed; or False, and the change stands

Between the look before a COMMIT and the COMMIT itself nothing can be asked: so a call is stopped before it has changed
anything, or it is carried out to its end. A wait for a lock, and a statement that PostgreSQL is at work on, are woken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["NEVER", "Stop", "Stopped", "current_stop"]

T = TypeVar("T")


class Stopped(BaseException):
    """Within a thread whose call was stopped; what waited for it has gone. No `Exception`: whoever makes do with a
    store that fails (a recall without a receipt, say) must not make do here."""


class Stop:
    """Of one call. stepwise: a commit is not the end of it; what is begun afterwards can be stopped again"""

    def __init__(self, *, stepwise: bool = False) -> None:
        self.asked = False
        self._stepwise, self._past = stepwise, False
        self._guard = threading.Lock()
        self._wake: Callable[[], None] | None = None

    def over(self, work: Callable[[], T]) -> T:
        """Do it, in this thread, as long as it is wanted. Raises: Stopped; what `work` raises."""
        token = _current.set(self)
        try:
            self.check()
            return work()
        finally:
            _current.reset(token)

    def ask(self) -> bool:
        """Whether the call was stopped: False once a commit has begun. Does not wait."""
        with self._guard:
            if self._past:
                return False
            self.asked = True
            wake = self._wake
        if wake is not None:
            wake()
        return True

    def check(self) -> None:
        """Raises: Stopped."""
        if self.asked:
            raise Stopped

    def committing(self) -> None:
        """To be called right before a COMMIT, which nobody interrupts. Raises: Stopped."""
        with self._guard:
            self.check()
            self._past = not self._stepwise
            self._wake = None

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, from the thread that asks, where it is asked meanwhile. It must not wait. Raises: Stopped."""
        with self._guard:
            self.check()
            self._wake = wake
        try:
            yield
        finally:
            with self._guard:
                self._wake = None


class _Never(Stop):
    """Of whatever nobody can stop; without a lock, which a fork could find held."""

    def ask(self) -> bool:
        return False

    def committing(self) -> None:
        return

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        yield


NEVER = _Never()
_current: ContextVar[Stop] = ContextVar("wayfare_stop", default=NEVER)


def current_stop() -> Stop:
    """Of the call that this thread is at work on."""
    return _current.get()
