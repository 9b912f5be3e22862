"""What a namespace holds, for tests that compare."""

from __future__ import annotations

from typing import Any

from wayfare.memory import Memory

__all__ = ["everything", "log", "rows", "standing"]


def rows(memory: Memory, sql: str, *given: Any) -> list[tuple[Any, ...]]:
    with memory.engine.database.read() as tx:
        ns = memory.engine.number(tx)
        return [tuple(row) for row in tx.execute(sql, (ns, *given)).fetchall()]


def log(memory: Memory) -> list[tuple[Any, ...]]:
    """Every change: op, id, actor, reason."""
    return rows(memory, "SELECT op, id, actor, reason FROM log WHERE ns = ? ORDER BY seq")


def standing(memory: Memory) -> list[tuple[str, str, str]]:
    """text, status and tags of every memory: the same in two namespaces that were treated alike."""
    return sorted(rows(memory, "SELECT content, status, tags FROM records WHERE ns = ? ORDER BY content"))


def everything(memory: Memory) -> list[Any]:
    """All rows that a job may write."""
    tables = ("records", "versions", "links", "log", "jobs", "entries", "tags", "utilities")
    return [sorted(map(repr, rows(memory, f"SELECT * FROM {table} WHERE ns = ?"))) for table in tables]
