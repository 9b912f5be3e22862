"""Several records become one, and how that is undone.

The row of the log under the record that stands after a merge holds what undoing takes: which records it took in, at
which version, and their entries of the index.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wayfare.errors import StoreError, VersionConflict
from wayfare.memory.invalidating import invalidate
from wayfare.memory.operations import Add, Merge
from wayfare.memory.records import Link, Provenance, Record, checked_tags
from wayfare.memory.store.rows import record_from_body
from wayfare.memory.store.vector_rows import Vector

if TYPE_CHECKING:
    from wayfare.memory.applying import Applying

__all__ = ["merge", "revive", "undo_merge"]


def merge(applying: Applying, op: Merge) -> None:
    """Take records into another: their provenance is its own, so are their tags where it stood before; they are
    superseded, and linked to as its sources."""
    taken: list[tuple[int, Record, list[int]]] = []
    also: list[Provenance] = []
    for number, record in [applying.active(id) for id in op.ids if id != op.into]:
        alive = applying.alive(number)
        new = applying.rewrite(number, record, record.with_(status="superseded"))
        applying.kill(number)
        taken.append((number, new, alive))
        also += record.provenance
    before: int | None = None
    if isinstance(op.into, Add):
        id, version, made = applying.add(op.into, also)
    else:
        id, version, made = op.into, applying.active(op.into)[1].version, False
    number, record = applying.find(id)
    if not made:
        before = version
        whole = tuple(dict.fromkeys((*record.provenance, *also)))
        tags = checked_tags({*record.tags, *(tag for _, each, _ in taken for tag in each.tags)})
        version = applying.rewrite(number, record, record.with_(provenance=whole, tags=tags)).version
    for source, each, _ in taken:
        applying.links.put(Link(id, each.id, "derived_from"))
        applying.write_log("MERGED", each.id, each.version, op.reason, {"record": source, "into": id})
    undo = [[each.id, each.version, alive] for _, each, alive in taken]
    body = {"record": number, "from": undo, "before": before, "version": version}
    applying.write_log("MERGE", id, version, op.reason, body)
    applying.answer("MERGE", id, version, op.reason)
    for _, each, _ in taken:
        if each.content != record.content:
            invalidate(applying, each.id, "merged into one that says otherwise", spare=(id,))


def undo_merge(applying: Applying, id: str, reason: str = "") -> None:
    """Take the last merge into a record back.

    Raises: NoSuchRecord; StoreError where nothing was merged into it; VersionConflict where one has moved on.
    """
    number, record = applying.find(id)
    row = applying.tx.execute(
        "SELECT op, body FROM log WHERE ns = ? AND id = ? AND op IN ('MERGE', 'UNMERGE') ORDER BY seq DESC LIMIT 1",
        (applying.ns, id),
    ).fetchone()
    if row is None or row[0] != "MERGE":
        raise StoreError(f"nothing was merged into memory {id}, or that was undone already")
    body = json.loads(row[1])
    if record.version != body["version"]:
        raise VersionConflict(id, body["version"], record.version)
    if body["before"] is None:
        new = applying.rewrite(number, record, record.with_(status="archived"))
        applying.kill(number)
    else:
        earlier = _version(applying, id, body["before"])
        new = applying.rewrite(number, record, record.with_(provenance=earlier.provenance, tags=earlier.tags))
    applying.write_log("UNMERGE", id, new.version, reason, {"record": number})
    applying.answer("UNMERGE", id, new.version, reason)
    for source, version, ordinals in body["from"]:
        applying.expect({source: version})
        own, taken = applying.find(source)
        new = applying.rewrite(own, taken, taken.with_(status="active"))
        revive(applying, own, new, ordinals)
        applying.links.drop(id, source, "derived_from")
        applying.write_log("UNMERGE", source, new.version, reason, {"record": own})
        applying.answer("UNMERGE", source, new.version, reason)


def _version(applying: Applying, id: str, version: int) -> Record:
    body, stored = applying.tx.execute(
        "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? AND version = ?", (applying.ns, id, version)
    ).fetchone()
    return record_from_body(body, stored, "")


def revive(applying: Applying, number: int, record: Record, ordinals: Sequence[int]) -> None:
    """New entries with the texts and vectors of old ones: what was dead when it was packed has no postings."""
    applying.index()
    texts: list[tuple[str, str | None, str]] = []
    vectors: list[Vector | None] = []
    for ordinal in ordinals:
        role, text = applying.tx.execute(
            "SELECT role, text FROM entries WHERE ns = ? AND ordinal = ?", (applying.ns, ordinal)
        ).fetchone()
        texts.append((role, text, record.content if text is None else text))
        vectors.append(
            None if applying.space is None else applying.tx.vectors.one(applying.ns, applying.space, ordinal)
        )
    if any(vector is None for vector in vectors):  # they are of vectors that have been moved since
        vectors = []
    applying.waiting.append((number, texts, vectors))
