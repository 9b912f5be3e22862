"""Overviews: what a person asks who looks into a memory: which tasks, which candidates, how a utility came about.

`Memory` is this and the other verbs. Nothing here writes: looking leaves no receipt and counts as no recall.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from wayfare.errors import BadValue, NoSuchTask
from wayfare.explore.rules.slates import SlateMixture
from wayfare.memory import reading
from wayfare.memory.candidates import Filters, gathered, weights_for
from wayfare.memory.credit import ANY_SOURCE, LAST, counting, credited
from wayfare.memory.embedding.served import serving
from wayfare.memory.explaining import MOST, Explaining
from wayfare.memory.policy import BASELINE, FEATURES, LEARNED, Policy
from wayfare.memory.receipts import COLUMNS, Receipt, receipt_from
from wayfare.memory.records import Utility, checked_name, checked_text
from wayfare.memory.seen import (
    Considered,
    CoursePoint,
    FloorHistory,
    FloorStep,
    Happened,
    OutcomeSeen,
    Recalls,
    Searched,
    TaskSeen,
)
from wayfare.memory.standing import stored_policy
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import LOG_COLUMNS, log_from
from wayfare.memory.utility import gaussian_posterior

__all__ = ["Surveying"]

REACH = 5_000
"""Receipts that one look for a memory goes back over."""
POINTS, STEPS = 500, 500
"""Of a course, and of the floor's history, at most."""
GOVERNING = ("FLOOR", "FREEZE", "THAW", "ROLLBACK", "CHALLENGE", "VOID", "RESET", "REEMBED")
"""Changes of the log that concern learning."""
BARE = COLUMNS.replace("body", "NULL")
OUTCOME = "o.seq, o.source, o.rank, o.actor, o.time, o.reward, o.used, o.basis, o.replaced, o.voided, l.body"
MEASURED = FEATURES[:5]
"""Without the classes of kinds, which say nothing to a person."""


class Surveying(Explaining):
    """The verbs that look without leaving a trace."""

    def search(
        self,
        query: str,
        *,
        limit: int = 20,
        kinds: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> list[Searched]:
        """The most relevant memories: those that `recall` would choose from, but nothing is drawn, logged or counted.

        kinds, tags, since, until: as `recall` takes them        Raises: BadValue; StoreError.
        """
        checked_text("query", query)
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= self._recaller.k1:
            raise BadValue("limit", limit, f"a whole number from 1 to {self._recaller.k1}")
        ground, recaller = self._ground, self._recaller
        filters = Filters(kinds, tags, since, until)
        while True:
            asked = ground.asked(query)
            with ground.database.read() as tx:
                space = serving(tx, ground.ns)
                if space != asked.space:  # moved to another embedder since the query was embedded
                    ground.space = space
                    continue
                found = gathered(
                    tx, ground, query, asked.vector, filters, recaller.k1, recaller.relevance_floor,
                    weights=weights_for(recaller.weights, asked.model), model=asked.model,
                )  # fmt: skip
                best = range(min(limit, len(found.records)))
                records = found.fetch(tx, best)
            return [
                Searched(record, float(found.candidates.relevance[i]), found.channels(i))
                for i, record in zip(best, records, strict=True)
            ]

    def tasks(self, *, before: int | None = None, limit: int = 50) -> list[TaskSeen]:
        """Tasks that recalled something, that of the last recall first.

        before: `last` of the last one of the page before        Raises: BadValue.
        """
        least = _before(before)
        _checked_limit(limit)
        ground = self._ground
        with ground.database.read() as tx:
            rows = tx.execute(
                "SELECT r.task, r.seq FROM receipts r WHERE r.ns = ? AND r.seq < ? AND NOT EXISTS ("
                "SELECT 1 FROM receipts l WHERE l.ns = r.ns AND l.task = r.task AND l.seq > r.seq) "
                "ORDER BY r.seq DESC LIMIT ?",
                (ground.ns, least, limit),
            ).fetchall()
            return self._tasks(tx, rows)

    def task_seen(self, id: str) -> TaskSeen:
        """One task that recalled something. Raises: NoSuchTask."""
        checked_name("task", id)
        ground = self._ground
        with ground.database.read() as tx:
            rows = tx.execute(
                "SELECT task, MAX(seq) FROM receipts WHERE ns = ? AND task = ? GROUP BY task", (ground.ns, id)
            ).fetchall()
            found = self._tasks(tx, rows)
        if not found:
            raise NoSuchTask(id)
        return found[0]

    def _tasks(self, tx: Transaction, rows: Sequence[tuple[str, int]]) -> list[TaskSeen]:
        """rows: tasks, and the seq of the last receipt of each"""
        ns, found = self._ground.ns, []
        for task, last in rows:
            receipt = tx.execute(f"SELECT {BARE} FROM receipts WHERE ns = ? AND seq = ?", (ns, last)).fetchone()
            shown = receipt_from(receipt)
            row = tx.execute(
                "SELECT side, epoch, standing, opened_at, closed_at, receipts FROM tasks WHERE ns = ? AND id = ?",
                (ns, task),
            ).fetchone()
            if row is None:  # a receipt that was salvaged without its task
                row = (shown.side, 0, json.dumps({"shares": dict(shown.shares), "policies": {}}), shown.time, None, 1)
            side, epoch, standing, opened, closed, receipts = row
            said = json.loads(standing)
            outcomes = [each for each in _outcomes(tx, ns, task) if each[8] is None and each[9] is None]
            counts = counting((each[0], task, each[2]) for each in outcomes if each[2] != "implicit")
            reward = next((self._declared(each[5]) for each in outcomes if each[0] in counts), None)
            found.append(
                TaskSeen(
                    task, side, epoch, said["shares"], said["policies"], opened, closed, receipts, last, shown.query,
                    len(shown.shown), reward,
                )
            )  # fmt: skip
        return found

    def outcomes(self, task: str) -> list[OutcomeSeen]:
        """All that was ever said of a task, oldest first, with what fell to which memory."""
        checked_name("task", task)
        ground, found = self._ground, []
        with ground.database.read() as tx:
            rows = _outcomes(tx, ground.ns, task)
            last = _last(tx, ground.ns)
            standing = [row for row in rows if row[9] is None and (row[8] is None or row[8] > last)]
            counts = counting((row[0], task, row[2]) for row in standing if row[0] <= last)
            for seq, source, rank, actor, time, reward, used, basis, replaced, voided, body in rows:
                fell = _fell(tx, ground.ns, seq, json.loads(body or "{}").get("records", ()))
                said = None if used is None else tuple(json.loads(used))
                found.append(
                    OutcomeSeen(
                        seq, source, rank, actor, time, self._declared(reward), said, basis, seq in counts, replaced,
                        voided, fell,
                    )
                )  # fmt: skip
        return found

    def considered(self, receipt: Receipt) -> list[Considered]:
        """The candidates of a recall, best relevance first, those shown with their place. [] once they are dropped."""
        seen, ground = receipt.candidates, self._ground
        if seen is None or not len(seen):
            return []
        with ground.database.read() as tx:
            places = [(ns, path) for path in (ground.namespace, *ground.also_read) if (ns := tx.namespace(path))]
            names = _names(tx, [ns for ns, _ in places], receipt.records)
            records = reading.read_records(tx, places, list(names.values()))
            policy = self._policy_of(tx, receipt)
        shown = {
            place: (id, turn) for turn, (place, (id, _)) in enumerate(zip(receipt.slate, receipt.shown, strict=True), 1)
        }
        mean, width, _ = gaussian_posterior(seen.n, seen.total, seen.squares, policy.prior, policy.kappa)
        k = len(receipt.slate)
        chances = {side: SlateMixture(parts, k).inclusion() for side, parts in receipt.sides.items()} if k else {}
        found = []
        for i, number in enumerate(receipt.records):
            id, turn = shown.get(i, (names.get(number, ""), None))
            by_side = {side: float(of_side[i]) for side, of_side in chances.items()}
            found.append(
                Considered(
                    id, seen.versions[i], records.get(id), turn, float(seen.relevance[i]),
                    dict(zip(MEASURED, map(float, seen.features[i]), strict=False)), float(seen.n[i]), float(mean[i]),
                    float(width[i]), int(seen.recalled[i]),
                    sum(receipt.shares[side] * chance for side, chance in by_side.items()), by_side,
                )
            )  # fmt: skip
        return found

    def _policy_of(self, tx: Transaction, receipt: Receipt) -> Policy:
        """By which the side of a receipt chose; where that is not known, the one that every namespace begins with."""
        id = receipt.policies.get(receipt.side, "")
        for known in (BASELINE, LEARNED, self._recaller.learned):
            if known.id == id:
                return known
        return stored_policy(tx, self._ground.ns, id) or LEARNED

    def recalls(self, id: str, *, before: int | None = None, limit: int = 50) -> Recalls:
        """Where a memory was recalled: receipts that showed it, the last first, without their candidates.

        One call looks through 5,000 receipts at most: it may find nothing and yet say where to look on.
        before: `next` of the page before        Raises: NoSuchRecord; BadValue.
        """
        least = _before(before)
        _checked_limit(limit)
        id = self.engine.get(id).id
        ground = self._ground
        with ground.database.read() as tx:
            end = tx.execute(
                "SELECT seq FROM receipts WHERE ns = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
                (ground.ns, least, REACH - 1),
            ).fetchone()
            rows = tx.execute(
                f"SELECT {BARE} FROM receipts WHERE ns = ? AND seq < ? AND seq >= ? AND slate LIKE ? ESCAPE '!' "
                "ORDER BY seq DESC LIMIT ?",
                (ground.ns, least, 0 if end is None else end[0], f"%{_pattern(id)}%", limit + 1),
            ).fetchall()
        found = tuple(receipt for receipt in map(receipt_from, rows) if id in dict(receipt.shown))
        if len(rows) > limit:
            return Recalls(found[:limit], found[:limit][-1].seq if found else rows[limit - 1][0])
        return Recalls(found, None if end is None else int(end[0]))

    def course(self, id: str, *, points: int = POINTS) -> list[CoursePoint]:
        """How the utility of a memory came about: as it stood after each credit that counts, oldest first.

        points: at most, evenly chosen, the last always among them        Raises: NoSuchRecord; BadValue.
        """
        if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= 10 * POINTS:
            raise BadValue("points", points, f"a whole number from 2 to {10 * POINTS}")
        record, ground = self.engine.get(id), self._ground
        with ground.database.read() as tx:
            last = _last(tx, ground.ns)
            rows = tx.execute(
                "SELECT c.seq, c.granted, o.task, o.time, o.reward FROM records r "
                "JOIN credits c ON c.ns = r.ns AND c.record = r.record "
                "JOIN outcomes o ON o.ns = c.ns AND o.seq = c.seq WHERE r.ns = ? AND r.id = ? AND c.seq <= ? "
                "AND c.granted > 0 AND o.voided IS NULL AND (o.replaced IS NULL OR o.replaced > ?) ORDER BY c.seq",
                (ground.ns, record.id, last, last),
            ).fetchall()
        found, utility = [], Utility()
        step = max(1, -(-len(rows) // points))
        for left, (seq, share, task, time, reward) in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
            utility = credited(utility, share, reward, time, False)
            if left % step == 0:
                assert utility.mean is not None and utility.q is not None
                found.append(
                    CoursePoint(seq, time, task, self._declared(reward), share, utility.n, utility.mean, utility.q)
                )
        return found

    def floor_history(self, *, before: int | None = None, limit: int = 50) -> FloorHistory:
        """How the shares of the sides moved, from the tasks that began under them, and what happened to learning.

        before: `seq` of the last event of the page before; limit: events        Raises: BadValue.
        """
        least = _before(before)
        _checked_limit(limit)
        ns = self._ground.ns
        marks = ", ".join("?" * len(GOVERNING))
        with self._ground.database.read() as tx:
            rows = tx.execute(
                "SELECT MIN(opened_at), MAX(opened_at), epoch, standing, COUNT(*), COUNT(closed_at) FROM tasks "
                "WHERE ns = ? AND side <> 'fixed' GROUP BY epoch, standing ORDER BY 1, 2, epoch, standing",
                (ns,),
            ).fetchall()
            lines = tx.execute(
                f"SELECT {LOG_COLUMNS} FROM log WHERE ns = ? AND seq < ? AND op IN ({marks}) ORDER BY seq DESC LIMIT ?",
                (ns, least, *GOVERNING, limit),
            ).fetchall()
        steps = [
            FloorStep(since, until, epoch, said["shares"], said["policies"], tasks, closed)
            for since, until, epoch, standing, tasks, closed in rows
            for said in (json.loads(standing),)
        ]
        events = [
            Happened(line.seq, line.time, line.op, line.actor, line.reason, _told(line.body))
            for line in map(log_from, lines)
        ]
        return FloorHistory(tuple(steps[-STEPS:]), tuple(events))

    def _declared(self, unit: float) -> float:
        """A reward in [0, 1], in the declared range."""
        low, high = self._ground.reward_range
        return low + unit * (high - low)


def _outcomes(tx: Transaction, ns: int | None, task: str) -> list[Any]:
    """Rows as `OUTCOME` names them, oldest first."""
    return tx.execute(
        f"SELECT {OUTCOME} FROM outcomes o JOIN log l ON l.ns = o.ns AND l.seq = o.seq "
        f"WHERE o.ns = ? AND o.task = ? AND o.{ANY_SOURCE} ORDER BY o.seq",
        (ns, task),
    ).fetchall()


def _last(tx: Transaction, ns: int | None) -> int:
    """The seq after which outcomes do not count, where the memory is frozen."""
    row = tx.execute("SELECT frozen FROM standing WHERE ns = ?", (ns,)).fetchone()
    return LAST if row is None or row[0] is None else int(row[0])


def _fell(tx: Transaction, ns: int | None, seq: int, records: Sequence[int]) -> dict[str, tuple[float, float]]:
    """id -> (share, granted), of what one outcome did."""
    found = {}
    for part in _parts(records):
        rows = tx.execute(
            "SELECT r.id, c.base, c.granted FROM credits c JOIN records r ON r.ns = c.ns AND r.record = c.record "
            f"WHERE c.ns = ? AND c.seq = ? AND c.record IN ({', '.join('?' * len(part))}) ORDER BY r.id",
            (ns, seq, *part),
        ).fetchall()
        found.update({id: (base, granted) for id, base, granted in rows})
    return found


def _names(tx: Transaction, spaces: Iterable[int], records: Sequence[int]) -> dict[int, str]:
    """Ids of the records that lie in one of these namespaces."""
    found: dict[int, str] = {}
    for ns in spaces:
        for part in _parts(records):
            rows = tx.execute(
                f"SELECT record, id FROM records WHERE ns = ? AND record IN ({', '.join('?' * len(part))}) "
                "ORDER BY record",
                (ns, *part),
            )
            found.update(dict(rows.fetchall()))
    return found


def _told(body: Any) -> dict[str, Any]:
    """What a person can read of a change: numbers of records become how many they are."""
    return {name: len(value) if name == "records" else value for name, value in body.items()}


def _pattern(id: str) -> str:
    """As a receipt's slate writes it, for LIKE."""
    text = json.dumps(id)
    for sign in "!%_":
        text = text.replace(sign, "!" + sign)
    return text


def _parts(values: Sequence[int], size: int = 500) -> list[Sequence[int]]:
    return [values[i : i + size] for i in range(0, len(values), size)]


def _before(before: object) -> int:
    if before is None:
        return LAST
    if isinstance(before, bool) or not isinstance(before, int) or not 0 < before < LAST:
        raise BadValue("before", before, "a seq of the page before")
    return before


def _checked_limit(limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        raise BadValue("limit", limit, f"a whole number from 1 to {MOST}")
