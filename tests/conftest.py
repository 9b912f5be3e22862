"""What all tests share: one thread a process, properties without a stopwatch, and the two stores of a memory.

Every test that asks for a store runs on both, on a file and on PostgreSQL:

address         of an empty store            new_address     makes more of them
shared_address  of one for a whole module    database        that one, opened: a test takes a namespace of its own
store           makes them and looks at their rows            stores    both at once, for a test that compares them
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # nothing may load NumPy before the number of its threads is set
    from tests.memory.stores import Server, Store

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# No test may fail because the machine is busy; the examples are the same everywhere, so that a red test stays red.
settings.register_profile("wayfare", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wayfare")


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_users(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """Pre-trained bases of the tests lie with the tests, and all workers share them."""
    base = tmp_path_factory.getbasetemp()
    os.environ["WAYFARE_CACHE"] = str((base if worker_id == "master" else base.parent) / "language-rl")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    """The run's PostgreSQL. It is started by the first that asks for an address."""
    from tests.memory.stores import Server

    base = tmp_path_factory.getbasetemp()
    made = Server(base if worker_id == "master" else base.parent)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def stores(server: Server, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Store]:
    """Both, for a test that compares them."""
    from tests.memory.stores import FileStore, PostgresStore

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
    from tests.memory.stores import opened

    made = opened(shared_address)
    yield made
    made.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A pair of pytest and xdist that does not keep groups together spreads what is dear to make over all workers."""
    if getattr(config.option, "loadgroup", False):
        for item in items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"{item.nodeid} is in a group that xdist does not keep together")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of a store that skips itself has failed: what it would have said of that store is not known."""
    report = yield
    parameters = getattr(item, "callspec", None)
    if report.skipped and parameters is not None and "store" in parameters.params:
        report.outcome, report.longrepr = "failed", f"skipped, and no test of a store may be: {report.longrepr}"
    return report
