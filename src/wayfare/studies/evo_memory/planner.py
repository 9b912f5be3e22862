"""The frozen solver of stream B: a planner that does what a recalled sketch did, and otherwise searches.

    places to try for a wanted thing, in the order in which the memory shows them
        where a fact says that it is                                            "Fact: mug / place: in cabinet 2"
        where a success, an insight or a workflow found it                      "found mug in cabinet 2"
        where neither tells: all that such a sketch of the same thing went to
    then the nearest place not yet seen; those that a failure went to come last

A sketch is trusted as a whole, as its outcome is told: what failed is not done again, what succeeded is. False feedback
therefore costs both ways: the sketch of a failure leads through every place that was searched in vain, and the way of a
success is avoided. A fact has no outcome, and is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wayfare.agents.streaming import Played, StreamTask
from wayfare.memory.modules.frames import Block, read
from wayfare.worlds.household import Errand, House, Visit

__all__ = ["ErrandSolver", "hints", "in_vain", "play"]

FOUND = re.compile(r"^found (\S+) in (.+)$")
WENT = re.compile(r"^go to (.+)$")
IN = re.compile(r"^in (.+)$")

Hints = Callable[[str, Errand, str], list[str]]
"""(context, errand, wanted thing) -> places to try."""


class ErrandSolver:
    """`agents.streaming.Solver` of stream B; `task.extra` holds the `errand` and its `house`, which memories never see.

    cap: steps of an errand
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap

    def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
        """One errand each."""
        return [
            play(task.extra["house"], task.extra["errand"], self.cap, context)
            for task, context in zip(tasks, contexts, strict=True)
        ]

    def count(self, text: str) -> int:
        """Words."""
        return len(text.split())


def play(house: House, errand: Errand, cap: int, context: str, told: Hints | None = None) -> Played:
    """One errand, by what is told of a context and then by search. told: `hints`, unless told otherwise"""
    visit = Visit(house, errand, cap)
    places = {
        name: [place for place in (told or hints)(context, errand, name) if place in house.places]
        for name in errand.wanted
    }
    vain = {name: in_vain(context, errand, name) for name in errand.wanted}
    while visit.missing and not visit.over:
        visit.go(_next(visit, places, vain))
    if not visit.over:
        visit.finish()
    said = "done" if visit.success else f"gave up without {' and '.join(visit.missing) or 'time'}"
    return Played(said, float(visit.success), visit.progress, visit.steps, "\n".join(visit.lines))


def _next(visit: Visit, places: dict[str, list[str]], vain: dict[str, set[str]]) -> str:
    for name in visit.missing:
        for place in places[name]:
            if place not in visit.seen:
                return place
    last = set.intersection(*(vain[name] for name in visit.missing))
    left = [place for place in visit.house.places if place not in visit.seen]
    return min(left, key=lambda place: (place in last, visit.house.steps(visit.at, place)))


def hints(context: str, errand: Errand, name: str) -> list[str]:
    """Places to try for a wanted thing, the best first."""
    found: dict[str, None] = {}
    blocks = read(context)
    for block in blocks:
        found.update(dict.fromkeys(_where(block, name)))
    for block in blocks:
        if not found and _trusted(block) and _concerns(block, errand, name):
            found.update(dict.fromkeys(_went(block)))
    return list(found)


def in_vain(context: str, errand: Errand, name: str) -> set[str]:
    """Where those went who are told to have failed at the same: with the same thing, or with the same tool."""
    failed = [block for block in read(context) if not _trusted(block) and _concerns(block, errand, name)]
    return {place for block in failed for place in _went(block)}


def _where(block: Block, name: str) -> list[str]:
    """Where a block says that a thing was."""
    if block.head == "Fact":
        where = IN.match(block.fields.get("place", ""))
        return [where[1]] if where and block.text.strip() == name else []
    matches = (FOUND.match(line) for line in block.steps) if _trusted(block) else ()
    return [match[2] for match in matches if match and match[1] == name]


def _trusted(block: Block) -> bool:
    """Whether it is not told to have failed."""
    return block.feedback is None or block.feedback >= 0.5


def _concerns(block: Block, errand: Errand, name: str) -> bool:
    said = re.findall(r"[a-z]+", block.text.lower())
    return (errand.thing if name == errand.thing else errand.kind) in said


def _went(block: Block) -> list[str]:
    return [match[1] for line in block.steps if (match := WENT.match(line))]
