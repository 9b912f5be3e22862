"""Names that nobody else gives: ULIDs, 26 characters, sorted by the time they were made.

48 bits of milliseconds since the epoch, then 80 random bits, in Crockford's base 32 (github.com/ulid/spec). Within a
process they only go up: two of one millisecond differ by 1, and a clock that goes back is ignored. A forked child draws
anew, so that it never repeats its parent.
"""

from __future__ import annotations

import os
import threading
import time

__all__ = ["new_id"]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BITS = 80
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


class _Maker:
    """What the ids of one process hang on."""

    def __init__(self) -> None:
        self.lock, self.last = threading.Lock(), 0

    def next(self) -> int:
        now = time.time_ns() // 1_000_000
        with self.lock:
            if now > self.last >> RANDOM_BITS:
                # The highest random bit is left out: there is always room to count up within the millisecond.
                self.last = now << RANDOM_BITS | int.from_bytes(os.urandom(10), "big") >> 1
            else:
                self.last += 1
            return self.last


_maker = _Maker()


def new_id() -> str:
    """The next id; above all that this process has made before."""
    number = _maker.next()
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def _in_child() -> None:
    global _maker
    _maker = _Maker()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
