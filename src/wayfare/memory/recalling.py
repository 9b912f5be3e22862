"""A recall, from the query to the receipt.

    look    one read transaction: caches brought up to date, candidates found and cut (phase A), the standing read
    ask     a policy's scorer, where it has one, with no transaction open
    draw    the task's coin names a side; that side's policy draws a set of k' = min(k, n) candidates; the probability
            of the set is taken under *every* side, and with the shares of the coin that is the propensity
    log     one short write transaction: the receipt, and that its records are still there; else look again

After the draw nothing is removed; a budget only shortens texts. A receipt that cannot be written stops no recall.
"""

from __future__ import annotations

import json
import time as clocks
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue, Damaged, StoreError
from wayfare.explore.rules.floor import FloorSettings
from wayfare.explore.rules.slates import SlateMixture
from wayfare.memory.answers import Asked, Kept, once
from wayfare.memory.candidates import Filters, Found, gathered, weights_for
from wayfare.memory.credit import read_utilities, write_utilities
from wayfare.memory.embedding.served import serving
from wayfare.memory.ids import new_id
from wayfare.memory.opening import Ground
from wayfare.memory.past import recalled_then
from wayfare.memory.policy import BASELINE, Policy
from wayfare.memory.recalled import Recall, RecalledItem, count_tokens, rendered
from wayfare.memory.receipts import Parts, Receipt, as_logged, thin, write_receipt
from wayfare.memory.records import Record, Utility, checked_name, checked_text
from wayfare.memory.scoring import scored, scorer_of
from wayfare.memory.standing import (
    Standing,
    advance,
    agreed,
    begun,
    coin,
    due,
    read_standing,
    stored_policy,
    task_sum,
    write_standing,
)
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import append_log

__all__ = ["Recaller"]

RECEIPT: Kept[tuple[str, str]] = Kept(
    lambda named: {"receipt": named[0], "task": named[1]}, lambda fields: (fields["receipt"], fields["task"])
)
FIXED = "fixed"
"""The only side of a handle with a policy of its own."""
SHOWN = "shown"
"""Instead of a policy, where the caller has chosen."""
TRIES = 5
THIN_EVERY = 1_000


@dataclass(frozen=True)
class _Side:
    """What a task's coin has settled. stored: the task is in the store already."""

    shares: dict[str, float]
    policies: dict[str, Policy]
    side: str
    epoch: int
    receipts: int
    stored: bool


@dataclass
class Recaller:
    """Recalls on one ground.

    fixed: the policy of this handle; None for the safe mixture        learned: the incumbent of a new namespace
    k1: candidates that each search may name        relevance_floor: below it nothing is recalled
    weights: that somebody has set
    """

    ground: Ground
    fixed: Policy | None
    learned: Policy
    settings: FloorSettings
    seed: int
    k1: int
    relevance_floor: float
    count: Callable[[str], int] = count_tokens
    weights: Mapping[str, float] = field(default_factory=dict)

    def recall(
        self,
        query: str,
        k: int,
        task: str | None,
        filters: Filters,
        *,
        budget_tokens: int | None = None,
        policy: Policy | None = None,
        timeout: float | None = None,
    ) -> Recall:
        """`Memory.recall` says what it does."""
        checked_text("query", query)
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= self.k1:
            raise BadValue("k", k, f"a whole number from 1 to {self.k1}")
        if task is not None:
            checked_name("task", task)
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise BadValue("timeout", timeout, "above 0 seconds, or None")
        rendered([], budget_tokens)
        end = None if timeout is None else clocks.monotonic() + timeout
        ground = self.ground
        asked = ground.asked(query)
        id = new_id()
        name = id if task is None else task
        if filters.as_of is not None:
            return self._then(id, name, query, k, filters, budget_tokens)
        reason = "the memory is read-only" if ground.database.read_only else ""
        left = TRIES
        while left:
            if ground.space != asked.space:
                asked = ground.asked(query)
            if not reason:
                reason = self._catch_up()
            with ground.database.read() as tx:
                space = serving(tx, ground.ns)
                if space != asked.space:  # moved to another embedder since the query was embedded
                    ground.space = space
                    continue
                weights = weights_for(self.weights, asked.model)
                found = gathered(
                    tx, ground, query, asked.vector, filters, self.k1, self.relevance_floor, weights=weights,
                    model=asked.model,
                )  # fmt: skip
                side = self._side(tx, name, policy or self.fixed)
                scorer = scorer_of(side.policies.values())
                if scorer is None:
                    receipt = self._draw(id, name, query, found, side, k)
                    records = found.fetch(tx, receipt.slate)
                else:
                    records = found.fetch(tx, range(len(found.records)))
            if scorer is not None:
                found = replace(found, candidates=scored(found.candidates, scorer, query, records))
                receipt = self._draw(id, name, query, found, side, k)
                records = [records[i] for i in receipt.slate]
            if end is not None and clocks.monotonic() > end:
                reason = reason or f"the receipt was not stored within {timeout:g} s"
            if reason:
                return self._answer(receipt, found, side, records, budget_tokens, reason)
            try:
                written = self._log(receipt, side, found)
            except StoreError as error:
                return self._answer(receipt, found, side, records, budget_tokens, str(error))
            if written is not None:
                return self._answer(written, found, side, records, budget_tokens, "")
            left -= 1
        return self._answer(receipt, found, side, records, budget_tokens, f"the memory changed {TRIES} times meanwhile")

    def _catch_up(self) -> str:
        """Let the floor see the outcomes that wait; why it could not, or ""."""
        ground = self.ground
        if self.fixed is not None or ground.ns is None:
            return ""
        try:
            with ground.database.read() as tx:
                standing = read_standing(tx, ground.ns)
                waits = standing is None or due(tx, ground.ns, standing)
            if waits:
                with ground.database.write() as tx:
                    standing = read_standing(tx, ground.ns)
                    if standing is None:
                        write_standing(tx, ground.ns, begun(self.learned, self.settings), ground.clock())
                    else:
                        advance(tx, ground.ns, standing, ground.clock(), new_id())
        except StoreError as error:
            return str(error)
        return ""

    def _side(self, tx: Transaction, task: str, fixed: Policy | None) -> _Side:
        """The side of the task: as it was when the task began, else by the coin."""
        ns = self.ground.ns
        standing = None if ns is None else read_standing(tx, ns)
        standing = standing or begun(self.learned, self.settings)
        row = None
        if ns is not None:
            row = agreed(tx, ns, task)
        if fixed is not None:
            return _Side({FIXED: 1.0}, {FIXED: fixed}, FIXED, 0, row[3] if row else 0, row is not None)
        if row is None or row[0] == FIXED:
            shares = standing.shares()
            return _Side(
                shares, standing.policies(), coin(shares, standing.epoch, task), standing.epoch, 0, row is not None
            )
        return _Side(row[2]["shares"], self._policies(tx, standing, row[2]["policies"]), row[0], row[1], row[3], True)

    def _policies(self, tx: Transaction, standing: Standing, ids: dict[str, str]) -> dict[str, Policy]:
        present = {policy.id: policy for policy in (BASELINE, *standing.policies().values())}
        found = {}
        for side, id in ids.items():
            if id not in present:
                known = stored_policy(tx, self.ground.ns, id)
                if known is None:
                    raise Damaged(f"policy {id!r} of a task is not there; `wayfare memory doctor`")
                present[id] = known
            found[side] = present[id]
        return found

    def _draw(self, id: str, task: str, query: str, found: Found, side: _Side, k: int) -> Receipt:
        """The set that is shown, and its probability under every side."""
        candidates = as_logged(found.candidates)
        n = len(candidates.ids)
        k = min(k, n)
        place = int.from_bytes(blake2b(task.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
        draws = Stream(self.seed, "recall").at(place, side.receipts)
        sides: dict[str, Parts] = {}
        shares = {name: share for name, share in side.shares.items() if share > 0}
        slate: Sequence[int] = ()
        chances = dict.fromkeys(shares, 1.0)
        inclusion: Any = ()
        if k:
            sides = {name: side.policies[name].parts(candidates, k, draws) for name in shares}
            mixtures = {name: SlateMixture(parts, k) for name, parts in sides.items()}
            drawn, _ = mixtures[side.side].sample(Stream(self.seed, "slate").at(place, side.receipts))
            score = side.policies[side.side].scores(candidates)
            slate = sorted((int(i) for i in drawn), key=lambda i: (-score[i], i))
            chances = {name: float(mixture.probability(slate)) for name, mixture in mixtures.items()}
            whole = sum(share * mixtures[name].inclusion() for name, share in shares.items())
            inclusion = np.asarray(whole)[list(slate)]
        return Receipt(
            id, task, self.ground.clock(), query, candidates, tuple(int(r) for r in found.records), tuple(slate),
            tuple((candidates.ids[i], candidates.versions[i]) for i in slate), sides, shares,
            {name: side.policies[name].id for name in shares}, side.side, chances, tuple(float(p) for p in inclusion),
        )  # fmt: skip

    def _log(self, receipt: Receipt, side: _Side, found: Found) -> Receipt | None:
        """The stored receipt; None when what it shows has changed meanwhile, or the task has."""
        ground = self.ground
        ns = ground.ns
        assert ns is not None
        shown = [receipt.records[i] for i in receipt.slate]
        own = [receipt.records[i] for i in receipt.slate if found.spaces[i] == ns]
        with ground.database.write() as tx:
            row = tx.execute("SELECT receipts FROM tasks WHERE ns = ? AND id = ?", (ns, receipt.task)).fetchone()
            if (row is not None) != side.stored or (row is not None and row[0] != side.receipts):
                return None
            if not unchanged(tx, dict(zip(shown, (version for _, version in receipt.shown), strict=True))):
                return None
            return self._store(tx, receipt, side.side, side.epoch, own)

    def _store(self, tx: Transaction, receipt: Receipt, side: str, epoch: int, own: Sequence[int]) -> Receipt:
        """Write the receipt, and its task. own: numbers of the shown records that belong to this namespace."""
        ns = self.ground.ns
        assert ns is not None
        kept = json.dumps({"shares": dict(receipt.shares), "policies": dict(receipt.policies)})
        row = (receipt.task, side, epoch, kept, float(receipt.time))
        tx.execute(
            "INSERT INTO tasks (ns, id, side, epoch, standing, opened_at, receipts, checksum) "
            "VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (ns, id) DO UPDATE SET receipts = tasks.receipts + 1",
            (ns, *row, task_sum(*row)),
        )
        seq = append_log(
            tx, ns, time=receipt.time, actor="", operation=receipt.id, op="RECALL", body={"records": list(own)}
        )
        write_receipt(tx, ns, seq, receipt)
        before = read_utilities(tx, own)
        after = {}
        for record in own:
            utility = before.get(record, Utility())
            after[record] = replace(utility, recalled=utility.recalled + 1)
        write_utilities(tx, ns, after)
        if seq % THIN_EVERY == 0:
            thin(tx, ns, receipt.time)
        return replace(receipt, seq=seq)

    def store_late(self, tx: Transaction, receipts: Sequence[Receipt]) -> None:
        """Write receipts that could not be written when they were made; those that are there stay as they are."""
        ns = self.ground.ns
        assert ns is not None
        for receipt in receipts:
            if tx.execute("SELECT 1 FROM receipts WHERE ns = ? AND id = ?", (ns, receipt.id)).fetchone() is None:
                shown = [id for id, _ in receipt.shown]
                marks = ", ".join("?" * len(shown)) or "NULL"
                rows = tx.execute(
                    f"SELECT record FROM records WHERE ns = ? AND id IN ({marks}) ORDER BY record", (ns, *shown)
                )
                self._store(tx, receipt, receipt.side, 0, [record for (record,) in rows.fetchall()])

    def showed(self, query: str, records: Sequence[Record], task: str | None, ns: int, asked: Asked | None) -> Recall:
        """`Memory.showed` says what it does."""
        checked_text("query", query)
        id = new_id()
        name = id if task is None else checked_name("task", task)
        certain = tuple(1.0 for _ in records)
        receipt = Receipt(
            id, name, self.ground.clock(), query, None, (), (), tuple((each.id, each.version) for each in records),
            {}, {FIXED: 1.0}, {FIXED: SHOWN}, FIXED, {FIXED: 1.0}, certain,
        )  # fmt: skip
        with self.ground.database.write() as tx:
            known = once(tx, ns, asked, receipt.time, RECEIPT, lambda: self._stored(tx, receipt))
        if known != (id, name):
            id, name = known
            receipt = replace(receipt, id=id, task=name)
        text, shown = rendered(records)
        items = tuple(
            RecalledItem(record, 0.0, 0.0, 1.0, {}, part) for record, part in zip(records, shown, strict=True)
        )
        return Recall(
            id, name, query, items, text, True, "", SHOWN, FIXED, 1.0, len(items), self.ground.namespace, receipt
        )

    def _stored(self, tx: Transaction, receipt: Receipt) -> tuple[str, str]:
        self.store_late(tx, [receipt])
        return receipt.id, receipt.task

    def _then(self, id: str, task: str, query: str, k: int, filters: Filters, budget: int | None) -> Recall:
        """A look at the past."""
        with self.ground.database.read() as tx:
            found = recalled_then(tx, self.ground, query, filters, k)
        found = found if found and found[0][1] >= self.relevance_floor else []
        text, shown = rendered([record for record, _ in found], budget, self.count)
        items = tuple(
            RecalledItem(record, relevance, relevance, 1.0, {"words": relevance}, part)
            for (record, relevance), part in zip(found, shown, strict=True)
        )
        return Recall(
            id, task, query, items, text, False, "a look at the past is not logged", BASELINE.id, FIXED, None,
            len(found), self.ground.namespace,
        )  # fmt: skip

    def _answer(
        self, receipt: Receipt, found: Found, side: _Side, records: Sequence[Record], budget: int | None, reason: str
    ) -> Recall:
        text, shown = rendered(records, budget, self.count)
        score = side.policies[side.side].scores(found.candidates) if receipt.slate else ()
        items = tuple(
            RecalledItem(record, float(found.candidates.relevance[i]), float(score[i]), chance, found.channels(i), part)
            for record, i, chance, part in zip(records, receipt.slate, receipt.inclusion, shown, strict=True)
        )
        known = bool(receipt.sides) or not receipt.slate
        return Recall(
            receipt.id, receipt.task, receipt.query, items, text, not reason, reason,
            side.policies[side.side].id, side.side, receipt.probability if known else None, len(found.records),
            self.ground.namespace, receipt,
        )  # fmt: skip


def unchanged(tx: Transaction, versions: dict[int, int]) -> bool:
    """Whether these records are active, at these versions."""
    if not versions:
        return True
    marks = ", ".join("?" * len(versions))
    rows = tx.execute(
        f"SELECT record, version FROM records WHERE record IN ({marks}) AND status = 'active'", tuple(versions)
    ).fetchall()
    return dict(rows) == versions
