"""From outcomes to utilities: shares, caps, and replay.

An outcome says how a task went: one reward in the declared range, mapped to r in [0, 1]. It falls to the records that
were shown, in shares u_i that sum to one (`shares`), and each record keeps

    n <- n + u_i,   total <- total + u_i r,   squares <- squares + u_i r^2,   q <- q + alpha (r - q)          (1)

The moving average q (alpha = 0.3, starting from 0.5, as in MemRL) takes a whole step whatever the share: as published,
it knows no shares.

*Which outcome counts.* A task may have several: one a source, each with a rank. Utilities, evaluation and the floor
take the highest-ranked of those that stand (human > harness > agent), the latest among equals. Implicit outcomes
enter (1) and nothing else, beside the one that counts.

*Caps.* What one named actor may add to one record is at most max(3, an eighth of all that was credited to it) in
30 days; the rest is logged with share 0. Credits that name no actor are the owner's own and are not capped.

*Replay.* A utility is a fold over the credits of its record in the order of the log. `replay` folds again, from
nothing: after `void` or a correction a store equals one that never had what was taken out, bit for bit.

Sources: q in (1) is the update of MemRL (arXiv 2601.03192) with discount 0. Shares along provenance: MemQ
(arXiv 2605.08374), weight (gamma lambda)^distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from wayfare.errors import BadValue
from wayfare.memory.records import Utility
from wayfare.memory.store.database import Transaction

__all__ = ["RANKS", "CreditRule", "Rank", "counting", "credited", "granted", "replay", "shares"]

Rank = Literal["human", "harness", "agent", "implicit"]
RANKS: tuple[str, ...] = get_args(Rank)
"""Highest first."""
Rule = Literal["used", "uniform", "rank", "propensity"]

CAP_WEIGHT, CAP_SHARE, CAP_DAYS = 3.0, 0.125, 30
DAY = 86_400.0
STEP, START = 0.3, 0.5
LAST = 2**62
"""After every seq."""
ANY_SOURCE = "source >= ''"
"""True of every outcome: with it SQLite looks for those of a task in the index on (ns, task, source), and without it
through all of the namespace."""


@dataclass(frozen=True)
class CreditRule:
    """How one outcome is shared out.

    rule: `used` over what was said to be used, else over all shown (the default); `uniform` over all shown, as papers
    do; `rank` by 1 / log2(1 + place); `propensity` by 1 / P(shown), clipped and normalised
    clip: largest inverse propensity before normalising
    trace: (gamma lambda) in [0, 1): what parents of a shown record get, by (gamma lambda)^distance, before normalising
    Raises: BadValue.
    """

    rule: Rule = "used"
    clip: float = 20.0
    trace: float = 0.0

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise BadValue("rule", self.rule, f"one of {', '.join(get_args(Rule))}")
        if not (math.isfinite(self.clip) and self.clip >= 1):
            raise BadValue("clip", self.clip, "at least 1")
        if not 0 <= self.trace < 1:
            raise BadValue("trace", self.trace, "at least 0 and below 1")


def shares(
    rule: CreditRule,
    shown: Sequence[tuple[int, int, float]],
    used: Iterable[int] | None,
    ancestors: Mapping[int, int] | None = None,
) -> tuple[dict[int, float], str]:
    """Shares by record, which sum to one, and whether they were taken over what was `used` or `shown`.

    shown: (record, place from 1, chance of being shown), once for each time it was shown in the task
    used: records said to have been acted upon; None when nothing was said
    ancestors: record -> distance from the nearest shown record, for a rule with a trace
    """
    weights: dict[int, float] = {}
    said = None if used is None or rule.rule == "uniform" else set(used)
    basis = "shown" if said is None else "used"
    for record, place, chance in shown:
        if said is not None and record not in said:
            continue
        weight = 1.0
        if rule.rule == "rank":
            weight = 1.0 / math.log2(1 + place)
        elif rule.rule == "propensity":
            weight = min(1.0 / chance, rule.clip)
        weights[record] = weights.get(record, 0.0) + weight
    if rule.trace and weights:
        mean = sum(weights.values()) / len(weights)
        for record, distance in (ancestors or {}).items():
            if record not in weights and distance > 0:
                weights[record] = rule.trace**distance * mean
    total = math.fsum(weights.values())
    return ({record: weight / total for record, weight in weights.items()} if total else {}), basis


def credited(utility: Utility, share: float, reward: float, time: float, used: bool) -> Utility:
    """The utility after one credit (1); reward in [0, 1]. A share of 0 changes nothing."""
    if share <= 0:
        return utility
    q = START if utility.q is None else utility.q
    return Utility(
        n=utility.n + share,
        total=utility.total + share * reward,
        squares=utility.squares + share * reward * reward,
        q=q + STEP * (reward - q),
        recalled=utility.recalled,
        used=utility.used + (1 if used else 0),
        last_credit=time if utility.last_credit is None else max(time, utility.last_credit),
    )


def granted(share: float, by_actor: float, by_all: float) -> float:
    """What the cap leaves of a share: by_actor, by_all are credited to the record within the last 30 days.

    The eighth is of all with this share in it: by_actor + x <= (by_all + x) / 8.
    """
    room = max(CAP_WEIGHT - by_actor, (CAP_SHARE * by_all - by_actor) / (1 - CAP_SHARE))
    return min(share, max(0.0, room))


def grant(tx: Transaction, ns: int, split: Mapping[int, float], actor: str, time: float) -> dict[int, float]:
    """`granted` of each record's share, from its accounts, which it then writes on. No actor: the owner, not capped."""
    day = int(time // DAY)
    found = dict(split)
    for record, share in split.items() if actor else ():
        rows = tx.execute(
            "SELECT actor, weight FROM accounts WHERE ns = ? AND record = ? AND day > ? AND day <= ?",
            (ns, record, day - CAP_DAYS, day),
        ).fetchall()
        # Exact sums: a replay on any store grants the same, in whatever order it reads the accounts.
        mine = math.fsum(weight for name, weight in rows if name == actor)
        found[record] = granted(share, mine, math.fsum(weight for _, weight in rows))
    tx.executemany(
        "INSERT INTO accounts (ns, record, day, actor, weight) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (ns, record, day, actor) DO UPDATE SET weight = accounts.weight + excluded.weight",
        [(ns, record, day, actor, share) for record, share in found.items() if share > 0],
    )
    return found


def counting(outcomes: Iterable[tuple[int, str, str]]) -> set[int]:
    """Of (seq, task, rank) of outcomes that stand, the seqs of those that utilities count: the implicit ones, and of
    each task the highest-ranked other one, the latest among equals."""
    best: dict[str, tuple[int, int]] = {}
    implicit = set()
    for seq, task, rank in outcomes:
        if rank == "implicit":
            implicit.add(seq)
        else:
            place = (-RANKS.index(rank), seq)
            if task not in best or place > best[task]:
                best[task] = place
    return implicit | {seq for _, seq in best.values()}


def replay(tx: Transaction, ns: int, records: Iterable[int], through: int | None = None) -> None:
    """Fold the credits of these records again, from nothing, in the order of the log.

    through: leave out outcomes, and corrections, after this seq (a frozen memory)
    """
    last = LAST if through is None else through
    for record in sorted(set(records)):
        rows = tx.execute(
            "SELECT c.seq, c.base, o.task, o.rank, o.actor, o.time, o.reward, o.basis FROM credits c "
            "JOIN outcomes o ON o.ns = c.ns AND o.seq = c.seq "
            "WHERE c.ns = ? AND c.record = ? AND c.seq <= ? AND o.voided IS NULL "
            "AND (o.replaced IS NULL OR o.replaced > ?) ORDER BY c.seq",
            (ns, record, last, last),
        ).fetchall()
        standing = _rivals(tx, ns, {row[2] for row in rows}, last)
        counts = counting(standing)
        kept = tx.execute("SELECT recalled FROM utilities WHERE record = ?", (record,)).fetchone()
        utility = Utility(recalled=kept[0] if kept else 0)
        tx.execute("DELETE FROM accounts WHERE ns = ? AND record = ?", (ns, record))
        for seq, base, _, _, actor, time, reward, basis in rows:
            share = grant(tx, ns, {record: base}, actor, time)[record] if seq in counts else 0.0
            tx.execute(
                "UPDATE credits SET granted = ? WHERE ns = ? AND record = ? AND seq = ?", (share, ns, record, seq)
            )
            utility = credited(utility, share, reward, time, basis == "used")
        write_utilities(tx, ns, {record: utility})


def _rivals(tx: Transaction, ns: int, tasks: set[str], last: int) -> list[tuple[int, str, str]]:
    """(seq, task, rank) of every outcome of these tasks that stands, as of seq `last`."""
    found: list[tuple[int, str, str]] = []
    for task in tasks:
        rows = tx.execute(
            f"SELECT seq, task, rank FROM outcomes WHERE ns = ? AND task = ? AND {ANY_SOURCE} AND voided IS NULL "
            "AND (replaced IS NULL OR replaced > ?)",
            (ns, task, last),
        ).fetchall()
        found += [row for row in rows if row[0] <= last]
    return found


def read_utilities(tx: Transaction, records: Sequence[int]) -> dict[int, Utility]:
    """Those of these records that have any."""
    if not records:
        return {}
    marks = ", ".join("?" * len(records))
    rows = tx.execute(
        f"SELECT record, n, total, squares, q, recalled, used, last_credit FROM utilities WHERE record IN ({marks})",
        tuple(records),
    )
    return {row[0]: Utility(*row[1:]) for row in rows}


def write_utilities(tx: Transaction, ns: int, utilities: Mapping[int, Utility]) -> None:
    """Store them, whole."""
    tx.executemany(
        "INSERT INTO utilities (record, ns, n, total, squares, q, recalled, used, last_credit) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (record) DO UPDATE SET n = excluded.n, total = excluded.total, "
        "squares = excluded.squares, q = excluded.q, recalled = excluded.recalled, used = excluded.used, "
        "last_credit = excluded.last_credit",
        [
            (record, ns, u.n, u.total, u.squares, u.q, u.recalled, u.used, u.last_credit)
            for record, u in utilities.items()
        ],
    )
