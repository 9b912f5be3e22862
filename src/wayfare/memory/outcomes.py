"""How a task went: posting an outcome, correcting it, taking outcomes out again.

The key of an outcome is (task, source). The same value again is acknowledged and changes nothing; another is refused,
naming both, unless it is a correction: then a new row is appended and the old one points to it. Nothing is overwritten.
`credit` says which outcomes count and what they do to utilities.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wayfare.errors import BadValue, OutcomeConflict
from wayfare.memory.credit import (
    ANY_SOURCE,
    RANKS,
    CreditRule,
    credited,
    grant,
    read_utilities,
    replay,
    shares,
    write_utilities,
)
from wayfare.memory.receipts import Receipt, read_receipts
from wayfare.memory.records import Utility, checksum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import append_log

__all__ = ["Credited", "Outcome", "Voided", "post", "void"]


@dataclass(frozen=True)
class Credited:
    """An acknowledged outcome.

    reward: in the declared range        shares: by record id, summing to its weight over what was used or shown
    counted: False when a higher-ranked source has spoken, or the memory is frozen
    repeated: it had been said before, word for word, and nothing changed
    """

    task: str
    source: str
    reward: float
    shares: dict[str, float]
    basis: str
    counted: bool
    repeated: bool
    seq: int


@dataclass(frozen=True)
class Voided:
    """outcomes: taken out        records: whose utilities were replayed."""

    outcomes: int
    records: int


@dataclass(frozen=True)
class Outcome:
    """What is posted. reward: in [0, 1]; `raw` in the declared range; weight: in what is learned, in (0, 1]."""

    task: str
    reward: float
    raw: float
    used: tuple[str, ...] | None
    source: str
    rank: str
    actor: str
    time: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.rank not in RANKS:
            raise BadValue("rank", self.rank, f"one of {', '.join(RANKS)}")
        if not 0 < self.weight <= 1:
            raise BadValue("weight", self.weight, "above 0, at most 1")

    def of_task(self, tx: Transaction, ns: int) -> Outcome:
        """Of the task that a receipt belongs to, where `task` is the id of a receipt."""
        if _is_task(tx, ns, self.task):
            return self
        row = tx.execute("SELECT task FROM receipts WHERE ns = ? AND id = ?", (ns, self.task)).fetchone()
        return self if row is None else replace(self, task=row[0])


def post(
    tx: Transaction,
    ns: int,
    outcome: Outcome,
    rule: CreditRule,
    *,
    operation: str,
    correct: bool = False,
    known: bool = False,
    frozen: bool = False,
    receipts: Sequence[Receipt] | None = None,
) -> Credited:
    """Append an outcome and let it count.

    known: the task is the caller's own and need not have recalled anything        frozen: log it, change no utility
    receipts: of a task whose receipts could not be stored
    Raises: BadValue for a task that the namespace does not know, or `used` that it did not recall; OutcomeConflict.
    """
    found = list(read_receipts(tx, ns, tasks=[outcome.task], whole=False)) or list(receipts or ())
    if not found and not known and not _is_task(tx, ns, outcome.task):
        raise BadValue("task", outcome.task, "the id of a task, or of a receipt, of this namespace")
    shown_ids = {id for receipt in found for id, _ in receipt.shown}
    for id in outcome.used or ():
        if id not in shown_ids:
            raise BadValue("used", id, f"among the {len(shown_ids)} memories that the task recalled")
    said = None if outcome.used is None else json.dumps(sorted(set(outcome.used)))
    standing = tx.execute(
        "SELECT seq, reward, used, rank, source FROM outcomes "
        f"WHERE ns = ? AND task = ? AND {ANY_SOURCE} AND voided IS NULL AND replaced IS NULL",
        (ns, outcome.task),
    ).fetchall()
    before = next((row[:4] for row in standing if row[4] == outcome.source), None)
    rivals = [row[3] for row in standing if row[4] != outcome.source and row[3] != "implicit"]
    numbers = _numbers(tx, ns, shown_ids)
    shown = [
        (numbers[id], place, chance)
        for receipt in found
        for place, ((id, _), chance) in enumerate(zip(receipt.shown, receipt.inclusion, strict=True), 1)
        if id in numbers
    ]
    used = None if outcome.used is None else [numbers[id] for id in outcome.used if id in numbers]
    ancestors = _ancestors(tx, ns, set(numbers.values())) if rule.trace else {}
    split, basis = shares(rule, shown, used, ancestors)
    split = {record: share * outcome.weight for record, share in split.items()}
    names = {record: id for id, record in numbers.items()} | _ids(tx, ns, ancestors)
    named = {names[record]: share for record, share in split.items()}
    if before is not None:
        seq, reward, its_used, rank = before
        if (reward, its_used, rank) == (outcome.reward, said, outcome.rank):
            return Credited(outcome.task, outcome.source, outcome.raw, named, basis, False, True, seq)
        if not correct:
            raise OutcomeConflict(
                f"task {outcome.task!r} already has reward {reward:g} (of 1) from {outcome.source!r}, used {its_used}, "
                f"not {outcome.reward:g}, used {said}: say correct=True to replace it"
            )
    seq = append_log(
        tx, ns, time=outcome.time, actor=outcome.actor, operation=operation, op="CREDIT",
        body={"records": sorted(split), "task": outcome.task},
    )  # fmt: skip
    if before is not None:
        tx.execute("UPDATE outcomes SET replaced = ? WHERE ns = ? AND seq = ?", (seq, ns, before[0]))
    row = (
        seq, outcome.task, outcome.source, outcome.actor, float(outcome.time), float(outcome.reward), said,
        outcome.rank, basis,
    )  # fmt: skip
    tx.execute(
        "INSERT INTO outcomes (ns, seq, task, source, actor, time, reward, used, rank, basis, checksum) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (ns, *row, checksum(*row)),
    )
    tx.execute(
        "UPDATE tasks SET closed_at = ? WHERE ns = ? AND id = ? AND closed_at IS NULL", (outcome.time, ns, outcome.task)
    )
    counted = _settle(tx, ns, outcome, seq, split, basis, frozen, rivals, alone=before is None)
    return Credited(outcome.task, outcome.source, outcome.raw, named, basis, counted, False, seq)


def _settle(
    tx: Transaction,
    ns: int,
    outcome: Outcome,
    seq: int,
    split: dict[int, float],
    basis: str,
    frozen: bool,
    rivals: Sequence[str],
    *,
    alone: bool,
) -> bool:
    """Write the credits, and bring utilities up to date: in one step where no other outcome is concerned.

    rivals: ranks of the other outcomes of the task that stand, implicit ones left out
    """
    if frozen:
        _write_credits(tx, ns, seq, dict.fromkeys(split, 0.0), split)
        return False
    implicit = outcome.rank == "implicit"
    above = any(RANKS.index(rank) < RANKS.index(outcome.rank) for rank in rivals)
    if alone and (implicit or not rivals or above):
        counted = implicit or not rivals
        given = dict.fromkeys(split, 0.0)
        if counted:
            given = grant(tx, ns, split, outcome.actor, outcome.time)
        _write_credits(tx, ns, seq, given, split)
        before = read_utilities(tx, list(split))
        after = {
            record: credited(before.get(record, Utility()), share, outcome.reward, outcome.time, basis == "used")
            for record, share in given.items()
            if share > 0
        }
        write_utilities(tx, ns, after)
        return counted
    _write_credits(tx, ns, seq, dict.fromkeys(split, 0.0), split)
    replay(tx, ns, _credited_by(tx, ns, outcome.task))
    return not above


def _write_credits(tx: Transaction, ns: int, seq: int, given: dict[int, float], base: dict[int, float]) -> None:
    tx.executemany(
        "INSERT INTO credits (ns, record, seq, base, granted) VALUES (?, ?, ?, ?, ?)",
        [(ns, record, seq, base[record], share) for record, share in given.items()],
    )


def void(
    tx: Transaction,
    ns: int,
    *,
    source: str | None,
    actor: str | None,
    since: float | None,
    until: float | None,
    by: str,
    time: float,
    operation: str,
    reason: str = "",
    frozen: int | None = None,
) -> Voided:
    """Take out every outcome that matches all that is given, and replay the records it had credited.

    frozen: seq after which outcomes do not count, where the memory is frozen
    since, until: times of the outcomes, [since, until)
    Raises: BadValue when nothing is given: voiding everything must be said by a time.
    """
    if source is None and actor is None and since is None and until is None:
        raise BadValue("void", "nothing", "told which: source, actor, since or until")
    clauses = ["ns = ?", "voided IS NULL"]
    values: list[object] = [ns]
    for clause, value in (("source = ?", source), ("actor = ?", actor), ("time >= ?", since), ("time < ?", until)):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    rows = tx.execute(
        f"SELECT seq, task FROM outcomes WHERE {' AND '.join(clauses)} ORDER BY seq", tuple(values)
    ).fetchall()
    if not rows:
        return Voided(0, 0)
    touched: set[int] = set()
    for task in {task for _, task in rows}:
        touched |= _credited_by(tx, ns, task)
    seq = append_log(
        tx, ns, time=time, actor=by, operation=operation, op="VOID", reason=reason,
        body={"records": sorted(touched), "outcomes": len(rows)},
    )  # fmt: skip
    tx.executemany("UPDATE outcomes SET voided = ? WHERE ns = ? AND seq = ?", [(seq, ns, each) for each, _ in rows])
    # What a voided outcome had corrected stands again.
    tx.executemany(
        "UPDATE outcomes SET replaced = NULL WHERE ns = ? AND replaced = ?", [(ns, each) for each, _ in rows]
    )
    replay(tx, ns, touched, through=frozen)
    return Voided(len(rows), len(touched))


def _credited_by(tx: Transaction, ns: int, task: str) -> set[int]:
    """Records that any outcome of the task ever credited."""
    rows = tx.execute(
        "SELECT l.body FROM outcomes o JOIN log l ON l.ns = o.ns AND l.seq = o.seq "
        f"WHERE o.ns = ? AND o.task = ? AND o.{ANY_SOURCE}",
        (ns, task),
    )
    return {record for (body,) in rows.fetchall() for record in json.loads(body)["records"]}


def _is_task(tx: Transaction, ns: int, task: str) -> bool:
    return tx.execute("SELECT 1 FROM tasks WHERE ns = ? AND id = ?", (ns, task)).fetchone() is not None


def _numbers(tx: Transaction, ns: int, ids: Iterable[str]) -> dict[str, int]:
    """Numbers of the records of this namespace that are still there: what was forgotten is not credited."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    marks = ", ".join("?" * len(wanted))
    rows = tx.execute(
        f"SELECT id, record FROM records WHERE ns = ? AND id IN ({marks}) AND status <> 'tombstone'", (ns, *wanted)
    )
    return dict(rows.fetchall())


def _ids(tx: Transaction, ns: int, records: Iterable[int]) -> dict[int, str]:
    wanted = sorted(records)
    if not wanted:
        return {}
    marks = ", ".join("?" * len(wanted))
    return dict(
        tx.execute(f"SELECT record, id FROM records WHERE ns = ? AND record IN ({marks})", (ns, *wanted)).fetchall()
    )


def _ancestors(tx: Transaction, ns: int, records: set[int], deepest: int = 8) -> dict[int, int]:
    """What the records were derived from, with the distance from the nearest of them."""
    found: dict[int, int] = {}
    front = set(records)
    for distance in range(1, deepest + 1):
        if not front:
            break
        marks = ", ".join("?" * len(front))
        rows = tx.execute(
            "SELECT t.record FROM records s "
            "JOIN links l ON l.ns = s.ns AND l.source = s.id AND l.type = 'derived_from' "
            f"JOIN records t ON t.ns = l.ns AND t.id = l.target WHERE s.ns = ? AND s.record IN ({marks})",
            (ns, *sorted(front)),
        ).fetchall()
        front = {record for (record,) in rows} - records - found.keys()
        found |= dict.fromkeys(sorted(front), distance)
    return found
