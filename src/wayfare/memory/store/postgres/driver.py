"""The driver, imported where it is used: a file of memories needs none of it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from wayfare.errors import MissingExtra

__all__ = ["psycopg", "psycopg_pool", "register_vector", "without_password"]


def psycopg() -> ModuleType:
    """The driver. Raises: MissingExtra."""
    try:
        import psycopg as found
    except ImportError as error:
        raise MissingExtra("a memory in PostgreSQL", "postgres") from error
    return found


def psycopg_pool() -> ModuleType:
    """Its pool of connections. Raises: MissingExtra."""
    try:
        import psycopg_pool as found
    except ImportError as error:
        raise MissingExtra("a memory in PostgreSQL", "postgres") from error
    return found


def register_vector(connection: Any) -> None:
    """Let a connection take and give NumPy arrays as vectors. Raises: MissingExtra."""
    try:
        from pgvector.psycopg import register_vector as found
    except ImportError as error:
        raise MissingExtra("a memory in PostgreSQL", "postgres") from error
    try:
        found(connection)
    except psycopg().ProgrammingError:
        pass  # a database without the extension has no memory either, which is said where it is opened


def without_password(address: str) -> str:
    """The address as an error may show it."""
    hidden = re.sub(r"(://[^:/@?]*):[^@/]*@", r"\1@", address)
    return re.sub(r"([?&]password=)[^&]*", r"\1...", hidden)
