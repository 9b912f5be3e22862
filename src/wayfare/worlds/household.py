"""A house in which things have their places, and errands for whoever learns them.

    After lunch, wash the mug and put it on the desk.          an errand's text: one of 8 kinds, each but the first
                                                               with a tool that must be found as well
    go to cabinet 2                                            what is done, a line a step
    found mug in cabinet 2
    wash mug with sponge
    put mug on desk

Four rooms on a grid of cells, with walls and doors between them; `places` (cabinets, drawers, shelves ...) stand at the
walls. Objects and tools have habits: each lies in its own place with chance `habit`, else in any. Habits are not told;
what is in a place is seen by going there. A step is a move to a neighbouring cell, a look, or a use.

    steps to a place = shortest way on the grid + 1                                                                 (1)

World and sizes ours, for the streams of Wei et al. 2025 (arXiv 2511.20857); kinds of errands after those of ALFWorld
(Shridhar et al. 2021, arXiv 2010.03768).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["KINDS", "OBJECTS", "TARGETS", "Errand", "House", "Visit"]

SIZE = 9
"""Cells of a side; the walls between rooms are the middle row and column."""
KINDS = {
    "move": "", "wash": "sponge", "warm": "pan", "cool": "icepack", "label": "marker", "wrap": "foil",
    "polish": "cloth", "weigh": "scale",
}  # fmt: skip
"""Kind of errand -> its tool."""
OBJECTS = (
    "mug", "plate", "apple", "candle", "spoon", "bottle", "notebook", "lamp", "towel", "clock", "vase", "basket",
    "bowl", "knife", "potato", "pillow", "pencil", "watch", "kettle", "tomato", "statue", "ladle", "cushion", "teapot",
    "mirror", "brush", "hammer", "ribbon", "lettuce", "radio", "camera", "violin", "blanket", "saucer", "fork", "onion",
    "teddy", "novel", "jar", "glove",
)  # fmt: skip
NAMES = ("cabinet", "drawer", "shelf", "chest", "closet", "basin")
TARGETS = ("desk", "table", "bed", "bench")
WHEN = ("after lunch", "before bedtime", "this morning", "if you can", "quickly now", "when guests come", "once more")


@dataclass(frozen=True)
class Errand:
    """kind: of KINDS        thing: of OBJECTS        target: of TARGETS

    lies: where things lie this time, thing or tool -> place        family: number of the thing
    """

    text: str
    kind: str
    thing: str
    target: str
    lies: dict[str, str]
    family: int

    @property
    def tool(self) -> str:
        """'' where none is needed."""
        return KINDS[self.kind]

    @property
    def wanted(self) -> tuple[str, ...]:
        """What must be found."""
        return (self.thing, self.tool) if self.tool else (self.thing,)


class House:
    """One house of a seed: where its places are, what lies where by habit, and its errands.

    families: kinds of things; 0: every errand meets a habit of its own, and nothing can be carried over
    places: cupboards and the like, in which things lie        habit: chance that a thing lies in its place
    Raises: BadValue.
    """

    def __init__(self, seed: int, families: int = 10, *, places: int = 24, habit: float = 0.95) -> None:
        if isinstance(families, bool) or not isinstance(families, int) or not 0 <= families <= len(OBJECTS):
            raise BadValue("families", families, f"a whole number from 0 to {len(OBJECTS)}")
        if isinstance(places, bool) or not isinstance(places, int) or not 2 <= places <= 60:
            raise BadValue("places", places, "a whole number from 2 to 60")
        if not 0 <= habit <= 1:
            raise BadValue("habit", habit, "between 0 and 1")
        self.seed, self.families, self.habit = seed, families, habit
        self.places = tuple(f"{NAMES[i % len(NAMES)]} {i // len(NAMES) + 1}" for i in range(places))
        self._draw = Stream(seed, "errands")
        things = np.argsort(Stream(seed, "things").uniform(np.arange(len(OBJECTS))), kind="stable")
        self.things = tuple(OBJECTS[i] for i in things[: families or len(OBJECTS)])
        home = Stream(seed, "habits").integers(places, np.arange(len(OBJECTS) + len(KINDS)))
        names = (*OBJECTS, *filter(None, KINDS.values()))
        self.homes = {name: self.places[int(home[i])] for i, name in enumerate(names)}

    def errand(self, i: int) -> Errand:
        """Errand i, from 0, by (seed, i) alone."""
        number, kind, target, when = (
            int(self._draw.integers(high, i, lane=lane))
            for lane, high in enumerate((len(self.things), len(KINDS), len(TARGETS), len(WHEN)))
        )
        thing, how, goal = self.things[number], tuple(KINDS)[kind], TARGETS[target]
        lies = {}
        for lane, name in enumerate((thing, KINDS[how])):
            if name:
                usual = self.families and float(self._draw.uniform(i, 1, lane)) < self.habit
                anywhere = self.places[int(self._draw.integers(len(self.places), i, 2, lane))]
                lies[name] = self.homes[name] if usual else anywhere
        told = f"{how} the {thing} and put it on the {goal}" if KINDS[how] else f"put the {thing} on the {goal}"
        return Errand(f"{WHEN[when].capitalize()}, {told}.", how, thing, goal, lies, number)

    def shortest(self, errand: Errand) -> int:
        """Steps of who knows where everything lies, the thing first and then the tool."""
        stops = ["door", *(errand.lies[name] for name in errand.wanted), errand.target]
        return sum(self.steps(a, b) for a, b in pairwise(stops)) + bool(errand.tool)

    def steps(self, start: str, end: str) -> int:
        """(1) from a place, a target or the "door" to another."""
        return int(self._ways[self._at[start], self._at[end]])

    @cached_property
    def _at(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(("door", *self.places, *TARGETS))}

    @cached_property
    def _ways(self) -> NDArray[np.int64]:
        """[points, points] shortest ways."""
        free = _floor()
        cells = np.argwhere(free)
        chosen = np.argsort(Stream(self.seed, "floor").uniform(np.arange(len(cells))), kind="stable")
        points = [(0, 0), *map(tuple, cells[chosen[: len(self._at) - 1]])]
        found = np.array([[_distances(free, start)[end] for end in points] for start in map(tuple, points)], np.int64)
        return found + 1


class Visit:
    """An errand under way: where one stands, what was seen and done, and at which cost.

    cap: steps after which it is over        carried: wanted things that were found        seen: places looked into
    """

    def __init__(self, house: House, errand: Errand, cap: int) -> None:
        self.house, self.errand, self.cap = house, errand, cap
        self.at, self.steps, self.lines = "door", 0, []  # type: str, int, list[str]
        self.carried: set[str] = set()
        self.seen: set[str] = set()
        self.success = False

    @property
    def over(self) -> bool:
        """Done, or out of steps."""
        return self.success or self.steps >= self.cap

    @property
    def missing(self) -> tuple[str, ...]:
        """Wanted, and not found."""
        return tuple(name for name in self.errand.wanted if name not in self.carried)

    @property
    def progress(self) -> float:
        """Share of what must be done: everything found, and the errand done."""
        return (len(self.carried) + self.success) / (len(self.errand.wanted) + 1)

    def go(self, place: str) -> None:
        """Go to a place and look: what is wanted and lies there is taken. Raises: BadValue for a place that is none."""
        if place not in self.house.places:
            raise BadValue("place", place, f"one of {', '.join(self.house.places)}")
        if not self._spend(self.house.steps(self.at, place), f"go to {place}"):
            return
        self.at = place
        self.seen.add(place)
        for name in self.missing:
            if self.errand.lies[name] == place:
                self.carried.add(name)
                self.lines.append(f"found {name} in {place}")

    def finish(self) -> None:
        """With everything found: use the tool, go to the target, put the thing there."""
        if self.missing:
            raise BadValue("missing", self.missing, "nothing: first everything is to be found")
        errand = self.errand
        if errand.tool and not self._spend(1, f"{errand.kind} {errand.thing} with {errand.tool}"):
            return
        if self._spend(self.house.steps(self.at, errand.target), f"put {errand.thing} on {errand.target}"):
            self.at, self.success = errand.target, True

    def _spend(self, steps: int, line: str) -> bool:
        """False where the steps do not suffice; then they are used up."""
        enough = self.steps + steps <= self.cap
        self.steps = min(self.cap, self.steps + steps)
        if enough:
            self.lines.append(line)
        return enough


def _floor() -> NDArray[np.bool_]:
    """[SIZE, SIZE] cells that can be walked on: two walls that cross, with a door in each of their four arms."""
    free, middle = np.ones((SIZE, SIZE), np.bool_), SIZE // 2
    free[middle], free[:, middle] = False, False
    for at in (middle // 2, middle + 1 + middle // 2):
        free[middle, at] = free[at, middle] = True
    return free


def _distances(free: NDArray[np.bool_], start: tuple[int, ...]) -> NDArray[np.int64]:
    """[SIZE, SIZE] moves from a cell; -1 for what cannot be reached."""
    found = np.full(free.shape, -1, np.int64)
    found[start], queue = 0, deque([start])
    while queue:
        row, column = queue.popleft()
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            inside = 0 <= cell[0] < SIZE and 0 <= cell[1] < SIZE
            if inside and free[cell] and found[cell] < 0:
                found[cell] = found[row, column] + 1
                queue.append(cell)
    return found
