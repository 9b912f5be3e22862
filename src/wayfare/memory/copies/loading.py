"""A memory from its rows, into an empty namespace of either store: looked through first, then written in one piece.

`verified` reads a bundle once and believes nothing: every digest, every field, and whether the rows agree with one
another. `load` then writes all of it in one transaction, so that whoever looks sees an empty namespace or the whole
memory. Checksums, tags and the index of words are made anew.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, StoreError
from wayfare.memory.copies.bundles import Bundle
from wayfare.memory.copies.checks import Checked, checked_head, record_told
from wayfare.memory.copies.listed import Copy, note
from wayfare.memory.copies.parts import PARTS, Numbers, Part, Row, renumbered_body, respaced
from wayfare.memory.index.entries import put_back
from wayfare.memory.opening import settled
from wayfare.memory.quotas import SETTING as QUOTA
from wayfare.memory.quotas import with_limits
from wayfare.memory.receipts import renumbered
from wayfare.memory.records import checksum
from wayfare.memory.standing import read_standing
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.rows import record_row

__all__ = ["Loaded", "load", "verified"]

T = TypeVar("T")
TOGETHER = 500
"""Rows in one statement."""
Source = Callable[[Part], Iterable[Row]]


@dataclass(frozen=True)
class Loaded:
    """A memory that was brought in. rows: by part        sequence: of its last change"""

    namespace: str
    sequence: int
    rows: Mapping[str, int]


def verified(bundle: Bundle) -> None:
    """Read it once, from end to end. Raises: Damaged, naming the file, the part, the line and the field."""
    try:
        checked_head(bundle.head)
    except (ValueError, TypeError, AttributeError) as error:
        raise bundle.damaged(f"manifest.json: {error}") from None
    checked = Checked(bundle.head)
    for part in PARTS:
        line = 0
        for line, row in enumerate(bundle.rows(part), 1):
            try:
                checked.take(part, row)
            except ValueError as error:
                raise bundle.wrong(part.name, line, error) from None
        try:
            checked.end(part)
        except ValueError as error:
            raise bundle.wrong(part.name, line, error) from None


def load(
    database: Database,
    namespace: str,
    head: Mapping[str, Any],
    source: Source,
    also: Copy | None = None,
) -> Loaded:
    """Write all of a memory into a namespace that holds nothing.

    database: the handle of the namespace        head: the manifest        source: the rows of a part
    also: a copy that is to be listed in it, as where it came from
    Raises: BadValue where the namespace holds anything, or its rewards have another range; StoreError.
    """
    with database.write() as tx:
        ns = tx.namespace(namespace, create=True)
        assert ns is not None
        _checked_empty(tx, ns, namespace, head)
        writing = _Writing(tx, ns)
        rows = {part.name: writing.take(part, source(part)) for part in PARTS}
        settings = with_limits(namespace, {}, head["settings"].get(QUOTA, {}))
        settings |= {name: value for name, value in head["settings"].items() if name != QUOTA}
        if settings.get("reward_range") is not None:
            settings["checksum"] = checksum(namespace, *settings["reward_range"])
        serving = None if head["serving"] is None else writing.spaces[head["serving"]]
        tx.execute(
            "UPDATE namespaces SET sequence = ?, space = ?, settings = ? WHERE ns = ?",
            (head["sequence"], serving, json.dumps(settings), ns),
        )
        read_standing(tx, ns)
        if also is not None:
            tx.execute("DELETE FROM copies WHERE ns = ? AND id = ?", (ns, also.id))  # as it was while it was made
            note(tx, ns, also)
    return Loaded(namespace, head["sequence"], rows)


def _checked_empty(tx: Transaction, ns: int, namespace: str, head: Mapping[str, Any]) -> None:
    sequence, entries, settings = tx.execute(
        "SELECT sequence, entries, settings FROM namespaces WHERE ns = ?", (ns,)
    ).fetchone()
    if sequence or entries:
        raise BadValue("namespace", namespace, f"one that holds nothing yet; it has seen {sequence} changes")
    agreed, given = settled(namespace, json.loads(settings)), head["reward_range"]
    if agreed is not None and given is not None and list(agreed) != list(given):
        raise BadValue("reward_range", tuple(given), f"{agreed}, as the namespace {namespace!r} has it")
    tx.execute("UPDATE namespaces SET space = NULL WHERE ns = ?", (ns,))
    tx.execute("DELETE FROM spaces WHERE ns = ?", (ns,))


def _together(rows: Iterable[T], size: int = TOGETHER) -> Iterator[list[T]]:
    left = iter(rows)
    while found := list(islice(left, size)):
        yield found


class _Writing:
    """One transaction's worth. spaces: the numbers that they have here, by place."""

    def __init__(self, tx: Transaction, ns: int) -> None:
        self._tx, self._ns = tx, ns
        self.spaces: list[int] = []
        self._numbers = Numbers(np.zeros(0, np.int64))

    def take(self, part: Part, rows: Iterable[Row]) -> int:
        """All rows of one part; how many."""
        special = {
            "records": self._records, "spaces": self._of_spaces, "entries": self._entries, "vectors": self._vectors,
            "payloads": self._payloads,
        }  # fmt: skip
        done = 0

        def counted() -> Iterator[Row]:
            nonlocal done
            for row in rows:
                done += 1
                yield row

        if part.name in special:
            special[part.name](counted())
        else:
            self._plain(part, counted())
        return done

    def _plain(self, part: Part, rows: Iterable[Row]) -> None:
        names = ("ns", *part.names, *(["checksum"] if part.summed else []))
        insert = f"INSERT INTO {part.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        for some in _together(rows):
            made = []
            for row in some:
                values = {column.name: self._kept(column.kind, row[column.name]) for column in part.columns}
                made.append((self._ns, *values.values(), *([part.sum(values)] if part.summed else [])))
            self._tx.executemany(insert, made)

    def _kept(self, kind: str, value: Any) -> Any:
        if value is None:
            return None
        match kind:
            case "record":
                return self._numbers.number(value)
            case "bytes":
                return base64.b64decode(value)
            case "log":
                text = renumbered_body(value, self._numbers.number)
                return respaced(text, self._space) if '"space"' in text else text
            case "receipt":
                return zlib.compress(renumbered(base64.b64decode(value), self._numbers.number), 1)
        return value

    def _space(self, place: int) -> int | None:
        return self.spaces[place] if 0 <= place < len(self.spaces) else None

    def _of_spaces(self, rows: Iterable[Row]) -> None:
        for row in rows:
            probe = None if row["probe"] is None else base64.b64decode(row["probe"])
            retired = row["state"] == "retired"
            name = f"{row['model']} #new" if retired else row["model"]
            (space,) = self._tx.execute(
                "INSERT INTO spaces (ns, model, dimension, probe, state) VALUES (?, ?, ?, ?, ?) RETURNING space",
                (self._ns, name, row["dimension"], probe, row["state"]),
            ).fetchone()
            if retired:
                self._tx.execute("UPDATE spaces SET model = ? WHERE space = ?", (f"{row['model']} #{space}", space))
            self.spaces.append(int(space))

    def _records(self, rows: Iterable[Row]) -> None:
        numbers: list[NDArray[np.int64]] = []
        for some in _together(rows):
            made: list[tuple[Any, ...]] = []
            names: tuple[str, ...] = ()
            tags: list[tuple[str, ...]] = []
            for row in some:
                record = record_told(row)
                names, values = record_row(record, self._ns)
                given = dict(zip(names, values, strict=True))
                if row["hash"] is not None:
                    given["content_hash"] = bytes.fromhex(row["hash"])
                made.append(tuple(given.values()))
                tags.append(record.tags)
            marks = f"({', '.join('?' * len(names))})"
            found = self._tx.execute(
                f"INSERT INTO records ({', '.join(names)}) VALUES {', '.join([marks] * len(made))} RETURNING record",
                [value for values in made for value in values],
            ).fetchall()
            drawn = np.array([number for (number,) in found], np.int64)
            if len(drawn) != len(made) or (np.diff(drawn) <= 0).any() or (numbers and drawn[0] <= numbers[-1][-1]):
                raise StoreError("the store did not number the records in their order; nothing was changed")
            numbers.append(drawn)
            filed = [(self._ns, tag, number) for number, each in zip(drawn.tolist(), tags, strict=True) for tag in each]
            if filed:
                self._tx.executemany("INSERT INTO tags (ns, tag, record) VALUES (?, ?, ?)", filed)
        self._numbers = Numbers(np.concatenate(numbers) if numbers else np.zeros(0, np.int64))

    def _payloads(self, rows: Iterable[Row]) -> None:
        for row in rows:  # each is large
            self._tx.stop.check()
            payload_rows.put(self._tx, self._ns, row["digest"], row["part"], base64.b64decode(row["data"]))

    def _entries(self, rows: Iterable[Row]) -> None:
        for some in _together(rows):
            put_back(
                self._tx,
                self._ns,
                [
                    (row["ordinal"], self._numbers.number(row["record"]), row["role"], row["text"], row["length"],
                     row["alive"])
                    for row in some
                ],
            )  # fmt: skip

    def _vectors(self, rows: Iterable[Row]) -> None:
        for some in _together(rows):
            placed: dict[int, list[tuple[int, NDArray[np.float32]]]] = {}
            for row in some:
                vector = np.frombuffer(base64.b64decode(row["vector"]), "<f4").astype(np.float32)
                placed.setdefault(self.spaces[row["space"]], []).append((row["ordinal"], vector))
            for space, pairs in placed.items():
                self._tx.vectors.write(self._ns, space, pairs)
