"""Brings the tables of an older file forward, one version at a time, all in one transaction.

A process that is killed meanwhile leaves the file as it was: the next one to open it begins again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from wayfare.errors import StoreError
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.schema import VERSION

__all__ = ["STEPS", "migrate"]


def _frozen_by_itself(tx: Transaction) -> None:
    """1 -> 2: whether a namespace is frozen stands in a column, so that a credit need not read the whole standing."""
    tx.execute("ALTER TABLE standing ADD COLUMN frozen INTEGER")
    for ns, body in tx.execute("SELECT ns, body FROM standing").fetchall():
        kept = json.loads(body)
        frozen = kept.pop("frozen", None)
        tx.execute("UPDATE standing SET frozen = ?, body = ? WHERE ns = ?", (frozen, json.dumps(kept), ns))


STEPS: Mapping[int, Callable[[Transaction], None]] = {1: _frozen_by_itself}
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
