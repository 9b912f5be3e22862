"""Brings the tables of an older file forward, one version at a time, all in one transaction.

A process that is killed meanwhile leaves the file as it was: the next one to open it begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wayfare.errors import StoreError
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.schema import VERSION

__all__ = ["STEPS", "migrate"]

STEPS: Mapping[int, Callable[[Transaction], None]] = {}
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
