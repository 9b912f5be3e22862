"""Several cubes become one: the union of what is active in them, each memory naming where it comes from.

Memories of one kind that say the same and carry the same bytes become one memory, with the provenance and the tags of
all; nothing else is judged, rewritten or averaged. Two adapters are not fused by averaging their numbers: both are
taken as they are, and whoever wants one of them merges the texts and distils again. Payloads of different models are
refused before anything is written.

History stays where it was: a fused memory begins at version 1, and its provenance `cube:NAMESPACE/ID@VERSION` says
where the rest is. Links between what was taken are taken; an activation or adapter some of whose sources are not taken
is left, for nothing would archive it with them.

Fusing again takes in what has changed in the cubes since: a memory that was revised there supersedes what it said in
the target, unless others say that, too. What was revised, archived, forgotten or purged *in the target* stays so. Some
hundred memories are one transaction; killed anywhere, the same call goes on, and once it is through it changes nothing
more.

MemOS (Li et al. 2025, arXiv 2507.03724) lists fusion among the operations on cubes; the rules are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.cubes.cube import Cube
from wayfare.memory.cubes.lifecycle import State, state_of, with_state
from wayfare.memory.cubes.loading import LOADER_FIELDS, LoaderId
from wayfare.memory.operations import Add, AddLink, Operation, Supersede, Update
from wayfare.memory.records import Link, Provenance, Record, checked_tags, content_hash
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from

__all__ = ["Fused", "fuse", "made_id"]

ORIGIN = "cube:"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TOGETHER, BYTES = 200, 64 * 2**20
"""Memories of one transaction, and what they may carry."""
Place = tuple[str, str]
"""Namespace and id."""
Meaning = tuple[str, bytes]
"""What two memories share that are one."""


@dataclass(frozen=True)
class Fused:
    """ids: (namespace, id) of each memory taken -> its id in the target        added: of these, ids that are new there

    left: (namespace, id) -> why it was not taken
    """

    ids: Mapping[Place, str]
    added: tuple[str, ...]
    left: Mapping[Place, str]


@dataclass
class _Group:
    """What becomes one memory: (cube, record) of each, the first of which says what it is."""

    members: list[tuple[Cube, Record]] = field(default_factory=list)


def fuse(cubes: Sequence[Cube], into: Cube, *, loader: LoaderId | None = None) -> Fused:
    """Take all that is active in the cubes into another.

    loader: whose payloads they must be; None: of one model, whichever
    Raises: BadValue for no cube, for the target among them, and for an activation or adapter of another model, naming
    the field of its header and the file or namespace that it is in; VersionConflict; StoreError.
    """
    given = list(cubes)
    if not given or any(not isinstance(cube, Cube) for cube in given):
        raise BadValue("cubes", cubes, "at least one Cube")
    if any(_place(cube) == _place(into) for cube in given):
        raise BadValue("into", into.name, "another cube than those that are fused")
    _checked_models([*given, into], loader)
    groups, left = _grouped(given)
    target = _Target(into)
    ids: dict[Place, str] = {}
    added: list[str] = []
    ops: list[Operation] = []
    expect: dict[str, int] = {}
    size = 0
    for meaning, group in groups.items():
        op, id, standing = target.taken(meaning, group)
        ids |= {(cube.name, record.id): id for cube, record in group.members}
        if op is None:
            continue
        ops.append(op)
        expect |= dict([standing] if standing is not None else [])
        new = op.by if isinstance(op, Supersede) else op
        if isinstance(new, Add):
            added.append(id)
            size += 0 if new.payload is None else len(new.payload.data)
        if len(ops) == TOGETHER or size > BYTES:
            into.memory.apply(ops, expect=expect)
            ops, expect, size = [], {}, 0
    links = [AddLink(link) for link in _links(given, ids) if not target.has(link)]
    for start in range(0, max(1, len(links)), 10 * TOGETHER):
        some = [*ops, *links[start : start + 10 * TOGETHER]]
        if some:
            into.memory.apply(some, expect=expect)
        ops, expect = [], {}
    return Fused(ids, tuple(added), left)


def _place(cube: Cube) -> tuple[str, str]:
    return cube.memory.engine.database.path, cube.name


def _whose(cube: Cube) -> str:
    return f"namespace {cube.name!r}" if cube.bundle is None else str(cube.bundle)


def _checked_models(cubes: Sequence[Cube], loader: LoaderId | None) -> None:
    agreed: Mapping[str, Any] | None = None if loader is None else loader.header
    for cube in cubes:
        for record in cube.records():
            if record.payload is None or record.form == "token":
                continue
            header = {name: record.payload.header.get(name) for name in LOADER_FIELDS}
            agreed = header if agreed is None else agreed
            for name in LOADER_FIELDS:
                if header[name] != agreed[name]:
                    whose = f"payload.header.{name} of memory {record.id} in {_whose(cube)}"
                    raise BadValue(whose, header[name], f"{agreed[name]!r}, as of the others that are fused")


def _grouped(cubes: Sequence[Cube]) -> tuple[dict[Meaning, _Group], dict[Place, str]]:
    """What is taken, in the order of the cubes, sources before what follows from them; and what is left."""
    groups: dict[Meaning, _Group] = {}
    left: dict[Place, str] = {}
    for cube in cubes:
        records = {record.id: record for record in cube.records()}
        for id in _without_sources(cube, records):
            left[cube.name, id] = "it was derived from what is not active"
            del records[id]
        for record in records.values():
            groups.setdefault(_meaning(record), _Group()).members.append((cube, record))
    return groups, left


def _without_sources(cube: Cube, records: Mapping[str, Record]) -> list[str]:
    """Forms that were derived from what is not taken, or from such a form."""
    sources = {
        id: [link.target for link in cube.memory.links(id, direction="out", types=["derived_from"])]
        for id, record in records.items()
        if record.form != "token"
    }
    gone: dict[str, None] = {}
    while True:
        fresh = [
            id
            for id, targets in sources.items()
            if id not in gone and any(target not in records or target in gone for target in targets)
        ]
        if not fresh:
            return list(gone)
        gone |= dict.fromkeys(fresh)


def _links(cubes: Sequence[Cube], ids: Mapping[Place, str]) -> Iterator[Link]:
    """Between what was taken. One that said on which version of its source it rests says so no more: versions begin
    anew."""
    told: set[tuple[str, str, str]] = set()
    for cube in cubes:
        for (namespace, id), new in ids.items():
            if namespace != cube.name:
                continue
            for link in cube.memory.links(id, direction="out"):
                target = ids.get((cube.name, link.target))
                if target is None or target == new or (new, target, link.type) in told:
                    continue
                told.add((new, target, link.type))
                resting = link.type == "derived_from"
                evidence = () if resting else tuple(ids.get((cube.name, each), each) for each in link.evidence)
                yield replace(link, source=new, target=target, evidence=evidence)


class _Target:
    """The cube that takes them. Origins: `cube:NAMESPACE/ID` -> records that were taken from there, the latest last."""

    def __init__(self, cube: Cube) -> None:
        self._active: dict[Meaning, Record] = {}
        self._ids: set[str] = set()
        self._purged: set[str] = set()
        self._origins: dict[str, list[tuple[int, Record]]] = {}
        self._cube, engine = cube, cube.memory.engine
        with engine.database.read() as tx:
            ns = engine.number(tx)
            rows = tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? ORDER BY record", (ns,)).fetchall()
        for row in rows:
            record = record_from(row, cube.name)
            self._ids.add(record.id)
            if not record.content:
                self._purged.add(record.id)
            if record.status == "active":
                self._active[_meaning(record)] = record
            for origin, version in _origins(record):
                self._origins.setdefault(origin, []).append((version, record))
        for each in self._origins.values():
            each.sort(key=lambda pair: pair[0])

    def taken(self, meaning: Meaning, group: _Group) -> tuple[Operation | None, str, tuple[str, int] | None]:
        """What takes a group in, None where it is in; its id there; id and version of what must stand."""
        whole = tuple(dict.fromkeys(each for cube, record in group.members for each in _provenance(cube, record)))
        known = self._active.get(meaning)
        members = [record for _, record in group.members]
        if known is not None:
            tags, provenance = _tags([known, *members]), tuple(dict.fromkeys((*known.provenance, *whole)))
            if (tags, provenance) == (known.tags, known.provenance):
                return None, known.id, None
            self._moved(known, known.with_(tags=tags, provenance=provenance))
            update = Update(known.id, {"tags": tags, "provenance": provenance}, "fused")
            return update, known.id, (known.id, known.version)
        cube, first = group.members[0]
        origin = _origin(cube, first)
        before = self._origins.get(origin, ())
        if first.id in self._purged:
            return None, first.id, None
        if before:
            version, latest = before[-1]
            same = (latest.content, latest.payload) == (first.content, first.payload)
            if same or version == first.version:  # it was archived, forgotten or revised here
                return None, latest.id, None
        id = first.id if first.id not in self._ids else made_id(f"{origin}@{first.version}")
        self._ids.add(id)
        carried = None if first.payload is None else cube.memory.payload(first.id, version=first.version)
        add = Add(
            first.content, first.kind, first.form, _tags(members), first.meta, event_from=first.event_from,
            event_to=first.event_to, valid_from=first.valid_from, valid_to=first.valid_to, provenance=whole,
            reason="fused", id=id, payload=carried,
        )  # fmt: skip
        if before and self._is_of(before[-1][1], origin):
            latest = before[-1][1]
            del self._active[_meaning(latest)]
            return Supersede(latest.id, add, "revised where it comes from"), id, (latest.id, latest.version)
        return add, id, None

    def _is_of(self, record: Record, origin: str) -> bool:
        """Whether it is active, and nobody else says it."""
        return self._active.get(_meaning(record)) is record and {each for each, _ in _origins(record)} == {origin}

    def _moved(self, before: Record, after: Record) -> None:
        self._active[_meaning(before)] = after
        for origin, _ in _origins(before):
            each = self._origins[origin]
            each[:] = [(version, after if record is before else record) for version, record in each]

    def has(self, link: Link) -> bool:
        """Whether the very link is there."""
        engine = self._cube.memory.engine
        with engine.database.read() as tx:
            row = tx.execute(
                "SELECT weight FROM links WHERE ns = ? AND source = ? AND target = ? AND type = ?",
                (engine.number(tx), link.source, link.target, link.type),
            ).fetchone()
        return row is not None and row[0] == link.weight


def _meaning(record: Record) -> Meaning:
    return record.kind, content_hash(record.content, record.payload)


def _origin(cube: Cube, record: Record) -> str:
    return f"{ORIGIN}{cube.name}/{record.id}"


def _origins(record: Record) -> list[tuple[str, int]]:
    """Where a record of a target was taken from, and at which versions."""
    told = [each.uri.rpartition("@") for each in record.provenance if each.uri.startswith(ORIGIN)]
    return [(origin, int(version)) for origin, _, version in told if version.isdecimal()]


def _provenance(cube: Cube, record: Record) -> list[Provenance]:
    """Without parents: what was derived from what the links say."""
    own = [replace(each, parents=()) for each in record.provenance]
    return [
        *(each for each in own if each.uri or each.actor),
        Provenance(f"cube:{cube.name}/{record.id}@{record.version}"),
    ]


def _tags(records: Sequence[Record]) -> tuple[str, ...]:
    """All of them; the state of what was one is Frozen where any was, Generated where all were."""
    states = {state_of(record, False) for record in records}
    state = (
        State.FROZEN if State.FROZEN in states else State.GENERATED if states == {State.GENERATED} else State.ACTIVATED
    )
    return checked_tags(with_state([tag for record in records for tag in record.tags], state))


def made_id(text: str) -> str:
    """26 characters, as of a ULID, that are always the same."""
    number = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big") % 2**128
    found = ""
    for _ in range(26):
        found, number = ALPHABET[number % 32] + found, number // 32
    return found
