"""Two explicit working memories: observations condensed to what is coded in them, and a buffer of the last few.

    Condensed   keeps of every observation only its codes, by the step that they came with, in one running line; what is
                oldest leaves when the line is full (observation abstraction, then state consolidation)
    NBack       keeps the last observations, each cut to its first words, one line each

They hold what a task in hand needs and nothing of any other: `search` finds the whole, whatever is asked.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Scope,
    Topology,
    Updating,
)
from wayfare.memory.modules.protocol import Finished, Found

__all__ = ["CODE", "Condensed", "NBack"]

CODE = re.compile(r"\b[A-Z][0-9][A-Z]\b")
"""What is worth keeping of an observation."""


class Condensed:
    """The running line. capacity: codes on it"""

    card = MemoryCard(
        form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.WORKING_SINGLE, Function.WORKING_MULTI},
        formation={Formation.SUMMARISATION}, consolidation={Consolidation.LOCAL}, updating={Updating.EXTERNAL},
        forgetting={Forgetting.TIME}, retrieval={Retrieval.NONE}, scope={Scope.CONTEXT_ENGINEERING}, deletable="no",
    )  # fmt: skip
    label = "codes, condensed"

    def __init__(self, capacity: int = 30) -> None:
        self.codes: deque[tuple[str, str]] = deque(maxlen=capacity)

    def search(self, task: str) -> Sequence[Found]:
        """(1) The line."""
        line = " ".join(f"{step}:{code}" for step, code in self.codes)
        return [Found("line", line)] if line else []

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """(2) As it stands."""
        return "\n".join(each.text for each in found)

    def update(self, finished: Finished) -> None:
        """(3) Its codes."""
        step = finished.task.rpartition(" ")[2]
        self.codes.extend((step, code) for code in CODE.findall(finished.trajectory))


class NBack:
    """The buffer. most: observations in it        words: kept of each"""

    card = MemoryCard(
        form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.WORKING_MULTI},
        formation={Formation.SUMMARISATION}, consolidation={Consolidation.NONE}, updating={Updating.NONE},
        forgetting={Forgetting.TIME}, retrieval={Retrieval.NONE}, scope={Scope.CONTEXT_ENGINEERING}, deletable="no",
    )  # fmt: skip
    label = "last observations"

    def __init__(self, most: int = 8, words: int = 4) -> None:
        self.words = words
        self.lines: deque[str] = deque(maxlen=most)

    def search(self, task: str) -> Sequence[Found]:
        """(1) All of it, the last first."""
        return [Found(str(i), line) for i, line in enumerate(reversed(self.lines))]

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """(2) A line each."""
        return "\n".join(each.text for each in found)

    def update(self, finished: Finished) -> None:
        """(3) Its first words."""
        step = finished.task.rpartition(" ")[2]
        self.lines.append(f"{step}: {' '.join(finished.trajectory.split()[: self.words])}")
