"""How often each may ask: a bucket that fills at a steady rate and holds a burst."""

from __future__ import annotations

import time as clocks
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Buckets"]

MOST = 10_000


class Buckets:
    """One bucket a name; the longest unused is forgotten, and thereby full again.

    rate: a second        burst: that a bucket holds        clock: s, monotonic
    """

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = clocks.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take one out: 0. Where it is empty nothing is taken: seconds until there is one."""
        now = self._clock()
        left, then = self._left.get(name, (float(self.burst), now))
        left = min(float(self.burst), left + (now - then) * self.rate)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self.rate
        self._left[name] = (left if wait else left - 1.0, now)
        self._left.move_to_end(name)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return wait
