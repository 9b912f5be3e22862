"""What the doctor finds in a namespace of PostgreSQL, by rows that somebody has changed behind the library's back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.memory.stores import PostgresStore, Server
from wayfare.memory import Memory
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.store.postgres.doctor import doctor_namespace


@pytest.fixture(scope="module")
def postgres(server: Server, worker_id: str) -> PostgresStore:
    return PostgresStore(server, f"doctor_{worker_id}")


@pytest.fixture
def address(postgres: PostgresStore) -> Iterator[str]:
    """A memory that has lived a little, beside another tenant's."""
    made = postgres.new()
    for path in ("org/a", "org/b"):
        with Memory(made, namespace=path) as memory:
            first = memory.remember("flush the cache first", tags=["x"], keys=[("intent", "log in")])
            memory.remember("the clock may be wrong", source=memory.get(first.id))
            memory.revise(first.id, "flush the cache before the reset")
            for task in ("t1", "t2"):
                with memory.task(task) as open_task:
                    memory.recall("reset the cache")
                    open_task.credit(1.0)
    yield made
    postgres.drop(made)


def test_nothing_is_wrong_with_what_was_only_used(address, postgres) -> None:
    before = postgres.contents(address)
    report = doctor_namespace(address, "org/a")
    assert report.worst == "clean", str(report)
    assert report.rows["records"] == 2 and report.rows["outcomes"] == 2
    assert postgres.contents(address) == before


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("UPDATE records SET content = content || '!' WHERE ns = {ns}", "records"),
        ("UPDATE outcomes SET reward = 0.5 WHERE ns = {ns}", "outcomes"),
        ("UPDATE utilities SET total = total + 1 WHERE ns = {ns}", "utilities"),
        ("DELETE FROM log WHERE ns = {ns} AND seq = 2", "log"),
        ("DELETE FROM tags WHERE ns = {ns}", "tags"),
        ("UPDATE links SET weight = 3 WHERE ns = {ns}", "links"),
        ("UPDATE entries SET length = 99 WHERE ns = {ns}", "entries"),
        ("DELETE FROM vectors_{dimension} WHERE ns = {ns}", "vectors"),
    ],
)
def test_it_finds_what_was_changed_and_only_there(address, postgres, sql, table) -> None:
    ((ns,),) = postgres.rows(address, "SELECT ns FROM namespaces WHERE path = 'org/a'")
    postgres.execute(address, sql.format(ns=ns, dimension=Lexical().dimension))
    report = doctor_namespace(address, "org/a")
    assert report.worst == "damage" and table in {each.table for each in report.findings}, str(report)
    assert doctor_namespace(address, "org/b").worst == "clean"
