"""Where words stand: read from packed segments when asked for, counted from texts for the entries after the last
segment.

What was read is kept, least recently used out first, up to a number of bytes. The words of the 2,048 entries before
the last boundary are kept too, so that a reader whose snapshot is from before they were packed finds them still.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import Damaged
from wayfare.memory.index.entries import MOST_TIMES, POSTING, SEGMENT
from wayfare.memory.index.tokens import tokens
from wayfare.memory.index.words import Occurrences
from wayfare.memory.store.database import Transaction

__all__ = ["Postings"]

KEPT_BYTES = 48 * 2**20
OVERHEAD = 300
"""Bytes of a kept word besides its postings."""
AT_ONCE = 500
"""Words that one statement reads."""


@dataclass(frozen=True)
class _Read:
    """The packed postings of a word, complete for entries before `through`."""

    through: int
    ordinals: NDArray[np.int32]
    times: NDArray[np.uint8]

    @property
    def size(self) -> int:
        return self.ordinals.nbytes + self.times.nbytes + OVERHEAD


@dataclass
class Postings:
    """Of one namespace. _tails: number of a stretch of 2,048 entries -> word -> (ordinals, times)"""

    _read: OrderedDict[str, _Read] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _first: int = 0
    _tails: dict[int, dict[str, tuple[list[int], list[int]]]] = field(default_factory=dict)

    def begin(self, boundary: int) -> None:
        """Count anew, from entry `boundary` on."""
        self._first, self._tails = boundary, {}

    def forget(self, boundary: int) -> None:
        """What was counted of entries before `boundary` is packed for certain."""
        if boundary > self._first:
            self._first = boundary
            for stretch in [stretch for stretch in self._tails if (stretch + 1) * SEGMENT <= boundary]:
                del self._tails[stretch]

    def clear(self) -> None:
        """Forget what was read."""
        self._read.clear()
        self._bytes = 0

    def add(self, ordinal: int, text: str) -> None:
        """Count the words of an entry, in the order of entries; those that are packed already are passed over."""
        if ordinal < self._first:
            return
        tail = self._tails.setdefault(ordinal // SEGMENT, {})
        counts: dict[str, int] = {}
        for word in tokens(text):
            counts[word] = counts.get(word, 0) + 1
        for word, count in counts.items():
            ordinals, times = tail.setdefault(word, ([], []))
            ordinals.append(ordinal)
            times.append(min(count, MOST_TIMES))

    def find(self, tx: Transaction, ns: int, counts: Mapping[str, float], entries: int) -> list[Occurrences] | None:
        """Of words (-> weight of each) in the first `entries` entries; None if `tx` is too old for what is kept."""
        row = tx.execute("SELECT coalesce(max(last), -1) + 1 FROM segments WHERE ns = ?", (ns,)).fetchone()
        packed = min(int(row[0]), entries // SEGMENT * SEGMENT)
        found = []
        reads = self._packed(tx, ns, list(counts), packed)
        for word, count in counts.items():
            read = reads[word]
            if read.through < self._first:
                return None
            ordinals, times = [read.ordinals], [read.times]
            for stretch in range(read.through // SEGMENT, -(-entries // SEGMENT)):
                tail = self._tails.get(stretch, {}).get(word)
                if tail is not None:
                    ordinals.append(np.array(tail[0], np.int32))
                    times.append(np.array(tail[1], np.uint8))
            if len(ordinals) > 1:
                found.append(Occurrences(count, np.concatenate(ordinals), np.concatenate(times)))
            elif len(read.ordinals):
                found.append(Occurrences(count, read.ordinals, read.times))
        return found

    def _packed(self, tx: Transaction, ns: int, words: Sequence[str], packed: int) -> dict[str, _Read]:
        """Of each word, complete for the first `packed` entries at least; what is not known yet is read at once."""
        found: dict[str, _Read] = {}
        behind: dict[int, list[str]] = {}
        for word in words:
            known = self._read.get(word)
            if known is not None:
                self._read.move_to_end(word)
                if known.through >= packed:
                    found[word] = known
                    continue
            elif not packed:
                found[word] = _NOTHING
                continue
            behind.setdefault(0 if known is None else known.through, []).append(word)
        for through, missing in behind.items():
            for part in (missing[i : i + AT_ONCE] for i in range(0, len(missing), AT_ONCE)):
                found.update(self._read_packed(tx, ns, part, through, packed))
        return found

    def _read_packed(
        self, tx: Transaction, ns: int, words: Sequence[str], through: int, packed: int
    ) -> dict[str, _Read]:
        """The postings of words from entry `through` on."""
        # A left join, so that the few segments come first whatever the planner knows; a null term was not there.
        rows = tx.execute(
            "SELECT p.term, p.data FROM segments s LEFT JOIN postings p ON p.ns = s.ns AND p.segment = s.segment"
            f" AND p.term IN ({', '.join('?' * len(words))}) WHERE s.ns = ? AND s.last >= ? ORDER BY s.first",
            (*words, ns, through),
        ).fetchall()
        parts: dict[str, list[bytes]] = {word: [] for word in words}
        for term, data in rows:
            if term is not None:
                parts[term].append(data)
        found = {}
        for word in words:
            known = self._read.get(word)
            new = _decoded(ns, word, parts[word], through, packed)
            if known is not None and len(known.ordinals):
                new = _Read(
                    packed, np.concatenate((known.ordinals, new.ordinals)), np.concatenate((known.times, new.times))
                )
            found[word] = new
            if not (tx.writing and tx.changed):  # it may be undone
                self._keep(word, new)
        return found

    def _keep(self, word: str, new: _Read) -> None:
        known = self._read.get(word)
        self._bytes += new.size - (0 if known is None else known.size)
        self._read[word] = new
        while self._bytes > KEPT_BYTES and len(self._read) > 1:
            self._bytes -= self._read.popitem(last=False)[1].size


def _decoded(ns: int, word: str, parts: Sequence[bytes], through: int, packed: int) -> _Read:
    """A word's postings between two entries, from what each segment has of it. Raises: Damaged."""
    if not all(isinstance(part, bytes) for part in parts):
        raise Damaged(f"the postings of {word!r} in namespace {ns} are no bytes; `wayfare memory doctor`")
    data = b"".join(parts)
    if len(data) % POSTING.itemsize:
        raise Damaged(f"the postings of {word!r} in namespace {ns} are cut; `wayfare memory doctor`")
    posting = np.frombuffer(data, POSTING)
    ordinals, times = posting["ordinal"].astype(np.int64), posting["times"]
    if len(ordinals) and (np.any(ordinals[1:] <= ordinals[:-1]) or not times.all()):
        raise Damaged(f"the postings of {word!r} in namespace {ns} are out of order; `wayfare memory doctor`")
    inside = slice(*np.searchsorted(ordinals, (through, packed)))
    return _Read(packed, ordinals[inside].astype(np.int32), times[inside].copy())


_NOTHING = _Read(0, np.zeros(0, np.int32), np.zeros(0, np.uint8))
