"""Rows of `jobs`: how far something has come that follows the log of a namespace. Each answers to its checksum."""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.memory.records import checksum
from wayfare.memory.store.database import Transaction

__all__ = ["JOB_COLUMNS", "SILENT", "JobRow", "job_sum", "read_job", "write_job"]

JOB_COLUMNS = "name, through, body, updated_at, checksum"
SILENT = frozenset(
    {
        "RECALL", "CREDIT", "VOID", "NOOP", "LINK", "UNLINK", "FLOOR", "FREEZE", "THAW", "CHALLENGE", "RESET", "QUOTA"
    }
)  # fmt: skip
"""Operations of the log after which every memory says what it said, and can be recalled as before."""


@dataclass(frozen=True)
class JobRow:
    """through: seq of the last change that it has seen        body: JSON"""

    through: int
    body: str


def job_sum(name: str, through: int, body: str, updated_at: float) -> int:
    """Checksum of a row."""
    return checksum(name, through, body, updated_at)


def read_job(tx: Transaction, ns: int, name: str) -> JobRow | None:
    """The row of that name; None where there is none, or a damaged one: whoever follows the log can begin anew."""
    row = tx.execute(f"SELECT {JOB_COLUMNS} FROM jobs WHERE ns = ? AND name = ?", (ns, name)).fetchone()
    return None if row is None or job_sum(*row[:4]) != row[4] else JobRow(int(row[1]), str(row[2]))


def write_job(tx: Transaction, ns: int, name: str, row: JobRow, time: float) -> None:
    """Write it, or write it over."""
    values = (name, row.through, row.body, float(time))
    tx.execute(
        f"INSERT INTO jobs (ns, {JOB_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (ns, name) DO UPDATE SET through = excluded.through, body = excluded.body,"
        " updated_at = excluded.updated_at, checksum = excluded.checksum",
        (ns, *values, job_sum(*values)),
    )
