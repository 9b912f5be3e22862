"""What a memory does about its own learning: freeze it, choose its policy, take outcomes out, say how it stands.

`Memory` is this and the verbs of every day; they are apart so that each file holds one idea.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from wayfare.errors import BadValue, NoSuchRecord, ReadOnly
from wayfare.explore.rules.floor import Floor
from wayfare.memory.answers import NOTHING, Asked, Kept, answered, asked_under, of_fields, once
from wayfare.memory.credit import counting, replay, write_utilities
from wayfare.memory.engine import Engine
from wayfare.memory.evaluate import Evaluation, evaluate
from wayfare.memory.ids import new_id
from wayfare.memory.index.cache import caches
from wayfare.memory.opening import Ground
from wayfare.memory.outcomes import Voided, void
from wayfare.memory.policy import BASELINE, RULES, Policy, fit
from wayfare.memory.recalling import Recaller
from wayfare.memory.receipts import read_receipts
from wayfare.memory.records import Utility, checked_name, checked_time
from wayfare.memory.standing import (
    POLICY_COLUMNS,
    Standing,
    anew,
    begun,
    policy_from,
    read_standing,
    stored_policy,
    write_standing,
)
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import append_log
from wayfare.memory.utility import gaussian_posterior

__all__ = ["Governing"]

T = TypeVar("T")
POLICY = Kept(Policy.to_json, Policy.from_json)
VOIDED = of_fields(Voided)
NUMBER = Kept[int](int, int)

MOST_ROWS = 20_000
"""Outcomes that a fit looks back on."""


class Governing:
    """The verbs that concern learning itself. Raises, all of them: ReadOnly on a read-only memory."""

    actor: str
    engine: Engine
    _ground: Ground
    _recaller: Recaller

    def _ns(self) -> int:
        """The namespace, where it is to be changed."""
        ground = self._ground
        if ground.database.read_only or ground.ns is None:
            raise ReadOnly(f"{ground.database.path} was opened to be read only")
        return ground.ns

    def _log(self, tx: Transaction, ns: int, op: str, reason: str = "", **body: Any) -> int:
        return append_log(
            tx, ns, time=self._ground.clock(), actor=self.actor, operation=new_id(), op=op,
            reason=self.engine.redacted("reason", reason), body=body,
        )  # fmt: skip

    def _standing(self, tx: Transaction, ns: int) -> Standing:
        return read_standing(tx, ns) or begun(self._recaller.learned, self._recaller.settings)

    def _once(self, asked: Asked | None, kept: Kept[T], change: Callable[[Transaction, int], T]) -> T:
        """A change in a transaction of its own, or what was answered under its key before."""
        ns = self._ns()
        with self._ground.database.write() as tx:
            return once(tx, ns, asked, self._ground.clock(), kept, lambda: change(tx, ns))

    def freeze(self, *, reason: str = "", idempotency_key: str | None = None) -> None:
        """Learn nothing more until `thaw`: recall goes on as it stands, outcomes are kept and change nothing."""

        def change(tx: Transaction, ns: int) -> None:
            standing = self._standing(tx, ns)
            if standing.frozen is None:
                seq = self._log(tx, ns, "FREEZE", reason)
                write_standing(tx, ns, replace(standing, frozen=seq), self._ground.clock())

        self._once(asked_under(idempotency_key, "freeze", reason), NOTHING, change)

    def thaw(self, *, reason: str = "", idempotency_key: str | None = None) -> None:
        """Learn again, and what was said meanwhile too."""

        def change(tx: Transaction, ns: int) -> None:
            standing = self._standing(tx, ns)
            if standing.frozen is None:
                return
            rows = tx.execute(  # also of what was corrected meanwhile, which may have been shared out otherwise
                "SELECT DISTINCT c.record FROM credits c JOIN outcomes o ON o.ns = c.ns AND o.seq = c.seq "
                "WHERE c.ns = ? AND (c.seq > ? OR o.replaced > ?) ORDER BY c.record",
                (ns, standing.frozen, standing.frozen),
            ).fetchall()
            replay(tx, ns, [record for (record,) in rows])
            self._log(tx, ns, "THAW", reason, records=[record for (record,) in rows])
            write_standing(tx, ns, replace(standing, frozen=None), self._ground.clock())

        self._once(asked_under(idempotency_key, "thaw", reason), NOTHING, change)

    def policies(self) -> list[dict[str, Any]]:
        """Every recall policy that the namespace ever used, oldest first: id, rule, since when, and its role now."""
        ground = self._ground
        with ground.database.read() as tx:
            if ground.ns is None:
                return []
            standing = self._standing(tx, ground.ns)
            roles = {policy.id: side for side, policy in standing.policies().items()}
            rows = tx.execute(
                f"SELECT {POLICY_COLUMNS} FROM policies WHERE ns = ? ORDER BY created_at, id", (ground.ns,)
            ).fetchall()
        return [
            {"id": row[0], "created_at": row[2], "role": roles.get(row[0], "former"), **policy_from(row).to_json()}
            for row in rows
        ]

    def policy_named(self, name: str) -> Policy:
        """A policy by its rule, or by its id. Raises: BadValue for neither, or one that the namespace never used."""
        checked_name("policy", name)
        if name in RULES:
            return Policy(name)  # type: ignore[arg-type]
        id = name
        for known in (BASELINE, self._recaller.learned):
            if known.id == id:
                return known
        with self._ground.database.read() as tx:
            found = stored_policy(tx, self._ground.ns, id)
        if found is None:
            raise BadValue("policy", id, f"safe, one of {', '.join(RULES)}, or the id of a policy that was used here")
        return found

    def rollback(self, policy_id: str, *, reason: str = "", idempotency_key: str | None = None) -> Policy:
        """Make an earlier policy the incumbent again; it begins without certificates. Raises: BadValue."""
        policy = self.policy_named(policy_id)

        def change(tx: Transaction, ns: int) -> Policy:
            standing = self._standing(tx, ns)
            seq = self._log(tx, ns, "ROLLBACK", reason, policy=policy.id)
            write_standing(tx, ns, anew(standing, policy, seq), self._ground.clock())
            return policy

        return self._once(asked_under(idempotency_key, "rollback", policy_id, reason), POLICY, change)

    def challenge(self, policy: Policy, *, reason: str = "", idempotency_key: str | None = None) -> Policy:
        """Put a policy on trial beside the incumbent; it replaces it once it has proved that it is better.

        Raises: BadValue for one with a scorer: other processes, which have only its id, could not recall.
        """
        if policy.scorer is not None:
            raise BadValue("policy", policy.id, "one without a scorer: every process that recalls here would need it")
        return self._challenge(policy, reason, asked_under(idempotency_key, "challenge", policy, reason))

    def _challenge(self, policy: Policy, reason: str, asked: Asked | None) -> Policy:
        def change(tx: Transaction, ns: int) -> Policy:
            standing = self._standing(tx, ns)
            if policy.id in {each.id for each in standing.policies().values()}:
                raise BadValue("policy", policy.id, "another than those that share the tasks already")
            self._log(tx, ns, "CHALLENGE", reason, policy=policy.id)
            floor = Floor.from_json(standing.floor.to_json())
            floor.challenge()
            trial = replace(standing, challenger=policy, floor=floor, epoch=standing.epoch + 1)
            write_standing(tx, ns, trial, self._ground.clock())
            return policy

        return self._once(asked, POLICY, change)

    def refit(self, *, idempotency_key: str | None = None) -> Policy:
        """Fit the incumbent's numbers to all credits, implicit ones included, and put the result on trial.

        Raises: BadValue where nothing has been credited.
        """
        ns, asked = self._ns(), asked_under(idempotency_key, "refit")
        with self._ground.database.read() as tx:
            known = None if asked is None else answered(tx, ns, asked, POLICY)
            if known is not None:
                return known[0]
            before = self._standing(tx, ns).incumbent
            rows, through = fit_rows(tx, ns, before)
        if not rows:
            raise BadValue("refit", "no credits", "asked for once recalled memories have been credited")
        return self._challenge(fit(rows, before, through), "refit", asked)

    def void(
        self,
        *,
        source: str | None = None,
        actor: str | None = None,
        since: float | None = None,
        until: float | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> Voided:
        """Take out the outcomes that match all that is given, as if they had never been. Receipts stay as they are.

        since, until: times of the outcomes, [since, until)        Raises: BadValue when nothing is given.
        """
        ground = self._ground
        since, until = checked_time("since", since), checked_time("until", until)
        reason = self.engine.redacted("reason", reason)
        asked = asked_under(idempotency_key, "void", source, actor, since, until, reason)

        def change(tx: Transaction, ns: int) -> Voided:
            standing = read_standing(tx, ns)
            done = void(
                tx, ns, source=source, actor=actor, since=since, until=until, by=self.actor, time=ground.clock(),
                operation=new_id(), reason=reason, frozen=None if standing is None else standing.frozen,
            )  # fmt: skip
            if done.outcomes and standing is not None:
                write_standing(tx, ns, replace(standing, stale=max(1, standing.seen)), ground.clock())
            return done

        return self._once(asked, VOIDED, change)

    def reset_utility(self, id: str | None = None, *, reason: str = "", idempotency_key: str | None = None) -> int:
        """Forget what credit has taught about a memory, or about all (None); how many. The outcomes stay in the log.

        Raises: NoSuchRecord.
        """

        def change(tx: Transaction, ns: int) -> int:
            if id is None:
                rows = tx.execute(
                    "SELECT record, recalled FROM utilities WHERE ns = ? ORDER BY record", (ns,)
                ).fetchall()
            else:
                rows = tx.execute(
                    "SELECT r.record, coalesce(u.recalled, 0) FROM records r LEFT JOIN utilities u "
                    "ON u.record = r.record WHERE r.ns = ? AND r.id = ?",
                    (ns, id),
                ).fetchall()
                if not rows:
                    raise NoSuchRecord(id)
            numbers = [(ns, record) for record, _ in rows]
            tx.executemany("DELETE FROM credits WHERE ns = ? AND record = ?", numbers)
            tx.executemany("DELETE FROM accounts WHERE ns = ? AND record = ?", numbers)
            write_utilities(tx, ns, {record: Utility(recalled=recalled) for record, recalled in rows})
            self._log(tx, ns, "RESET", reason, records=[record for _, record in numbers])
            return len(numbers)

        return self._once(asked_under(idempotency_key, "reset_utility", id, reason), NUMBER, change)

    def evaluate(self, policy: Policy | str, *, interval: str = "normal", level: float = 0.95) -> Evaluation:
        """What another policy would have earned on the tasks that are logged, with an interval, and what that assumes.

        policy: or its rule, or its id        interval: `normal` or `bootstrap`, over tasks        level: of it
        Raises: BadValue for a log that cannot tell, with the reason and what to do; Damaged.
        """
        target = policy if isinstance(policy, Policy) else self.policy_named(policy)
        ground = self._ground
        with ground.database.read() as tx:
            ns = tx.namespace(ground.namespace)
            if ns is None:
                raise BadValue("namespace", ground.namespace, "one with credited tasks")
            return evaluate(tx, ns, target, reward_range=ground.reward_range, interval=interval, level=level)

    def floor(self) -> dict[str, Any]:
        """How far the safe mixture has come: shares of the tasks by side, what is certified, which policies, events."""
        ground = self._ground
        with ground.database.read() as tx:
            ns = tx.namespace(ground.namespace)
            standing = begun(self._recaller.learned, self._recaller.settings) if ns is None else self._standing(tx, ns)
        return _floor(standing)

    def stats(self) -> dict[str, Any]:
        """How the namespace stands: what it holds, what was recalled and credited, how much is learned and proved."""
        ground = self._ground
        with ground.database.read() as tx:
            ns = tx.namespace(ground.namespace)
            found: dict[str, Any] = {"namespace": ground.namespace, "address": ground.database.path}
            found["bytes"] = ground.database.size()
            found["embedder"] = _embedder(tx, ns)
            found["reward_range"] = list(ground.reward_range)
            if ns is None:
                return found
            found["memories"] = dict(
                tx.execute(
                    "SELECT status, COUNT(*) FROM records WHERE ns = ? GROUP BY status ORDER BY status", (ns,)
                ).fetchall()
            )
            found["kinds"] = dict(
                tx.execute(
                    "SELECT kind, COUNT(*) FROM records WHERE ns = ? AND status = 'active' GROUP BY kind ORDER BY kind",
                    (ns,),
                ).fetchall()
            )
            found["links"] = tx.execute("SELECT COUNT(*) FROM links WHERE ns = ?", (ns,)).fetchone()[0]
            found["recalls"] = tx.execute("SELECT COUNT(*) FROM receipts WHERE ns = ?", (ns,)).fetchone()[0]
            found["sides"] = _sides(tx, ns)
            found["floor"] = _floor(self._standing(tx, ns))
            found["search"] = getattr(caches(ground.database)[ns], "approximation", None)
        return found


def _floor(standing: Standing) -> dict[str, Any]:
    return {
        **asdict(standing.floor.settings),
        "shares": standing.floor.shares(),
        "certified": standing.floor.certified,
        "suspended": standing.floor.suspended,
        "outcomes_seen": standing.seen,
        "epoch": standing.epoch,
        "frozen": standing.frozen is not None,
        "policies": {side: policy.id for side, policy in standing.policies().items()},
        "events": list(standing.events),
    }


def _embedder(tx: Transaction, ns: int | None) -> str | None:
    """Name of the model that the vectors come from."""
    row = tx.execute(
        "SELECT s.model FROM namespaces n JOIN spaces s ON s.space = n.space WHERE n.ns = ?", (ns,)
    ).fetchone()
    return None if row is None else str(row[0])


def _sides(tx: Transaction, ns: int) -> dict[str, dict[str, float]]:
    """Tasks of each side: how many, how many credited, and their mean reward in [0, 1]."""
    rows = tx.execute(
        "SELECT t.side, COUNT(*), COUNT(o.reward), AVG(o.reward) FROM tasks t LEFT JOIN ("
        "SELECT task, AVG(reward) AS reward FROM outcomes WHERE ns = ? AND rank <> 'implicit' AND voided IS NULL "
        "AND replaced IS NULL GROUP BY task) o ON o.task = t.id WHERE t.ns = ? GROUP BY t.side "
        "ORDER BY t.side",
        (ns, ns),
    ).fetchall()
    return {side: {"tasks": tasks, "credited": credited, "mean": mean} for side, tasks, credited, mean in rows}


def fit_rows(tx: Transaction, ns: int, policy: Policy) -> tuple[list[Any], int]:
    """What `fit` learns from: a row for each credited item that was a candidate; and the last seq looked at.

    What was credited before the namespace moved to other vectors says nothing of scores by these.
    """
    outcomes = tx.execute(
        "SELECT seq, task, rank, reward FROM outcomes WHERE ns = ? AND seq > ? AND voided IS NULL "
        "AND replaced IS NULL ORDER BY seq DESC LIMIT ?",
        (ns, policy.vectors_since or 0, MOST_ROWS),
    ).fetchall()
    counts = counting([row[:3] for row in outcomes])
    rows: list[Any] = []
    for seq, task, _, reward in reversed(outcomes):
        if seq not in counts:
            continue
        granted = dict(tx.execute("SELECT record, granted FROM credits WHERE ns = ? AND seq = ?", (ns, seq)).fetchall())
        rows += _credited_items(tx, ns, task, reward, granted, policy)
    return rows, max((row[0] for row in outcomes), default=0)


def _credited_items(
    tx: Transaction, ns: int, task: str, reward: float, granted: dict[int, float], policy: Policy
) -> Sequence[Any]:
    found = []
    for receipt in read_receipts(tx, ns, tasks=[task]):
        seen = receipt.candidates
        if seen is None or not len(seen):
            continue
        mean, _, m0 = gaussian_posterior(seen.n, seen.total, seen.squares, policy.prior, policy.kappa)
        for place in receipt.slate:
            share = granted.get(receipt.records[place], 0.0)
            if share > 0:
                effect = float(mean[place]) - m0
                found.append((reward, share, float(seen.relative[place]), seen.features[place], effect))
    return found
