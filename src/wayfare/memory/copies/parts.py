"""Everything of a namespace as rows that no store's own numbers are in: the same memory gives the same rows.

A store numbers records and spaces across all its namespaces. Here a record is its place among those of its namespace,
from 0, in the order in which they were made, and a space its place among the spaces. What a receipt shows of another
namespace is -1, -2, ... in the order in which it is first met. Segments and postings are left out, they are made anew
from the texts; so are tags, which the records name. Checksums are asked when a row is read, and left out too.

A part is read in pages, by its key: neither it nor the result of a statement lies whole in memory.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import Damaged
from wayfare.memory.index.entries import entry_sum
from wayfare.memory.opening import settled
from wayfare.memory.quotas import SETTING as QUOTA
from wayfare.memory.quotas import limits_of
from wayfare.memory.receipts import renumbered
from wayfare.memory.records import Record, checksum
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, carried_in, record_from

__all__ = ["PARTS", "Column", "Exported", "Numbers", "Part", "Row", "renumbered_body", "respaced", "told_payloads"]

Row = dict[str, Any]
PAGE = 1_000


@dataclass(frozen=True)
class Column:
    """kind: int, real, text, bytes (base64), record (its place), log (JSON with places of records), receipt (bytes)"""

    name: str
    kind: str
    null: bool


@dataclass(frozen=True)
class Part:
    """One table. key: by which its rows are in order        summed: what the checksum of a row is over, () without"""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    summed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    def sum(self, values: Mapping[str, Any]) -> int:
        """The checksum of a row as a store has it."""
        if self.name == "entries":
            return entry_sum(**{name: values[name] for name in self.names})
        return checksum(*(values[name] for name in self.summed))


def _part(name: str, columns: str, key: str, summed: str = "") -> Part:
    found = []
    for each in columns.split():
        column, _, kind = each.partition(":")
        found.append(Column(column, kind.rstrip("?"), kind.endswith("?")))
    return Part(name, tuple(found), tuple(key.split()), tuple(summed.split()))


PARTS: tuple[Part, ...] = (
    _part(
        "records",
        "id:text content:text kind:text form:text status:text version:int created_at:real updated_at:real "
        "event_from:real? event_to:real? valid_from:real? valid_to:real? tags:json meta:json provenance:json "
        "payload:json? hash:hex?",
        "record",
    ),
    _part("spaces", "model:text dimension:int probe:bytes? state:text", "space"),
    _part("versions", "id:text version:int body:text superseded_at:real", "id version", "body"),
    _part("payloads", "digest:text part:int data:bytes", "digest part", "digest part data"),
    _part(
        "links",
        "source:text target:text type:text weight:real evidence:text valid_from:real? valid_to:real? created_at:real",
        "source type target",
        "source target type weight evidence valid_from valid_to",
    ),
    _part(
        "log",
        "seq:int time:real actor:text operation:text op:text id:text? version:int? reason:text body:log",
        "seq",
        "seq time actor operation op id version reason body",
    ),
    _part("answers", "key:text request:bytes answer:text time:real", "key", "key request answer time"),
    _part("entries", "ordinal:int record:record role:text text:text? length:int alive:int", "ordinal", "ordinal"),
    _part("vectors", "space:int ordinal:int vector:bytes", "space ordinal"),
    _part(
        "utilities",
        "record:record n:real total:real squares:real q:real? recalled:int used:int last_credit:real?",
        "record",
    ),
    _part("policies", "id:text body:text created_at:real seq:int", "id", "id body created_at seq"),
    _part(
        "standing", "version:int through:int frozen:int? body:text", "version", "version through frozen body"
    ),
    _part(
        "tasks",
        "id:text side:text epoch:int standing:text opened_at:real closed_at:real? receipts:int",
        "id",
        "id side epoch standing opened_at",
    ),
    _part(
        "receipts",
        "seq:int id:text task:text time:real query:text body:receipt? slate:text probabilities:text",
        "seq",
        "seq id task time query slate probabilities",
    ),
    _part(
        "outcomes",
        "seq:int task:text source:text actor:text time:real reward:real used:text? rank:text replaced:int? voided:int? "
        "basis:text",
        "seq",
        "seq task source actor time reward used rank basis",
    ),
    _part("credits", "record:record seq:int base:real granted:real", "record seq"),
    _part("accounts", "record:record day:int actor:text weight:real", "record day actor"),
    _part("jobs", "name:text through:int body:text updated_at:real", "name", "name through body updated_at"),
    _part(
        "copies",
        "id:text what:text label:text path:text digest:text seq:int created_at:real gone_at:real?",
        "id",
        "id what label path digest seq created_at gone_at",
    ),
)  # fmt: skip
"""In the order in which they are written and read: each after those that it names."""


_VERSIONS = next(part for part in PARTS if part.name == "versions")


class Numbers:
    """From a store's numbers of records to places, and back."""

    def __init__(self, own: NDArray[np.int64]) -> None:
        self.own = own
        self._others: dict[int, int] = {}

    def place(self, number: int) -> int:
        """Of a record."""
        at = int(np.searchsorted(self.own, number))
        if at < len(self.own) and self.own[at] == number:
            return at
        return self._others.setdefault(number, -1 - len(self._others))

    def number(self, place: int) -> int:
        """Of a place; one of another namespace stays what it is, since no record has such a number."""
        return place if place < 0 else int(self.own[place])


def renumbered_body(text: str, change: Callable[[int], int]) -> str:
    """The body of a row of the log with other numbers of records."""
    if '"record' not in text:
        return text
    body = json.loads(text)
    if isinstance(body.get("record"), int):
        body["record"] = change(body["record"])
    if isinstance(body.get("records"), list):  # of a quota it is a limit
        body["records"] = [change(each) for each in body["records"]]
    return json.dumps(body, separators=(",", ":"))


class Exported:
    """A namespace within one read of its store, part by part.

    ns: its number        Raises: Damaged for a row that does not answer to its checksum.
    """

    def __init__(self, tx: Transaction, ns: int) -> None:
        self._tx, self._ns = tx, ns
        path, self.sequence, self.entries, serving, settings = tx.execute(
            "SELECT path, sequence, entries, space, settings FROM namespaces WHERE ns = ?", (ns,)
        ).fetchone()
        self.namespace: str = path
        self.settings = _unsigned(path, json.loads(settings))
        self._spaces = tx.execute(
            "SELECT space, model, dimension, probe, state FROM spaces WHERE ns = ? ORDER BY space", (ns,)
        ).fetchall()
        self._places = {row[0]: i for i, row in enumerate(self._spaces)}
        self.serving: int | None = None if serving is None else self._places[serving]
        self.model: str | None = next((row[1] for row in self._spaces if row[0] == serving), None)
        self._numbers = Numbers(self._own())
        self._carried: set[str] = set()

    def _own(self) -> NDArray[np.int64]:
        found: list[NDArray[np.int64]] = []
        last = -1
        while True:
            rows = self._tx.execute(
                "SELECT record FROM records WHERE ns = ? AND record > ? ORDER BY record LIMIT ?",
                (self._ns, last, 50 * PAGE),
            ).fetchall()
            if not rows:
                return np.concatenate(found) if found else np.zeros(0, np.int64)
            found.append(np.array([number for (number,) in rows], np.int64))
            last = rows[-1][0]

    def rows(self, part: Part) -> Iterator[Row]:
        """All of one part, in the order of its key."""
        special = {
            "records": self._records, "versions": self._versions, "payloads": self._payloads,
            "spaces": self._of_spaces, "vectors": self._vectors,
        }.get(part.name)  # fmt: skip
        yield from self._of_table(part) if special is None else special()

    def pages(self, table: str, columns: Sequence[str], key: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Rows of a table, a page at a time."""
        order, at = ", ".join(key), [columns.index(name) for name in key]
        marks = ", ".join("?" * len(key))
        select = f"SELECT {', '.join(columns)} FROM {table} WHERE ns = ?"
        rows = self._tx.execute(f"{select} ORDER BY {order} LIMIT ?", (self._ns, PAGE)).fetchall()
        while rows:
            yield from rows
            if len(rows) < PAGE:
                return
            last = [rows[-1][i] for i in at]
            rows = self._tx.execute(
                f"{select} AND ({order}) > ({marks}) ORDER BY {order} LIMIT ?", (self._ns, *last, PAGE)
            ).fetchall()

    def _of_table(self, part: Part) -> Iterator[Row]:
        checked = bool(part.summed)
        columns = [*part.names, *(["checksum"] if checked else [])]
        for row in self.pages(part.name, columns, part.key):
            values = dict(zip(columns, row, strict=True))
            if checked and part.sum(values) != values.pop("checksum"):
                named = ", ".join(f"{name} {values[name]!r}" for name in part.key)
                raise Damaged(f"{part.name}: {named} does not answer to its checksum; `wayfare memory doctor`")
            yield {column.name: self._told(column, values[column.name]) for column in part.columns}

    def _told(self, column: Column, value: Any) -> Any:
        if value is None:
            return None
        match column.kind:
            case "record":
                return self._numbers.place(value)
            case "bytes":
                return base64.b64encode(bytes(value)).decode()
            case "log":
                text = renumbered_body(value, self._numbers.place)
                return respaced(text, self._places.get) if '"space"' in text else text
            case "receipt":
                raw = renumbered(zlib.decompress(bytes(value)), self._numbers.place)
                return base64.b64encode(raw).decode()
        return value

    def _records(self) -> Iterator[Row]:
        columns = ["content_hash", *(name.strip() for name in RECORD_COLUMNS.split(","))]
        for hashed, *row in self.pages("records", columns, ["record"]):
            record = record_from(row, "")
            if record.payload is not None:
                self._carried.add(record.payload.digest)
            yield told_record(record, bytes(hashed))

    def _versions(self) -> Iterator[Row]:
        for row in self._of_table(_VERSIONS):
            carried = carried_in(row["body"])
            if carried is not None:
                self._carried.add(carried.digest)
            yield row

    def _payloads(self) -> Iterator[Row]:
        """After the records and their versions, which name them."""
        yield from told_payloads(self._tx, self._ns, self._carried)

    def _of_spaces(self) -> Iterator[Row]:
        for space, model, dimension, probe, state in self._spaces:
            name = model.removesuffix(f" #{space}") if state == "retired" else model
            told = None if probe is None else base64.b64encode(bytes(probe)).decode()
            yield {"model": name, "dimension": dimension, "probe": told, "state": state}

    def _vectors(self) -> Iterator[Row]:
        for place, (space, _, dimension, _, state) in enumerate(self._spaces):
            if state == "retired":
                continue
            for first, rows in self._tx.vectors.between(self._ns, space, dimension, 0, self.entries):
                for i in np.flatnonzero(rows.any(axis=1)).tolist():
                    data = np.ascontiguousarray(rows[i], "<f4").tobytes()
                    yield {"space": place, "ordinal": first + i, "vector": base64.b64encode(data).decode()}


def _unsigned(path: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a namespace without the checksums that bind them to its path. Raises: Damaged."""
    settled(path, settings)
    kept = {name: value for name, value in settings.items() if name not in ("checksum", QUOTA)}
    limits = limits_of(path, settings)
    return {**kept, QUOTA: limits} if limits else kept


def told_record(record: Record, hashed: bytes) -> Row:
    """As a bundle has it. hashed: of its content, or of the one that was purged"""
    return {
        "id": record.id, "content": record.content, "kind": record.kind, "form": record.form, "status": record.status,
        "version": record.version, "created_at": record.created_at, "updated_at": record.updated_at,
        "event_from": record.event_from, "event_to": record.event_to, "valid_from": record.valid_from,
        "valid_to": record.valid_to, "tags": list(record.tags), "meta": dict(record.meta),
        "provenance": [[each.uri, each.span, each.actor, list(each.parents)] for each in record.provenance],
        "payload": None if record.payload is None else {**vars(record.payload), "header": dict(record.payload.header)},
        "hash": None if record.content else hashed.hex(),
    }  # fmt: skip


def told_payloads(tx: Transaction, ns: int, digests: Iterable[str]) -> Iterator[Row]:
    """The bytes of these, each once, in pieces."""
    for digest in sorted({*digests}):
        for part, data in payload_rows.pieces(tx, ns, digest):
            yield {"digest": digest, "part": part, "data": base64.b64encode(data).decode()}


def respaced(text: str, change: Callable[[Any], int | None]) -> str:
    """A move to another embedder with other numbers of spaces; one that is not there any more becomes null."""
    body = json.loads(text)
    for name in ("before", "space"):
        if isinstance(body.get(name), int):
            body[name] = change(body[name])
    return json.dumps(body, separators=(",", ":"))
