"""What the doctor asks of the index: does it say what the texts say?

An entry that is alive belongs to an active record, and its length, its role, its words and its vector are those of its
text. Dead entries may keep words and vectors of what they were; nothing reads those.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from wayfare.memory.embedding import embedder_from
from wayfare.memory.embedding.served import PROBE
from wayfare.memory.index.entries import (
    ENTRY,
    MOST_TIMES,
    POSTING,
    SEGMENT,
    entry_sum,
)
from wayfare.memory.index.tokens import tokens
from wayfare.memory.store.blocks import per_block, row_width, vector_row
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.looking import Findings

__all__ = ["CHECKS"]

Check = Callable[[Transaction, Findings], None]
AGAIN = "no text is lost; --salvage builds the index anew"
OTHER = "it answers to its checksum, so that another version made it; --salvage builds the index anew"
ROUNDED = 1e-6
"""Differences between an embedding and its repetition that other arithmetic explains."""


def _entries(tx: Transaction, found: Findings) -> None:
    rows = tx.execute(
        "SELECT e.ns, r.ns, r.status, r.content, e.checksum, e.ordinal, e.record, e.role, e.text, e.length, e.alive"
        " FROM entries e"
        " LEFT JOIN records r ON r.record = e.record ORDER BY e.ns, e.ordinal"
    )
    contents: Counter[int] = Counter()
    for ns, of, status, content, stored, *row in rows:
        ordinal, record, role, text, length, alive = row
        name = f"entry {ordinal} of namespace {ns} (record number {record})"
        if entry_sum(*row) != stored:
            found.add("damage", "entries", f"{name} does not answer to its checksum", AGAIN)
            continue
        if of != ns:
            found.add("damage", "entries", f"{name}: there is no such record", AGAIN)
            continue
        if not alive:
            continue
        if status != "active":
            found.add("damage", "entries", f"{name} can be found, but the record is {status}", AGAIN)
        if role == "content":
            contents[record] += 1
            if text is not None:
                found.add("damage", "entries", f"{name} has a text of its own", AGAIN)
        if length != len(tokens(content if text is None else text)):
            found.add("warning", "entries", f"{name} counts {length} words", OTHER)
    for (record,) in tx.execute("SELECT record FROM records WHERE status = 'active'").fetchall():
        if contents[record] != 1:
            found.add("damage", "entries", f"record number {record} is found by {contents[record]} contents", AGAIN)


def _segments(tx: Transaction, found: Findings) -> None:
    for ns, entries in tx.execute("SELECT ns, entries FROM namespaces").fetchall():
        end = 0
        segments = tx.execute(
            "SELECT segment, first, last, roles, data FROM segments WHERE ns = ? ORDER BY first", (ns,)
        ).fetchall()
        for segment, first, last, roles, data in segments:
            name = f"segment {segment} of namespace {ns}"
            if first != end or len(data) != (last - first + 1) * ENTRY.itemsize:
                found.add("damage", "segments", f"{name} does not follow the one before", AGAIN)
                continue
            end = last + 1
            _segment(tx, found, ns, name, first, last, json.loads(roles), data)
            _postings(tx, found, ns, segment, first, last)
        if entries - end >= SEGMENT:
            found.add("damage", "segments", f"namespace {ns} is packed to entry {end} of {entries}", AGAIN)
    orphans = tx.execute(
        "SELECT COUNT(*) FROM postings p WHERE NOT EXISTS"
        " (SELECT 1 FROM segments s WHERE s.ns = p.ns AND s.segment = p.segment)"
    ).fetchone()[0]
    if orphans:
        found.add("damage", "postings", f"{orphans} belong to no segment", AGAIN)


def _segment(
    tx: Transaction, found: Findings, ns: int, name: str, first: int, last: int, roles: list[str], data: bytes
) -> None:
    packed = np.frombuffer(data, ENTRY)
    rows = tx.execute(
        "SELECT ordinal, record, role, length FROM entries WHERE ns = ? AND ordinal BETWEEN ? AND ? AND alive = 1",
        (ns, first, last),
    )
    for ordinal, record, role, length in rows:
        own = packed[ordinal - first]
        code = int(own["role"])
        if (int(own["record"]), int(own["length"])) != (record, length) or roles[code : code + 1] != [role]:
            found.add("damage", "segments", f"{name} says something else of entry {ordinal}", AGAIN)


def _postings(tx: Transaction, found: Findings, ns: int, segment: int, first: int, last: int) -> None:
    """Words of living entries, each as often as its text has it; of dead ones only what lies within the segment."""
    rows = tx.execute(
        "SELECT e.ordinal, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record"
        " WHERE e.ns = ? AND e.ordinal BETWEEN ? AND ? AND e.alive = 1",
        (ns, first, last),
    )
    said: dict[str, dict[int, int]] = {}
    living = np.zeros(last - first + 1, np.bool_)
    for ordinal, text in rows:
        living[ordinal - first] = True
        for word, times in Counter(tokens(text)).items():
            said.setdefault(word, {})[ordinal] = min(times, MOST_TIMES)
    before = ""
    for term, data in tx.execute(
        "SELECT term, data FROM postings WHERE ns = ? AND segment = ? ORDER BY term", (ns, segment)
    ):
        name = f"the word {term!r} in segment {segment} of namespace {ns}"
        own = said.pop(term, {})
        if before and term <= before:
            found.add("damage", "postings", f"{name} is out of its order", AGAIN)
        before = term
        if len(data) % POSTING.itemsize:
            found.add("damage", "postings", f"{name} is cut", AGAIN)
            continue
        posting = np.frombuffer(data, POSTING)
        ordinals = posting["ordinal"].astype(np.int64)
        if not len(ordinals) or ordinals[0] < first or ordinals[-1] > last or np.any(ordinals[1:] <= ordinals[:-1]):
            found.add("damage", "postings", f"{name} stands outside of it, or out of order", AGAIN)
            continue
        inside = living[ordinals - first]
        if dict(zip(ordinals[inside].tolist(), posting["times"][inside].tolist(), strict=True)) != own:
            found.add("damage", "postings", f"{name} is not where the texts have it", AGAIN)
    if said:
        found.add(
            "damage", "postings", f"segment {segment} of namespace {ns} lacks the words {sorted(said)[:3]}", AGAIN
        )


def _blocks(tx: Transaction, found: Findings) -> None:
    spaces = tx.execute(
        "SELECT s.space, s.ns, s.model, s.dimension, s.probe, n.space = s.space FROM spaces s"
        " JOIN namespaces n ON n.ns = s.ns WHERE s.state != 'retired'"
    ).fetchall()
    for space, ns, model, dimension, probe, serving in spaces:
        again = embedder_from(model) if model.startswith("lexical") else None
        if again is not None and probe is not None and probe != again.embed_query(PROBE).tobytes():
            found.add("warning", "spaces", f"the probe of {model} is not what it was", AGAIN)
        size, width = per_block(dimension), row_width(dimension)
        for start, position, data in _parts(tx, ns, space, size):
            name = f"block {position} of {model} in namespace {ns}"
            if data is not None and len(data) != size * width:
                found.add("damage", "blocks", f"{name} has {len(data)} bytes", AGAIN)
                continue
            rows = tx.execute(
                "SELECT e.ordinal, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record"
                " WHERE e.ns = ? AND e.ordinal >= ? AND e.ordinal < ? AND e.alive = 1",
                (ns, start, start + size),
            ).fetchall()
            if not rows:
                continue
            places = [ordinal - start for ordinal, _ in rows]
            block = np.frombuffer(bytes(size * width) if data is None else data, "<f4").reshape(size, dimension + 1)
            vectors = np.ascontiguousarray(block[places, :dimension])
            for (ordinal, _), vector, place in zip(rows, vectors, places, strict=True):
                stored = block[place].tobytes()
                if not any(stored):
                    if serving:
                        found.add("damage", "blocks", f"{name}: entry {ordinal} has no vector", AGAIN)
                elif vector_row(vector) != stored:
                    what = f"{name}: the vector of entry {ordinal} does not answer to its checksum"
                    found.add("damage", "blocks", what, AGAIN)
            if again is not None:
                with np.errstate(all="ignore"):
                    apart = np.abs(vectors - again.embed([text for _, text in rows])).max(axis=1)
                for (ordinal, _), most, vector in zip(rows, apart.tolist(), vectors, strict=True):
                    if not most <= ROUNDED and vector.any():
                        what = f"{name}: the vector of entry {ordinal} is {most:.2g} from that of its text"
                        found.add("warning", "blocks", what, OTHER)


def _parts(tx: Transaction, ns: int, space: int, size: int) -> Iterator[tuple[int, int, bytes | None]]:
    """(first entry, position, data) of each block that there must be."""
    row = tx.execute("SELECT entries FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    for position in range(-(-int(row[0]) // size)):
        block = tx.execute(
            "SELECT data FROM blocks WHERE ns = ? AND space = ? AND position = ?", (ns, space, position)
        ).fetchone()
        yield position * size, position, None if block is None else block[0]


CHECKS: tuple[tuple[str, Check], ...] = (("entries", _entries), ("segments", _segments), ("blocks", _blocks))
"""Table -> what is asked of it, in this order."""
