"""Which copies of a namespace were made, and which of them hold a text: so that whoever erases it knows where to go on.

A copy is listed before it is made, and has its digest once it is whole: one that was cut off is listed without. Whether
a copy holds what a record said is told by sequence: it was made after the record was written, and before it was purged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from wayfare.errors import BadValue, Damaged, Unavailable, WayfareError
from wayfare.memory.copies.bundles import FORMAT, SUBJECT_FORMAT, Bundle, unfinished
from wayfare.memory.records import checksum
from wayfare.memory.store.database import Transaction

__all__ = ["Copy", "What", "copy_named", "delete_file", "file_digest", "gone", "holding", "listed", "note", "whole"]

What = Literal["snapshot", "export", "backup", "branch"]
WHATS: tuple[str, ...] = get_args(What)
COLUMNS = "id, what, label, path, digest, seq, created_at, gone_at, checksum"


@dataclass(frozen=True)
class Copy:
    """what: snapshot, export, backup, or branch, whose path is the other namespace        seq: the last change in it

    digest: of a bundle, its own; of a backup, the file's SHA-256; "" while it is being made, or where that was cut off
    gone_at: when it was deleted, s since the epoch
    """

    id: str
    what: What
    label: str
    path: str
    digest: str
    seq: int
    created_at: float
    gone_at: float | None = None

    @property
    def row(self) -> tuple[Any, ...]:
        """As `COLUMNS` names it."""
        values = (
            self.id, self.what, self.label, self.path, self.digest, self.seq, float(self.created_at), self.gone_at
        )  # fmt: skip
        return (*values, checksum(*values))


def copy_from(row: Sequence[Any]) -> Copy:
    """row: as `COLUMNS` names it. Raises: Damaged."""
    *values, stored = row
    if checksum(*values) != stored:
        raise Damaged(f"copy {values[0]!r} does not answer to its checksum; `wayfare memory doctor`")
    return Copy(*values)


def note(tx: Transaction, ns: int, copy: Copy) -> None:
    """List a copy, one that is about to be made."""
    tx.execute(
        f"INSERT INTO copies (ns, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (ns, *copy.row),
    )


def whole(tx: Transaction, ns: int, copy: Copy, digest: str, seq: int) -> Copy:
    """It has been made. seq: of the last change that is in it"""
    return _written(tx, ns, replace(copy, digest=digest, seq=seq))


def gone(tx: Transaction, ns: int, copy: Copy, time: float) -> Copy:
    """It has been deleted."""
    return _written(tx, ns, replace(copy, gone_at=float(time)))


def _written(tx: Transaction, ns: int, copy: Copy) -> Copy:
    names = [f"{name.strip()} = ?" for name in COLUMNS.split(",")]
    tx.execute(f"UPDATE copies SET {', '.join(names)} WHERE ns = ? AND id = ?", (*copy.row, ns, copy.id))
    return copy


def listed(tx: Transaction, ns: int, *, what: str | None = None, all: bool = False) -> list[Copy]:
    """Oldest first. all: those that are gone too. Raises: BadValue; Damaged."""
    if what is not None and what not in WHATS:
        raise BadValue("what", what, f"one of {', '.join(WHATS)}")
    rows = tx.execute(f"SELECT {COLUMNS} FROM copies WHERE ns = ? ORDER BY created_at, id", (ns,)).fetchall()
    found = [copy_from(row) for row in rows]
    return [each for each in found if (all or each.gone_at is None) and what in (None, each.what)]


def copy_named(tx: Transaction, ns: int, name: str) -> Copy:
    """By its id, or the last with that label, those that are gone too. Raises: BadValue where there is none."""
    found = listed(tx, ns, all=True)
    for each in reversed(found):
        if name == each.id:
            return each
    for each in reversed(found):
        if name == each.label:
            return each
    raise BadValue("snapshot", name, "the id or the label of a copy that was made of this namespace")


def holding(tx: Transaction, ns: int, ids: Iterable[str]) -> tuple[Copy, ...]:
    """Copies that hold a text of any of these records, as far as is known: those that are not said to be gone."""
    copies = listed(tx, ns)
    found: set[str] = set()
    for id in ids if copies else ():
        (first,) = tx.execute("SELECT min(seq) FROM log WHERE ns = ? AND id = ?", (ns, id)).fetchone()
        (last,) = tx.execute("SELECT min(seq) FROM log WHERE ns = ? AND id = ? AND op = 'PURGE'", (ns, id)).fetchone()
        if first is not None:
            found |= {
                each.id
                for each in copies
                if (first <= each.seq or not each.digest) and (last is None or each.seq < last)
            }
    return tuple(each for each in copies if each.id in found)


def delete_file(copy: Copy) -> bool:
    """Take its file away, also what is left where making it was cut off; whether there was any.

    Raises: BadValue for a branch, which is a memory, and where another file than the one that was made has its name;
    Unavailable.
    """
    if copy.what == "branch":
        raise BadValue("copy", copy.id, f"a file; it is the namespace {copy.path!r}")
    path = Path(copy.path)
    if path.is_file() and not _is_it(path, copy):
        raise BadValue("copy", copy.id, f"as it was made, but {path} is another file by now: delete it yourself")
    there = False
    for each in (path, unfinished(path, copy.id)):
        try:
            os.unlink(each)
            there = True
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Unavailable(f"{each} cannot be deleted: {error}") from error
    return there


def _is_it(path: Path, copy: Copy) -> bool:
    """Whether the file has the digest that is listed; where none is, whether it is a bundle at all."""
    if copy.what == "backup":
        return bool(copy.digest) and file_digest(path) == copy.digest
    for format in (FORMAT, SUBJECT_FORMAT):
        try:
            with Bundle(path, copy.digest or None, format):
                return True
        except WayfareError:
            continue
    return False


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
