"""Every test that asks for a store runs on both: on a file and on PostgreSQL.

address         of an empty store            new_address     makes more of them
shared_address  of one for a whole module    database        that one, opened: a test takes a namespace of its own
store           makes them and looks at their rows            stores    both at once, for a test that compares them
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
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


@pytest.fixture(scope="session")
def stores(server: Server, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Store]:
    """Both, for a test that compares them."""
    return {"file": FileStore(tmp_path_factory.mktemp("stores")), "postgresql": PostgresStore(server, worker_id)}


@pytest.fixture(scope="session", params=["file", "postgresql"])
def store(request: pytest.FixtureRequest, stores: dict[str, Store]) -> Store:
    """Where the memories of a test lie."""
    return stores[request.param]


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of a store that skips itself has failed: what it would have said of that store is not known."""
    report = yield
    parameters = getattr(item, "callspec", None)
    if report.skipped and parameters is not None and "store" in parameters.params:
        report.outcome, report.longrepr = "failed", f"skipped, and no test of a store may be: {report.longrepr}"
    return report
