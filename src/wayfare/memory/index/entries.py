"""The written side of the index: entries, the words of packed segments, and vectors.

Each searchable text of a record is an *entry*; entries are numbered from 0 within their namespace and never
renumbered. An entry whose record has moved on is dead, not removed. When 2,048 entries stand since the last segment
they are packed: for each word the entries that hold it; eight segments of a size become one of eight times the size,
up to 131,072. Entries that are not packed yet are read from their texts.

Vectors go to where the store keeps them (`tx.vectors`). All of it runs inside the caller's transaction; a record's row
is written before its entries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, Damaged
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import checksum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.vector_rows import Vector

__all__ = [
    "ENTRY",
    "KILL",
    "POSTING",
    "SEGMENT",
    "add",
    "add_many",
    "entry_sum",
    "kill",
    "put_back",
    "scrub",
]

Keys = Sequence[tuple[str, str | None, str]]
SEGMENT = 2_048
"""Entries of the smallest segment."""
FAN, LARGEST = 8, 131_072
POSTING = np.dtype([("ordinal", "<u4"), ("times", "u1")])
ENTRY = np.dtype([("record", "<i8"), ("length", "<u4"), ("role", "<u4")])
MOST_TIMES = 255
KILL = "UPDATE entries SET alive = 0, checksum = checksum - 1 WHERE record = ? AND ns = ? AND alive = 1"


def entry_sum(ordinal: int, record: int, role: str, text: str | None, length: int, alive: int) -> int:
    """The checksum of an entry."""
    return checksum(ordinal, record, role, text, length) + alive


def add(
    tx: Transaction, ns: int, record: int, keys: Keys, vectors: Sequence[Vector | None] = (), space: int | None = None
) -> range:
    """Make entries of one record; their ordinals.

    keys: (role, text or None for the record's own content, the text that is indexed: the same, or the content)
    vectors: one a key, [D] or None; none at all where `space` is None
    """
    return add_many(tx, ns, [(record, keys, vectors)], space)


def add_many(
    tx: Transaction,
    ns: int,
    items: Sequence[tuple[int, Keys, Sequence[Vector | None]]],
    space: int | None = None,
) -> range:
    """`add` for many records at once: (record, keys, vectors) each; neighbouring vectors are written together."""
    count = sum(len(keys) for _, keys, _ in items)
    if not count:
        return range(0)
    row = tx.execute(
        "UPDATE namespaces SET entries = entries + ? WHERE ns = ? RETURNING entries", (count, ns)
    ).fetchone()
    if row is None:
        raise BadValue("ns", ns, "the number of a namespace")
    end = int(row[0])
    first = ordinal = end - count
    rows, texts, placed = [], {}, []
    for record, keys, vectors in items:
        if vectors and len(vectors) != len(keys):
            raise BadValue("vectors", f"{len(vectors)} vectors", f"one for each of {len(keys)} keys")
        for place, (role, text, indexed) in enumerate(keys):
            length = len(tokens(indexed))
            rows.append((ns, ordinal, record, role, text, length, entry_sum(ordinal, record, role, text, length, 1)))
            texts[ordinal] = indexed
            vector = vectors[place] if vectors else None
            if vector is not None:
                placed.append((ordinal, vector))
            ordinal += 1
    insert = (
        "INSERT INTO entries (ns, ordinal, record, role, text, length, alive, checksum) VALUES (?, ?, ?, ?, ?, ?, 1, ?)"
    )
    if count == 1:
        tx.execute(insert, rows[0])
    else:
        tx.executemany(insert, rows)
    if placed:
        if space is None:
            raise BadValue("space", None, "the number of a space, where there are vectors")
        tx.vectors.write(ns, space, placed)
    for boundary in range(first // SEGMENT + 1, end // SEGMENT + 1):
        _pack(tx, ns, boundary * SEGMENT, texts)
    return range(first, end)


def put_back(tx: Transaction, ns: int, rows: Sequence[tuple[int, int, str, str | None, int, int]]) -> None:
    """Write entries as they were, the living and the dead, after those that are there.

    rows: (ordinal, record, role, text or None for the record's own content, length, alive), ordinals without a gap
    Raises: BadValue for an ordinal out of its turn.
    """
    (end,) = tx.execute("SELECT entries FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    if [row[0] for row in rows] != list(range(end, end + len(rows))):
        raise BadValue("ordinal", rows[0][0] if rows else None, f"{end} and so on, without a gap")
    tx.executemany(
        "INSERT INTO entries (ns, ordinal, record, role, text, length, alive, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(ns, *row, entry_sum(*row)) for row in rows],
    )
    tx.execute("UPDATE namespaces SET entries = entries + ? WHERE ns = ?", (len(rows), ns))
    for boundary in range(end // SEGMENT + 1, (end + len(rows)) // SEGMENT + 1):
        _pack(tx, ns, boundary * SEGMENT, {})


def kill(tx: Transaction, ns: int, record: int) -> None:
    """No search finds the record any more: it was forgotten, or its text has changed and new entries follow."""
    tx.execute(KILL, (record, ns))


def scrub(tx: Transaction, ns: int, record: int) -> None:
    """Take every trace of a record out of the index: its texts, words and vectors. Its entries stay, dead and empty.

    Words of earlier versions are found by their entries, not by their text, so that nothing depends on knowing it.
    """
    found = tx.execute("SELECT ordinal, role FROM entries WHERE record = ? AND ns = ?", (record, ns)).fetchall()
    ordinals = np.array([ordinal for ordinal, _ in found], np.int64)
    tx.executemany(
        "UPDATE entries SET alive = 0, text = '', length = 0, checksum = ? WHERE ns = ? AND ordinal = ?",
        [(entry_sum(ordinal, record, role, "", 0, 0), ns, ordinal) for ordinal, role in found],
    )
    segments = tx.execute("SELECT segment, first, last FROM segments WHERE ns = ?", (ns,)).fetchall()
    for segment, first, last in segments:
        inside = ordinals[(ordinals >= first) & (ordinals <= last)]
        if len(inside):
            _unpost(tx, ns, segment, inside)
    tx.vectors.erase(ns, ordinals.tolist())


def _pack(tx: Transaction, ns: int, end: int, known: Mapping[int, str]) -> None:
    """Make a segment of the 2,048 entries before `end`. known: ordinal -> text, so far as it is at hand."""
    first = end - SEGMENT
    rows = tx.execute(
        "SELECT e.ordinal, e.record, e.role, e.length, e.alive, coalesce(e.text, r.content) FROM entries e"
        " LEFT JOIN records r ON r.record = e.record WHERE e.ns = ? AND e.ordinal >= ? AND e.ordinal < ?"
        " ORDER BY e.ordinal",
        (ns, first, end),
    ).fetchall()
    if len(rows) != SEGMENT:
        raise Damaged(f"namespace {ns} lacks entries between {first} and {end}; `wayfare memory doctor`")
    roles = sorted({row[2] for row in rows})
    data = np.empty(SEGMENT, ENTRY)
    code = {role: i for i, role in enumerate(roles)}
    data["record"] = [row[1] for row in rows]
    data["length"] = [row[3] for row in rows]
    data["role"] = [code[row[2]] for row in rows]
    postings: dict[str, dict[int, int]] = {}
    for ordinal, _, _, _, alive, text in rows:
        if alive:
            for word in tokens(known.get(ordinal, text) or ""):
                times = postings.setdefault(word, {})
                times[ordinal] = times.get(ordinal, 0) + 1
    packed = {word: _posting(times) for word, times in postings.items()}
    _write_segment(tx, ns, first, end - 1, roles, data, packed)
    size = SEGMENT
    while size < LARGEST and end % (size * FAN) == 0:
        size *= FAN
        _merge(tx, ns, end - size, end - 1)


def _posting(times: Mapping[int, int]) -> bytes:
    data = np.empty(len(times), POSTING)
    data["ordinal"] = list(times)
    data["times"] = [min(count, MOST_TIMES) for count in times.values()]
    return data.tobytes()


def _write_segment(
    tx: Transaction,
    ns: int,
    first: int,
    last: int,
    roles: Sequence[str],
    data: NDArray[np.void],
    postings: Mapping[str, bytes],
) -> None:
    row = tx.execute("SELECT coalesce(max(segment), 0) + 1 FROM segments WHERE ns = ?", (ns,)).fetchone()
    tx.execute(
        "INSERT INTO segments (ns, segment, first, last, roles, data) VALUES (?, ?, ?, ?, ?, ?)",
        (ns, row[0], first, last, json.dumps(roles), data.tobytes()),
    )
    tx.executemany(
        "INSERT INTO postings (ns, segment, term, data) VALUES (?, ?, ?, ?)",
        [(ns, row[0], term, postings[term]) for term in sorted(postings)],
    )


def _merge(tx: Transaction, ns: int, first: int, last: int) -> None:
    """One segment of all that stand between: entries and postings follow one another, so they are put end to end."""
    found = tx.execute(
        "SELECT segment, roles, data FROM segments WHERE ns = ? AND first >= ? AND last <= ? ORDER BY first",
        (ns, first, last),
    ).fetchall()
    parts = [(json.loads(roles), np.frombuffer(data, ENTRY).copy()) for _, roles, data in found]
    roles = sorted({role for names, _ in parts for role in names})
    code = {role: i for i, role in enumerate(roles)}
    postings: dict[str, list[bytes]] = {}
    for (segment, _, _), (names, data) in zip(found, parts, strict=True):
        data["role"] = np.array([code[name] for name in names], np.uint32)[data["role"]]
        for term, part in tx.execute("SELECT term, data FROM postings WHERE ns = ? AND segment = ?", (ns, segment)):
            postings.setdefault(term, []).append(part)
    for segment, _, _ in found:
        tx.execute("DELETE FROM postings WHERE ns = ? AND segment = ?", (ns, segment))
        tx.execute("DELETE FROM segments WHERE ns = ? AND segment = ?", (ns, segment))
    whole = {term: b"".join(part) for term, part in postings.items()}
    _write_segment(tx, ns, first, last, roles, np.concatenate([data for _, data in parts]), whole)


def _unpost(tx: Transaction, ns: int, segment: int, ordinals: NDArray[np.int64]) -> None:
    """Take entries out of every posting of a segment; a word that is left with none goes too."""
    changed = []
    for term, data in tx.execute("SELECT term, data FROM postings WHERE ns = ? AND segment = ?", (ns, segment)):
        posting = np.frombuffer(data, POSTING)
        gone = np.isin(posting["ordinal"], ordinals)
        if gone.any():
            changed.append((posting[~gone].tobytes(), ns, segment, term))
    tx.executemany(
        "DELETE FROM postings WHERE ns = ? AND segment = ? AND term = ?",
        [(ns, segment, term) for data, _, _, term in changed if not data],
    )
    tx.executemany(
        "UPDATE postings SET data = ? WHERE ns = ? AND segment = ? AND term = ?", [row for row in changed if row[0]]
    )
