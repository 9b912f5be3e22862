"""How a namespace stands between its baseline and what it has learned: the safe mixture of recall policies.

Three sides share the tasks: the *baseline* (the most relevant), the *incumbent* (a learned policy) and, while one is on
trial, a *challenger*. `explore.rules.floor` says how large each share may be, so that the mixture earns at least
(1 - alpha) of what the baseline would; here that state lies in one row of the store and follows the outcomes in the
order of the log.

*Coin.* A task falls to one side, by a hash of (epoch, task id), and stays there: its shares and policies are kept with
it. Its outcome is evidence for an incumbent, or for a challenger, if the task had that very policy on that side.

*Late words.* When a correction, a void or a higher-ranked source changes an outcome that the floor has already seen,
the floor is folded again from where the incumbent began, once a twentieth of its outcomes have changed; a void does so
at once. *Silence.* Every fifty outcomes the shares of credited tasks are compared between the sides, among tasks with
the same coin: where they differ by more than chance explains, certificates are set aside: who is credited is then not
who was helped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from wayfare.draws import Stream
from wayfare.errors import Damaged, Unavailable
from wayfare.explore.rules.floor import Floor, FloorSettings
from wayfare.memory.credit import ANY_SOURCE, counting
from wayfare.memory.policy import BASELINE, Policy
from wayfare.memory.receipts import read_receipts
from wayfare.memory.records import checksum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import append_log

__all__ = [
    "SIDES",
    "Standing",
    "advance",
    "anew",
    "begun",
    "coin",
    "due",
    "is_frozen",
    "read_standing",
    "write_standing",
]

SIDES = ("baseline", "incumbent", "challenger")
POLICY_COLUMNS = "id, body, created_at, seq, checksum"
"""As `policy_from` reads them."""
KEPT = ("epoch", "first", "since", "seen", "stale")
PATIENCE = 0.05
COMPARED, LEAST_DIFFERENCE, DEVIATIONS = 50, 0.05, 3.3
"""How often credited shares are compared; from which difference, and how many standard errors, it counts."""


@dataclass(frozen=True)
class Standing:
    """epoch: counts changes of the policies        first, since: epoch and seq at which the incumbent began
    through: seq of the last outcome that the floor has seen        stale: outcomes seen that have changed since
    frozen: seq at which recall was frozen, or None        version: of the row, 0 before it is written
    """

    incumbent: Policy
    floor: Floor
    challenger: Policy | None = None
    epoch: int = 1
    first: int = 1
    since: int = 0
    through: int = 0
    seen: int = 0
    stale: int = 0
    frozen: int | None = None
    version: int = 0
    events: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    def policies(self) -> dict[str, Policy]:
        """Of each side that has one."""
        found = {"baseline": BASELINE, "incumbent": self.incumbent}
        return found if self.challenger is None else {**found, "challenger": self.challenger}

    def shares(self) -> dict[str, float]:
        """Of each side in the coin; those above zero sum to one."""
        return {side: share for side, share in self.floor.shares().items() if share > 0}


def begun(incumbent: Policy, settings: FloorSettings) -> Standing:
    """How a namespace stands before its first outcome."""
    return Standing(incumbent, Floor(settings))


def anew(standing: Standing, incumbent: Policy, seq: int) -> Standing:
    """Another incumbent from here on, without certificates, and nobody on trial. seq: of the change in the log"""
    floor = Floor.from_json(standing.floor.to_json())
    floor.begin_again()
    epoch = standing.epoch + 1
    return replace(
        standing, incumbent=incumbent, challenger=None, floor=floor, epoch=epoch, first=epoch, since=seq, through=seq,
        seen=0, stale=0,
    )  # fmt: skip


def read_standing(tx: Transaction, ns: int) -> Standing | None:
    """As stored; None before it first was."""
    row = tx.execute("SELECT version, through, frozen, body, checksum FROM standing WHERE ns = ?", (ns,)).fetchone()
    if row is None:
        return None
    if checksum(*row[:4]) != row[4]:
        raise Damaged(f"the floor of namespace {ns} does not answer to its checksum; `wayfare memory doctor`")
    body = json.loads(row[3])
    challenger = body["challenger"]
    return Standing(
        Policy.from_json(body["incumbent"]),
        Floor.from_json(body["floor"]),
        None if challenger is None else Policy.from_json(challenger),
        through=row[1],
        frozen=row[2],
        version=row[0],
        events=tuple(body["events"]),
        **{name: body[name] for name in KEPT},
    )


def write_standing(tx: Transaction, ns: int, standing: Standing, time: float) -> Standing:
    """Store it, if nobody has since. New policies are kept for good. Raises: Unavailable when somebody was quicker."""
    body = json.dumps(
        {
            "incumbent": standing.incumbent.to_json(),
            "challenger": None if standing.challenger is None else standing.challenger.to_json(),
            "floor": standing.floor.to_json(),
            "events": list(standing.events[-20:]),
            **{name: getattr(standing, name) for name in KEPT},
        }
    )
    kept = (standing.through, standing.frozen, body)
    if standing.version == 0:
        done = tx.execute(
            "INSERT INTO standing (ns, version, through, frozen, body, checksum) VALUES (?, 1, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (ns, *kept, checksum(1, *kept)),
        )
    else:
        done = tx.execute(
            "UPDATE standing SET version = version + 1, through = ?, frozen = ?, body = ?, checksum = ? "
            "WHERE ns = ? AND version = ?",
            (*kept, checksum(standing.version + 1, *kept), ns, standing.version),
        )
    if done.rowcount != 1:
        raise Unavailable("the policies of this namespace were changed at the same moment: try again")
    for policy in standing.policies().values():
        row = (policy.id, json.dumps(policy.to_json()), float(time), standing.through)
        tx.execute(
            "INSERT INTO policies (ns, id, body, created_at, seq, checksum) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (ns, *row, checksum(*row)),
        )
    return replace(standing, version=standing.version + 1)


def policy_from(row: Sequence[Any]) -> Policy:
    """row: id, body, created_at, seq, checksum, as stored. Raises: Damaged."""
    if checksum(*row[:-1]) != row[-1]:
        raise Damaged(f"policy {row[0]!r} does not answer to its checksum; `wayfare memory doctor`")
    return Policy.from_json(json.loads(row[1]))


def stored_policy(tx: Transaction, ns: int | None, id: str) -> Policy | None:
    """One that the namespace has used; None where it has not. Raises: Damaged."""
    row = tx.execute(f"SELECT {POLICY_COLUMNS} FROM policies WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    return None if row is None else policy_from(row)


def task_sum(id: str, side: str, epoch: int, standing: str, opened_at: float) -> int:
    """The checksum of a task: of what does not change."""
    return checksum(id, side, epoch, standing, opened_at)


def agreed(tx: Transaction, ns: int, task: str) -> tuple[str, int, dict[str, Any], int] | None:
    """Side, epoch, shares and policies, and number of receipts of a task; None where it is new. Raises: Damaged."""
    row = tx.execute(
        "SELECT id, side, epoch, standing, opened_at, receipts, checksum FROM tasks WHERE ns = ? AND id = ?", (ns, task)
    ).fetchone()
    if row is None:
        return None
    if task_sum(*row[:5]) != row[6]:
        raise Damaged(f"task {task!r} does not answer to its checksum; `wayfare memory doctor`")
    return row[1], row[2], json.loads(row[3]), row[5]


def is_frozen(tx: Transaction, ns: int) -> bool:
    """Whether nothing is learned at present."""
    row = tx.execute("SELECT frozen FROM standing WHERE ns = ?", (ns,)).fetchone()
    return row is not None and row[0] is not None


def coin(shares: Mapping[str, float], epoch: int, task: str) -> str:
    """The side of a task: baseline with its share, and so on in the order of `SIDES`."""
    place = int.from_bytes(blake2b(task.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
    uniform = float(Stream(0, "side of a task").uniform(place, epoch))
    reached = 0.0
    present = [side for side in SIDES if shares.get(side, 0.0) > 0]
    for side in present:
        reached += shares[side]
        if uniform < reached:
            return side
    return present[-1]


def due(tx: Transaction, ns: int, standing: Standing) -> bool:
    """Whether outcomes wait that the floor has not seen, or it is to be folded again."""
    if standing.frozen is not None:
        return False
    last = tx.execute("SELECT MAX(seq) FROM outcomes WHERE ns = ?", (ns,)).fetchone()[0]
    return _again(standing) or (last is not None and last > standing.through)


def _again(standing: Standing) -> bool:
    return standing.stale > 0 and standing.stale >= PATIENCE * standing.seen


def advance(tx: Transaction, ns: int, standing: Standing, time: float, operation: str) -> Standing:
    """The standing after every outcome up to now, stored. A frozen one stays."""
    if standing.frozen is not None:
        return standing
    again = _again(standing)
    if again:
        standing = replace(standing, floor=standing.floor.anew(), through=standing.since, seen=0, stale=0)
    rows = tx.execute(
        "SELECT seq, task, reward, rank, voided, replaced FROM outcomes WHERE ns = ? AND seq > ? ORDER BY seq",
        (ns, standing.through),
    ).fetchall()
    for seq, task, reward, rank, voided, replaced in rows:
        standing = replace(standing, through=seq)
        if rank == "implicit" or voided is not None or replaced is not None:
            continue
        stored = agreed(tx, ns, task)
        if stored is None or stored[1] < standing.first:
            continue
        others = tx.execute(
            f"SELECT seq, task, rank FROM outcomes WHERE ns = ? AND task = ? AND {ANY_SOURCE} AND voided IS NULL "
            "AND replaced IS NULL",
            (ns, task),
        ).fetchall()
        if len(others) > 1:
            if again and seq not in counting(others):
                continue
            if not again and any(other[0] < seq and other[2] != "implicit" for other in others):
                standing = replace(standing, stale=standing.stale + 1)
                continue
        standing = _seen(tx, ns, standing, seq, task, reward, stored[2], time, operation)
    return write_standing(tx, ns, standing, time)


def _seen(
    tx: Transaction,
    ns: int,
    standing: Standing,
    seq: int,
    task: str,
    reward: float,
    stored: dict[str, Any],
    time: float,
    operation: str,
) -> Standing:
    """After one outcome. P_c(task) is the product of P_c over the task's receipts."""
    names = {side: _name(side, id, standing) for side, id in stored["policies"].items()}
    if "incumbent" not in names.values():
        return standing
    receipts = list(read_receipts(tx, ns, tasks=[task], whole=False))
    if not receipts or any(side not in receipt.probabilities for receipt in receipts for side in names):
        return standing  # nothing was recalled, or with another policy than the task's
    chances = {names[side]: math.prod(receipt.probabilities[side] for receipt in receipts) for side in names}
    events = standing.floor.update(reward, chances, {names[side]: stored["shares"][side] for side in names})
    standing = replace(standing, seen=standing.seen + 1)
    if standing.seen % COMPARED == 0:
        standing.floor.suspended = _differ(tx, ns, standing)
    for event in events:
        kept = {"event": event.name, "seq": seq, "time": time, **event.detail}
        standing = replace(standing, events=(*standing.events, kept))
        append_log(tx, ns, time=time, actor="floor", operation=operation, op="FLOOR", reason=event.name, body=kept)
        ended = event.name == "retired" and event.detail.get("side") == "challenger"
        if event.name == "promoted" and standing.challenger is not None:
            standing = replace(standing, incumbent=standing.challenger, challenger=None)
        elif ended:
            standing = replace(standing, challenger=None, epoch=standing.epoch + 1)
        if event.name in ("promoted", "alarm") or (event.name == "retired" and not ended):
            standing = replace(standing, epoch=standing.epoch + 1, first=standing.epoch + 1, since=seq, seen=0, stale=0)
    return standing


def _name(side: str, id: str, standing: Standing) -> str:
    """The side as the floor knows it; a policy that has left is only a part of the mixture that was."""
    present = standing.policies().get(side)
    return side if present is not None and present.id == id else f"former {side}"


def _differ(tx: Transaction, ns: int, standing: Standing) -> bool:
    """Whether the sides' shares of credited tasks differ by more than chance, among tasks with the same coin.

    Coins are compared apart (Mantel & Haenszel 1959): where few tasks were credited at first and the baseline had most
    of them, the whole of its tasks is credited less often, and that says nothing about sides.
    """
    rows = tx.execute(
        "SELECT standing, side, COUNT(*), COUNT(closed_at) FROM tasks WHERE ns = ? AND epoch >= ? "
        "GROUP BY standing, side ORDER BY standing, side",
        (ns, standing.first),
    ).fetchall()
    coins: dict[Any, dict[str, tuple[int, int]]] = {}
    for agreed, side, opened, closed in rows:
        coins.setdefault(agreed, {})[side] = (opened, closed)
    weights = difference = variance = 0.0
    for counts in coins.values():
        if "baseline" in counts and "incumbent" in counts:
            (n, a), (m, b) = counts["baseline"], counts["incumbent"]
            weight, pooled = n * m / (n + m), (a + b) / (n + m)
            weights += weight
            difference += weight * (a / n - b / m)
            variance += weight * pooled * (1 - pooled)
    if not weights:
        return False
    return abs(difference) / weights > max(LEAST_DIFFERENCE, DEVIATIONS * math.sqrt(variance) / weights)
