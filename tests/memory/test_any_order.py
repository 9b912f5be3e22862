"""A statement that does not say in which order its rows come may give them in any: nothing that is learned or shown
changes, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.memory.test_equality import Life
from tests.memory.test_memory import Clock
from wayfare.memory import CreditRule, Memory
from wayfare.memory.credit import DAY, grant
from wayfare.memory.store.database import Result
from wayfare.memory.store.file import FileDatabase, FileTransaction

WORDS = ("token", "cache", "invoice", "printer", "router", "mailbox")
SIZES = (("ann", 1.0), ("bob", 7.0), ("eve", 9.0))


class Shuffled:
    """The rows of a statement, in another order."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows, self.rowcount = iter(rows), rowcount

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


@contextmanager
def any_order(monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[list[str]]:
    """Every SELECT without ORDER BY is answered in an order of its own; yields those that it made a difference to."""
    draw, moved, execute = random.Random(seed), [], FileTransaction.execute

    def shuffled(self: FileTransaction, sql: str, parameters: Sequence[Any] = ()) -> Result:
        found = execute(self, sql, parameters)
        if not sql.startswith("SELECT") or "ORDER BY" in sql:
            return found
        rows = found.fetchall()
        if len(rows) > 1:
            moved.append(sql)
            draw.shuffle(rows)
        return Shuffled(rows, found.rowcount)

    with monkeypatch.context() as patched:
        patched.setattr(FileTransaction, "execute", shuffled)
        yield moved


def lived(path: Path, seed: int, rule: CreditRule) -> list[Any]:
    clock = Clock()
    with Memory(path, synchronous="NORMAL", clock=clock, seed=seed, credit_rule=rule) as memory:
        told: list[Any] = Life(memory, clock, seed).lived(300)
        with memory._ground.database.read() as tx:
            for table in ("credits", "accounts", "utilities", "standing", "tags"):
                told.append(sorted(map(repr, tx.execute(f"SELECT * FROM {table}").fetchall())))
    return told


@pytest.mark.parametrize(
    ("seed", "rule"), [(0, CreditRule()), (1, CreditRule(trace=0.5)), (2, CreditRule("propensity", trace=0.9))]
)
def test_a_life_is_the_same_in_whatever_order_rows_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, rule: CreditRule
) -> None:
    expected = lived(tmp_path / "a.db", seed, rule)
    with any_order(monkeypatch, seed) as moved:
        assert repr(lived(tmp_path / "b.db", seed, rule)) == repr(expected)
    assert len(moved) > 500 and len(set(moved)) > 20, "there was an order to be lost"


def test_sessions_and_intents_are_the_same_in_whatever_order_rows_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that belong to several sessions, and are filed under several intents."""
    draw = random.Random(0)
    with Memory(tmp_path / "a.db", synchronous="NORMAL", clock=Clock(), policy="similarity", k1=20) as memory:
        for i in range(120):
            memory.remember(
                f"The login fault {draw.choice(WORDS)} {draw.choice(WORDS)} {i}", kind="turn",
                tags=[f"session:{name}" for name in draw.sample("abcdef", 2)],
                keys=[("intent", f"intent {name}") for name in draw.sample("uvwxyz", 2)],
            )  # fmt: skip
        asked = [f"login fault {word}" for word in WORDS]

        def shown() -> list[Any]:
            return [[(item.id, item.relevance) for item in memory.recall(query, k=20)] for query in asked]

        expected = shown()
        for seed in range(5):
            with any_order(monkeypatch, seed):
                assert shown() == expected


def test_what_an_actor_may_still_credit_does_not_hang_on_the_order_of_his_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights whose sum differs in its last digits with the order in which they are added."""
    rows = [(1, 7, day, actor, size * (0.1 * (day + 1) + 1 / 7)) for day in range(30) for actor, size in SIZES]
    database = FileDatabase(tmp_path / "a.db", synchronous="NORMAL")
    granted = set()
    for seed in range(20):
        with database.write() as tx, any_order(monkeypatch, seed):
            tx.execute("DELETE FROM accounts")
            tx.executemany("INSERT INTO accounts (ns, record, day, actor, weight) VALUES (?, ?, ?, ?, ?)", rows)
            granted.add(grant(tx, 1, {7: 1e9}, "ann", 29.5 * DAY)[7])
    database.close()
    assert len(granted) == 1
