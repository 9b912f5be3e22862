"""A server of a store for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.serving import Served, served


@pytest.fixture(scope="module")
def running(shared_address: str) -> Iterator[Served]:
    """A server of one store, for tests that each take a namespace of their own."""
    with served(shared_address) as made:
        yield made
