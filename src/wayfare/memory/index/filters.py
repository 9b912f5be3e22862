"""Which entries a filter lets pass: kinds, tags, when it happened, when it holds.

What a filter needs is read when it is first asked for, and then follows the log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.store.database import Transaction

__all__ = ["Filters"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
_COLUMNS = "record, kind, coalesce(event_from, created_at), coalesce(event_to, event_from, created_at)"


@dataclass
class Filters:
    """Of one namespace. _numbers: records, ascending, None before they are asked for; the rest by record alike."""

    _numbers: Whole | None = None
    _kinds: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _from: Floats = field(default_factory=lambda: np.zeros(0))
    _to: Floats = field(default_factory=lambda: np.zeros(0))
    _kind_codes: dict[str, int] = field(default_factory=dict)
    _places: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    _limited: dict[int, tuple[float, float]] | None = None
    _tagged: dict[str, Whole] = field(default_factory=dict)

    def ready(self, by_record: bool, by_time: bool) -> bool:
        """Whether nothing has to be read first for kinds and times of events, and for what holds at a time."""
        return not (by_record and self._numbers is None) and not (by_time and self._limited is None)

    def follow(self, tx: Transaction, records: Sequence[int]) -> None:
        """These records have changed, or are new."""
        self._tagged.clear()
        marks = ", ".join("?" * len(records))
        if self._limited is not None:
            for record in records:
                self._limited.pop(record, None)
            self._limited.update(
                _intervals(
                    tx.execute(
                        f"SELECT record, valid_from, valid_to FROM records WHERE record IN ({marks})"
                        " AND (valid_from IS NOT NULL OR valid_to IS NOT NULL)",
                        records,
                    ).fetchall()
                )
            )
        if self._numbers is not None:
            self._take(tx.execute(f"SELECT {_COLUMNS} FROM records WHERE record IN ({marks})", records).fetchall())

    def _take(self, rows: Sequence[tuple[int, str, float, float]]) -> None:
        """Columns of records, new ones among them."""
        if not rows:
            return
        numbers = np.zeros(0, np.int64) if self._numbers is None else self._numbers
        new = np.array([row[0] for row in rows], np.int64)
        kinds = np.array([self._kind_codes.setdefault(row[1], len(self._kind_codes)) for row in rows], np.int32)
        since, until = np.array([row[2] for row in rows], float), np.array([row[3] for row in rows], float)
        fresh = ~np.isin(new, numbers)
        places = np.searchsorted(numbers, new[~fresh])
        for column, values in ((self._kinds, kinds), (self._from, since), (self._to, until)):
            column[places] = values[~fresh]
        if fresh.any():
            numbers = np.concatenate((numbers, new[fresh]))
            order = np.argsort(numbers, kind="stable")
            if not np.array_equal(order, np.arange(len(order))):
                self._places = np.zeros(0, np.intp)
            self._kinds = np.concatenate((self._kinds, kinds[fresh]))[order]
            self._from = np.concatenate((self._from, since[fresh]))[order]
            self._to = np.concatenate((self._to, until[fresh]))[order]
            self._numbers = numbers[order]

    def mask(
        self,
        tx: Transaction,
        ns: int,
        owners: Whole,
        kinds: Sequence[str] | None,
        tags: Sequence[str] | None,
        since: float | None,
        until: float | None,
        at: float | None,
    ) -> Flags | None:
        """[n] for entries of `owners` [n]; None: all pass."""
        mask: Flags | None = None
        if tags is not None:
            numbers = [self._with_tag(tx, ns, tag) for tag in tags]
            mask = np.isin(owners, np.concatenate(numbers) if numbers else np.zeros(0, np.int64))
        if kinds is not None or since is not None or until is not None:
            by_record = self._by_record(tx, ns, owners, kinds, since, until)
            mask = by_record if mask is None else mask & by_record
        if at is not None:
            if self._limited is None:
                self._limited = _intervals(
                    tx.execute(
                        "SELECT record, valid_from, valid_to FROM records"
                        " WHERE ns = ? AND (valid_from IS NOT NULL OR valid_to IS NOT NULL)",
                        (ns,),
                    ).fetchall()
                )
            over = [record for record, (begin, end) in self._limited.items() if not begin <= at < end]
            if over:
                holds = ~np.isin(owners, over)
                mask = holds if mask is None else mask & holds
        return mask

    def _with_tag(self, tx: Transaction, ns: int, tag: str) -> Whole:
        if tx.writing:  # what it has changed itself is nobody else's business
            return _tagged(tx, ns, tag)
        if tag not in self._tagged:
            self._tagged[tag] = _tagged(tx, ns, tag)
        return self._tagged[tag]

    def _by_record(
        self,
        tx: Transaction,
        ns: int,
        owners: Whole,
        kinds: Sequence[str] | None,
        since: float | None,
        until: float | None,
    ) -> Flags:
        if self._numbers is None:
            rows = tx.execute(f"SELECT {_COLUMNS} FROM records WHERE ns = ? ORDER BY record", (ns,)).fetchall()
            self._numbers = np.zeros(0, np.int64)
            self._take(rows)
        numbers = self._numbers
        passes = np.ones(len(numbers) + 1, np.bool_)
        passes[-1] = False
        if kinds is not None:
            codes = [self._kind_codes[kind] for kind in kinds if kind in self._kind_codes]
            passes[:-1] &= np.isin(self._kinds, codes)
        if since is not None:
            passes[:-1] &= self._to >= since
        if until is not None:
            passes[:-1] &= self._from <= until
        if len(self._places) < len(owners):
            new = owners[len(self._places) :]
            places = np.searchsorted(numbers, new)
            known = places < len(numbers)
            known[known] = numbers[places[known]] == new[known]
            if not known.all():  # a record that this snapshot does not know yet
                unknown: Flags = passes[np.concatenate((self._places, np.where(known, places, len(numbers))))]
                return unknown
            self._places = np.concatenate((self._places, places))
        found: Flags = passes[self._places[: len(owners)]]
        return found


def _intervals(rows: Sequence[tuple[int, float | None, float | None]]) -> dict[int, tuple[float, float]]:
    return {
        record: (-math.inf if begin is None else begin, math.inf if end is None else end) for record, begin, end in rows
    }


def _tagged(tx: Transaction, ns: int, tag: str) -> Whole:
    rows = tx.execute("SELECT record FROM tags WHERE ns = ? AND tag = ?", (ns, tag)).fetchall()
    return np.array([record for (record,) in rows], np.int64)
