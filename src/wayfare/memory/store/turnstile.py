"""A lock that is passed on in the order of asking: no writer of a process waits for ever."""

from __future__ import annotations

import threading
from collections import deque

from wayfare.memory.store.stops import NEVER, Stop

__all__ = ["Turnstile"]


class Turnstile:
    """For one process; a forked child makes its own."""

    def __init__(self) -> None:
        self._guard, self._held = threading.Lock(), False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float, stop: Stop = NEVER) -> bool:
        """Whether it was had within so many seconds. Raises: Stopped, without it."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            with stop.waking(turn.set):
                turn.wait(timeout)
            stop.check()
        except BaseException:
            if self._had(turn):
                self.release()
            raise
        return self._had(turn)

    def _had(self, turn: threading.Event) -> bool:
        """Whether it was passed to this one, who waits no more."""
        with self._guard:
            if turn not in self._waiting:
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Pass it to who has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False
