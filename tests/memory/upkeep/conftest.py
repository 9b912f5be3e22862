from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from wayfare.memory import Memory

_NUMBERS = count()


class Clock:
    """s since the epoch; a second passes with every question."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_memory(shared_address: str, clock: Clock) -> Iterator[Callable[..., Memory]]:
    """Makes memories, each in a namespace of its own unless one is named."""
    made: list[Memory] = []

    def new(namespace: str | None = None, **given: Any) -> Memory:
        name = namespace or f"upkeep/{next(_NUMBERS)}"
        made.append(Memory(shared_address, namespace=name, **{"clock": clock, "synchronous": "NORMAL", **given}))
        return made[-1]

    yield new
    for each in made:
        each.close()


@pytest.fixture
def memory(new_memory: Callable[..., Memory]) -> Memory:
    return new_memory(actor="keeper")
