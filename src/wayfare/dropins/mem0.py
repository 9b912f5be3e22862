"""What mem0 has kept, as memories: from what its `get_all()` says, and where it is at hand from its `history.db`.

    json.dump(mem0.get_all(user_id="ann", limit=100_000), open("ann.json", "w"))

    imported(memory, read_mem0("ann.json", "~/.mem0/history.db"))
    wayfare memory import-mem0 ann.json --history ~/.mem0/history.db

Each of mem0's memories becomes a record `mem0-ID` of kind `fact`. Its user, agent and run become the tags `subject:`,
`agent:` and `run:`, so that all of one person can be found, exported and erased. Its metadata becomes the record's
meta, and what else mem0 knows of it lies there under `mem0`. When mem0 wrote it down is taken as when it happened
(`event`). The history becomes the record's versions, in mem0's order.

All is imported or nothing. Imported again, only what has changed in mem0 since changes here: a new text is a new
version, and what the history says was deleted is forgotten. What has been revised or forgotten *here* stays as it is. A
text that the same user, agent and run already have is not kept twice.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayfare.errors import BadValue, ReadOnly
from wayfare.memory.applying import texts_of
from wayfare.memory.copies.subjects import SUBJECT
from wayfare.memory.importing import parsed_time
from wayfare.memory.operations import Add, Delete, Operation, Update
from wayfare.memory.reading import read_records
from wayfare.memory.records import (
    Provenance,
    Record,
    checked_meta,
    checked_name,
    checked_tags,
    checked_text,
    content_hash,
)
from wayfare.memory.redaction import redacted
from wayfare.memory.store.database import Transaction

if TYPE_CHECKING:
    from wayfare.memory import Memory

__all__ = ["Export", "Imported", "Past", "Step", "imported", "read_mem0"]

MARK = "mem0"
WHOSE = {"user_id": SUBJECT, "agent_id": "agent:", "run_id": "run:"}
"""Fields of a memory, and what the tags that they become begin with."""
SAID = ("hash", "created_at", "updated_at", "user_id", "agent_id", "run_id", "actor_id", "role")
COLUMNS = ("memory_id", "old_memory", "new_memory", "event", "created_at", "updated_at")
EVENTS = ("ADD", "UPDATE", "DELETE")
PART = 500


@dataclass(frozen=True)
class Step:
    """A text that a memory has had. event: ADD or UPDATE        at: when, as mem0 has it"""

    text: str
    event: str
    at: str | None


@dataclass(frozen=True)
class Past:
    """One memory of mem0. steps: its texts, the present one last        created: s since the epoch, or None

    where: file and place, for messages
    """

    id: str
    steps: tuple[Step, ...]
    created: float | None
    tags: tuple[str, ...]
    meta: Mapping[str, Any]
    where: str = ""

    @property
    def record(self) -> str:
        """The id of the record that it becomes."""
        return f"{MARK}-{self.id}"


@dataclass(frozen=True)
class Export:
    """What was read. deleted: ids that the history says are gone

    elsewhere: how many live ones of the history are not in the file: those of other users, or beyond the limit of
    `get_all`, which is 100 unless another is given
    """

    memories: tuple[Past, ...]
    deleted: tuple[str, ...] = ()
    elsewhere: int = 0


@dataclass(frozen=True)
class Imported:
    """How many memories were added, changed and forgotten, were known, said what another says, or were left as they are
    here, where somebody has revised or forgotten them; and `Export.elsewhere`. dry: nothing was written"""

    added: int
    changed: int
    forgotten: int
    known: int
    repeated: int
    left: int
    elsewhere: int
    dry: bool = False

    def __str__(self) -> str:
        said = (
            f"{self.added:,} memories added, {self.changed:,} changed, {self.forgotten:,} forgotten "
            f"({self.known:,} were known, {self.repeated:,} say what another says, {self.left:,} stay as somebody has "
            "changed them here)"
        )
        if self.elsewhere:
            said += (
                f"\n{self.elsewhere:,} more of the history are not in the file: other users', or beyond the limit of "
                "get_all(limit=...), which is 100"
            )
        return f"nothing written; would be: {said}" if self.dry else said


# Reading


def read_mem0(path: str | os.PathLike[str], history: str | os.PathLike[str] | None = None) -> Export:
    """All memories of a file, with their history.

    path: the JSON of `get_all()`, {"results": [...]} or, as it was before, the list alone, in UTF-8
    history: mem0's SQLite file, which is only read

    Raises: BadValue naming file, place and field for what is wrong, before anything is returned; OSError.
    """
    file = Path(path).expanduser()
    try:
        said = json.loads(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadValue(file.name, "other bytes", "UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadValue(f"{file.name} line {error.lineno}", error.msg, "the JSON of mem0's get_all()") from None
    except RecursionError:
        raise BadValue(file.name, "deeply nested", "the JSON of mem0's get_all()") from None
    place = "" if isinstance(said, list) else " results"
    found = said if isinstance(said, list) else said.get("results") if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise BadValue(file.name, type(said).__name__, 'the JSON of mem0\'s get_all(): {"results": [...]}, or a list')
    past, deleted = ({}, set()) if history is None else _read_history(Path(history).expanduser())
    memories: dict[str, Past] = {}
    for i, each in enumerate(found):
        memory = _memory(f"{file.name}{place}[{i}]", each, past)
        if memory.id in memories:
            raise BadValue(f"{memory.where}.id", memory.id, f"another than that of {memories[memory.id].where}")
        memories[memory.id] = memory
    gone = tuple(sorted(deleted - memories.keys()))
    return Export(tuple(memories.values()), gone, len(past.keys() - memories.keys() - deleted))


def _memory(where: str, fields: object, history: Mapping[str, Sequence[Step]]) -> Past:
    if not isinstance(fields, dict):
        raise BadValue(where, type(fields).__name__, "an object with id and memory")
    id = checked_name(f"{where}.id", fields.get("id"))
    text = checked_text(f"{where}.memory", fields.get("memory"))
    metadata = fields.get("metadata")
    if metadata is not None and (not isinstance(metadata, dict) or MARK in metadata):
        raise BadValue(f"{where}.metadata", metadata, f"an object without the name {MARK}, or null")
    created = parsed_time(f"{where}.created_at", fields.get("created_at"))
    parsed_time(f"{where}.updated_at", fields.get("updated_at"))
    for name in SAID:
        if not isinstance(fields.get(name), str | None):
            raise BadValue(f"{where}.{name}", fields[name], "text or null")
    said = {"id": id, **{name: fields[name] for name in SAID if fields.get(name) is not None}}
    steps = list(history.get(id, ()))
    if not steps or steps[-1].text != text:
        steps.append(Step(text, "UPDATE" if steps else "ADD", fields.get("updated_at") or fields.get("created_at")))
    try:
        tags = checked_tags([MARK, *(f"{tag}{fields[name]}" for name, tag in WHOSE.items() if fields.get(name))])
        meta = checked_meta({**(metadata or {}), MARK: said})
    except BadValue as error:
        raise BadValue(f"{where}.{error.field}", error.value, error.allowed) from None
    return Past(id, tuple(steps), created, tags, meta, where)


def _read_history(file: Path) -> tuple[dict[str, list[Step]], set[str]]:
    """The texts of each memory, in the order in which they were written; and which were deleted last."""
    if not file.is_file():
        raise BadValue("history", str(file), "mem0's history.db, a file that is there")
    steps: dict[str, list[Step]] = {}
    deleted: set[str] = set()
    try:
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            rows = connection.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM history ORDER BY rowid").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BadValue(file.name, str(error), f"an SQLite file whose table history has {', '.join(COLUMNS)}") from None
    for number, id, _, new, event, created, updated in rows:
        where = f"{file.name} history row {number}"
        checked_name(f"{where}: memory_id", id)
        if event not in EVENTS:
            raise BadValue(f"{where}: event", event, f"one of {', '.join(EVENTS)}")
        parsed_time(f"{where}: created_at", created)
        parsed_time(f"{where}: updated_at", updated)
        texts = steps.setdefault(id, [])
        if event == "DELETE":
            deleted.add(id)
            continue
        deleted.discard(id)
        text = checked_text(f"{where}: new_memory", new)
        if not texts or texts[-1].text != text:
            texts.append(Step(text, event, updated or created))
    return steps, deleted


# Writing


def imported(memory: Memory, export: Export, *, kind: str = "fact", dry_run: bool = False) -> Imported:
    """Bring a memory up to what was read: all or nothing.

    kind: of the records; one that says what another says of somebody else has a kind of its own, `fact.DIGEST`
    dry_run: only say what would be done        Raises: BadValue; ReadOnly; StoreError.
    """
    checked_name("kind", kind)
    ground = memory._ground
    if ground.database.read_only and not dry_run:
        raise ReadOnly(f"{ground.database.path} was opened to be read only")
    export = replace(export, memories=tuple(_redacted(memory, each) for each in export.memories))
    with ground.database.read() as tx:
        ns = ground.ns if ground.ns is not None else -1
        planned = _Plan(tx, ns, ground.namespace, kind, memory.actor, export)
    if not dry_run:

        def decide(tx: Transaction, ns: int) -> Sequence[Operation]:
            nonlocal planned
            planned = _Plan(tx, ns, ground.namespace, kind, memory.actor, export)
            return planned.ops

        memory.engine.decide(decide, texts_of(planned.ops), actor=memory.actor)
    counts = planned.counts
    return Imported(**counts, elsewhere=export.elsewhere, dry=dry_run)


def _redacted(memory: Memory, past: Past) -> Past:
    """As it may be kept: what is compared with what is there."""
    steps = tuple(replace(step, text=memory.engine.redacted("memory", step.text)) for step in past.steps)
    kept = redacted(memory.engine._redact, Update(past.record, {"meta": past.meta}))
    return replace(past, steps=steps, meta=kept.changes["meta"])


class _Plan:
    """What an import changes in a namespace as it stands. ops: in order        counts: as `Imported` has them"""

    def __init__(self, tx: Transaction, ns: int, path: str, kind: str, actor: str, export: Export) -> None:
        self._tx, self._ns, self._kind, self._actor = tx, ns, kind, actor
        self.ops: list[Operation] = []
        self.counts = dict.fromkeys(("added", "changed", "forgotten", "known", "repeated", "left"), 0)
        self._claimed: set[bytes] = set()
        self._seen: set[tuple[bytes, tuple[str, ...]]] = set()
        wanted = [each.record for each in export.memories] + [f"{MARK}-{id}" for id in export.deleted]
        there = read_records(tx, [(ns, path)], wanted)
        forgotten = self._forgotten([id for id in wanted if id not in there])
        for each in export.memories:  # those that are there first: which of two that say the same is kept stays so
            if each.record in there:
                self.counts[self._again(each, there[each.record])] += 1
        for each in export.memories:
            if each.record not in there:
                self.counts["left" if each.record in forgotten else self._new(each)] += 1
        for id in export.deleted:
            record = there.get(f"{MARK}-{id}")
            if record is not None and record.status == "active":
                self.counts["forgotten" if _untouched(record) else "left"] += 1
                if _untouched(record):
                    self.ops.append(Delete(record.id, "deleted in mem0"))

    def _forgotten(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(ids), PART):
            part = ids[start : start + PART]
            marks = ", ".join("?" * len(part))
            rows = self._tx.execute(f"SELECT id FROM records WHERE ns = ? AND id IN ({marks})", (self._ns, *part))
            found.update(id for (id,) in rows.fetchall())
        return found

    def _new(self, past: Past) -> str:
        last = (content_hash(past.steps[-1].text), past.tags)
        if last in self._seen or self._says(past):
            return "repeated"
        self._seen.add(last)
        first, *later = past.steps
        self.ops.append(
            Add(
                first.text, kind=self._kind_for(past), tags=past.tags, meta=_meta(past, 1 + len(later)), id=past.record,
                event_from=past.created, provenance=(Provenance(f"{MARK}:{past.id}", actor=self._actor),),
                reason=_reason(first),
            )
        )  # fmt: skip
        self.ops += [Update(past.record, {"content": step.text}, _reason(step)) for step in later]
        return "added"

    def _again(self, past: Past, record: Record) -> str:
        held = record.meta.get(MARK, {})
        present = _meta(past, held.get("version", 0))
        self._seen.add((content_hash(record.content), past.tags))
        if record.content == past.steps[-1].text and record.meta == present and record.tags == past.tags:
            return "known"
        if not _untouched(record) or record.status != "active":
            return "left"
        texts = [step.text for step in past.steps]
        start = len(texts) - texts[::-1].index(record.content) if record.content in texts else len(texts) - 1
        later = past.steps[start:]
        kind = self._kind_for(past, record.id)
        versions = record.version + max(1, len(later))
        changes: list[dict[str, Any]] = [{"content": step.text} for step in later] or [{}]
        changes[-1] |= {"meta": _meta(past, versions), "tags": past.tags}
        changes[0] |= {} if kind == record.kind else {"kind": kind}
        reasons = [_reason(step) for step in later] or ["changed in mem0"]
        self.ops += [Update(record.id, each, reason) for each, reason in zip(changes, reasons, strict=True)]
        return "changed"

    def _holder(self, hashed: bytes) -> tuple[str, str] | None:
        row = self._tx.execute(
            "SELECT id, tags FROM records WHERE ns = ? AND kind = ? AND content_hash = ? AND status = 'active'",
            (self._ns, self._kind, hashed),
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def _says(self, past: Past) -> bool:
        """Whether another record of the same user, agent and run says it."""
        holder = self._holder(content_hash(past.steps[-1].text))
        return holder is not None and holder[0] != past.record and set(past.tags) <= set(json.loads(holder[1]))

    def _kind_for(self, past: Past, id: str | None = None) -> str:
        """The kind, unless another active record of it has one of the texts: then one that only this memory has."""
        hashes = {content_hash(step.text) for step in past.steps}
        holders = [holder for each in hashes if (holder := self._holder(each)) is not None]
        if hashes & self._claimed or any(holder[0] != id for holder in holders):
            return f"{self._kind}.{blake2b(past.id.encode(), digest_size=8).hexdigest()}"
        self._claimed |= hashes
        return self._kind


def _meta(past: Past, version: int) -> dict[str, Any]:
    """version: that the record has when the import is through; another later means that somebody has changed it here"""
    return {**past.meta, MARK: {**past.meta[MARK], "version": version}}


def _untouched(record: Record) -> bool:
    return bool(record.meta.get(MARK, {}).get("version") == record.version)


def _reason(step: Step) -> str:
    return f"mem0: {step.event}" + (f" at {step.at}" if step.at else "")
