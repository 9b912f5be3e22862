"""How a namespace stood at an earlier point of its log, and what changed between two.

A point is a sequence number, a time, or a copy that was made then. Records as they stood are in `versions`, links and
what a record was found under in the bodies of the log (`applying`). Logs from before those were written down tell of
records alone; `links_known` says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.copies.listed import copy_named
from wayfare.memory.reading import CHANGES
from wayfare.memory.records import Link, Record, checked_name, checked_time
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from, record_from_body

__all__ = ["Diff", "LinkChange", "Point", "State", "changed", "diff", "differs", "links_since", "point_of", "state_at"]

Point = int | float | str | None
"""A sequence number; s since the epoch; the id or the label of a copy; None: now."""
GONE = ("DELETE", "PURGE")
KILLING = ("DELETE", "ARCHIVE", "SUPERSEDE", "MERGED")
LINKING = ("LINK", "UNLINK")


@dataclass(frozen=True)
class LinkChange:
    """before, after: the link, None where there was none."""

    source: str
    target: str
    type: str
    before: Link | None
    after: Link | None


@dataclass(frozen=True)
class Diff:
    """What is otherwise at b than at a, both of them sequence numbers.

    added, revised, forgotten: ids, in the order of their first change        links: each that is otherwise
    links_known: False where the log is too old to tell of links
    """

    a: int
    b: int
    added: tuple[str, ...]
    revised: tuple[str, ...]
    forgotten: tuple[str, ...]
    links: tuple[LinkChange, ...]
    links_known: bool = True

    def __str__(self) -> str:
        lines = [f"from change {self.a} to {self.b}"]
        for name in ("added", "revised", "forgotten"):
            lines += [f"{name:9} {id}" for id in getattr(self, name)]
        for link in self.links:
            what = "linked" if link.before is None else "unlinked" if link.after is None else "relinked"
            lines.append(f"{what:9} {link.source} -{link.type}-> {link.target}")
        if not self.links_known:
            lines.append("what became of links the log of that time does not say")
        return "\n".join(lines if len(lines) > 1 else [*lines, "nothing"])


@dataclass(frozen=True)
class State:
    """Of one record at a point. there: made, and not forgotten        record: None where its text has been purged

    ordinals: of the entries under which it was found; None where the log does not tell        texts: of these, by role
    """

    there: bool
    version: int
    record: Record | None
    ordinals: tuple[int, ...] | None = ()
    texts: frozenset[tuple[str, str | None]] = frozenset()


def point_of(tx: Transaction, ns: int, point: Point, field: str = "point") -> int:
    """The sequence number of a point. Raises: BadValue."""
    (last,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    if point is None:
        return int(last)
    if isinstance(point, str):
        return copy_named(tx, ns, checked_name(field, point)).seq
    if isinstance(point, int) and not isinstance(point, bool):
        if not 0 <= point <= last:
            raise BadValue(field, point, f"a sequence number from 0 to {last}, or a time in seconds (a float)")
        return point
    if not isinstance(point, float):
        raise BadValue(field, point, "a sequence number, a time in seconds (a float), or a copy by its id or label")
    time = checked_time(field, point)
    row = tx.execute("SELECT max(seq) FROM log WHERE ns = ? AND time <= ?", (ns, time)).fetchone()
    return int(row[0] or 0)


def changed(tx: Transaction, ns: int, after: int, through: int) -> list[str]:
    """Ids of records that any change in (after, through] was of, in the order of the first."""
    marks = ", ".join("?" * len(CHANGES))
    rows = tx.execute(
        f"SELECT id, min(seq) FROM log WHERE ns = ? AND seq > ? AND seq <= ? AND id IS NOT NULL AND op IN ({marks})"
        " GROUP BY id ORDER BY 2",
        (ns, after, through, *CHANGES),
    ).fetchall()
    return [id for id, _ in rows]


def state_at(tx: Transaction, ns: int, id: str, seq: int) -> State:
    """Of a record after change `seq`. Raises: Damaged."""
    marks = ", ".join("?" * len(CHANGES))
    row = tx.execute(
        f"SELECT op, version FROM log WHERE ns = ? AND id = ? AND seq <= ? AND op IN ({marks})"
        " ORDER BY seq DESC LIMIT 1",
        (ns, id, seq, *CHANGES),
    ).fetchone()
    if row is None:
        return State(False, 0, None)
    op, version = row
    record = _version(tx, ns, id, version)
    if record is None or record.status != "active":
        return State(op not in GONE, version, record)
    ordinals = _alive_at(tx, ns, record, seq)
    return State(op not in GONE, version, record, ordinals, _texts(tx, ns, ordinals or ()))


def _alive_at(tx: Transaction, ns: int, record: Record, seq: int) -> tuple[int, ...] | None:
    """Ordinals of the living entries of an active record after change `seq`; None where the log does not tell."""
    rows = tx.execute(
        "SELECT op, body FROM log WHERE ns = ? AND id = ? AND seq > ? ORDER BY seq", (ns, record.id, seq)
    ).fetchall()
    for op, text in rows:
        body = json.loads(text)
        if "alive" in body:
            return tuple(body["alive"])
        if op in KILLING:
            return None
    found = tx.execute(
        "SELECT e.ordinal, r.content FROM entries e JOIN records r ON r.record = e.record"
        " WHERE e.ns = ? AND r.ns = ? AND r.id = ? AND e.alive = 1 ORDER BY e.ordinal",
        (ns, ns, record.id),
    ).fetchall()
    if any(content != record.content for _, content in found):
        return None  # an older log does not say that they died with a text
    return tuple(int(ordinal) for ordinal, _ in found)


def _texts(tx: Transaction, ns: int, ordinals: Sequence[int]) -> frozenset[tuple[str, str | None]]:
    """(role, text) of entries; the content's is None."""
    marks = ", ".join("?" * len(ordinals)) or "NULL"
    rows = tx.execute(f"SELECT role, text FROM entries WHERE ns = ? AND ordinal IN ({marks})", (ns, *ordinals))
    return frozenset((role, text) for role, text in rows.fetchall())


def _version(tx: Transaction, ns: int, id: str, version: int) -> Record | None:
    row = tx.execute(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ? AND version = ?", (ns, id, version)
    ).fetchone()
    if row is not None:
        record = record_from(row, "")
        return record if record.content else None
    row = tx.execute(
        "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? AND version = ?", (ns, id, version)
    ).fetchone()
    return record_from_body(row[0], row[1], "") if row is not None and row[0] else None


def differs(one: State, other: State) -> bool:
    """Whether a record says or is something else, or is found under something else; of a purged one, whether it moved
    on."""
    if one.record is None or other.record is None:
        return one.version != other.version
    if one.record.with_(version=0, updated_at=0.0) != other.record.with_(version=0, updated_at=0.0):
        return True
    return one.ordinals is not None and other.ordinals is not None and one.texts != other.texts


def links_since(tx: Transaction, ns: int, after: int, through: int) -> tuple[list[LinkChange], bool]:
    """What became of links in (after, through], those left out that are as they were; and whether the log tells all."""
    first: dict[tuple[str, str, str], Any] = {}
    last: dict[tuple[str, str, str], Any] = {}
    known = True
    for op, body in _bodies(tx, ns, after, through):
        told = json.loads(body).get("links")
        known = known and (told is not None or op not in LINKING)
        for source, target, type, before, now in told or ():
            first.setdefault((source, target, type), before)
            last[source, target, type] = now
    found = []
    for key, before in first.items():
        if before != last[key]:
            found.append(LinkChange(*key, _link(key, before), _link(key, last[key])))
    return found, known


def _bodies(tx: Transaction, ns: int, after: int, through: int) -> Iterator[tuple[str, str]]:
    """(op, body) of the changes that touched links, a page at a time."""
    while True:
        rows = tx.execute(
            "SELECT seq, op, body FROM log WHERE ns = ? AND seq > ? AND seq <= ? AND (body LIKE '%\"links\"%'"
            " OR op IN ('LINK', 'UNLINK')) ORDER BY seq LIMIT 1000",
            (ns, after, through),
        ).fetchall()
        if not rows:
            return
        yield from ((op, body) for _, op, body in rows)
        after = rows[-1][0]


def _link(key: tuple[str, str, str], told: Sequence[Any] | None) -> Link | None:
    if told is None:
        return None
    weight, evidence, begin, end = told
    return Link(*key, weight=weight, evidence=tuple(evidence), valid_from=begin, valid_to=end)


def diff(tx: Transaction, ns: int, a: Point, b: Point) -> Diff:
    """What is otherwise at b than at a. Raises: BadValue; Damaged."""
    begin, end = point_of(tx, ns, a, "a"), point_of(tx, ns, b, "b")
    low, high = min(begin, end), max(begin, end)
    added, revised, forgotten = [], [], []
    for id in changed(tx, ns, low, high):
        before, after = state_at(tx, ns, id, begin), state_at(tx, ns, id, end)
        if not before.there and after.there:
            added.append(id)
        elif before.there and not after.there:
            forgotten.append(id)
        elif before.there and differs(before, after):
            revised.append(id)
    links, known = links_since(tx, ns, low, high)
    if begin > end:
        links = [LinkChange(each.source, each.target, each.type, each.after, each.before) for each in links]
    return Diff(begin, end, tuple(added), tuple(revised), tuple(forgotten), tuple(links), known)
