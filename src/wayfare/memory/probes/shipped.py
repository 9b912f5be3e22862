"""The memories that come with Wayfare: where each is, and how it is tried. Nothing is imported before it is asked for.

A class with a `card` that stands nowhere here fails the tests, and so does one whose card the probes contradict. Those
that need torch are named, not imported: their adapters are where torch is (`agents.probed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.cards import MemoryCard, registered
from wayfare.memory.cubes import Cube
from wayfare.memory.memory import Memory
from wayfare.memory.modules import MODULES
from wayfare.memory.probes.adapters import Verbs
from wayfare.memory.probes.checking import check_card
from wayfare.memory.probes.report import CardReport
from wayfare.memory.probes.subject import Hit, How
from wayfare.memory.transitions import Transitions

__all__ = ["SHIPPED", "CubeSubject", "Shipped", "TransitionsSubject", "shipped"]


@dataclass(frozen=True)
class Shipped:
    """home: module:Class        subject: of the adapter by which it is tried; "" where the class itself will do
    torch: whether importing it needs torch        waits: why it is not tried, "" where it is
    """

    name: str
    home: str
    subject: str = ""
    torch: bool = False
    waits: str = ""

    def load(self) -> Any:
        """The class. Raises: ImportError."""
        return _at(self.home)

    def card(self) -> MemoryCard:
        """Its card. Raises: BadValue for a class without one; ImportError."""
        kind = self.load()
        return registered(kind.__qualname__, getattr(kind, "card", None))

    def check(self, **how: Any) -> CardReport:
        """What `check_card` says of it. how: as it takes        Raises: BadValue for one that waits; ImportError."""
        if self.waits:
            raise BadValue("memory", self.name, f"one that is tried; this one waits: {self.waits}")
        return check_card(_at(self.subject or self.home), **{"card": self.card(), **how})


class CubeSubject(Verbs):
    """A cube: `add` writes and activates, its memory does the rest. It has no ties to give."""

    card = Cube.card

    def __init__(self, address: str, k: int = 5, seed: int = 0, clock: Any = None) -> None:
        def make() -> tuple[Any, bool]:
            clocked = {} if clock is None else {"clock": clock}
            self.cube = Cube(Memory(address, synchronous="NORMAL", seed=seed, **clocked))
            return self.cube.memory, True

        super().__init__(make, How(k=k, seed=seed))
        self.link: Any = None
        self.trim: Any = None
        self._same = (address, k, seed, clock)
        self.restart: Any = self._reopened

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> Any:
        """See `Subject`."""
        return self.cube.add(text if key is None else f"{key} {text}", activated=True).id

    def edit(self, id: str, text: str) -> None:
        """See `Subject`."""
        self.cube.update(id, text)

    def delete(self, id: str) -> None:
        """See `Subject`."""
        self.cube.forget(id)

    def _reopened(self) -> CubeSubject:
        self.cube.close()
        return CubeSubject(*self._same)


class TransitionsSubject:
    """The buffer of real steps: a key is a state, a text what was reached from it."""

    card = Transitions.card

    def __init__(self, most: int | None = None) -> None:
        self.buffer = Transitions(most=most)

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> str:
        """See `Subject`."""
        return str(self.buffer.remember(key or text, "on", text, 1.0).number)

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """See `Subject`."""
        return [(str(each.number), str(each.reached)) for each in self.buffer.recall(query, k=k)]

    def size(self) -> int:
        """See `Subject`."""
        return len(self.buffer)

    def reset_context(self) -> None:
        """An episode ends: the buffer stays."""


def shipped(name: str) -> Shipped:
    """By the name of its class. Raises: BadValue."""
    for each in SHIPPED:
        if each.name == name:
            return each
    raise BadValue("memory", name, f"one of {', '.join(each.name for each in SHIPPED)}")


def _at(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)


_HERE = "wayfare.memory.probes.shipped"
_READER = (
    "it needs a trained reader; what it answers, and what is left of what it was made to forget, the study memos asks"
)
SHIPPED: tuple[Shipped, ...] = (
    Shipped("Memory", "wayfare.memory.memory:Memory"),
    *(
        Shipped(home.partition(":")[2], f"wayfare.memory.modules.{home}")
        for name, home in MODULES.items()
        if name != "none"  # it has no card: it is no memory
    ),
    Shipped("Cube", "wayfare.memory.cubes.cube:Cube", f"{_HERE}:CubeSubject"),
    Shipped("Transitions", "wayfare.memory.transitions:Transitions", f"{_HERE}:TransitionsSubject"),
    Shipped("Replay", "wayfare.learn.sequences:Replay", "wayfare.agents.probed:ReplaySubject", torch=True),
    Shipped("ActivationMemory", "wayfare.agents.memos_activation:ActivationMemory", torch=True, waits=_READER),
    Shipped("ParameterMemory", "wayfare.agents.memos_lora:ParameterMemory", torch=True, waits=_READER),
)
"""In the order of the manual's table."""
