"""Values that a model of yours gives to the candidates of a query: the plug-in of the policies `soft q` and `top q`.

    policy = Policy("soft q", temperature=0.1, scorer=mine)         # mine: an object with `id` and `q`
    Memory("agent.db", policy=policy)

A scorer is asked once a recall, while no transaction is open; its values become part of the situation: the receipt
keeps them beside the relevance, with the scorer's id, so that the probability of every set follows from the receipt
alone. `evaluate` takes the kept values where the target's scorer is the one that gave them, and asks it again, about
the memories as they stood, where it is another.

The id stands for what the scorer has learned so far: one that has learned more has another, and with it the policy.
A policy that is read back from the store knows its scorer by the id alone, and can answer from receipts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.records import Record, checked_name
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from, record_from_body

if TYPE_CHECKING:
    from wayfare.memory.policy import Candidates, Policy
    from wayfare.memory.receipts import Receipt

__all__ = ["AbsentScorer", "Scored", "Scorer", "as_it_stood", "reread", "scored", "scorer_of"]

Floats = NDArray[np.float64]


@runtime_checkable
class Scorer(Protocol):
    """A learned Q(query, memory)."""

    @property
    def id(self) -> str:
        """Of the scorer as it stands: another one after everything that changes a value."""

    def q(self, query: str, records: Sequence[Record]) -> Any:
        """[n] finite numbers: what showing each of the records is worth to the query."""


@dataclass(frozen=True)
class Scored:
    """What a scorer said of the candidates. id: its own        q: [n]"""

    id: str
    q: Floats


@dataclass(frozen=True)
class AbsentScorer:
    """One of which the id alone is known."""

    id: str

    def q(self, query: str, records: Sequence[Record]) -> Any:
        """Raises: BadValue."""
        raise BadValue("scorer", self.id, "at hand: this policy came out of a store, which keeps only the name of it")


def scorer_of(policies: Iterable[Policy]) -> Scorer | None:
    """The one that these policies ask; None where none does. Raises: BadValue for several."""
    found = {policy.scorer.id: policy.scorer for policy in policies if policy.scorer is not None}
    if len(found) > 1:
        raise BadValue("scorer", sorted(found), "one and the same for all policies of a task")
    return next(iter(found.values()), None)


def scored(candidates: Candidates, scorer: Scorer, query: str, records: Sequence[Record]) -> Candidates:
    """The candidates with what the scorer says of them. records: [n], theirs

    Raises: BadValue where it does not say n finite numbers.
    """
    id = checked_name("scorer", scorer.id)
    q = np.asarray(scorer.q(query, records) if len(records) else np.zeros(0), np.float64)
    if q.shape != (len(candidates),) or not np.isfinite(q).all():
        raise BadValue("q", q.tolist() if q.ndim == 1 else list(q.shape), f"{len(candidates)} finite numbers ({id})")
    return replace(candidates, scored=Scored(id, q))


def reread(tx: Transaction, receipt: Receipt, policy: Policy) -> Receipt | None:
    """A receipt whose candidates have the values of the policy's scorer, which is asked again where another's are kept.

    None where a memory is no longer there as it stood. Raises: BadValue for a scorer that is absent.
    """
    seen = receipt.candidates
    if policy.scorer is None or seen is None or not receipt.slate:
        return receipt
    if seen.scored is not None and seen.scored.id == policy.scorer.id:
        return receipt
    records = [as_it_stood(tx, number, version) for number, version in zip(receipt.records, seen.versions, strict=True)]
    known = [record for record in records if record is not None]
    if len(known) < len(records) or not receipt.query:  # a purge takes the query, too
        return None
    return replace(receipt, candidates=scored(seen, policy.scorer, receipt.query, known))


def as_it_stood(tx: Transaction, number: int, version: int) -> Record | None:
    """A version of the record of this number; None where it is forgotten or purged."""
    row = tx.execute(f"SELECT ns, {RECORD_COLUMNS} FROM records WHERE record = ?", (number,)).fetchone()
    if row is None:
        return None
    record = record_from(row[1:], "")
    if record.version == version:
        return None if record.status == "tombstone" else record
    earlier = tx.execute(
        "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? AND version = ?", (row[0], record.id, version)
    ).fetchone()
    return None if earlier is None or not earlier[0] else record_from_body(earlier[0], earlier[1], "")
