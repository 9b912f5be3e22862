"""A MemCube: the memories of one namespace as one resource, with states, versions, headers and a way to move house.

    with Cube(Memory("agent.db", namespace="team/rules")) as cube:
        rules = cube.add("Password resets need the cache flushed first", kind="rule").id
        cube.activate(rules)
        cube.update(rules, "Password resets need the session cache flushed first")
        cube.rollback(rules, 2)                     # byte for byte, text and payload
        cube.export("rules.cube")
    with Cube.load("rules.cube", "postgresql://...", namespace="team/rules") as cube:
        cube.payload_for(prefix, loader)            # refused unless it was made with this model

Text, activations and parameters are records of one store that differ in form; what a model was prepared with from a
text is archived with the text (`memory.invalidating`). A cube adds no table: its states are `lifecycle`, its headers
`headers`, both read from what the memory keeps anyway. Its file is the engine's bundle, with a digest of every part.

After MemOS (Li et al. 2025, arXiv 2507.03724), whose cubes are folders of JSON, a pickle and an adapter that may
disagree; these are one file, read whole before anything is written, and nothing in it is ever run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from wayfare.errors import BadValue, NoSuchRecord
from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Scope,
    Topology,
    Updating,
)
from wayfare.memory.cards import Form as CardForm
from wayfare.memory.copies.listed import Copy
from wayfare.memory.cubes.headers import Header, Heat, header_of, heat_of
from wayfare.memory.cubes.lifecycle import State, checked_step, state_of, with_state
from wayfare.memory.cubes.loading import LoaderId, checked_loadable
from wayfare.memory.drafting import provenance_of
from wayfare.memory.memory import Memory
from wayfare.memory.operations import Add, Archive, Merge, Operation, OpResult, Restore, Update
from wayfare.memory.payloads import Payload
from wayfare.memory.recalled import Recall
from wayfare.memory.records import Form, Link, Record, checked_tags
from wayfare.memory.upkeep.merges import merges_of

__all__ = ["Cube"]

Changing = Callable[[Record], Sequence[Operation]]


class Cube:
    """memory: of the namespace; the cube closes it. bundle: the file that it came from, for errors

    Every verb that changes a memory is a compare-and-set on the version that it has looked at: of two that change one
    memory at once, one is refused with VersionConflict.
    """

    card: ClassVar[MemoryCard] = MemoryCard(
        form={CardForm.TOKEN, CardForm.LATENT_REUSE, CardForm.PARAMETRIC_EXTERNAL},
        topology={Topology.FLAT},
        function={Function.FACTUAL_USER, Function.FACTUAL_ENVIRONMENT},
        formation={Formation.VERBATIM, Formation.LATENT, Formation.INTERNALISATION},
        consolidation={Consolidation.LOCAL},
        updating={Updating.EXTERNAL},
        forgetting={Forgetting.NONE},
        retrieval={Retrieval.LEXICAL},
        scope={Scope.AGENT_MEMORY, Scope.MODEL_MEMORY},
        learns_from_outcome=True,
        auditable=True,
        abstains=True,
    )
    """Items can be deleted as long as they are records; what is inside one adapter cannot be taken out of it, and the
    adapter goes with the text."""

    def __init__(self, memory: Memory, *, bundle: str | os.PathLike[str] | None = None) -> None:
        if not isinstance(memory, Memory):
            raise BadValue("memory", type(memory).__name__, "a wayfare.memory.Memory")
        self.memory = memory
        self.bundle = None if bundle is None else Path(os.fsdecode(os.fspath(bundle)))

    @property
    def name(self) -> str:
        """The namespace."""
        return self.memory.engine.namespace

    # Writing

    def add(
        self,
        text: str,
        *,
        kind: str = "fact",
        form: Form = "token",
        payload: Payload | None = None,
        tags: Sequence[str] = (),
        meta: Mapping[str, Any] | None = None,
        source: Recall | Record | str | None = None,
        activated: bool = False,
        id: str | None = None,
        reason: str = "",
    ) -> OpResult:
        """A new memory: Generated, until it is activated. Where an active one says the same, nothing (NOOP).

        activated: at once        id: None makes one up        the rest: as `Memory.remember`, without its planner
        Raises: BadValue; StoreError.
        """
        state = State.ACTIVATED if activated else State.GENERATED
        draft = Add(
            text, kind=kind, form=form, payload=payload, tags=with_state(checked_tags(tags), state), meta=meta or {},
            provenance=provenance_of(source, self.memory.actor), reason=reason, id=id,
        )  # fmt: skip
        return self.memory.apply([draft])[0]

    def update(
        self,
        /,
        id: str,
        text: str | None = None,
        *,
        expect: int | None = None,
        reason: str = "",
        **changes: Any,
    ) -> OpResult:
        """A new version. changes: as `Memory.revise`; its state stays. Raises: BadValue for one that is Frozen, Merged
        or Archived; as `Memory.revise`."""
        if text is not None:
            changes["content"] = text
        if not changes:
            raise BadValue("update", "nothing", "told what to change: text or a field")

        def change(record: Record) -> Sequence[Operation]:
            state = self._state(record)
            if state not in (State.GENERATED, State.ACTIVATED):
                raise BadValue("state", str(state), f"generated or activated, to change memory {id}")
            given = dict(changes)
            if "tags" in given:
                given["tags"] = with_state(checked_tags(given["tags"]), state)
            return [Update(id, given, reason)]

        return self._changed(id, change, expect)

    def activate(self, id: str, *, reason: str = "") -> OpResult:
        """Generated -> Activated. Raises: BadValue for any other state; NoSuchRecord."""
        return self._marked(id, State.GENERATED, State.ACTIVATED, reason)

    def freeze(self, id: str, *, reason: str = "") -> OpResult:
        """Generated or Activated -> Frozen: the cube's verbs change it no more. Raises: BadValue; NoSuchRecord."""
        return self._marked(id, None, State.FROZEN, reason)

    def thaw(self, id: str, *, reason: str = "") -> OpResult:
        """Frozen -> Activated. Raises: BadValue for any other state; NoSuchRecord."""
        return self._marked(id, State.FROZEN, State.ACTIVATED, reason)

    def archive(self, id: str, *, reason: str = "") -> OpResult:
        """Generated or Activated -> Archived: kept, found no more. Raises: BadValue; NoSuchRecord."""

        def change(record: Record) -> Sequence[Operation]:
            checked_step(id, self._state(record), State.ARCHIVED)
            return [Archive(id, reason)]

        return self._changed(id, change)

    def restore(self, id: str, *, reason: str = "") -> OpResult:
        """Archived -> Activated, as it last stood before. Raises: BadValue for any other state, or where it is stale;
        NoSuchRecord; StoreError where an active memory says the same by now."""

        def change(record: Record) -> Sequence[Operation]:
            state = self._state(record)
            if state is not State.ARCHIVED:
                raise BadValue("state", f"{state} -> activated", f"archived -> activated, to restore memory {id}")
            standing = [step for step in self.memory.history(id) if step.record and step.record.status == "active"]
            return self._activated(Restore(id, standing[-1].version, reason), standing[-1].record)

        return self._changed(id, change)

    def merge(self, ids: Sequence[str], into: str | Add, *, reason: str = "") -> OpResult:
        """Generated or Activated -> Merged: they are taken into another, which links to them as its sources.

        into: the id of one that may be changed (it may be among them), or a new one, which is Activated; its own state
        stays. What is unmerged is Activated
        Raises: BadValue for a state from which none may be merged; NoSuchRecord; VersionConflict; StoreError.
        """
        expect: dict[str, int] = {}
        marks: list[Operation] = []
        for id in ids:
            record = self.own(id)
            expect[id] = record.version
            if id == into:
                continue
            checked_step(id, self._state(record), State.MERGED)
            bare = with_state(record.tags, State.ACTIVATED)
            if bare != record.tags:  # tags are merged, states are not
                marks.append(Update(id, {"tags": bare}, reason))
        if isinstance(into, str):
            record = self.own(into)
            expect[into] = record.version
            if self._state(record) not in (State.GENERATED, State.ACTIVATED):
                raise BadValue("state", str(self._state(record)), f"generated or activated, to merge into {into}")
        return self.memory.apply([*marks, Merge(tuple(ids), into, reason)], expect=expect)[-1]

    def unmerge(self, into: str, *, reason: str = "") -> list[OpResult]:
        """Merged -> Activated, all that the last merge took in. Raises: as `Memory.undo_merge`."""
        return self.memory.undo_merge(into, reason=reason)

    def rollback(self, id: str, version: int, *, reason: str = "") -> OpResult:
        """A memory stands again as at an earlier version: text and payload byte for byte, tags, times and state.

        It is a new version: what it said until now can be gone back to.
        Raises: BadValue for one that is Frozen, for a version that is not there, or that would be stale; NoSuchRecord;
        StoreError where another active memory says the same.
        """

        def change(record: Record) -> Sequence[Operation]:
            if self._state(record) is State.FROZEN:
                raise BadValue("state", str(State.FROZEN), f"another: thaw memory {id} first")
            return [Restore(id, version, reason or f"back to version {version}")]

        return self._changed(id, change)

    def forget(self, id: str, *, purge: bool = False, reason: str = "") -> Any:
        """From any state, as `Memory.forget`."""
        return self.memory.forget(id, purge=purge, reason=reason)

    # Reading

    def state(self, id: str) -> State:
        """Raises: NoSuchRecord, also for what was forgotten."""
        return self._state(self.memory.get(id))

    def own(self, id: str) -> Record:
        """A memory of the cube itself. Raises: NoSuchRecord, also for one of another cube of a composed one."""
        record = self.memory.get(id)
        if record.namespace != self.name:
            raise NoSuchRecord(id)
        return record

    def header(self, id: str) -> Header:
        """What is known of a memory beside what it says. Raises: NoSuchRecord."""
        record = self.own(id)
        links = self.memory.links(id, direction="out")
        return header_of(record, self._state(record), self.memory.history(id), links)

    def heat(self, id: str) -> Heat:
        """Raises: NoSuchRecord."""
        record = self.own(id)
        return heat_of(record, self.memory.history(id), self.memory.engine.clock())

    def heats(self) -> list[Heat]:
        """Of every active memory, the most recalled first."""
        found = [self.heat(record.id) for record in self.records()]
        return sorted(found, key=lambda heat: (-heat.uses, heat.id))

    def records(self, status: str | None = "active") -> Iterator[Record]:
        """All, oldest first, a page at a time. status: None is every one but the forgotten"""
        after: str | None = None
        while True:
            page = self.memory.list(status=status, after=after, limit=500)
            yield from page.records
            after = page.next
            if after is None:
                return

    def provenance(self, id: str) -> list[Link]:
        """Every link `derived_from` on the way from a memory to where it comes from, nearest first; each once, so that
        a circle ends. Raises: NoSuchRecord."""
        found: dict[tuple[str, str], Link] = {}
        waiting, seen = [id], {id}
        self.own(id)
        while waiting:
            try:
                links = self.memory.links(waiting.pop(0), direction="out", types=["derived_from"])
            except NoSuchRecord:
                continue  # forgotten, or of another namespace
            for link in links:
                found[link.source, link.target] = link
                if link.target not in seen:
                    seen.add(link.target)
                    waiting.append(link.target)
        return list(found.values())

    def payload_for(self, id: str, loader: LoaderId) -> Payload:
        """The bytes of a memory, for a model that may load them.

        Raises: BadValue naming the field of the header that differs, and the file that the cube came from, and where it
        carries nothing or is not active: what was archived may answer for a text that stands no more; NoSuchRecord;
        Damaged where the bytes do not answer to their digest.
        """
        record = self.memory.get(id)
        if record.status != "active":
            raise BadValue("status", record.status, f"active, to load the payload of {self._named(id)}")
        if record.payload is None:
            raise BadValue("payload", None, f"that of a memory that carries one, which {self._named(id)} does not")
        checked_loadable(record.payload, loader, self._named(id))
        return self.memory.payload(id, version=record.version)

    # Moving

    def export(self, path: str | os.PathLike[str], *, label: str = "") -> Copy:
        """Write the whole cube into one new file. Raises: as `Memory.export`."""
        return self.memory.export(path, label=label)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        into: str | os.PathLike[str],
        *,
        namespace: str = "default",
        digest: str | None = None,
        **settings: Any,
    ) -> Cube:
        """The cube of a file, in a namespace of either store that holds nothing yet; all of it is checked first.

        digest: as `export` told it        settings: what `Memory` takes        Raises: as `Memory.from_bundle`.
        """
        return cls(Memory.from_bundle(path, into, namespace=namespace, digest=digest, **settings), bundle=path)

    @classmethod
    def composed(
        cls, address: str | os.PathLike[str], *, write: str, read: Sequence[str] = (), **settings: Any
    ) -> Cube:
        """A view over several cubes of one store: what is searched are all of them, what is written goes into one.

        write, read: namespaces        settings: what `Memory` takes        Raises: BadValue; StoreError.
        """
        return cls(Memory(address, namespace=write, also_read=read, **settings))

    def close(self) -> None:
        """Close the memory."""
        self.memory.close()

    def __enter__(self) -> Cube:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What they share

    def _named(self, id: str) -> str:
        return f"memory {id}" + ("" if self.bundle is None else f" of {self.bundle}")

    def _state(self, record: Record) -> State:
        merged = False
        if record.status == "superseded":
            engine = self.memory.engine
            with engine.database.read() as tx:
                ns = engine.number(tx, record.namespace or None)
                merged = ns is not None and merges_of(tx, ns, record.id).into is not None
        return state_of(record, merged)

    def _changed(self, id: str, change: Changing, expect: int | None = None) -> OpResult:
        record = self.own(id)
        wanted = record.version if expect is None else expect
        return self.memory.apply(change(record), expect={id: wanted})[-1]

    def _marked(self, id: str, before: State | None, after: State, reason: str) -> OpResult:
        def change(record: Record) -> Sequence[Operation]:
            state = self._state(record)
            if before is not None and state is not before:
                raise BadValue("state", f"{state} -> {after}", f"{before} -> {after}, for memory {id}")
            checked_step(id, state, after)
            return [Update(id, {"tags": with_state(record.tags, after)}, reason)]

        return self._changed(id, change)

    def _activated(self, restore: Restore, then: Record | None) -> Sequence[Operation]:
        """With the state that it has from now on; without a second version where it has it anyway."""
        assert then is not None
        tags = with_state(then.tags, State.ACTIVATED)
        marked = [] if checked_tags(tags) == then.tags else [Update(restore.id, {"tags": tags}, restore.reason)]
        return [restore, *marked]
