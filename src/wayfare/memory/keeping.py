"""The verbs by which a memory is kept small, true and within bounds: upkeep, its audit, undoing a merge, quotas.

`upkeep` holds the jobs themselves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wayfare.errors import BadValue, ReadOnly
from wayfare.memory.engine import Engine
from wayfare.memory.ids import new_id
from wayfare.memory.operations import OpResult
from wayfare.memory.quotas import Quota, checked_limits, read_quota, with_limits
from wayfare.memory.store.rows import append_log

if TYPE_CHECKING:
    from wayfare.memory.upkeep import Audit, Job, Upkept

__all__ = ["Keeping"]


class Keeping:
    """The verbs of whoever looks after a memory."""

    actor: str
    engine: Engine

    def upkeep(self, job: Job | str, *, dry_run: bool = True, limit: int | None = None) -> Upkept:
        """Run a job of `wayfare.memory.upkeep`; by default only say what it would do.

        job: `MergeDuplicates`, `Expire`, `Evict`, `SweepStale`; or `duplicates` or `stale`, with the defaults
        dry_run: nothing is changed; the report names every step, its ids and its reason
        limit: steps of this run at most; the next one goes on

        Each step is a transaction of its own that leaves alone what has moved on since it was planned, and is in the
        history with the handle's actor and its reason. Killed anywhere, the next run goes on. Where nothing has changed
        since a run that came to its end, the next one reads the log's tail and does nothing.

        Raises: BadValue; ReadOnly; StoreError.
        """
        from wayfare.memory.upkeep import Evict, Expire, MergeDuplicates, SweepStale
        from wayfare.memory.upkeep.running import run

        if isinstance(job, str):
            plain: dict[str, Job] = {each.name: each for each in (MergeDuplicates(), SweepStale())}
            if job not in plain:
                raise BadValue("job", job, f"{', '.join(plain)}, or a job with its settings: Expire(...), Evict(...)")
            job = plain[job]
        if not isinstance(job, MergeDuplicates | Expire | Evict | SweepStale):
            raise BadValue("job", job, "a job of wayfare.memory.upkeep")
        return run(self.engine, job, dry_run=dry_run, limit=limit, actor=self.actor)

    def audit(self, *, threshold: float = 0.92) -> Audit:
        """What is wrong with the namespace: duplicates, echoes, orphans, ..., with ids. It reads all of it.

        threshold: of near duplicates. Raises: BadValue; StoreError.
        """
        from wayfare.memory.upkeep.audit import audit

        return audit(self.engine, threshold)

    def undo_merge(self, id: str, *, reason: str = "", idempotency_key: str | None = None) -> list[OpResult]:
        """Take the last merge into a memory back: what was merged stands again, and upkeep leaves it so.

        Raises: NoSuchRecord; StoreError where nothing was merged into it; VersionConflict where one has moved on.
        """
        return self.engine.undo_merge(id, reason=reason, idempotency_key=idempotency_key, actor=self.actor)

    def set_quota(self, /, *, reason: str = "", **limits: int | None) -> Quota:
        """Limit what the namespace may hold: records (that can be recalled), bytes (of text), writes_a_day.

        Limits that are not named stay; None takes one away. A write that would exceed one is refused whole, with
        QuotaExceeded; reading, recalling, crediting and forgetting always work. Raises: BadValue; ReadOnly.
        """
        given, engine = checked_limits(limits), self.engine
        reason = engine.redacted("reason", reason)
        if engine.database.read_only:
            raise ReadOnly(f"{engine.database.path} was opened to be read only")
        with engine.database.write() as tx:
            ns = engine.number(tx, create=True)
            assert ns is not None
            (text,) = tx.execute("SELECT settings FROM namespaces WHERE ns = ?", (ns,)).fetchone()
            settings = with_limits(engine.namespace, json.loads(text), given)
            if settings != json.loads(text):
                tx.execute("UPDATE namespaces SET settings = ? WHERE ns = ?", (json.dumps(settings), ns))
                append_log(
                    tx, ns, time=engine.clock(), actor=self.actor, operation=new_id(), op="QUOTA", reason=reason,
                    body=given,
                )  # fmt: skip
            return read_quota(tx, ns, engine.clock())

    def quota(self) -> Quota:
        """What is used of what is allowed. Raises: StoreError."""
        with self.engine.database.read() as tx:
            ns = self.engine.number(tx)
            return Quota((0, None), (0, None), (0, None)) if ns is None else read_quota(tx, ns, self.engine.clock())
