"""What a namespace's index holds, in memory, following the log: every search is answered from here.

    cache = caches(database)[ns]
    with database.read() as tx:                 # one snapshot: the searches below join it
        records, scores = cache.words("password reset", 50)
        records, scores = cache.nearest(vector, 50, mask=cache.mask(kinds=["fact"]))

Each search first brings the cache to the snapshot of its transaction: it reads the namespace's counter, and if that has
moved the rows of the log since, and reads again what they name. Processes and threads therefore agree, and what was
forgotten before a transaction began is never found in it. Where another thread has brought the cache further than the
snapshot, records that the snapshot does not know are left out. A transaction that has itself changed something searches
what was committed before it. Nothing is taken from here but numbers of records and scores: rows come from the store.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, StoreError
from wayfare.memory.index import server_side, vectors, words
from wayfare.memory.index.following import Followed
from wayfare.memory.index.queries import query_words
from wayfare.memory.store.database import Database, Transaction

__all__ = ["Caches", "NamespaceCache", "caches"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


class NamespaceCache:
    """The index of one namespace. Threads may share it, a forked child goes on with its own copy."""

    def __init__(self, database: Database, ns: int) -> None:
        self.ns = ns
        self._database = weakref.ref(database)
        self._lock = threading.RLock()
        self._followed = Followed(ns)
        with _GUARD:
            _EVERY.add(self)

    @contextmanager
    def _at(self) -> Iterator[tuple[Transaction, Followed]]:
        """The transaction of this thread, and what is known at it; the lock is held meanwhile."""
        database = self._database()
        if database is None:
            raise StoreError("the database of this cache has been closed")
        with self._lock, database.read() as tx:  # a fork waits for the lock: SQLite's own locks are free then
            self._followed.refresh(tx)
            yield tx, self._followed

    def refresh(self, tx: Transaction) -> None:
        """Bring it to the snapshot of `tx`; the searches do so by themselves."""
        with self._lock:
            self._followed.refresh(tx)

    @property
    def entries(self) -> int:
        """How many there are, dead ones included, as of the last refresh."""
        return self._followed.count

    def words(
        self,
        query: str,
        k: int,
        mask: Flags | None = None,
        *,
        roles: Mapping[str, float] | None = None,
        calibrated: bool = False,
    ) -> tuple[Whole, Floats]:
        """The best k records by BM25: their numbers, best first, and scores above 0.

        mask: from `mask`        roles: weight of the entries of a role, 1 where not named
        calibrated: divided by what an entry of mean length with every word of the query once would score, at most 1
        """
        _checked_k(k)
        for role, weight in (roles or {}).items():
            if not 0 <= weight < math.inf:
                raise BadValue(f"roles[{role!r}]", weight, "a finite number that is not negative")
        counts = query_words(query)
        with self._at() as (tx, known):
            found = known.occurrences(tx, counts)
            if found is None:  # a snapshot from before what is remembered: rare, so it is simply read anew
                known = Followed(self.ns)
                known.refresh(tx)
                found = known.occurrences(tx, counts) or []
            corpus = known.corpus(roles)
            allowed = known.allowed(tx, mask)
        records, scores = words.search(found, corpus, k, allowed)
        if calibrated and len(scores):
            absent = sum(counts.values()) - sum(each.count for each in found)
            top = words.ceiling(found, corpus) + absent * words.idf(corpus.living, 0)
            scores = np.minimum(1.0, scores / top)
        return records, scores

    def nearest(
        self, vector: NDArray[np.floating], k: int, mask: Flags | None = None, *, exact: bool = False
    ) -> tuple[Whole, Floats]:
        """The best k records by dot product with `vector` [D]: their numbers, best first, and exact scores.

        Among more than 20,000 entries at least .98 of the ten best are among them, as estimated; all where `exact`.
        Nothing in a namespace without a space. Raises: BadValue for a vector of another dimension, or not finite.
        """
        _checked_k(k)
        given = np.ascontiguousarray(vector, np.float32)
        if given.ndim != 1 or not np.isfinite(np.dot(given, given)):
            raise BadValue("vector", f"shape {given.shape}", "one row of finite numbers")
        database = self._database()
        if database is not None and database.searches_vectors:
            return self._nearest_there(database, given, k, mask, exact)
        with self._at() as (tx, known):
            space = known.space(tx)
            if space is None:
                return np.zeros(0, np.int64), np.zeros(0)
            if space.matrix.dimension != len(given):
                raise BadValue("vector", f"{len(given)} numbers", f"{space.matrix.dimension} numbers, as the space has")
            corpus = known.corpus(None)
            allowed = known.allowed(tx, mask)
            rows = min(space.matrix.rows, len(corpus))
            if space.partial or allowed is not None or corpus.living < len(corpus):
                allowed = (corpus.alive if allowed is None else allowed)[:rows]
                if space.partial:
                    allowed = allowed & space.matrix.present(rows)
            space.signs = signs = space.signs.current()
            signs.advance(given)
        if not exact and signs.ready(rows, rows if allowed is None else int(np.count_nonzero(allowed))):
            found = signs.search(given, rows, corpus.owners, k, allowed)
            if found is not None:
                return found
        return vectors.nearest(space.matrix, given, rows, corpus.owners, k, allowed)

    def _nearest_there(
        self, database: Database, vector: NDArray[np.float32], k: int, mask: Flags | None, exact: bool
    ) -> tuple[Whole, Floats]:
        """The store itself searches; meanwhile nobody waits for the lock."""
        with database.read() as tx:
            with self._lock:
                self._followed.refresh(tx)
                space = self._followed.serving(tx)
                corpus = self._followed.corpus(None)
                allowed = self._followed.allowed(tx, mask)
            if space is None:
                return np.zeros(0, np.int64), np.zeros(0)
            number, dimension = space
            if dimension != len(vector):
                raise BadValue("vector", f"{len(vector)} numbers", f"{dimension} numbers, as the space has")
            return server_side.nearest(tx, self.ns, number, vector, corpus, k, allowed, exact)

    @property
    def approximation(self) -> dict[str, float] | None:
        """How the nearest vectors are searched: None exactly, else

        kept: candidates that are scored exactly        looked: those that were sieved twice
        recall: share of the ten best that is found, estimated on stored texts and on the last questions
        """
        with self._lock:
            return self._followed.approximation

    def passing(self, numbers: Sequence[int], mask: Flags) -> set[int]:
        """Which of these records have an entry that `mask` lets pass."""
        with self._at() as (_, known):
            owners = known.corpus(None).owners
        m = min(len(owners), len(mask))
        return set(numbers) & set(owners[:m][np.isin(owners[:m], list(numbers)) & mask[:m]].tolist())

    def mask(
        self,
        *,
        kinds: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        at: float | None = None,
    ) -> Flags | None:
        """Which entries may be found, [entries]; None: all.

        kinds, tags: any of them        since, until: what happened then (where that is not said: was written then), s
        at: what holds then, s since the epoch
        """
        with self._at() as (tx, known):
            return known.mask(tx, kinds, tags, since, until, at)


def _checked_k(k: int) -> None:
    if k < 1:
        raise BadValue("k", k, "at least 1")


class Caches:
    """The caches of one database, by number of namespace."""

    def __init__(self, database: Database) -> None:
        self._database = weakref.ref(database)
        self._by: dict[int, NamespaceCache] = {}

    def __getitem__(self, ns: int) -> NamespaceCache:
        if ns not in self._by:
            database = self._database()
            if database is None:
                raise StoreError("the database of this cache has been closed")
            self._by.setdefault(ns, NamespaceCache(database, ns))
        return self._by[ns]


_CACHES: weakref.WeakKeyDictionary[Database, Caches] = weakref.WeakKeyDictionary()
_GUARD = threading.Lock()
_EVERY: weakref.WeakSet[NamespaceCache] = weakref.WeakSet()
_held: list[NamespaceCache] = []


def caches(database: Database) -> Caches:
    """Shared by all that use this `Database`."""
    with _GUARD:
        found = _CACHES.get(database)
        if found is None:
            found = _CACHES[database] = Caches(database)
        return found


def _before_fork() -> None:
    """No cache is half changed where a child begins."""
    _GUARD.acquire()
    _held[:] = sorted(_EVERY, key=id)
    for cache in _held:
        cache._lock.acquire()


def _in_parent() -> None:
    for cache in _held:
        cache._lock.release()
    _held.clear()
    _GUARD.release()


def _in_child() -> None:
    global _GUARD
    for cache in _held:
        cache._lock = threading.RLock()
    _held.clear()
    _GUARD = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
