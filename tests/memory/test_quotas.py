"""What a namespace may not hold is refused whole, and never stands in the way of reading and forgetting."""

from __future__ import annotations

import json
import pickle
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.memory.stores import Store
from wayfare.errors import BadValue, Damaged, QuotaExceeded, ReadOnly
from wayfare.memory import Memory
from wayfare.memory.operations import Add, Merge, Supersede
from wayfare.memory.store.doctor import doctor, salvage
from wayfare.memory.upkeep import MergeDuplicates

DAY = 86_400.0


@pytest.fixture
def now() -> list[float]:
    return [1_000_000_000.0]


@pytest.fixture
def memory(shared_address: str, request: pytest.FixtureRequest, now: list[float]) -> Iterator[Memory]:
    with Memory(shared_address, namespace=request.node.name, clock=lambda: now[0], synchronous="NORMAL") as made:
        yield made


def _dump(memory: Memory) -> list[Any]:
    with memory.engine.database.read() as tx:
        ns = memory.engine.number(tx)
        return [
            sorted(map(repr, tx.execute(f"SELECT * FROM {table} WHERE ns = ?", (ns,)).fetchall()))
            for table in ("records", "versions", "log", "jobs", "entries", "answers", "namespaces")
        ]


def test_what_would_exceed_is_refused_whole_and_says_what_is_used_and_allowed(memory: Memory) -> None:
    memory.remember_many(["one", "two"])
    assert memory.set_quota(records=4, reason="a small plan").records == (2, 4)
    memory.remember("three")
    before = _dump(memory)
    with pytest.raises(QuotaExceeded, match="records does not allow it: 3 of 4 are used, and 2 more") as caught:
        memory.remember_many(["four", "five"], idempotency_key="k")
    assert (caught.value.quota, caught.value.used, caught.value.allowed, caught.value.more) == ("records", 3, 4, 2)
    assert _dump(memory) == before and str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert memory.remember_many(["four"], idempotency_key="k")[0].op == "ADD"
    assert memory.remember("four").op == "NOOP"  # says nothing new


def test_reading_crediting_and_forgetting_always_work_and_make_room(memory: Memory, now: list[float]) -> None:
    ids = [result.id for result in memory.remember_many(["apple tart", "pear tart", "plum tart"])]
    memory.set_quota(records=1, bytes=5, writes_a_day=0)
    with memory.task("t") as task:
        assert memory.recall("tart")
        task.credit(1.0)
    for refused in (
        lambda: memory.remember("x"),
        lambda: memory.revise(ids[0], "a longer text than before"),
        lambda: memory.apply([Supersede(ids[0], Add("y"))]),
        lambda: memory.link(ids[0], ids[1], "related"),
    ):
        with pytest.raises(QuotaExceeded):
            refused()
    memory.archive(ids[0])
    memory.forget(ids[1])
    memory.forget(ids[2], purge=True)
    assert memory.quota().records == (0, 1) and memory.quota().bytes == (len("apple tart"), 5)
    memory.set_quota(writes_a_day=None, bytes=20)
    memory.remember("fig tart")
    assert memory.quota().writes_a_day[1] is None and memory.quota().records == (1, 1)


def test_a_day_has_so_many_writes_and_the_next_has_them_again(memory: Memory, now: list[float]) -> None:
    memory.set_quota(writes_a_day=3)
    id = memory.remember("one").id
    memory.revise(id, "one, revised")
    memory.remember("one, revised")  # a NOOP is no write
    memory.remember("two")
    with pytest.raises(QuotaExceeded, match="writes_a_day"):
        memory.remember("three")
    now[0] += DAY
    memory.remember("three")
    assert memory.quota().writes_a_day == (1, 3)
    now[0] += DAY
    assert memory.quota().writes_a_day == (0, 3)


def test_bytes_are_those_of_the_texts_in_utf_8(memory: Memory) -> None:
    memory.set_quota(bytes=10)
    id = memory.remember("äöü").id
    assert memory.quota().bytes == (6, 10)
    with pytest.raises(QuotaExceeded, match="bytes"):
        memory.remember("12345")
    memory.revise(id, "a")
    memory.remember("123456789")
    assert memory.quota().bytes == (10, 10)


def test_upkeep_makes_room_where_nothing_may_be_written(memory: Memory) -> None:
    memory.remember_many(["always ask ann before you sign a thing", "always ask ann before you sign a thing!"])
    memory.set_quota(records=0, bytes=0, writes_a_day=0)
    (step,) = memory.upkeep(MergeDuplicates(), dry_run=False).done
    assert memory.quota().records == (1, 0)
    with pytest.raises(QuotaExceeded):
        memory.undo_merge(str(step.into))  # it would hold two again
    assert memory.get(str(step.into)).status == "active"


def test_what_is_counted_on_the_way_is_what_is_there(memory: Memory, now: list[float]) -> None:
    """After any sequence of calls the usage that was kept is that of a count of all rows."""
    memory.set_quota(records=10_000, bytes=10**9, writes_a_day=10**6)
    draw = random.Random(3)
    ids: list[str] = []
    for i in range(120):
        act = draw.choice(["add", "add", "add", "revise", "forget", "archive", "purge", "supersede", "recall", "merge"])
        if act == "add" or not ids:
            ids.append(memory.remember(f"text number {i} " * draw.randint(1, 3)).id)
            continue
        id = ids.pop(draw.randrange(len(ids)))
        if act == "revise":
            memory.revise(id, f"text {i} revised")
            ids.append(id)
        elif act == "supersede":
            ids.append(memory.apply([Supersede(id, Add(f"text {i} instead"))])[0].id)
        elif act == "recall":
            memory.recall("text", k=2)
            ids.append(id)
        elif act == "merge" and ids:
            memory.apply([Merge((id,), ids[0])])
            if draw.random() < 0.5:
                memory.undo_merge(ids[0])
                ids.append(id)
        elif act in ("forget", "purge"):
            memory.forget(id, purge=act == "purge" and draw.random() < 0.3)
        else:
            memory.archive(id)
    kept = memory.quota()
    with memory.engine.database.write() as tx:
        tx.execute("DELETE FROM jobs WHERE ns = ? AND name = 'quota'", (memory.engine.number(tx),))
    assert memory.quota() == kept
    assert kept.records[0] == len(memory.list(limit=1_000).records)
    every = memory.list(limit=1_000, status=None).records
    assert kept.bytes[0] == sum(len(record.content.encode()) for record in every)


def test_writers_at_once_fill_it_to_the_brim_and_not_further(memory: Memory, shared_address: str) -> None:
    memory.set_quota(records=20)
    refused = []

    def write(which: int) -> None:
        with Memory(shared_address, namespace=memory.engine.namespace, synchronous="NORMAL") as own:
            for i in range(10):
                try:
                    own.remember(f"writer {which} says {i}")
                except QuotaExceeded as error:
                    refused.append(error)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.quota().records == (20, 20) and len(refused) == 20


def test_a_limit_that_a_stray_write_has_changed_is_not_taken_for_one(memory: Memory, store: Store) -> None:
    memory.set_quota(records=5)
    with memory.engine.database.write() as tx:
        ns = memory.engine.number(tx)
        (text,) = tx.execute("SELECT settings FROM namespaces WHERE ns = ?", (ns,)).fetchone()
        settings = json.loads(text)
        settings["quota"]["records"] = 500
        tx.execute("UPDATE namespaces SET settings = ? WHERE ns = ?", (json.dumps(settings), ns))
    with pytest.raises(Damaged, match="quota"):
        memory.remember("one")
    memory.set_quota(records=5)
    memory.remember("one")


def test_limits_that_make_no_sense_are_refused(memory: Memory, shared_address: str) -> None:
    for given in ({}, {"records": -1}, {"bytes": 1.5}, {"writes_a_day": True}, {"rows": 3}):
        with pytest.raises(BadValue):
            memory.set_quota(**given)  # type: ignore[arg-type]
    memory.remember("one")
    with Memory(shared_address, namespace=memory.engine.namespace, read_only=True) as looking:
        assert looking.quota().records == (1, None)
        with pytest.raises(ReadOnly):
            looking.set_quota(records=1)


def test_the_doctor_sees_a_changed_quota_and_watermark_and_what_is_saved_has_a_quota_that_is_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "agent.db"
    with Memory(path) as memory:
        memory.remember("one")
        memory.set_quota(records=5)
        memory.remember("two")
        memory.upkeep("duplicates", dry_run=False)
    assert doctor(path).worst == "clean"
    salvage(path, tmp_path / "whole.db")
    with Memory(tmp_path / "whole.db") as whole:
        assert whole.quota().records == (2, 5)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE jobs SET through = through - 1")
    assert {finding.table for finding in doctor(path).findings} == {"jobs"} and doctor(path).worst == "warning"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE namespaces SET settings = replace(settings, '\"records\": 5', '\"records\": 9')")
    assert doctor(path).worst == "damage"
    salvage(path, tmp_path / "saved.db")
    with Memory(tmp_path / "saved.db") as saved:
        assert saved.quota().records == (2, None)
        assert saved.upkeep("duplicates", dry_run=False).looked == 2
