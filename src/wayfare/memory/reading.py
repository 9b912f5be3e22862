"""Records, their history and their links, read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wayfare.errors import BadValue, Damaged, NoSuchRecord
from wayfare.memory.payloads import Payload
from wayfare.memory.records import Link, Record, Utility, Version, checked_name, checked_time
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import (
    LINK_COLUMNS,
    LOG_COLUMNS,
    RECORD_COLUMNS,
    link_from,
    log_from,
    record_from,
    record_from_body,
)

__all__ = ["Page", "as_of", "history", "links_of", "listed", "payload_of", "read_records"]

STATUSES = ("active", "superseded", "archived")
MOST = 10_000
CHANGES = (
    "ADD", "UPDATE", "MERGE", "MERGED", "UNMERGE", "SUPERSEDE", "ARCHIVE", "DELETE", "RESTORE", "PURGE", "LOST"
)  # fmt: skip
"""Operations of the log that made a version."""
PART = 500
_UTILITY = "u.n, u.total, u.squares, u.q, u.recalled, u.used, u.last_credit"
_SELECT = (
    "SELECT " + ", ".join(f"r.{name.strip()}" for name in RECORD_COLUMNS.split(",")) + f", {_UTILITY}"
    " FROM records r LEFT JOIN utilities u ON u.record = r.record"
)


@dataclass(frozen=True)
class Page:
    """Some records, in the order of their ids, or against it. next: what `after` takes to go on; None at the end."""

    records: tuple[Record, ...]
    next: str | None


def _record(row: Sequence[Any], path: str) -> Record:
    own, utility = row[:-7], row[-7:]
    return record_from(own, path, None if utility[0] is None else Utility(*utility))


def read_records(tx: Transaction, places: Sequence[tuple[int, str]], ids: Sequence[str]) -> dict[str, Record]:
    """Those of these ids that are here and not forgotten, with their utilities.

    places: (ns, path) of the namespaces to look into, in this order
    """
    found: dict[str, Record] = {}
    for ns, path in places:
        missing = [id for id in dict.fromkeys(ids) if id not in found]
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            marks = ", ".join("?" * len(part))
            rows = tx.execute(
                f"{_SELECT} WHERE r.ns = ? AND r.id IN ({marks}) AND r.status != 'tombstone'", (ns, *part)
            ).fetchall()
            for row in rows:
                record = _record(row, path)
                found[record.id] = record
    return found


def listed(
    tx: Transaction,
    ns: int,
    path: str,
    *,
    kind: str | Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    status: str | Sequence[str] | None = "active",
    since: float | None = None,
    until: float | None = None,
    after: str | None = None,
    limit: int = 100,
    newest: bool = False,
) -> Page:
    """One page of a namespace.

    kind, tags, status: any of those given; status None is every one but the forgotten
    since, until: when it happened, else was written, [since, until)        newest: first
    Raises: BadValue.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        raise BadValue("limit", limit, f"a whole number from 1 to {MOST}")
    where = ["r.ns = ?", "r.status != 'tombstone'"]
    given: list[Any] = [ns]
    if after is not None:
        where.append("r.id < ?" if newest else "r.id > ?")
        given.append(checked_name("after", after))
    for name, wanted in (("kind", kind), ("status", status)):
        if wanted is None:
            continue
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        for each in names:
            checked_name(name, each)
            if name == "status" and each not in STATUSES:
                raise BadValue("status", each, f"one of {', '.join(STATUSES)}")
        where.append(f"r.{name} IN ({', '.join('?' * len(names)) or 'NULL'})")
        given += names
    if tags is not None:
        if isinstance(tags, str):
            raise BadValue("tags", tags, "a list of tags")
        marks = ", ".join("?" * len(tags)) or "NULL"
        where.append(f"r.record IN (SELECT record FROM tags WHERE ns = ? AND tag IN ({marks}))")
        given += [ns, *(checked_name("tags", tag) for tag in tags)]
    if checked_time("since", since) is not None:
        where.append("coalesce(r.event_to, r.event_from, r.created_at) >= ?")
        given.append(since)
    if checked_time("until", until) is not None:
        where.append("coalesce(r.event_from, r.created_at) < ?")
        given.append(until)
    order = " DESC" if newest else ""
    rows = tx.execute(
        f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY r.id{order} LIMIT ?", (*given, limit + 1)
    ).fetchall()
    records = tuple(_record(row, path) for row in rows[:limit])
    return Page(records, records[-1].id if len(rows) > limit else None)


def history(tx: Transaction, ns: int, path: str, id: str) -> list[Version]:
    """Every version of a record, oldest first; also of one that was forgotten. Raises: NoSuchRecord; Damaged."""
    row = tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    if row is None:
        raise NoSuchRecord(id)
    present = record_from(row, path)
    bodies = tx.execute(
        "SELECT version, body, checksum FROM versions WHERE ns = ? AND id = ? ORDER BY version", (ns, id)
    ).fetchall()
    records: dict[int, Record | None] = {
        version: record_from_body(body, stored, path) if body else None for version, body, stored in bodies
    }
    for version, record in records.items():
        if record is not None and (record.id, record.version) != (id, version):
            raise Damaged(f"version {version} of memory {id} holds another; `wayfare memory doctor`")
    records[present.version] = present if present.content else None
    marks = ", ".join("?" * len(CHANGES))
    rows = tx.execute(
        f"SELECT {LOG_COLUMNS} FROM log WHERE ns = ? AND id = ? AND op IN ({marks}) ORDER BY seq", (ns, id, *CHANGES)
    ).fetchall()
    steps: dict[int, Version] = {}
    for line in map(log_from, rows):
        assert line.version is not None
        steps[line.version] = Version(
            line.version, line.op, line.time, line.actor, line.operation, line.reason, records.get(line.version)
        )
    if present.content and not len(steps) == len(records) == present.version:
        raise Damaged(
            f"memory {id} is at version {present.version}, but not all of its past is there; `wayfare memory doctor`"
        )
    return [steps[version] for version in sorted(steps)]


def as_of(tx: Transaction, ns: int, path: str, id: str, time: float) -> Record:
    """The record as it stood at a time, s since the epoch. Raises: NoSuchRecord where it was not there, or is
    purged."""
    checked_time("time", time)
    standing = [step for step in history(tx, ns, path, id) if step.time <= time]
    record = standing[-1].record if standing else None
    if record is None or record.status == "tombstone":
        raise NoSuchRecord(id)
    return record


def payload_of(tx: Transaction, ns: int, path: str, id: str, version: int | None = None) -> Payload:
    """What a version of a record carries, None: the present one.

    Raises: NoSuchRecord; BadValue where it carries nothing; Damaged where the bytes do not answer to their digest.
    """
    versions = {step.version: step.record for step in history(tx, ns, path, id)}
    if version is None:
        version = max(versions)
    if isinstance(version, bool) or version not in versions:
        raise BadValue("version", version, f"one of the versions of memory {id}, 1 to {max(versions)}")
    record = versions[version]
    if record is None or record.payload is None:
        raise BadValue("payload", None, f"that of a memory that carries one; version {version} of {id} does not")
    data = payload_rows.read(tx, ns, record.payload.digest, f"memory {id}, version {version}")
    return Payload(data, record.payload.media_type, record.payload.header)


def links_of(
    tx: Transaction,
    ns: int,
    id: str,
    *,
    direction: str = "both",
    types: Sequence[str] | None = None,
    at: float | None = None,
) -> list[Link]:
    """Links from (`out`), to (`in`) or of (`both`) a record, those of forgotten records left out.

    types: only these        at: only what holds then, s since the epoch
    Raises: BadValue; NoSuchRecord.
    """
    if direction not in ("out", "in", "both"):
        raise BadValue("direction", direction, "out, in or both")
    if isinstance(types, str):
        raise BadValue("types", types, "a list of types")
    checked_time("at", at)
    row = tx.execute("SELECT status FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    if row is None or row[0] == "tombstone":
        raise NoSuchRecord(id)
    found = []
    ways = [("source", "target")] * (direction != "in") + [("target", "source")] * (direction != "out")
    for own, other in ways:
        rows = tx.execute(
            f"SELECT {', '.join(f'l.{name.strip()}' for name in LINK_COLUMNS.split(','))} FROM links l"
            f" LEFT JOIN records r ON r.ns = l.ns AND r.id = l.{other} WHERE l.ns = ? AND l.{own} = ?"
            f" AND coalesce(r.status, 'active') != 'tombstone' ORDER BY l.created_at, l.type, l.{other}",
            (ns, id),
        ).fetchall()
        for link in map(link_from, rows):
            begin, end = link.valid_from, link.valid_to
            holds = at is None or ((begin is None or begin <= at) and (end is None or at < end))
            if holds and (types is None or link.type in types):
                found.append(link)
    return found
