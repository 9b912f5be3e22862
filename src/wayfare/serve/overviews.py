"""The verbs that look into a memory and leave no trace: search, tasks, candidates, courses. The page asks these."""

from __future__ import annotations

from dataclasses import asdict

from wayfare.memory import Memory
from wayfare.serve import overview_shapes as shapes
from wayfare.serve.shapes import One
from wayfare.serve.verb import Answer, Verb, plain, receipt_of, record_of

__all__ = ["OVERVIEWS"]


def _search(memory: Memory, ask: shapes.Search, key: str | None) -> Answer:
    fields = {name: getattr(ask, name) for name in ask.model_fields_set if name not in ("q", "kind")}
    found = memory.search(ask.q, kinds=ask.kind, **fields)
    return {
        "found": [
            {"memory": record_of(each.record), "relevance": each.relevance, "by": plain(each.by)} for each in found
        ]
    }


def _tasks(memory: Memory, ask: shapes.Tasks, key: str | None) -> Answer:
    return {"tasks": [plain(each) for each in memory.tasks(before=ask.before, limit=ask.limit)]}


def _task(memory: Memory, ask: One, key: str | None) -> Answer:
    seen = memory.task_seen(ask.id)
    outcomes = []
    for each in memory.outcomes(seen.id):
        fell = [{"id": id, "base": base, "granted": granted} for id, (base, granted) in each.credits.items()]
        outcomes.append({**plain(asdict(each)), "credits": fell})
    receipts = [receipt_of(each, {}) for each in reversed(memory.receipts(task=seen.id, limit=shapes.MOST_RECEIPTS))]
    return {"task": plain(seen), "receipts": receipts, "outcomes": outcomes}


def _considered(memory: Memory, ask: One, key: str | None) -> Answer:
    receipt = memory.receipt(ask.id)
    return {
        "thinned": receipt.candidates is None,
        "candidates": [
            {**{name: plain(getattr(each, name)) for name in shapes.CandidateOf.model_fields if name != "memory"},
             "memory": None if each.record is None else record_of(each.record)}
            for each in memory.considered(receipt)
        ],
    }  # fmt: skip


def _recalls(memory: Memory, ask: shapes.RecallsOf, key: str | None) -> Answer:
    found = memory.recalls(ask.id, before=ask.before, limit=ask.limit)
    return {"receipts": [receipt_of(each, {}) for each in found.receipts], "next": found.next}


def _course(memory: Memory, ask: shapes.CourseOf, key: str | None) -> Answer:
    return {"points": [plain(each) for each in memory.course(ask.id, points=ask.points)]}


def _floor_history(memory: Memory, ask: shapes.Events, key: str | None) -> Answer:
    answer: Answer = plain(memory.floor_history(before=ask.before, limit=ask.limit))
    return answer


OVERVIEWS = (
    Verb("search", "read", shapes.Search, shapes.SearchedFor, _search, False),
    Verb("tasks", "read", shapes.Tasks, shapes.TaskPage, _tasks, False),
    Verb("task", "read", One, shapes.TaskWhole, _task, False),
    Verb("considered", "read", One, shapes.ConsideredFor, _considered, False),
    Verb("recalls", "read", shapes.RecallsOf, shapes.RecallPage, _recalls, False),
    Verb("course", "read", shapes.CourseOf, shapes.Course, _course, False),
    Verb("floor_history", "read", shapes.Events, shapes.FloorHistory, _floor_history, False),
)
"""As `VERBS` holds them with the others."""
