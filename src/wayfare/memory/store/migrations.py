"""Brings the tables of an older file forward, one version at a time, all in one transaction.

A process that is killed meanwhile leaves the file as it was: the next one to open it begins again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wayfare.errors import StoreError
from wayfare.memory.index.entries import entry_sum
from wayfare.memory.records import checksum
from wayfare.memory.store.blocks import per_block, row_width, vector_row
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.schema import DOORS, PAYLOADS, VERSION

__all__ = ["STEPS", "migrate"]

PART = 10_000
"""Rows that are held in memory at a time."""


def _frozen_by_itself(tx: Transaction) -> None:
    """1 -> 2: whether a namespace is frozen stands in a column, so that a credit need not read the whole standing."""
    tx.execute("ALTER TABLE standing ADD COLUMN frozen INTEGER")
    for ns, body in tx.execute("SELECT ns, body FROM standing").fetchall():
        kept = json.loads(body)
        frozen = kept.pop("frozen", None)
        tx.execute("UPDATE standing SET frozen = ?, body = ? WHERE ns = ?", (frozen, json.dumps(kept), ns))


def _a_checksum_each(tx: Transaction) -> None:
    """2 -> 3: every row that nothing else vouches for has a checksum, every vector too, and the query of a receipt."""
    for table, key, columns in (
        ("links", "ns, source, type, target", "source, target, type, weight, evidence, valid_from, valid_to"),
        ("answers", "ns, key", "key, request, answer, time"),
        ("policies", "ns, id", "id, body, created_at, seq"),
        ("standing", "ns", "version, through, frozen, body"),
        ("tasks", "ns, id", "id, side, epoch, standing, opened_at"),
    ):
        tx.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
        n = len(key.split(","))
        where = " AND ".join(f"{name.strip()} = ?" for name in key.split(","))
        rows = tx.execute(f"SELECT {key}, {columns} FROM {table}").fetchall()
        tx.executemany(
            f"UPDATE {table} SET checksum = ? WHERE {where}", [(checksum(*row[n:]), *row[:n]) for row in rows]
        )
    _entries(tx)
    _vectors(tx)
    _receipts(tx)


def _entries(tx: Transaction) -> None:
    tx.execute("ALTER TABLE entries ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
    for ns, entries in tx.execute("SELECT ns, entries FROM namespaces").fetchall():
        for first in range(0, entries, PART):
            rows = tx.execute(
                "SELECT ordinal, record, role, text, length, alive FROM entries"
                " WHERE ns = ? AND ordinal >= ? AND ordinal < ?",
                (ns, first, first + PART),
            ).fetchall()
            tx.executemany(
                "UPDATE entries SET checksum = ? WHERE ns = ? AND ordinal = ?",
                [(entry_sum(*row), ns, row[0]) for row in rows],
            )


def _vectors(tx: Transaction) -> None:
    for space, dimension in tx.execute("SELECT space, dimension FROM spaces").fetchall():
        size, width = per_block(dimension), row_width(dimension)
        for (block,) in tx.execute("SELECT block FROM blocks WHERE space = ?", (space,)).fetchall():
            (old,) = tx.execute("SELECT data FROM blocks WHERE block = ?", (block,)).fetchone()
            vectors = np.frombuffer(old, "<f4", size * dimension).reshape(size, dimension)
            new = b"".join(vector_row(row) if row.any() else bytes(width) for row in vectors)
            tx.execute("UPDATE blocks SET data = ? WHERE block = ?", (new, block))


def _receipts(tx: Transaction) -> None:
    found: list[tuple[Any, ...]] = tx.execute(
        "SELECT seq, id, task, time, slate, probabilities, query, checksum, ns FROM receipts"
    ).fetchall()
    tx.executemany(
        "UPDATE receipts SET checksum = ? WHERE ns = ? AND seq = ?",
        [
            (checksum(*row[:4], row[6], *row[4:6]), row[8], row[0])
            for row in found
            if checksum(*row[:6]) == row[7]  # another checksum must not make a damaged row whole
        ],
    )


def _doors(tx: Transaction) -> None:
    """3 -> 4: tokens of a server, how far upkeep has come, and where copies lie."""
    for statement in DOORS.split(";\n"):
        if statement.strip():
            tx.execute(statement)


def _payloads(tx: Transaction) -> None:
    """4 -> 5: records may carry bytes. Their checksums stay what they are: nothing carries any yet."""
    tx.execute("ALTER TABLE records ADD COLUMN payload TEXT")
    for statement in PAYLOADS.split(";\n"):
        if statement.strip():
            tx.execute(statement)


STEPS: Mapping[int, Callable[[Transaction], None]] = {
    1: _frozen_by_itself, 2: _a_checksum_each, 3: _doors, 4: _payloads
}  # fmt: skip
"""From a version to the next."""


def migrate(tx: Transaction, version: int) -> None:
    """Take the tables from `version` to the present one. Raises: StoreError where no step leads on."""
    while version < VERSION:
        step = STEPS.get(version)
        if step is None:
            raise StoreError(f"tables of version {version} cannot be brought to {VERSION}: no step leads on from there")
        step(tx)
        version += 1
        tx.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(version),))
