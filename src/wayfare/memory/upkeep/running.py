"""A job, run: planned on one snapshot, done in small transactions, each of which finds what it was planned on or does
nothing.

    plan      one read transaction; nothing is written, and a dry run ends here
    steps     each a compare-and-set on the versions that it was planned on; what has moved on is left alone, and its
              change wakes the next run. What only retires records is done some fifty at a time.
    finish    the watermark moves to where the plan was made

Killed anywhere, the next run plans again on what stands: steps that were done are not there to be planned any more. A
run that its limit cut short leaves the watermark where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wayfare.errors import BadValue, NoSuchRecord, QuotaExceeded, ReadOnly, StoreError, VersionConflict
from wayfare.memory.applying import Applying, texts_of
from wayfare.memory.engine import Engine
from wayfare.memory.ids import new_id
from wayfare.memory.operations import Archive, Delete, Operation
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.vector_rows import Vector
from wayfare.memory.upkeep.plans import Job, Look, Plan, Planned, Step, Upkept, name_of
from wayfare.memory.upkeep.watermarks import changes, read_watermark, write_watermark

__all__ = ["run"]

TOGETHER = 50
"""Records that are retired in one transaction."""


def run(engine: Engine, job: Job, *, dry_run: bool, limit: int | None, actor: str) -> Upkept:
    """Plan, and unless it is a dry run, do it. limit: steps of this run at most. Raises: BadValue; StoreError."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise BadValue("limit", limit, "a whole number of steps from 1, or None")
    if not dry_run and engine.database.read_only:
        raise ReadOnly(f"{engine.database.path} was opened to be read only")
    running = _Running(engine, job, actor)
    plan = running.plan()
    if plan is None:
        if not dry_run:
            running.finish(running.due)
        return Upkept(job.name, dry_run, (), 0, 0)
    steps = plan.steps if limit is None else plan.steps[:limit]
    more = len(plan.steps) - len(steps)
    if dry_run:
        return Upkept(job.name, True, tuple(each.step for each in steps), more, plan.looked)
    done = [step for together in _together(steps) for step in running.apply(together)]
    if not more:
        running.finish(plan.due)
    return Upkept(job.name, False, tuple(done), more, plan.looked)


class _Running:
    def __init__(self, engine: Engine, job: Job, actor: str) -> None:
        self.engine, self.job, self.actor = engine, job, actor
        self.name, self.operation = name_of(job), new_id()
        self.ns: int | None = None
        self.sequence = 0
        self.due: float | None = None

    def plan(self) -> Plan | None:
        """None where there is nothing to look at."""
        now = self.engine.clock()
        with self.engine.database.read() as tx:
            ns = self.engine.number(tx)
            if ns is None:
                return None
            self.ns = ns
            mark = read_watermark(tx, ns, self.name)
            (self.sequence,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
            self.due = mark.due
            changed = changes(tx, ns, mark, self.job.silent, self.job.heeds_own)
            if changed is not None and not changed and (mark.due is None or now < mark.due):
                return None
            return self.job.plan(Look(self.engine, tx, ns, now, changed))

    def apply(self, together: Sequence[Planned]) -> list[Step]:
        """One transaction; what became of each."""
        first, made = together[0], list(together)
        vectors: dict[str, Vector] = {}
        if first.make is not None:
            found = first.make()
            if isinstance(found, str):
                return [replace(first.step, left=found)]
            made = [replace(first, ops=tuple(found[0]), expect=found[1])]
            with self.engine.database.read() as tx:
                space = self.engine.serving(tx)
            vectors = self.engine.embedded(space, texts_of(made[0].ops))  # before anybody waits
        try:
            with self.engine.database.write() as tx:
                return self._applied(tx, made, vectors)
        except (BadValue, StoreError) as error:
            if len(made) > 1 or type(error) not in (BadValue, StoreError, QuotaExceeded, NoSuchRecord):
                raise
            return [replace(first.step, left=str(error))]

    def _applied(self, tx: Transaction, made: Sequence[Planned], vectors: dict[str, Vector]) -> list[Step]:
        engine, ns = self.engine, self.ns
        assert ns is not None
        space = engine.serving(tx)
        applying = Applying(
            tx, ns, space=space, vectors=vectors, embed=lambda texts: engine.embedded(space, texts),
            time=engine.clock(), actor=self.actor, operation=self.operation,
        )  # fmt: skip
        steps: list[Step] = []
        for each in made:
            left = each.guard(tx, ns) if each.guard is not None else ""
            if not left:
                try:
                    applying.expect(each.expect)
                except (NoSuchRecord, VersionConflict) as error:
                    left = str(error)
            if left:
                steps.append(replace(each.step, left=left))
                continue
            for op in each.ops:
                applying.take(op)
            steps.append(replace(each.step, done=True))
        (before,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
        applying.finish()
        (after,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
        if after > before:
            mark = read_watermark(tx, ns, self.name).wrote(before + 1, after)
            write_watermark(tx, ns, self.name, mark, engine.clock())
        return steps

    def finish(self, due: float | None) -> None:
        """Everything up to the plan has been dealt with."""
        ns = self.ns
        if ns is None:
            return
        with self.engine.database.read() as tx:
            mark = read_watermark(tx, ns, self.name)
        if mark.finished(self.sequence, due) == mark:
            return
        with self.engine.database.write() as tx:
            mark = read_watermark(tx, ns, self.name).finished(self.sequence, due)
            write_watermark(tx, ns, self.name, mark, self.engine.clock())


def _together(steps: Sequence[Planned]) -> Iterator[Sequence[Planned]]:
    """Steps that only retire records some at a time, each other alone."""
    waiting: list[Planned] = []
    for each in steps:
        if each.make is None and all(map(_retires, each.ops)):
            waiting.append(each)
            if len(waiting) == TOGETHER:
                yield waiting
                waiting = []
            continue
        if waiting:
            yield waiting
            waiting = []
        yield [each]
    if waiting:
        yield waiting


def _retires(op: Operation) -> bool:
    return isinstance(op, Archive | Delete)
