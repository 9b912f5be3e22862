"""The written side of a memory: operations in, versions, history and index out.

    engine = Engine(database, "default", embedder=Lexical())
    engine.plan_and_add([Add("Password resets need the cache flushed first", kind="strategy")])
    engine.apply([Update(id, {"content": "..."}, "it was wrong")], expect={id: 1}, idempotency_key="4711")

All operations of one call are applied, or none, in one transaction; each leaves a row of the log. Vectors are computed
before the transaction begins, so that nobody waits for a model.
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, NoSuchRecord, ReadOnly, Unavailable
from wayfare.memory import reading
from wayfare.memory.answers import RESULTS, Asked, Kept, answered, asked_under, once
from wayfare.memory.applying import Applying, texts_of
from wayfare.memory.copies.listed import Copy
from wayfare.memory.embedding import Embedder
from wayfare.memory.embedding.served import Moved, Served, serving
from wayfare.memory.ids import new_id
from wayfare.memory.index.cache import caches
from wayfare.memory.merging import undo_merge
from wayfare.memory.neighbours import Surroundings
from wayfare.memory.operations import Add, Delete, Operation, OpResult
from wayfare.memory.payloads import Payload
from wayfare.memory.planners import HashDedup, Planner
from wayfare.memory.purge import Purged, purge
from wayfare.memory.reading import Page
from wayfare.memory.records import Link, Record, Version, checked_name, content_hash
from wayfare.memory.redaction import Redact, redacted, redacted_text
from wayfare.memory.refining import refined
from wayfare.memory.store.database import Database, Transaction

__all__ = ["Engine", "Page"]

Vectors = Mapping[str, NDArray[np.float32]]
# The class has a method `list`, so that these need names of their own.
Results = list[OpResult]
Records = list[Record]
Versions = list[Version]
Links = list[Link]
Made = tuple[Sequence[Operation], Sequence[int]]
T = TypeVar("T")
TRIES = 10
PURGED: Kept[Purged] = Kept(
    asdict,
    lambda fields: Purged(
        **{
            **fields,
            "derived": tuple(fields["derived"]),
            "forms": tuple(fields.get("forms", ())),
            "copies": tuple(Copy(**each) for each in fields.get("copies", ())),
        }
    ),
)


class Engine:
    """One namespace of a database, and what may be done with it.

    also_read: namespaces whose records may be read and linked to        embedder: of the namespace's vectors
    served: the embedders of a handle, instead of `embedder`
    planner: what becomes of new texts that resemble old ones; None: exact duplicates are not stored twice
    redact: what a text becomes before anything is done with it (`redaction`)        clock: s since the epoch
    """

    def __init__(
        self,
        database: Database,
        namespace: str,
        *,
        also_read: Sequence[str] = (),
        embedder: Embedder | None = None,
        served: Served | None = None,
        planner: Planner | None = None,
        redact: Redact | None = None,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        if redact is not None and not callable(redact):
            raise BadValue("redact", redact, "a function from a text to the text that may be kept")
        self._redact = redact
        self.database = database.bound(namespace, also_read)
        self.namespace, self.also_read = namespace, tuple(also_read)
        self.clock = clock
        self._served = Served(self.database, embedder) if served is None else served
        self.planner: Planner = HashDedup() if planner is None else planner
        self._numbers: dict[str, int] = {}
        self._space: int | None = -1  # not known yet

    # Writing

    def apply(
        self,
        ops: Sequence[Operation],
        *,
        expect: Mapping[str, int] | None = None,
        idempotency_key: str | None = None,
        actor: str = "",
        operation: str | None = None,
    ) -> Results:
        """Apply all, or none; what became of each, in their order.

        expect: id -> version that must stand before the first is applied
        idempotency_key: the same key with the same request again returns the first results and changes nothing
        operation: an id for all of it in the log; None makes one up

        Raises: BadValue; NoSuchRecord; VersionConflict; OutcomeConflict for a key of another request; StoreError.
        """
        if not isinstance(ops, Iterable):
            raise BadValue("ops", ops, "a list of operations")
        ops = tuple(ops)
        for op in ops:
            if not isinstance(op, Operation):
                raise BadValue("ops", op, "a list of operations")
        ops = tuple(redacted(self._redact, op) for op in ops)
        wanted = _checked_expect(expect)
        asked = asked_under(idempotency_key, "apply", ops, wanted)
        every = range(len(ops))
        return self._write(
            lambda tx, ns, space, vectors: (ops, every), texts_of(ops), wanted, asked, actor, operation,
        )  # fmt: skip

    def plan_and_add(self, drafts: Sequence[Add], *, idempotency_key: str | None = None, actor: str = "") -> Results:
        """Do with new texts what the planner says; the result that stands for each, in their order.

        With a slow planner each draft is stored first, in a transaction of its own, and refined in another.
        Raises: as `apply`; what the planner raises.
        """
        drafts = tuple(drafts)
        for draft in drafts:
            if not isinstance(draft, Add):
                raise BadValue("drafts", draft, "a list of Add")
        drafts = tuple(redacted(self._redact, draft) for draft in drafts)
        asked = asked_under(idempotency_key, "add", drafts)
        planner = self.planner
        if planner.slow:
            return self._refined(drafts, planner, asked, actor)
        wanted = [planner.wants(draft) for draft in drafts]
        looking = any(each.nearest or each.tag is not None for each in wanted)
        if looking:
            drafts = tuple(draft if draft.id is not None else replace(draft, id=new_id()) for draft in drafts)
        texts: Sequence[str] = texts_of(drafts)
        if getattr(planner, "looks_first", False) and self._costly:
            texts = self._unknown(drafts)

        def make(tx: Transaction, ns: int, space: int | None, vectors: Vectors) -> Made:
            ops: list[Operation] = []
            first = []
            around = Surroundings(tx, ns, caches(self.database)[ns], space, vectors) if looking else None
            for draft, each in zip(drafts, wanted, strict=True):
                if draft.payload is not None:  # planners weigh texts
                    planned: Sequence[Operation] = (draft,)
                else:
                    planned = planner.plan(draft, () if around is None else around.of(draft, each))
                if not planned:
                    raise BadValue("planner", planned, "one that answers each draft with an operation")
                planned = [redacted(self._redact, op) for op in planned]
                first.append(len(ops))
                ops += planned
                if around is not None:
                    around.note(planned)
            return ops, first

        return self._write(make, texts, {}, asked, actor, None)

    def decide(
        self,
        decide: Callable[[Transaction, int], Sequence[Operation]],
        texts: Sequence[str] = (),
        *,
        actor: str = "",
    ) -> Results:
        """Apply what `decide(tx, ns)` answers within the writing transaction, so that what it saw is what stands.

        texts: those that its operations may bring in, embedded before the transaction begins
        Raises: as `apply`; what `decide` raises.
        """

        def make(tx: Transaction, ns: int, space: int | None, vectors: Vectors) -> Made:
            ops = tuple(redacted(self._redact, op) for op in decide(tx, ns))
            return ops, range(len(ops))

        return self._write(make, [self.redacted("text", text) for text in texts], {}, None, actor, None)

    def undo_merge(self, id: str, *, reason: str = "", idempotency_key: str | None = None, actor: str = "") -> Results:
        """Take the last merge into a record back: what was merged stands again, under a new version.

        Raises: NoSuchRecord; StoreError where nothing was merged into it; VersionConflict where one has moved on.
        """
        checked_name("id", id)
        reason = self.redacted("reason", reason)
        asked = asked_under(idempotency_key, "undo_merge", id, reason)
        with self.database.write() as tx:
            ns = self.number(tx, create=True)
            assert ns is not None
            applying = self._applying(tx, ns, self.serving(tx), {}, actor, None)

            def change() -> Results:
                undo_merge(applying, id, reason)
                return applying.finish()

            return once(tx, ns, asked, applying.time, RESULTS, change)

    def applying(self, tx: Transaction, actor: str = "") -> Applying:
        """What applies operations within a writing transaction."""
        return self._applying(tx, self.number(tx, create=True), self.serving(tx), {}, actor, None)

    def redacted(self, field: str, text: str) -> str:
        """The text that may be kept. Raises: what the redactor raises; BadValue."""
        return redacted_text(self._redact, field, text)

    def forget(
        self,
        id: str,
        *,
        purge: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
        actor: str = "",
    ) -> OpResult | Purged:
        """Hide a record at once; with `purge`, leave no byte of its text in the file.

        Raises: NoSuchRecord; Unavailable where another process keeps the old text alive; StoreError.
        """
        if not purge:
            return self.apply([Delete(id, reason)], idempotency_key=idempotency_key, actor=actor)[0]
        return self.purge(id, idempotency_key=idempotency_key, actor=actor)

    def purge(self, id: str, *, idempotency_key: str | None = None, actor: str = "") -> Purged:
        """As `forget` with purge; also of a record that was forgotten before."""
        checked_name("id", id)
        asked = asked_under(idempotency_key, "purge", id)
        with self.database.read() as tx:
            ns = self.number(tx)
            known = None if ns is None or asked is None else answered(tx, ns, asked, PURGED)
        if known is not None:
            return known[0]
        if ns is None:
            raise NoSuchRecord(id)
        done = purge(self.database, ns, id, time=self.clock(), actor=actor, operation=new_id())
        return self._done(asked, PURGED, done)

    # Reading

    def get(self, id: str) -> Record:
        """The present version. Raises: NoSuchRecord, also for what was forgotten."""
        return self.get_many([id])[0]

    def get_many(self, ids: Sequence[str]) -> Records:
        """In their order. Raises: NoSuchRecord for the first that is not there."""
        for id in ids:
            checked_name("id", id)
        with self.database.read() as tx:
            places = [
                (ns, path) for path in (self.namespace, *self.also_read) if (ns := self.number(tx, path)) is not None
            ]
            found = reading.read_records(tx, places, ids)
        for id in ids:
            if id not in found:
                raise NoSuchRecord(id)
        return [found[id] for id in ids]

    def payload(self, id: str, version: int | None = None) -> Payload:
        """Of a version, None: the present one. Raises: NoSuchRecord; BadValue where it carries none; Damaged."""
        checked_name("id", id)
        with self.database.read() as tx:
            for path in (self.namespace, *self.also_read):
                ns = self.number(tx, path)
                if ns is not None and reading.read_records(tx, [(ns, path)], [id]):
                    return reading.payload_of(tx, ns, path, id, version)
        raise NoSuchRecord(id)

    def list(self, **filters: Any) -> Page:
        """A page of records, by id: those that the memory named are in the order in which they were made.

        filters: kind, tags, status (active; None: all), since, until, after (`next` of the page before), limit (100)
        """
        with self.database.read() as tx:
            ns = self.number(tx)
            return reading.listed(tx, -1 if ns is None else ns, self.namespace, **filters)

    def history(self, id: str) -> Versions:
        """Every version, oldest first. Raises: NoSuchRecord."""
        with self.database.read() as tx:
            return reading.history(tx, self._own(tx, id), self.namespace, id)

    def as_of(self, id: str, time: float) -> Record:
        """The record as it stood at a time. Raises: NoSuchRecord where it was not there, not yet or no more."""
        with self.database.read() as tx:
            return reading.as_of(tx, self._own(tx, id), self.namespace, id, time)

    def links(self, id: str, **filters: Any) -> Links:
        """Of a record. filters: direction (out, in, both), types, at."""
        with self.database.read() as tx:
            return reading.links_of(tx, self._own(tx, id), id, **filters)

    # Numbers of namespaces and spaces

    def number(self, tx: Transaction, path: str | None = None, create: bool = False) -> int | None:
        """Of a namespace, None: its own; None where there is none."""
        name = self.namespace if path is None else path
        known = self._numbers.get(name)
        if known is None:
            known = tx.namespace(name, create=create)
            if known is not None and not tx.changed:  # what may be rolled back is not remembered
                self._numbers[name] = known
        return known

    def _own(self, tx: Transaction, id: str) -> int:
        checked_name("id", id)
        ns = self.number(tx)
        if ns is None:
            raise NoSuchRecord(id)
        return ns

    def serving(self, tx: Transaction) -> int | None:
        """The space that recall reads; None without vectors."""
        return serving(tx, self.number(tx))

    def embedded(self, space: int | None, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Text -> [D] in a space. Raises: as `Served.of`; BadValue for vectors that do not fit it."""
        if space is None or not texts:
            return {}
        embedder, dimension = self._served.of(space), self._served.dimension(space)
        assert embedder is not None
        found = np.asarray(embedder.embed(texts), np.float32)
        if found.shape != (len(texts), dimension):
            raise BadValue("vectors", f"shape {found.shape}", f"of shape {(len(texts), dimension)}")
        return dict(zip(texts, found, strict=True))

    # One transaction

    def _applying(
        self, tx: Transaction, ns: int | None, space: int | None, vectors: Vectors, actor: str, operation: str | None
    ) -> Applying:
        if actor:
            checked_name("actor", actor)
        assert ns is not None
        others = [number for path in self.also_read if (number := self.number(tx, path)) is not None]
        return Applying(
            tx, ns, space=space, vectors=vectors, embed=lambda texts: self.embedded(space, texts), time=self.clock(),
            actor=actor, operation=operation or new_id(), readable=others,
        )  # fmt: skip

    def _write(
        self,
        make: Callable[[Transaction, int, int | None, Vectors], Made],
        texts: Sequence[str],
        expect: Mapping[str, int],
        asked: Asked | None,
        actor: str,
        operation: str | None,
    ) -> Results:
        """make: operations, and which of their results are asked for, once the transaction is open."""
        if self.database.read_only:
            raise ReadOnly(f"{self.database.path} was opened to be read only")
        known = self._answered(asked)
        if known is not None:
            return known
        if self._space == -1:
            with self.database.read() as tx:
                self._space = self.serving(tx)
        for _ in range(TRIES):
            space = self._space
            try:
                vectors = self.embedded(space, texts)
            except Moved:
                with self.database.read() as tx:
                    self._space = self.serving(tx)
                continue
            with self.database.write() as tx:
                ns = self.number(tx, create=True)
                assert ns is not None
                self._space = self.serving(tx)
                if self._space == space:
                    applying = self._applying(tx, ns, space, vectors, actor, operation)
                    made = partial(make, tx, ns, space, vectors)
                    change = partial(_applied, applying, made, expect)
                    return once(tx, ns, asked, applying.time, RESULTS, change)
        raise Unavailable(f"{self.database.path}: the namespace has changed its embedder {TRIES} times meanwhile")

    @property
    def _costly(self) -> bool:
        """Whether it is worth looking before a text is embedded."""
        if self._space == -1:
            with self.database.read() as tx:
                self._space = self.serving(tx)
        return self._served.costly(self._space)

    def _answered(self, asked: Asked | None) -> Results | None:
        if asked is None:
            return None
        with self.database.read() as tx:
            ns = self.number(tx)
            known = None if ns is None else answered(tx, ns, asked, RESULTS)
        return None if known is None else known[0]

    def _unknown(self, drafts: Sequence[Add]) -> Sequence[str]:
        """Texts of the drafts that no active record says: only these are worth a costly embedding."""
        with self.database.read() as tx:
            ns = self.number(tx)
            new = [
                draft
                for draft in drafts
                if draft.payload is not None or tx.execute(
                    "SELECT 1 FROM records WHERE ns = ? AND kind = ? AND content_hash = ? AND status = 'active'",
                    (ns, draft.kind, content_hash(draft.content)),
                ).fetchone() is None
            ]  # fmt: skip
        return texts_of(new)

    # A slow planner

    def _refined(self, drafts: Sequence[Add], planner: Planner, asked: Asked | None, actor: str) -> Results:
        known = self._answered(asked)
        if known is not None:
            return known
        results = [refined(self, draft, planner, actor) for draft in drafts]
        return self._done(asked, RESULTS, results)

    def _done(self, asked: Asked | None, kept: Kept[T], answer: T) -> T:
        """Keep the answer of what took several transactions, each of which can be done again: when all are through."""
        if asked is None:
            return answer
        with self.database.write() as tx:
            ns = self.number(tx, create=True)
            assert ns is not None
            return once(tx, ns, asked, self.clock(), kept, lambda: answer)


def _applied(applying: Applying, made: Callable[[], Made], expect: Mapping[str, int]) -> Results:
    ops, wanted = made()
    if expect:
        applying.expect(expect)
    for op in ops:
        applying.tx.stop.check()  # there may be thousands of them
        applying.take(op)
    results = applying.finish()
    return [results[i] for i in wanted]


def _checked_expect(expect: Mapping[str, int] | None) -> dict[str, int]:
    wanted = dict(expect or {})
    for id, version in wanted.items():
        checked_name("expect", id)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise BadValue("expect", version, "versions, whole numbers from 1, by id")
    return wanted
