"""One memory class on trial: fresh subjects for each probe, the words that they are given, the time that is left; and
the exact interval of a share.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np

from wayfare.memory.probes.adapters import subject_of, taken_by
from wayfare.memory.probes.items import Meanings, Words
from wayfare.memory.probes.report import Outcome
from wayfare.memory.probes.subject import How, Looked

__all__ = ["Clock", "Seen", "Trial", "share", "told"]

DAY = 86_400.0
INSIDE = "WAYFARE_PROBED"
"""Set in the other process of P4, which must not start another."""


@dataclass(frozen=True)
class Seen:
    """What a probe saw. values: what the card would have to say, by field; a field that is missing was not tried.

    whole: whether the probe came to its end
    """

    outcome: Outcome
    evidence: str
    values: dict[str, Any] = field(default_factory=dict)
    whole: bool = True


class Clock:
    """Time that passes when a probe says so, and a second with each look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Trial:
    """maker: a class, or a function without arguments        deadline: by `time.monotonic`
    notes: what the probes before have found, by field of the card
    """

    def __init__(
        self, maker: Any, seed: int, deadline: float, root: Path, notes: dict[str, Any], new_process: bool = False
    ) -> None:  # fmt: skip
        self.maker, self.seed, self.deadline, self.root, self.notes = maker, seed, deadline, root, notes
        self.named = named(maker) if new_process else ""
        self.clock = Clock()
        self.open: list[Looked] = []
        self._made = 0

    def words(self, place: int) -> Words:
        """The words of a probe: others than those of any other."""
        return Words(self.seed * 100 + place)

    def rng(self, place: int) -> np.random.Generator:
        """The draws of a probe."""
        return np.random.default_rng([self.seed, place, 2512])

    def subject(self, *, k: int = 5, budget: int | None = None, meanings: bool = False, plain: bool = False) -> Looked:
        """A new and empty memory. plain: see `How`

        meanings: with an embedder that knows the meaning of the words, if it takes one
        """
        folder = self.root / str(self._made)
        folder.mkdir()
        self._made += 1
        how = How(k, budget, self.seed, self.clock, Meanings() if meanings else None, plain)
        made = Looked(subject_of(self.maker, folder, how), self.deadline)
        self.open.append(made)
        return made

    def takes(self, name: str) -> bool:
        """Whether the class takes an argument of that name."""
        return inspect.isclass(self.maker) and name in taken_by(self.maker)

    def elsewhere(self, subject: Looked, queries: Sequence[str], k: int) -> list[str] | None:
        """What another process finds in the memory that was made last, which is closed; None where none can look.

        Raises: RuntimeError where it could not open the memory.
        """
        if not self.named:
            return None
        subject.close()
        job = {"memory": self.named, "folder": str(self.root / str(self._made - 1)), "k": k, "seed": self.seed,
               "queries": list(queries)}  # fmt: skip
        command = [sys.executable, "-m", "wayfare.memory.probes.reopening"]
        left = max(1.0, self.deadline - time.monotonic())
        done = subprocess.run(
            command, input=json.dumps(job), capture_output=True, text=True, timeout=left, check=False,
            env={**os.environ, INSIDE: "1"},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"another process cannot open it: {' '.join(done.stderr.split()[-20:])}")
        found: list[str] = json.loads(done.stdout.splitlines()[-1])
        return found

    def close(self) -> None:
        """All that is open."""
        while self.open:
            self.open.pop().close()


def share(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper & Pearson's interval of a share (1934)."""
    tail = (1 - level) / 2

    def at_least(p: float) -> float:  # P(X >= successes)
        return math.fsum(math.comb(trials, i) * p**i * (1 - p) ** (trials - i) for i in range(successes, trials + 1))

    def at_most(p: float) -> float:
        return math.fsum(math.comb(trials, i) * p**i * (1 - p) ** (trials - i) for i in range(successes + 1))

    low, high = 0.0, 1.0
    if successes > 0:
        a, b = 0.0, 1.0
        for _ in range(40):
            low = (a + b) / 2
            a, b = (low, b) if at_least(low) < tail else (a, low)
    if successes < trials:
        a, b = 0.0, 1.0
        for _ in range(40):
            high = (a + b) / 2
            a, b = (high, b) if at_most(high) > tail else (a, high)
    return low, high


def told(successes: int, trials: int) -> str:
    """A share with its interval, in words."""
    low, high = share(successes, trials)
    return f"{successes} of {trials} [{low:.2f}, {high:.2f}]"


def named(kind: type[Any] | Callable[[], Any]) -> str:
    """How another process imports a class, module:Class or file.py:Class; "" where it cannot.

    Not from a script that is running: it would run again. Nor from the other process.
    """
    if not inspect.isclass(kind) or kind.__module__ == "__main__" or os.environ.get(INSIDE):
        return ""
    module = sys.modules.get(kind.__module__)
    if module is None or "." in kind.__qualname__ or getattr(module, kind.__name__, None) is not kind:
        return ""
    if PathFinder.find_spec(kind.__module__.partition(".")[0]) is None:
        file = getattr(module, "__file__", None) or ""
        return f"{file}:{kind.__name__}" if file.endswith(".py") else ""
    return f"{kind.__module__}:{kind.__name__}"
