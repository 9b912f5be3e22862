"""Where a memory lies, by its address: a path is a file, postgresql://... a database of a server."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wayfare.errors import BadValue
from wayfare.memory.store.database import Database
from wayfare.memory.store.file import FileDatabase

__all__ = ["database_at", "handle_at", "is_postgres"]

SCHEMES = ("postgresql://", "postgres://")


def is_postgres(address: str) -> bool:
    """Whether it is a database of a PostgreSQL server."""
    return address.startswith(SCHEMES)


def database_at(
    address: str | os.PathLike[str],
    *,
    synchronous: str = "FULL",
    read_only: bool = False,
    timeout: float = 30.0,
) -> Database:
    """The store at an address: a file is made where there is none, tables of PostgreSQL must have been installed.

    Raises: BadValue for an address of neither kind; MissingExtra; StoreError.
    """
    try:
        text = os.fsdecode(os.fspath(address))
    except TypeError:
        raise BadValue("address", address, "a path to a file, or postgresql://...") from None
    if is_postgres(text):
        from wayfare.memory.store.postgres.database import PostgresDatabase

        return PostgresDatabase(text, synchronous=synchronous, read_only=read_only, timeout=timeout)
    if "://" in text:
        raise BadValue("address", text, "a path to a file, or postgresql://...")
    folder = os.path.dirname(os.path.abspath(text))
    if not read_only and not os.path.isdir(folder):
        raise BadValue("address", text, f"in a folder that is there; make {folder} first")
    return FileDatabase(text, synchronous=synchronous, read_only=read_only, timeout=timeout)


def handle_at(
    address: str | os.PathLike[str],
    namespace: str,
    also_read: Sequence[str] = (),
    *,
    synchronous: str = "FULL",
    read_only: bool = False,
    timeout: float = 30.0,
) -> Database:
    """One namespace of the store at an address. Raises: as `database_at`."""
    database = database_at(address, synchronous=synchronous, read_only=read_only, timeout=timeout)
    handle = database.bound(namespace, also_read)
    if handle is not database:
        database.close()
    return handle
