"""Everything of one person: told in a file that can be read, or erased.

A *subject* is somebody whom memories are about, or come from: `remember(..., subject="user-42")` files a memory under
the tag `subject:user-42`. Theirs are

    records     with that tag, now or in an earlier version, and what was derived from these (`derived_from`)
    receipts    that showed any of them, that ask for the subject by name, or of a task that the caller names
    outcomes    of the tasks of those receipts

Erasing purges the records, empties the queries of the receipts and the evidence of links, and tells which copies still
hold them. It writes down first which records it is about, by their ids and a salted hash of the name: killed at any
moment, it goes on where it was when it is called again. What is left is what a purge leaves: numbers, and ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, get_args

from wayfare.errors import BadValue
from wayfare.memory.copies.listed import Copy, holding
from wayfare.memory.copies.parts import Exported, Row, told_payloads, told_record
from wayfare.memory.invalidating import forms_of
from wayfare.memory.purge import purge_all
from wayfare.memory.receipts import blank_query
from wayfare.memory.records import checked_name, checksum
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.payload_rows import named
from wayfare.memory.store.rows import (
    LINK_COLUMNS,
    LOG_COLUMNS,
    RECORD_COLUMNS,
    append_log,
    link_from,
    link_row,
    record_from,
    record_from_body,
)

__all__ = ["SUBJECT", "Erased", "Theirs", "erase", "subject_tag", "theirs", "told"]

SUBJECT = "subject:"
"""A tag begins so that names whom a memory is about."""
Derived = Literal["purge", "keep"]
TOGETHER, CHARACTERS = 200, 200_000
"""Records that are purged at once, and how much they may say."""


def subject_tag(subject: object) -> str:
    """The tag of a subject. Raises: BadValue."""
    return checked_name("subject", SUBJECT + checked_name("subject", subject))


@dataclass
class Theirs:
    """own: ids of their records        derived: of records made from those, which are not theirs by name

    receipts: sequence numbers, with the task of each        tasks: ids
    unfinished: an erasure that was cut off
    """

    own: list[str] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    receipts: dict[int, str] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    unfinished: str | None = None


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be. records: ids that are purged        derived: made from them: purged, or kept

    kept: those of `derived` that are as they were        receipts: of which the query was emptied
    copies: made while any of it was there: they still hold it        dry: nothing was changed
    """

    subject: str
    records: tuple[str, ...]
    derived: tuple[str, ...]
    kept: tuple[str, ...]
    receipts: int
    copies: tuple[Copy, ...]
    dry: bool

    def __str__(self) -> str:
        would = "would be " if self.dry else ""
        lines = [
            f"{self.subject}: {len(self.records)} memories {would}purged, {len(self.derived)} of them or beside them"
            f" derived ({len(self.kept)} kept), {self.receipts} queries {would}emptied"
        ]
        lines += [f"kept      {id}" for id in self.kept]
        lines += [f"still in  {each.what} {each.path} (copy {each.id})" for each in self.copies]
        return "\n".join(lines)


def theirs(tx: Transaction, ns: int, subject: str, tasks: Iterable[str] = ()) -> Theirs:
    """What is of a subject. tasks: ids of tasks that were theirs. Raises: BadValue; Damaged."""
    tag = subject_tag(subject)
    found = Theirs(tasks=[checked_name("tasks", task) for task in tasks])
    own = set(_tagged(tx, ns, tag))
    for operation, ids, whole in _begun(tx, ns, subject):
        if not whole:
            own |= set(ids)
            found.unfinished = operation
    found.own = sorted(own)
    front, known = own, set(own)
    while front:
        front = set(_made_from(tx, ns, sorted(front))) - known
        known |= front
    found.derived = sorted(known - own)
    wanted, name = known | {*found.own}, subject.casefold()
    for seq, task, query, slate in _pages(tx, ns):
        if (
            task in found.tasks
            or (query and name in query.casefold())
            or any(id in wanted for id, _ in (json.loads(slate) if wanted else ()))
        ):
            found.receipts[seq] = task
    return found


def _tagged(tx: Transaction, ns: int, tag: str) -> Iterator[str]:
    """Ids of records that have the tag, or had."""
    filed = tx.execute(
        "SELECT r.id FROM tags t JOIN records r ON r.record = t.record WHERE t.ns = ? AND t.tag = ? ORDER BY r.id",
        (ns, tag),
    )
    yield from [id for (id,) in filed.fetchall()]
    last = ("", 0)
    while True:
        rows = tx.execute(
            "SELECT id, version, body, checksum FROM versions WHERE ns = ? AND (id, version) > (?, ?)"
            " ORDER BY id, version LIMIT 1000",
            (ns, *last),
        ).fetchall()
        if not rows:
            return
        for id, _, body, stored in rows:
            if SUBJECT in body and tag in record_from_body(body, stored, "").tags:
                yield id
        last = rows[-1][:2]


def _made_from(tx: Transaction, ns: int, ids: Sequence[str]) -> Iterator[str]:
    """Ids of what is derived from these, that still says something."""
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        rows = tx.execute(
            "SELECT DISTINCT l.source FROM links l JOIN records r ON r.ns = l.ns AND r.id = l.source WHERE l.ns = ?"
            f" AND l.type = 'derived_from' AND l.target IN ({', '.join('?' * len(some))}) AND r.content != ''"
            " ORDER BY l.source",
            (ns, *some),
        ).fetchall()
        yield from (id for (id,) in rows)


def _pages(tx: Transaction, ns: int) -> Iterator[tuple[int, str, str, str]]:
    last = 0
    while True:
        rows = tx.execute(
            "SELECT seq, task, query, slate FROM receipts WHERE ns = ? AND seq > ? ORDER BY seq LIMIT 1000", (ns, last)
        ).fetchall()
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def told(tx: Transaction, ns: int, subject: str, tasks: Iterable[str] = ()) -> dict[str, Iterator[Row]]:
    """The parts of a bundle that can be read: each line says all of one thing. Within one read."""
    found = theirs(tx, ns, subject, tasks)
    ids = [*found.own, *found.derived]
    return {
        "records": _told_records(tx, ns, found),
        "payloads": told_payloads(tx, ns, {info.digest for id, _, info in named(tx, ns) if id in {*ids}}),
        "links": _told_links(tx, ns, ids),
        "receipts": _told_receipts(tx, ns, found),
        "outcomes": _told_outcomes(tx, ns, sorted({*found.receipts.values(), *found.tasks})),
    }


def _told_records(tx: Transaction, ns: int, found: Theirs) -> Iterator[Row]:
    for ids, derived in ((found.own, False), (found.derived, True)):
        for id in ids:
            number, *rest, hashed = tx.execute(
                f"SELECT {RECORD_COLUMNS}, content_hash FROM records WHERE ns = ? AND id = ?", (ns, id)
            ).fetchone()
            rows = tx.execute(
                "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? ORDER BY version", (ns, id)
            ).fetchall()
            earlier = [record_from_body(body, stored, "") for body, stored in rows if body]
            texts = tx.execute(
                "SELECT DISTINCT role, text FROM entries WHERE ns = ? AND record = ? AND coalesce(text, '') != ''"
                " ORDER BY role, text",
                (ns, number),
            ).fetchall()
            log = tx.execute(
                "SELECT seq, time, actor, op, version, reason FROM log WHERE ns = ? AND id = ? ORDER BY seq", (ns, id)
            ).fetchall()
            yield {
                **told_record(record_from((number, *rest), ""), bytes(hashed)),
                "derived": derived,
                "earlier": [told_record(record, b"") for record in earlier],
                "found_under": [{"role": role, "text": text} for role, text in texts],
                "log": [
                    dict(zip(("seq", "time", "actor", "op", "version", "reason"), row, strict=True)) for row in log
                ],
            }


def _told_links(tx: Transaction, ns: int, ids: Sequence[str]) -> Iterator[Row]:
    for link in _links_of(tx, ns, ids):
        yield {
            "source": link.source, "target": link.target, "type": link.type, "weight": link.weight,
            "evidence": list(link.evidence), "valid_from": link.valid_from, "valid_to": link.valid_to,
        }  # fmt: skip


def _links_of(tx: Transaction, ns: int, ids: Sequence[str]) -> Iterator[Any]:
    """Each link that begins or ends at any of these, once."""
    wanted = set(ids)
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        marks = ", ".join("?" * len(some))
        rows = tx.execute(
            f"SELECT {LINK_COLUMNS} FROM links WHERE ns = ? AND (source IN ({marks}) OR target IN ({marks}))"
            " ORDER BY source, type, target",
            (ns, *some, *some),
        ).fetchall()
        for link in map(link_from, rows):
            first = next(id for id in (link.source, link.target) if id in wanted)
            if first in some:
                yield link


def _told_receipts(tx: Transaction, ns: int, found: Theirs) -> Iterator[Row]:
    for seq in sorted(found.receipts):
        id, task, time, query, slate = tx.execute(
            "SELECT id, task, time, query, slate FROM receipts WHERE ns = ? AND seq = ?", (ns, seq)
        ).fetchone()
        shown = [{"id": each, "version": version} for each, version in json.loads(slate)]
        yield {"id": id, "task": task, "time": time, "query": query, "shown": shown}


def _told_outcomes(tx: Transaction, ns: int, tasks: Sequence[str]) -> Iterator[Row]:
    names = ("seq", "task", "source", "actor", "time", "reward", "used", "rank", "replaced", "voided")
    for task in tasks:
        rows = tx.execute(
            f"SELECT {', '.join(names)} FROM outcomes WHERE ns = ? AND task = ? ORDER BY seq", (ns, task)
        ).fetchall()
        for row in rows:
            values = dict(zip(names, row, strict=True))
            yield {**values, "used": None if values["used"] is None else json.loads(values["used"])}


# Erasing


def erase(
    database: Database,
    ns: int,
    subject: str,
    *,
    derived: str = "purge",
    tasks: Iterable[str] = (),
    dry_run: bool = False,
    time: float,
    actor: str,
    operation: str,
) -> Erased:
    """`Memory.erase` says what it does."""
    if derived not in get_args(Derived):
        raise BadValue("derived", derived, f"one of {', '.join(get_args(Derived))}")
    tasks = list(tasks)
    with database.read() as tx:
        found = theirs(tx, ns, subject, tasks)
        wanted = _wanted(tx, ns, found, derived)
        kept = tuple(id for id in found.derived if id not in {*wanted})
        known = {*wanted, *(id for _, ids, _ in _begun(tx, ns, subject) for id in ids)}
        if dry_run:
            waiting = _asking(tx, ns, found.receipts)
            return Erased(
                subject, tuple(wanted), tuple(found.derived), kept, len(waiting), holding(tx, ns, sorted(known)), True
            )
    emptied = 0
    if wanted or found.receipts or found.unfinished:
        with database.write() as tx:
            found = theirs(tx, ns, subject, tasks)
            wanted = _wanted(tx, ns, found, derived)
            waiting = _asking(tx, ns, found.receipts)
            for seq in waiting:
                blank_query(tx, ns, seq)
            emptied = len(waiting)
            if wanted or waiting:
                _without_evidence(tx, ns, wanted)
                body = {"subject": _hashed(tx, subject), "ids": wanted}
                append_log(tx, ns, time=time, actor=actor, operation=operation, op="ERASE", body=body)
        for some in _batches(database, ns, wanted):
            purge_all(database, ns, some, time=time, actor=actor, operation=operation)
        database.erasing.settle()  # also where only queries were emptied
        with database.write() as tx:
            if any(not whole for _, _, whole in _begun(tx, ns, subject)):
                body = {"subject": _hashed(tx, subject)}
                append_log(tx, ns, time=time, actor=actor, operation=operation, op="ERASED", body=body)
    with database.read() as tx:
        known |= {id for _, ids, _ in _begun(tx, ns, subject) for id in ids}
        copies = holding(tx, ns, sorted(known))
    return Erased(subject, tuple(wanted), tuple(found.derived), kept, emptied, copies, False)


def _wanted(tx: Transaction, ns: int, found: Theirs, derived: str) -> list[str]:
    """What is purged. What a model was prepared with from theirs holds their text, and is never kept."""
    taken = {*found.derived} if derived == "purge" else {*forms_of(tx, ns, found.own)}
    return found.own + [id for id in found.derived if id in taken]


def _hashed(tx: Transaction, subject: str) -> str:
    (salt,) = tx.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    return blake2b(bytes.fromhex(salt) + subject.encode(), digest_size=16).hexdigest()


def _begun(tx: Transaction, ns: int, subject: str) -> list[tuple[str, list[str], bool]]:
    """(operation, ids, whether it was finished) of each erasure of the subject, oldest first."""
    mine = _hashed(tx, subject)
    found: list[tuple[str, list[str], bool]] = []
    rows = tx.execute(
        "SELECT op, operation, body FROM log WHERE ns = ? AND op IN ('ERASE', 'ERASED') ORDER BY seq", (ns,)
    ).fetchall()
    for op, operation, text in rows:
        body = json.loads(text)
        if body["subject"] == mine:
            if op == "ERASE":
                found.append((operation, body["ids"], False))
            else:
                found = [(each, ids, True) for each, ids, _ in found]
    return found


def _asking(tx: Transaction, ns: int, receipts: Iterable[int]) -> list[int]:
    """Those of the receipts that still have a query."""
    return [
        seq
        for seq in sorted(receipts)
        if tx.execute("SELECT query FROM receipts WHERE ns = ? AND seq = ?", (ns, seq)).fetchone()[0]
    ]


def _without_evidence(tx: Transaction, ns: int, ids: Sequence[str]) -> None:
    """Links stay, between ids; what they name as evidence does not, nor does the log keep it."""
    for link in list(_links_of(tx, ns, ids)):
        if link.evidence:
            row = link_row(type(link)(link.source, link.target, link.type, link.weight, (), link.valid_from,
                                      link.valid_to))  # fmt: skip
            tx.execute(
                "UPDATE links SET evidence = ?, checksum = ? WHERE ns = ? AND source = ? AND type = ? AND target = ?",
                (row[4], row[7], ns, link.source, link.type, link.target),
            )
    mine = set(ids)
    rows = tx.execute(
        f"SELECT {LOG_COLUMNS} FROM log WHERE ns = ? AND body LIKE '%\"links\"%' ORDER BY seq", (ns,)
    ).fetchall()
    for row in rows:
        *values, _ = row
        body = json.loads(values[-1])
        changed = False
        for told in body.get("links", ()):
            for state in told[3:] if {told[0], told[1]} & mine else ():
                if state is not None and state[1]:
                    state[1], changed = [], True
        if changed:
            values[-1] = json.dumps(body, separators=(",", ":"))
            tx.execute(
                "UPDATE log SET body = ?, checksum = ? WHERE ns = ? AND seq = ?",
                (values[-1], checksum(*values), ns, values[0]),
            )


def _batches(database: Database, ns: int, ids: Sequence[str]) -> Iterator[list[str]]:
    """A few at a time: a search takes some hundred bytes of memory for each byte that it looks for."""
    some: list[str] = []
    size = 0
    for id in ids:
        with database.read() as tx:
            (length,) = tx.execute("SELECT length(content) FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
        if some and (len(some) == TOGETHER or size + length > CHARACTERS):
            yield some
            some, size = [], 0
        some.append(id)
        size += length
    if some:
        yield some


def exported_head(exported: Exported, subject: str, time: float) -> dict[str, Any]:
    """The manifest of what there is of a subject, without its parts."""
    return {"subject": subject, "namespace": exported.namespace, "created_at": time, "sequence": exported.sequence}
