"""Two hundred requests that nobody thought of, the same every time: no failure of the server's own, no change by what
it refuses, no answer that the document does not promise. `make torture` sends many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.memory.stores import Store
from tests.serve.fuzzing import fuzz
from tests.serve.serving import Served, served
from wayfare.serve.settings import Limits

CASES = 200


@pytest.fixture(scope="module")
def patient(shared_address: str) -> Iterator[Served]:
    """A server that lets a stranger ask as often as he likes."""
    with served(shared_address, limits=Limits(rate=1e6, burst=10**6)) as made:
        yield made


def test_two_hundred_requests_from_the_document_fail_nowhere(patient: Served, store: Store) -> None:
    client = patient.client(namespace="org/fuzz")
    client.post("/v1/remember", json={"text": "something to be found"}).raise_for_status()

    def state() -> object:
        return store.rows(patient.address, "SELECT path, sequence, entries, settings FROM namespaces ORDER BY ns")

    sent = dict(fuzz(patient, "org/fuzz", CASES, 6, state))
    assert sum(sent.values()) >= CASES and all(sent.values())
    assert client.get("/v1/stats").status_code == 200
