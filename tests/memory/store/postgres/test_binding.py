"""Whom a transaction speaks for: rows of one namespace, on connections that others use before and after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.memory.stores import PostgresStore, Server
from wayfare.errors import BadValue, ReadOnly, StoreError
from wayfare.memory import Memory
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.store.addresses import database_at
from wayfare.memory.store.postgres.installing import install
from wayfare.memory.store.postgres.pools import pool_for

TENANTS = (
    "records",
    "versions",
    "tags",
    "links",
    "log",
    "entries",
    "receipts",
    "outcomes",
    "utilities",
    "tasks",
    "jobs",
)


@pytest.fixture(scope="module")
def postgres(server: Server, worker_id: str) -> PostgresStore:
    return PostgresStore(server, f"binding_{worker_id}")


@pytest.fixture
def address(postgres: PostgresStore) -> Iterator[str]:
    made = postgres.new()
    yield made
    postgres.drop(made)


@pytest.fixture
def two(address: str) -> Iterator[tuple[Memory, Memory]]:
    """Memories of two tenants, through one pool of connections."""
    with Memory(address, namespace="org/a") as mine, Memory(address, namespace="org/b") as other:
        mine.remember("the cache is flushed first", tags=["secret"])
        other.remember("the clock is wrong", tags=["open"])
        yield mine, other


def _lent(address: str) -> Any:
    """A connection of the process's pool, as the next to come gets it."""
    pool, _ = pool_for(address)
    return pool, pool.take(5.0)


def test_a_pooled_connection_carries_no_namespace_over(two, address) -> None:
    pool, connection = _lent(address)
    try:
        for name in ("wayfare.namespace", "wayfare.also_read"):
            assert connection.execute("SELECT current_setting(%s, true)", (name,)).fetchone()[0] in (None, "")
        for table in ("namespaces", *TENANTS):
            assert connection.execute(f"SELECT count(*) FROM wayfare.{table}").fetchone() == (0,), table
    finally:
        pool.give(connection)


def test_no_statement_reaches_another_tenant(two) -> None:
    mine, other = two
    (theirs,) = other.list().records
    with mine.engine.database.write() as tx:
        for table in TENANTS:
            assert {ns for (ns,) in tx.execute(f"SELECT ns FROM {table}")} <= {tx.namespace("org/a")}, table
            assert tx.execute(f"DELETE FROM {table} WHERE ns != ?", (tx.namespace("org/a"),)).rowcount == 0
        assert tx.execute("UPDATE records SET content = 'x' WHERE id = ?", (theirs.id,)).rowcount == 0
        assert tx.execute("SELECT ns FROM records WHERE id = ?", (theirs.id,)).fetchall() == []
    assert other.get(theirs.id) == theirs


def test_no_row_can_be_written_for_another_tenant(two, postgres, address) -> None:
    mine, _ = two
    ((number,),) = postgres.rows(address, "SELECT ns FROM namespaces WHERE path = 'org/b'")
    with pytest.raises(ReadOnly, match="row-level security"), mine.engine.database.write() as tx:
        tx.execute("INSERT INTO tags (ns, tag, record) VALUES (?, 'x', 1)", (number,))
    with pytest.raises(BadValue, match="bound"), mine.engine.database.write() as tx:
        tx.namespace("org/c", create=True)


def test_what_is_also_read_is_read_and_never_written(two, address) -> None:
    _, other = two
    with Memory(address, namespace="org/c", also_read=["org/a"]) as reader:
        found = reader.recall("flush the cache", k=1)
        assert [item.record.namespace for item in found] == ["org/a"]
        with reader.engine.database.write() as tx:
            assert tx.execute("UPDATE records SET content = 'x' WHERE id = ?", (found.ids[0],)).rowcount == 0
            assert tx.execute("DELETE FROM records WHERE id = ?", (found.ids[0],)).rowcount == 0
    assert [item.record.namespace for item in other.recall("flush the cache", k=5)] == ["org/b"]


@pytest.mark.parametrize("grant", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_that_sees_every_row_is_refused(server, postgres, address, grant) -> None:
    role = f"sees_{grant.lower()}"
    server.say(f"DROP ROLE IF EXISTS {role}")
    server.say(f"CREATE ROLE {role} LOGIN {grant}")
    with pytest.raises(BadValue, match="row-level security"):
        Memory(_as(address, role))
    with pytest.raises(BadValue, match="every tenant"):
        install(_as(address, "postgres"), role=role)
    server.say(f"DROP ROLE {role}")


def test_the_owner_of_the_tables_is_refused_and_bound_all_the_same(server, postgres) -> None:
    server.say("DROP DATABASE IF EXISTS owned WITH (FORCE)")
    server.say("DROP ROLE IF EXISTS owner_of_tables")
    server.say("CREATE ROLE owner_of_tables LOGIN CREATEROLE")
    server.say("CREATE DATABASE owned OWNER owner_of_tables")
    address = server.address("owned")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    install(_as(address, "owner_of_tables"), role="wayfare_guest", password="x")
    with pytest.raises(BadValue, match="owns the tables"):
        Memory(_as(address, "owner_of_tables"))
    with Memory(_as(address, "wayfare_guest:x")) as memory:
        memory.remember("a row")
    with psycopg.connect(_as(address, "owner_of_tables"), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM wayfare.records").fetchone() == (0,)
    server.say("DROP DATABASE owned WITH (FORCE)")
    server.say("DROP ROLE owner_of_tables")
    server.say("DROP ROLE wayfare_guest")


def test_installing_again_adds_a_role_and_changes_nothing_else(two, address, server) -> None:
    mine, _ = two
    before = mine.list()
    install(_as(address, "postgres"), role="second_role", password="x")
    with Memory(_as(address, "second_role:x"), namespace="org/a") as second:
        assert second.list() == before
        second.remember("what another role adds")
        assert second.recall("clock or cache").logged
    assert len(mine.list().records) == 2


def test_a_database_without_tables_says_what_makes_them(server) -> None:
    server.say("DROP DATABASE IF EXISTS bare WITH (FORCE)")
    server.say("CREATE DATABASE bare")
    with pytest.raises(StoreError, match="wayfare memory install"):
        database_at(_as(server.address("bare"), "wayfare_test:secret"))
    server.say("DROP DATABASE bare WITH (FORCE)")


def _as(address: str, user: str) -> str:
    return "postgresql://" + user + "@" + address.split("@", 1)[1]


def test_namespaces_that_begin_at_once_share_the_tables_of_their_vectors(address) -> None:
    at_once = threading.Barrier(8)
    failures: list[Exception] = []

    def begin(number: int, dimension: int) -> None:
        with Memory(address, namespace=f"begins/{number}/{dimension}", embedder=Lexical(dimension)) as memory:
            at_once.wait(60)
            try:
                memory.remember("the first of its dimension")
                assert memory.recall("the first").items[0].by["vectors"] > 0
            except Exception as error:
                failures.append(error)

    for dimension in (33, 34, 35, 36, 37, 38):
        threads = [threading.Thread(target=begin, args=(number, dimension)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert failures == []
