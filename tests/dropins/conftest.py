"""Doors through which one suite asks LangGraph's own store and ours.

a_store     makes stores: LangGraph's `InMemoryStore`, which is the oracle, and ours on a file and on PostgreSQL
ours        makes only ours        door    through which a store is asked: its methods, or their async twins
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from tests.memory.stores import Store
from wayfare.dropins.langgraph import WayfareStore
from wayfare.memory import Memory
from wayfare.memory.embedding.lexical import Lexical

LEXICAL = Lexical(64)
_numbers = count()


def embed(texts: list[str]) -> list[list[float]]:
    """For both: no model, the same vectors everywhere."""
    return [[float(number) for number in row] for row in LEXICAL.embed(texts)]


@pytest.fixture(scope="session")
def places(stores: dict[str, Store]) -> Callable[[str], str]:
    """The address of one store of each kind for all tests, each of which takes a namespace of its own."""
    made: dict[str, str] = {}

    def place(name: str) -> str:
        if name not in made:
            made[name] = stores[name].new()
        return made[name]

    return place


Maker = Callable[..., Any]


def _maker(kind: str, places: Callable[[str], str], made: list[WayfareStore]) -> Maker:
    def make(**given: Any) -> BaseStore:
        index = given.pop("index", None)
        if kind == "InMemoryStore":
            return InMemoryStore(index=index)
        settings = {"namespace": f"n{next(_numbers)}", "synchronous": "NORMAL", **given}
        made.append(WayfareStore(places(kind), index=index, **settings))
        return made[-1]

    return make


@pytest.fixture(params=["InMemoryStore", "file", "postgresql"])
def a_store(request: pytest.FixtureRequest, places: Callable[[str], str]) -> Iterator[Maker]:
    made: list[WayfareStore] = []
    yield _maker(request.param, places, made)
    for each in made:
        each.close()


@pytest.fixture(params=["file", "postgresql"])
def ours(request: pytest.FixtureRequest, places: Callable[[str], str]) -> Iterator[Maker]:
    made: list[WayfareStore] = []
    yield _maker(request.param, places, made)
    for each in made:
        each.close()


@pytest.fixture
def a_memory(ours: Maker) -> Callable[..., Memory]:
    """Memories on both stores, each in a namespace of its own."""
    return lambda **given: ours(**given).memory  # type: ignore[no-any-return]


class Door:
    """Asks a store by its methods, or from within an event loop by their twins."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def __call__(self, store: BaseStore, verb: str, *args: Any, **given: Any) -> Any:
        if not self.asynchronous:
            return getattr(store, verb)(*args, **given)

        async def twin() -> Any:
            return await getattr(store, f"a{verb}")(*args, **given)

        return asyncio.run(twin())


@pytest.fixture(params=["sync", "async"])
def door(request: pytest.FixtureRequest) -> Door:
    return Door(request.param == "async")
