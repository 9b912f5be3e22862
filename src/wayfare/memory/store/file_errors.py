"""SQLite's errors in our words."""

from __future__ import annotations

import sqlite3

from wayfare.errors import Damaged, ReadOnly, StoreError, Unavailable

__all__ = ["named"]


def named(error: Exception, path: str) -> StoreError:
    """path: of the file"""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or "query_only" in text:
        return ReadOnly(f"{path} cannot be written: {text}")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"{path}: the disk is full; nothing was changed")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"{path}: another process has kept it busy for too long; nothing was changed")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode" in text:
        return Damaged(f"{path}: {text}; `wayfare memory doctor` says what can be saved")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return Unavailable(f"{path}: {text}; nothing was changed")
    if "closed" in text:
        return Unavailable(f"{path} has been closed")
    return StoreError(f"{path}: {text}")
