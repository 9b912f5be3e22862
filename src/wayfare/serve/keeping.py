"""The verbs by which a memory is looked after, as the doors know them: copies, upkeep, quotas, a person's data.

Where copies lie is told to nobody who comes through a door.
"""

from __future__ import annotations

import os

from wayfare.memory import Memory
from wayfare.memory.copies.listed import Copy
from wayfare.serve import keeping_shapes as shapes
from wayfare.serve.shapes import DoneMany, Everything
from wayfare.serve.verb import Answer, Verb, plain

__all__ = ["KEEPING", "SNAPSHOTS"]

SNAPSHOTS = "WAYFARE_SNAPSHOTS"
"""Environment variable with the folder for snapshots; without, that beside the file. PostgreSQL needs it."""


def _copy(copy: Copy) -> Answer:
    return {name: getattr(copy, name) for name in shapes.CopyOf.model_fields}


def _snapshot(memory: Memory, ask: shapes.Snapshot, key: str | None) -> Answer:
    return _copy(memory.snapshot(ask.label, folder=os.environ.get(SNAPSHOTS) or None))


def _snapshots(memory: Memory, ask: shapes.Snapshots, key: str | None) -> Answer:
    return {"copies": [_copy(each) for each in memory.snapshots(what=ask.what, all=ask.all)]}


def _delete_snapshot(memory: Memory, ask: shapes.Unmake, key: str | None) -> Answer:
    return _copy(memory.delete_snapshot(ask.name))


def _audit(memory: Memory, ask: shapes.Audit, key: str | None) -> Answer:
    found: Answer = plain(memory.audit(threshold=ask.threshold))
    return found


def _upkeep(memory: Memory, ask: shapes.Upkeep, key: str | None) -> Answer:
    found: Answer = plain(memory.upkeep(ask.job, dry_run=ask.dry_run, limit=ask.limit))
    return found


def _undo_merge(memory: Memory, ask: shapes.Undo, key: str | None) -> Answer:
    return {"results": [plain(each) for each in memory.undo_merge(ask.id, reason=ask.reason, idempotency_key=key)]}


def _quota(memory: Memory, ask: Everything, key: str | None) -> Answer:
    found: Answer = plain(memory.quota())
    return found


def _set_quota(memory: Memory, ask: shapes.Limit, key: str | None) -> Answer:
    limits = {name: getattr(ask, name) for name in ask.model_fields_set if name != "reason"}
    found: Answer = plain(memory.set_quota(reason=ask.reason, **limits))
    return found


def _erase(memory: Memory, ask: shapes.Erase, key: str | None) -> Answer:
    done = memory.erase(subject=ask.subject, derived=ask.derived, tasks=ask.tasks, dry_run=ask.dry_run)
    return {
        "subject": done.subject, "records": list(done.records), "derived": list(done.derived),
        "kept": list(done.kept), "receipts": done.receipts, "copies": [_copy(each) for each in done.copies],
        "dry": done.dry,
    }  # fmt: skip


KEEPING = (
    Verb("snapshot", "admin", shapes.Snapshot, shapes.CopyOf, _snapshot, False),
    Verb("snapshots", "read", shapes.Snapshots, shapes.CopyPage, _snapshots, False),
    Verb("delete_snapshot", "admin", shapes.Unmake, shapes.CopyOf, _delete_snapshot, False),
    Verb("audit", "read", shapes.Audit, shapes.Audited, _audit, False),
    Verb("upkeep", "admin", shapes.Upkeep, shapes.Upkept, _upkeep, False),
    Verb("undo_merge", "write", shapes.Undo, DoneMany, _undo_merge, True),
    Verb("quota", "read", Everything, shapes.QuotaOf, _quota, False),
    Verb("set_quota", "admin", shapes.Limit, shapes.QuotaOf, _set_quota, False),
    Verb("erase", "forget", shapes.Erase, shapes.Erased, _erase, False),
)
