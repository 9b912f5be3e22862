"""The state of a namespace's index at one point of its log, and how it follows the log from there.

Not for several threads at once: `cache` holds the lock. Arrays are only ever added to at their end or replaced,
except for the flag of life, so that a search goes on undisturbed with what it took.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import Damaged, StoreError
from wayfare.memory.index.entries import ENTRY, SEGMENT
from wayfare.memory.index.filters import Filters
from wayfare.memory.index.postings import Postings
from wayfare.memory.index.signs import Signs
from wayfare.memory.index.vectors import Matrix
from wayfare.memory.index.words import Corpus, Occurrences
from wayfare.memory.store.database import Transaction

__all__ = ["Followed", "Space"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
LONGEST_TAIL = 20_000
"""Changes after which it is quicker to read everything anew."""
SILENT = frozenset({"RECALL", "CREDIT", "VOID", "NOOP"})
"""Operations of the log that change nothing that is kept here."""


@dataclass
class Space:
    """The vectors that recall reads. partial: some entries have none        signs: their codes"""

    number: int
    matrix: Matrix
    partial: bool = False
    signs: Signs = field(init=False)

    def __post_init__(self) -> None:
        self.signs = Signs(self.matrix)

    def erase(self, ordinals: Whole) -> None:
        """Leave no vector of these entries."""
        self.matrix.erase(ordinals)
        self.signs.erase(ordinals)
        self.partial = True


@dataclass
class Followed:
    """Of namespace `ns`. sequence: of the last change that is known, -1 before anything was read."""

    ns: int
    sequence: int = -1
    count: int = 0
    living: int = 0
    words: int = 0
    _owners: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    _lengths: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _roles: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _alive: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    _role_names: list[str] = field(default_factory=list)
    _postings: Postings = field(default_factory=Postings)
    _filters: Filters = field(default_factory=Filters)
    _space: Space | None = None
    _serving: int | None = None
    _lender: weakref.ref[Transaction] | None = None
    _lent_all: bool = False

    # Following

    def refresh(self, tx: Transaction) -> None:
        """Bring it to the snapshot of `tx`, unless it is there or further, or `tx` itself has changed something."""
        if self._lender is not None and self._lender() is not tx:  # what it saw may have been rolled back
            self.sequence = -1 if self._lent_all else self.sequence
            self._space = None
            self._repay()
        if tx.writing and tx.changed:
            if self.sequence >= 0:
                return
            self._borrow(tx)
            self._lent_all = True
        row = tx.execute("SELECT sequence, entries, space FROM namespaces WHERE ns = ?", (self.ns,)).fetchone()
        if row is None:
            raise StoreError(f"there is no namespace number {self.ns}")
        sequence, entries, space = row
        if sequence <= self.sequence and self.sequence >= 0:
            if sequence == self.sequence and entries > self.count:
                self._append(tx, entries)
            return
        if self.sequence < 0 or sequence - self.sequence > LONGEST_TAIL:
            self._load(tx, entries)
        else:
            self._follow(tx, entries)
        self.sequence = sequence
        if space != self._serving:
            self._serving, self._space = space, None

    def _borrow(self, tx: Transaction) -> None:
        """Something was read that only `tx` sees so far: it is kept once `tx` is committed."""
        if self._lender is None:
            self._lender = weakref.ref(tx)
            tx.on_commit(self._repay)

    def _repay(self) -> None:
        self._lender, self._lent_all = None, False

    def _load(self, tx: Transaction, entries: int) -> None:
        self.sequence = -1  # until it is whole: the next begins anew where this one is interrupted
        self.count = self.living = self.words = 0
        self._postings, self._filters, self._space = Postings(), Filters(), None
        self._role_names = []
        segments = tx.execute(
            "SELECT first, last, roles, data FROM segments WHERE ns = ? ORDER BY first", (self.ns,)
        ).fetchall()
        self._grow(entries)
        for first, last, roles, data in segments:
            if first != self.count or len(data) != (last - first + 1) * ENTRY.itemsize:
                raise Damaged(f"the segments of namespace {self.ns} do not follow one another; `wayfare memory doctor`")
            packed = np.frombuffer(data, ENTRY)
            codes = np.array([self._role(name) for name in json.loads(roles)], np.int32)
            if packed["role"].max(initial=0) >= len(codes):
                raise Damaged(f"a segment of namespace {self.ns} names no role; `wayfare memory doctor`")
            part = slice(first, last + 1)
            self._owners[part], self._lengths[part] = packed["record"], packed["length"]
            self._roles[part] = codes[packed["role"]]
            self.count = last + 1
        self._alive[: self.count] = True
        dead = tx.execute(
            "SELECT ordinal FROM entries WHERE ns = ? AND alive = 0 AND ordinal < ?", (self.ns, self.count)
        ).fetchall()
        self._alive[[ordinal for (ordinal,) in dead]] = False
        alive = self._alive[: self.count]
        self.living = int(np.count_nonzero(alive))
        self.words = int(self._lengths[: self.count][alive].sum(dtype=np.int64))
        self._postings.begin(self.count)
        self._append(tx, entries)

    def _append(self, tx: Transaction, entries: int) -> None:
        """Entries that came after the last that is known."""
        boundary = entries // SEGMENT * SEGMENT
        if boundary > self.count and boundary - self.count > SEGMENT:
            self._postings.begin(boundary)
        else:
            self._postings.forget(boundary - SEGMENT)
        rows = tx.execute(
            "SELECT e.ordinal, e.record, e.role, e.length, e.alive, coalesce(e.text, r.content) FROM entries e"
            " LEFT JOIN records r ON r.record = e.record WHERE e.ns = ? AND e.ordinal >= ? AND e.ordinal < ?"
            " ORDER BY e.ordinal",
            (self.ns, self.count, entries),
        ).fetchall()
        if len(rows) != entries - self.count or (rows and rows[0][0] != self.count):
            raise Damaged(f"namespace {self.ns} lacks entries; `wayfare memory doctor`")
        if not rows:
            return
        self._grow(entries)
        new = slice(self.count, entries)
        self._owners[new] = [row[1] for row in rows]
        self._lengths[new] = [row[3] for row in rows]
        self._roles[new] = [self._role(row[2]) for row in rows]
        self._alive[new] = [row[4] for row in rows]
        for ordinal, _, _, length, alive, text in rows:
            if alive:
                self.living += 1
                self.words += length
                self._postings.add(ordinal, text or "")
        self.count = entries

    def _follow(self, tx: Transaction, entries: int) -> None:
        """Apply the log since `sequence`."""
        rows = tx.execute(
            "SELECT op, id, body FROM log WHERE ns = ? AND seq > ? ORDER BY seq", (self.ns, self.sequence)
        ).fetchall()
        touched: set[int] = set()
        purged: set[int] = set()
        for op, id, body in rows:
            if op in SILENT:
                continue
            if op == "REBUILD":
                self._load(tx, entries)
                return
            numbers = _numbers(tx, self.ns, id, json.loads(body))
            touched |= numbers
            if op == "PURGE":
                purged |= numbers
        known = self.count
        if entries > known:
            self._append(tx, entries)
        for part in _parts(sorted(touched)):
            marks = ", ".join("?" * len(part))
            found = tx.execute(
                f"SELECT ordinal, alive FROM entries WHERE record IN ({marks}) AND ns = ?", (*part, self.ns)
            ).fetchall()
            for ordinal, alive in found:
                if ordinal < known and self._alive[ordinal] != bool(alive):
                    self._alive[ordinal] = bool(alive)
                    self.living += 1 if alive else -1
                    self.words += int(self._lengths[ordinal]) * (1 if alive else -1)
            self._filters.follow(tx, part)
        if purged:
            self._postings.clear()
            if self._space is not None:
                self._space.erase(np.flatnonzero(np.isin(self._owners[: self.count], list(purged))))

    def _role(self, name: str) -> int:
        if name not in self._role_names:
            self._role_names.append(name)
        return self._role_names.index(name)

    def _grow(self, entries: int) -> None:
        """Room for so many entries; arrays that a search holds are left as they are."""
        if entries <= len(self._owners):
            return
        room = max(1_024, entries + entries // 4)
        for name in ("_owners", "_lengths", "_roles", "_alive"):
            old = getattr(self, name)
            new = np.zeros(room, old.dtype)
            new[: self.count] = old[: self.count]
            setattr(self, name, new)

    # What a search takes

    def corpus(self, roles: Mapping[str, float] | None) -> Corpus:
        """All entries, weighted by role."""
        n = self.count
        weights = None
        if roles and any(roles.get(name, 1.0) != 1.0 for name in self._role_names):
            weights = np.array([roles.get(name, 1.0) for name in self._role_names], np.float64)[self._roles[:n]]
        alive = self._alive[:n]
        if self.living < n:
            alive = alive.copy()
        return Corpus(self._owners[:n], self._lengths[:n], alive, self.living, self.words, weights)

    def occurrences(self, tx: Transaction, counts: Mapping[str, float]) -> list[Occurrences] | None:
        """Of the query's words that stand somewhere; None if the snapshot is too old to say."""
        return self._postings.find(tx, self.ns, counts, self.count)

    def serving(self, tx: Transaction) -> tuple[int, int] | None:
        """Number and dimension of the space that recall reads; None where there is none."""
        row = tx.execute(
            "SELECT s.space, s.dimension FROM namespaces n JOIN spaces s ON s.space = n.space WHERE n.ns = ?",
            (self.ns,),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def space(self, tx: Transaction) -> Space | None:
        """The serving space with all its vectors so far; None where there is none."""
        served = self.serving(tx)
        if served is None:
            return None
        number, dimension = served
        if number != self._serving:  # the snapshot is from before the namespace moved to another embedder
            return self._filled(tx, Space(number, Matrix(dimension)))
        if self._space is None or self._space.matrix.rows < self.count:
            if tx.writing and tx.changed:
                self._borrow(tx)
            self._space = self._filled(tx, self._space or Space(number, Matrix(dimension)))
        return self._space

    @property
    def approximation(self) -> dict[str, float] | None:
        """As `Signs.approximation`, of the space that is served."""
        return None if self._space is None else self._space.signs.approximation

    def _filled(self, tx: Transaction, space: Space) -> Space:
        self._read_vectors(tx, space)
        return space

    def _read_vectors(self, tx: Transaction, space: Space) -> None:
        matrix = space.matrix
        end = min(self.count, tx.execute("SELECT entries FROM namespaces WHERE ns = ?", (self.ns,)).fetchone()[0])
        before = matrix.rows
        for first, rows in tx.vectors.between(self.ns, space.number, matrix.dimension, before, end):
            if first > matrix.rows:
                matrix.extend(np.zeros((first - matrix.rows, matrix.dimension), np.float32))
            matrix.extend(rows)
        if matrix.rows < end:
            matrix.extend(np.zeros((end - matrix.rows, matrix.dimension), np.float32))
        if not space.partial:
            space.partial = not matrix.present(end)[before:].all()

    def allowed(self, tx: Transaction, mask: Flags | None) -> Flags | None:
        """The living entries under a mask; those that the snapshot of `tx` knows. None: all entries."""
        n = self.count
        limit = self._limit(tx)
        if mask is None and limit is None:
            return None
        allowed = self._alive[:n].copy()
        if mask is not None:
            m = min(n, len(mask))
            allowed[:m] &= mask[:m]
            allowed[m:] = False
        if limit is not None:
            allowed &= self._owners[:n] <= limit
        return allowed

    def _limit(self, tx: Transaction) -> int | None:
        """The largest number of a record in a snapshot that is older than what is known here: they ascend within a
        namespace, where one writes at a time, and not between namespaces that are written at once."""
        row = tx.execute("SELECT sequence, entries FROM namespaces WHERE ns = ?", (self.ns,)).fetchone()
        if row[0] >= self.sequence:
            return None
        return int(self._owners[: row[1]].max(initial=0))

    def mask(
        self,
        tx: Transaction,
        kinds: Sequence[str] | None,
        tags: Sequence[str] | None,
        since: float | None,
        until: float | None,
        at: float | None,
    ) -> Flags | None:
        """As `NamespaceCache.mask`."""
        owners = self._owners[: self.count]
        filters = self._filters
        by_record = kinds is not None or since is not None or until is not None
        if tx.writing and tx.changed:
            if not filters.ready(by_record, at is not None):
                filters = Filters()
        elif self._limit(tx) is not None:
            filters = Filters()  # what an older snapshot says is not to be kept
        return filters.mask(tx, self.ns, owners, kinds, tags, since, until, at)


def _numbers(tx: Transaction, ns: int, id: str | None, body: Mapping[str, Any]) -> set[int]:
    """The records that a row of the log speaks of."""
    if isinstance(body.get("records"), list):  # of a quota it is a limit
        return {int(number) for number in body["records"]}
    if "record" in body:
        return {int(body["record"])}
    if id is None:
        return set()
    row = tx.execute("SELECT record FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    return set() if row is None else {int(row[0])}


def _parts(numbers: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    return (numbers[i : i + size] for i in range(0, len(numbers), size))
