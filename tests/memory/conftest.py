"""Every test that asks for a store runs on both: on a file and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.memory.stores import FileStore, PostgresStore, Server, Store, opened


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    """The run's PostgreSQL. It is started by the first that asks for an address."""
    base = tmp_path_factory.getbasetemp()
    made = Server(base if worker_id == "master" else base.parent)
    yield made
    made.stop()


@pytest.fixture(scope="session", params=["file", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Store:
    """Where the memories of a test lie."""
    if request.param == "file":
        return FileStore(tmp_path_factory.mktemp("stores"))
    return PostgresStore(request.getfixturevalue("server"), worker_id)


@pytest.fixture
def new_address(store: Store) -> Iterator[Callable[[], str]]:
    """Makes empty stores for one test, and says their addresses."""
    made: list[str] = []

    def new() -> str:
        made.append(store.new())
        return made[-1]

    yield new
    for address in made:
        store.drop(address)


@pytest.fixture
def address(new_address: Callable[[], str]) -> str:
    """Of an empty store."""
    return new_address()


@pytest.fixture(scope="module")
def shared_address(store: Store) -> Iterator[str]:
    """Of one store for the tests of a module, each of which takes a namespace of its own."""
    address = store.new()
    yield address
    store.drop(address)


@pytest.fixture(scope="module")
def database(shared_address: str) -> Iterator[Any]:
    """The shared store, opened."""
    made = opened(shared_address)
    yield made
    made.close()
