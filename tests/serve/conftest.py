"""The stores of the memory's tests, and a server of one for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.memory.conftest import (  # noqa: F401
    address,
    database,
    new_address,
    pytest_runtest_makereport,
    server,
    shared_address,
    store,
    stores,
)
from tests.serve.serving import Served, served


@pytest.fixture(scope="module")
def running(shared_address: str) -> Iterator[Served]:  # noqa: F811
    """A server of one store, for tests that each take a namespace of their own."""
    with served(shared_address) as made:
        yield made
