"""LangGraph's long-term memory, kept by a memory that learns which of it helps.

    store = WayfareStore("agent.db")                    # or postgresql://..., or a Memory
    graph = builder.compile(checkpointer=..., store=store)

    with store.memory.task("ticket-4711") as task:      # what its nodes search for is what this outcome is about
        answer = graph.invoke(question, config)
        task.credit(1.0 if solved(answer) else 0.0)

Nodes call `store.put`, `get`, `search` as with any `BaseStore`. What a search does depends on where it is made:

outside of a task   it ranks every document under the prefix by its relevance, as a recall finds it (words, vectors and
                    links together), in [0, 1]; what is not indexed comes last, without a score
within a task       it *is* a recall: the memory's policy chooses at most `limit` (and 50) of what is relevant enough,
                    from what it has learned, and leaves a receipt. With a filter or an offset it ranks as outside, and
                    writes down what it has shown, so that the outcome reaches these too.

A batch reads one state of the store and then writes all its puts or none, under one lock: two processes that put under
one key at once leave one document. `documents` says how a document lies in the memory, and how lifetimes are kept.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wayfare.dropins.documents import (
    Document,
    Put,
    checked_minutes,
    decided,
    document_of,
    indexed_texts,
    json_of,
    key_tag,
    namespaces,
    refreshed,
    under_tag,
)
from wayfare.dropins.embeddings import LangChainEmbedder
from wayfare.dropins.matching import checked_filter, matches
from wayfare.dropins.searching import Scored, Wanted, ranked, records_at
from wayfare.errors import BadValue, MissingExtra, StoreError, Unavailable
from wayfare.memory import Memory
from wayfare.memory.candidates import MOST
from wayfare.memory.embedding.served import Asked, serving
from wayfare.memory.operations import Delete, Operation
from wayfare.memory.store.database import Transaction
from wayfare.memory.tasks import current

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        IndexConfig,
        Item,
        ListNamespacesOp,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        get_text_at_path,
    )

    from wayfare.dropins.checking import checked_fields, checked_operation, checked_ttl, question_of
except ImportError:
    raise MissingExtra("the store of LangGraph", "langgraph") from None

if TYPE_CHECKING:
    from wayfare.memory.opening import Ground

__all__ = ["WayfareStore"]

TRIES = 10
SWEPT_EVERY = 5.0
"""Minutes, unless said otherwise."""
_log = logging.getLogger(__name__)


class WayfareStore(BaseStore):
    """A LangGraph store in one namespace of a memory.

    memory: a `Memory`, or the address of one, which is then opened with `settings` (what `Memory` takes: namespace,
    policy, actor, ...) and closed by `close`
    index: `fields` whose texts are indexed, the whole document where none are named; with an address also `embed` and
    `dims`: the vectors then come from there, else from the memory's embedder (a new memory's needs no model)
    ttl: default_ttl and sweep_interval_minutes in minutes, refresh_on_read, omit_expired
    Both are as LangGraph documents them.
    subject: from namespace and key to whom a document is about, or None: all of one person can be exported and erased

    Raises: BadValue; StoreError. Importing this module without langgraph raises MissingExtra.
    """

    supports_ttl = True

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str],
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        subject: Callable[[tuple[str, ...], str], str | None] | None = None,
        **settings: Any,
    ) -> None:
        given: dict[str, Any] = dict(index or {})
        self._fields = checked_fields(given)
        self.ttl_config = checked_ttl(ttl)
        if subject is not None and not callable(subject):
            raise BadValue("subject", subject, "a function from namespace and key to whom a document is about, or None")
        self._subject = subject
        self._sweeper: threading.Thread | None = None
        self._stop = threading.Event()
        self._owned = not isinstance(memory, Memory)
        if isinstance(memory, Memory):
            refused = sorted(settings) + [name for name in ("embed", "dims") if name in given]
            if refused:
                raise BadValue("settings", refused, "left out where a Memory is given: it was opened with its own")
            self.memory = memory
            return
        if "embed" in given:
            settings["embedder"] = LangChainEmbedder(given["embed"], given.get("dims"))
        self.memory = Memory(memory, **settings)

    def close(self) -> None:
        """Stop sweeping, and close the memory where this store has opened it."""
        self.stop_ttl_sweeper()
        if self._owned:
            self.memory.close()

    def __enter__(self) -> WayfareStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # LangGraph's interface: get, put, search, delete, list_namespaces and their twins come from `BaseStore`

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Read all that is asked in one state of the store, then put all or nothing; results in the order of `ops`.

        Of several puts under one key the last one stands.
        Raises: InvalidNamespaceError; BadValue; StoreError.
        """
        ops = [checked_operation(op) for op in ops]
        puts = {(tuple(op.namespace), op.key): self._put(op) for op in ops if isinstance(op, PutOp)}
        found = self._read(ops)
        self._write(list(puts.values()), self._stale(ops, found))
        return [_answer(op, each) for op, each in zip(ops, found, strict=True)]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """`batch`, while the event loop goes on. Cancelled, a batch that has begun still comes to its end."""
        return await asyncio.to_thread(self.batch, list(ops))

    # Lifetimes

    def sweep_ttl(self) -> int:
        """Delete every document whose lifetime is over; how many these were."""

        def expired(tx: Transaction, ns: int) -> list[Operation]:
            rows = tx.execute(
                "SELECT r.id FROM records r JOIN tags t ON t.ns = r.ns AND t.record = r.record WHERE r.ns = ? "
                "AND r.valid_to <= ? AND t.tag = ? AND r.status IN ('active', 'archived') ORDER BY r.id",
                (ns, self._ground.clock(), under_tag(())),
            ).fetchall()
            return [Delete(id, "its lifetime is over") for (id,) in rows]

        return len(self.memory.engine.decide(expired, actor=self.memory.actor))

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> None:
        """Sweep again and again, in a thread of its own, until `stop_ttl_sweeper` or `close`; once is enough.

        sweep_interval_minutes: between two sweeps; None: as the store was told, else 5
        """
        config = self.ttl_config or {}
        minutes = sweep_interval_minutes or config.get("sweep_interval_minutes") or SWEPT_EVERY
        checked_minutes("sweep_interval_minutes", minutes)
        if self._sweeper is None or not self._sweeper.is_alive():
            self._stop.clear()
            self._sweeper = threading.Thread(target=self._sweep, args=(60 * minutes,), name="wayfare-ttl", daemon=True)
            self._sweeper.start()

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Whether the thread has ended. timeout: seconds to wait for a sweep that is under way"""
        self._stop.set()
        if self._sweeper is None:
            return True
        self._sweeper.join(timeout)
        return not self._sweeper.is_alive()

    def _sweep(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                self.sweep_ttl()
            except StoreError as error:  # busy, or away for a while: the next sweep takes these too
                _log.warning("documents whose lifetime is over were not deleted: %s", error)

    # Reading

    @property
    def _ground(self) -> Ground:
        return self.memory._ground

    def _read(self, ops: Sequence[Op]) -> list[Any]:
        """For each operation what it finds: a document or None, scored documents, tuples."""
        task = current(self.memory)
        questions = {i: said for i, op in enumerate(ops) if isinstance(op, SearchOp) and (said := question_of(op))}
        found: dict[int, Any] = {}
        if task is not None:
            for i, question in questions.items():
                op = ops[i]
                if isinstance(op, SearchOp) and op.limit and not op.filter and not op.offset:
                    found[i] = self._recalled(op, question)
        for _ in range(TRIES):
            asked = {i: self._ground.asked(question) for i, question in questions.items() if i not in found}
            with self._ground.database.read() as tx:
                space = serving(tx, self._ground.ns)
                if any(each.space != space for each in asked.values()):  # moved to another embedder meanwhile
                    self._ground.space = space
                    continue
                found.update(self._looked_up(tx, ops, found, questions, asked))
            break
        else:
            raise Unavailable(f"the namespace has changed its embedder {TRIES} times meanwhile")
        for i in asked if task is not None else ():
            shown = [document.id for document, score in found[i] if score is not None]
            if shown:
                self.memory.showed(questions[i], shown)
        return [found[i] for i in range(len(ops))]

    def _looked_up(
        self,
        tx: Transaction,
        ops: Sequence[Op],
        known: Mapping[int, Any],
        questions: Mapping[int, str],
        asked: Mapping[int, Asked],
    ) -> dict[int, Any]:
        """What is found in one state of the store, by the number of the operation. known: those that have an answer"""
        alive = self._ground.clock() if (self.ttl_config or {}).get("omit_expired") else None
        records = records_at(self.memory, [key_tag(op.namespace, op.key) for op in ops if isinstance(op, GetOp)])
        found: dict[int, Any] = {}
        for i, op in enumerate(ops):
            if i in known:
                continue
            if isinstance(op, GetOp):
                record = records.get(key_tag(op.namespace, op.key))
                document = None if record is None else document_of(record)
                found[i] = document if document is not None and document.lives(alive) else None
            elif isinstance(op, SearchOp):
                prefix = tuple(op.namespace_prefix)
                wanted = Wanted(prefix, checked_filter(op.filter), op.limit, op.offset, alive)
                found[i] = ranked(tx, self.memory, wanted, questions.get(i, ""), asked.get(i))
            else:
                found[i] = self._listed(tx, op, alive) if isinstance(op, ListNamespacesOp) else None
        return found

    def _recalled(self, op: SearchOp, question: str) -> list[Scored]:
        tag = under_tag(tuple(op.namespace_prefix))
        recall = self.memory.recall(question, min(op.limit, MOST, self.memory._recaller.k1), tags=[tag])
        found = ((document_of(item.record), item.relevance) for item in recall)
        return [(document, score) for document, score in found if document is not None]

    def _listed(self, tx: Transaction, op: ListNamespacesOp, alive: float | None) -> list[tuple[str, ...]]:
        ns = self._ground.ns
        there = [] if ns is None else namespaces(tx, ns, alive)
        for condition in op.match_conditions or ():
            there = [each for each in there if matches(each, condition.path, condition.match_type)]
        found = sorted({each[: op.max_depth] for each in there})
        return found[op.offset : op.offset + op.limit]

    # Writing

    def _put(self, op: PutOp) -> Put:
        namespace, key = tuple(op.namespace), op.key
        if op.value is None:
            return Put(namespace, key, None)
        if not isinstance(op.value, Mapping):
            raise BadValue("value", type(op.value).__name__, "a mapping that JSON can hold, or None")
        value = json_of(op.value)
        texts: list[str] = []
        for path in () if op.index is False else self._fields if op.index is None else op.index:
            texts += get_text_at_path(value, path)
        whose = None if self._subject is None else self._subject(namespace, key)
        return Put(namespace, key, value, indexed_texts(texts), op.ttl, whose)

    def _stale(self, ops: Sequence[Op], found: Sequence[Any]) -> list[Document]:
        """What has been read and must be refreshed."""
        if self._ground.database.read_only:
            return []
        read: list[Document] = []
        for op, each in zip(ops, found, strict=True):
            if isinstance(op, GetOp) and op.refresh_ttl and each is not None:
                read.append(each)
            elif isinstance(op, SearchOp) and op.refresh_ttl:
                read += [document for document, _ in each]
        now = self._ground.clock()
        return [document for document in read if document.stale(now)]

    def _write(self, puts: Sequence[Put], stale: Sequence[Document]) -> None:
        if not puts and not stale:
            return
        places = [put.tag for put in puts]
        read = {document.tag for document in stale} - set(places)

        def decide(tx: Transaction, ns: int) -> list[Operation]:
            now = self._ground.clock()
            there = records_at(self.memory, [*places, *read])
            ops = decided(puts, there, now)
            for tag in sorted(read & there.keys()):
                document = document_of(there[tag])
                if document is not None and document.stale(now):
                    ops.append(refreshed(document, now))
            return ops

        before = records_at(self.memory, places)
        texts: list[str] = []
        for put in puts:  # what stands there already has its vector
            old = before.get(put.tag)
            if old is None or old.content != put.content:
                texts += put.embedded()
        self.memory.engine.decide(decide, list(dict.fromkeys(texts)), actor=self.memory.actor)


# What goes out


def _answer(op: Op, found: Any) -> Result:
    if isinstance(op, SearchOp):
        return [SearchItem(**_fields(document), score=score) for document, score in found]
    if isinstance(op, GetOp):
        return None if found is None else Item(**{**_fields(found), "key": op.key, "namespace": tuple(op.namespace)})
    return found  # type: ignore[no-any-return]


def _fields(document: Document) -> dict[str, Any]:
    return {
        "namespace": document.namespace, "key": document.key, "value": document.value,
        "created_at": datetime.fromtimestamp(document.created, UTC),
        "updated_at": datetime.fromtimestamp(document.updated, UTC),
    }  # fmt: skip
