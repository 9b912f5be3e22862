"""PostgreSQL's errors in our words."""

from __future__ import annotations

from wayfare.errors import BadValue, Damaged, ReadOnly, StoreError, Unavailable

__all__ = ["UNCERTAIN", "lost", "named"]

UNCERTAIN = (
    "the connection was lost while the change was being committed: it may stand or not; ask again with the same "
    "idempotency key, or look"
)
_GONE = ("08", "57P")
"""Classes of states in which the connection, or the server, is gone."""


def lost(error: Exception) -> bool:
    """Whether the connection is gone, so that nothing of an open transaction stands."""
    import psycopg

    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_GONE)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def named(error: Exception, path: str) -> StoreError | BadValue:
    """path: of the database, without a password"""
    state = str(getattr(error, "sqlstate", None) or "")
    text = " ".join(str(error).split())
    if ("NUL" in text and "0x00" in text) or state == "22021":
        return BadValue("text", "a text with the character NUL", "without it: PostgreSQL cannot store it")
    if state == "55P03":
        return Unavailable(f"{path}: another writer of the namespace has kept it for too long; nothing was changed")
    if state in ("53100", "53200", "54000"):
        return Unavailable(f"{path}: the server has no room left: {text}; nothing was changed")
    if state in ("25006", "42501"):
        return ReadOnly(f"{path} cannot be written, or not read, by this role: {text}")
    if state in ("3F000", "42P01", "42883"):
        return StoreError(f"{path} has no memory yet, or not all of it: {text}; `wayfare memory install` makes it")
    if state in ("XX001", "XX002"):
        return Damaged(f"{path}: {text}")
    if state == "28P01" or state == "28000":
        return Unavailable(f"{path}: the server does not let this role in: {text}")
    if lost(error) or state.startswith(("53", "57", "40")):
        return Unavailable(f"{path}: {text}; nothing was changed")
    return StoreError(f"{path}: {text}")
