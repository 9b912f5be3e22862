"""One function a verb: from a checked request to a `Memory` and back to what JSON can hold. Every door calls these.

    verb = VERBS["recall"]
    answer = verb(memory, verb.ask(query="user cannot log in", k=3))           # a dict, of the form of `verb.answer`

Each verb says which scope it needs. Those that write take an idempotency key: asked again with the same key and the
same request, they change nothing and answer as the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from wayfare.errors import BadValue
from wayfare.memory import Memory, Policy
from wayfare.memory import recalled as recalls
from wayfare.memory.operations import Archive, Delete, OpResult
from wayfare.memory.purge import Purged
from wayfare.serve import shapes
from wayfare.serve.keeping import KEEPING
from wayfare.serve.overviews import OVERVIEWS
from wayfare.serve.verb import Answer, Verb, plain, receipt_of, record_of

__all__ = ["VERBS", "Answer", "Verb", "plain"]

LONGEST_TASK = 100
"""Recalls of a task that a new text is compared with."""


def _done(result: OpResult) -> Answer:
    return asdict(result)


def _many(results: list[OpResult]) -> Answer:
    return {"results": [_done(each) for each in results]}


def _given(ask: BaseModel, *but: str) -> dict[str, Any]:
    """What was said, and nothing that was left out."""
    return {name: getattr(ask, name) for name in ask.model_fields_set if name not in but}


# Writing


def _draft(ask: shapes.NewMemory) -> dict[str, Any]:
    fields = _given(ask, "recall", "task")
    if "keys" in fields:
        fields["keys"] = [(each.role, each.text) for each in ask.keys]
    return fields


def _remember(memory: Memory, ask: shapes.Remember, key: str | None) -> Answer:
    fields = _draft(ask)
    if ask.recall is not None:
        if ask.source is not None:
            raise BadValue("source", ask.source, "left out where `recall` says what it was made from")
        fields["source"] = memory.recalled(memory.receipt(ask.recall))
    if ask.task is None:
        return _done(memory.remember(**fields, idempotency_key=key))
    earlier = memory.receipts(task=ask.task, limit=LONGEST_TASK)
    with memory.task(ask.task) as task:
        task.recalls.extend(memory.recalled(each) for each in earlier)
        return _done(memory.remember(**fields, idempotency_key=key))


def _remember_many(memory: Memory, ask: shapes.RememberMany, key: str | None) -> Answer:
    return _many(memory.remember_many([_draft(each) for each in ask.memories], idempotency_key=key))


def _remember_dialogue(memory: Memory, ask: shapes.RememberDialogue, key: str | None) -> Answer:
    return _many(memory.remember_dialogue([each.model_dump() for each in ask.turns], idempotency_key=key))


def _revise(memory: Memory, ask: shapes.Revise, key: str | None) -> Answer:
    changes = _given(ask, "id", "text", "expect", "reason")
    if changes.get("keys") is not None:
        changes["keys"] = tuple((each.role, each.text) for each in ask.keys or ())
    for name in ("kind", "tags", "meta", "keys"):
        if name in changes and changes[name] is None:
            raise BadValue(name, None, "given a value, or left out")
    return _done(memory.revise(ask.id, ask.text, expect=ask.expect, reason=ask.reason, idempotency_key=key, **changes))


def _forget(memory: Memory, ask: shapes.Forget, key: str | None) -> Answer:
    if ask.expect is not None:
        if ask.purge:
            raise BadValue("expect", ask.expect, "left out of a purge, which takes every version")
        (done,) = memory.apply([Delete(ask.id, ask.reason)], expect={ask.id: ask.expect}, idempotency_key=key)
    else:
        done = memory.forget(ask.id, purge=ask.purge, reason=ask.reason, idempotency_key=key)
    if isinstance(done, Purged):
        return {"id": done.id, "purged": True, "version": None, "scanned_bytes": done.scanned_bytes,
                "derived": list(done.derived)}  # fmt: skip
    return {"id": done.id, "purged": False, "version": done.version, "scanned_bytes": None, "derived": []}


def _archive(memory: Memory, ask: shapes.Archive, key: str | None) -> Answer:
    expect = None if ask.expect is None else {ask.id: ask.expect}
    return _done(memory.apply([Archive(ask.id, ask.reason)], expect=expect, idempotency_key=key)[0])


def _link(memory: Memory, ask: shapes.Tie, key: str | None) -> Answer:
    return _done(
        memory.link(
            ask.source, ask.target, ask.type, weight=ask.weight, evidence=tuple(ask.evidence),
            valid_from=ask.valid_from, valid_to=ask.valid_to, idempotency_key=key,
        )
    )  # fmt: skip


def _unlink(memory: Memory, ask: shapes.Untie, key: str | None) -> Answer:
    return _done(memory.unlink(ask.source, ask.target, ask.type, idempotency_key=key))


# Recalling and crediting


def _recalled(found: recalls.Recall) -> Answer:
    return {
        "id": found.id, "task": found.task, "text": found.text, "logged": found.logged, "reason": found.reason,
        "side": found.side, "policy": found.policy, "probability": plain(found.probability),
        "considered": found.considered, "why": found.why,
        "items": [
            {"memory": record_of(item.record), "relevance": item.relevance, "score": plain(item.score) or 0.0,
             "propensity": item.propensity, "by": plain(item.by), "text": item.text, "why": item.why}
            for item in found
        ],
    }  # fmt: skip


def _recall(memory: Memory, ask: shapes.Recall, key: str | None) -> Answer:
    return _recalled(memory.recall(**_given(ask)))


def _showed(memory: Memory, ask: shapes.Showed, key: str | None) -> Answer:
    return _recalled(memory.showed(ask.query, ask.ids, task=ask.task, idempotency_key=key))


def _credit(memory: Memory, ask: shapes.Credit, key: str | None) -> Answer:
    return asdict(
        memory.credit(
            ask.task, ask.reward, used=ask.used, source=ask.source, rank=ask.rank, correct=ask.correct,
            idempotency_key=key,
        )
    )  # fmt: skip


def _void(memory: Memory, ask: shapes.Void, key: str | None) -> Answer:
    return asdict(memory.void(**_given(ask), idempotency_key=key))


# Looking


def _get(memory: Memory, ask: shapes.Get, key: str | None) -> Answer:
    return record_of(memory.get(ask.id) if ask.as_of is None else memory.engine.as_of(ask.id, ask.as_of))


def _list(memory: Memory, ask: shapes.List, key: str | None) -> Answer:
    fields = _given(ask, "status")
    page = memory.list(**fields, status=None if ask.status == "all" else ask.status)
    return {"memories": [record_of(each) for each in page.records], "next": page.next}


def _history(memory: Memory, ask: shapes.One, key: str | None) -> Answer:
    return {
        "versions": [
            {"version": each.version, "op": each.op, "time": each.time, "actor": each.actor,
             "operation": each.operation, "reason": each.reason,
             "memory": None if each.record is None else record_of(each.record)}
            for each in memory.history(ask.id)
        ]
    }  # fmt: skip


def _links(memory: Memory, ask: shapes.Links, key: str | None) -> Answer:
    found = memory.links(ask.id, direction=ask.direction, types=ask.types, at=ask.at)
    return {"links": [plain(each) for each in found]}


def _credits(memory: Memory, ask: shapes.One, key: str | None) -> Answer:
    return {"credits": [asdict(each) for each in memory.credits(ask.id)]}


def _stats(memory: Memory, ask: shapes.Everything, key: str | None) -> Answer:
    found: Answer = plain(memory.stats())
    for name in ("address", "bytes"):  # of the whole store: no tenant's business
        found.pop(name, None)
    return found


def _floor(memory: Memory, ask: shapes.Everything, key: str | None) -> Answer:
    found: Answer = plain(memory.floor())
    return {**found, "rho": 1.0 - found["shares"].get("baseline", 0.0)}


def _policies(memory: Memory, ask: shapes.Everything, key: str | None) -> Answer:
    used = []
    for each in memory.policies():
        body = {name: value for name, value in each.items() if name not in ("id", "created_at", "role")}
        used.append(
            {"id": each["id"], "rule": each["rule"], "created_at": each["created_at"], "role": each["role"],
             "body": plain(body)}
        )  # fmt: skip
    return {"policies": used}


def _evaluate(memory: Memory, ask: shapes.Evaluate, key: str | None) -> Answer:
    target = memory.policy_named(ask.policy)
    if ask.explore is not None:
        target = target.with_(explore=ask.explore)
    found: Answer = plain(memory.evaluate(target, interval=ask.interval, level=ask.level).to_json())
    return found


def _receipt(memory: Memory, ask: shapes.One, key: str | None) -> Answer:
    found = memory.receipt(ask.id)
    return receipt_of(found, {item.id: item.record for item in memory.recalled(found)})


def _receipts(memory: Memory, ask: shapes.Receipts, key: str | None) -> Answer:
    found = memory.receipts(task=ask.task, before=ask.before, limit=ask.limit)
    return {"receipts": [receipt_of(each, {}) for each in found]}


# Governing


def _freeze(memory: Memory, ask: shapes.Why, key: str | None) -> Answer:
    memory.freeze(reason=ask.reason, idempotency_key=key)
    return {"done": True}


def _thaw(memory: Memory, ask: shapes.Why, key: str | None) -> Answer:
    memory.thaw(reason=ask.reason, idempotency_key=key)
    return {"done": True}


def _policy(policy: Policy) -> Answer:
    return {"id": policy.id, "rule": policy.rule, "body": plain(policy.to_json())}


def _refit(memory: Memory, ask: shapes.Everything, key: str | None) -> Answer:
    return _policy(memory.refit(idempotency_key=key))


def _rollback(memory: Memory, ask: shapes.Rollback, key: str | None) -> Answer:
    return _policy(memory.rollback(ask.policy, reason=ask.reason, idempotency_key=key))


def _reset_utility(memory: Memory, ask: shapes.ResetUtility, key: str | None) -> Answer:
    return {"count": memory.reset_utility(ask.id, reason=ask.reason, idempotency_key=key)}


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("remember", "write", shapes.Remember, shapes.Done, _remember, True),
        Verb("remember_many", "write", shapes.RememberMany, shapes.DoneMany, _remember_many, True),
        Verb("remember_dialogue", "write", shapes.RememberDialogue, shapes.DoneMany, _remember_dialogue, True),
        Verb("revise", "write", shapes.Revise, shapes.Done, _revise, True),
        Verb("archive", "write", shapes.Archive, shapes.Done, _archive, True),
        Verb("link", "write", shapes.Tie, shapes.Done, _link, True),
        Verb("unlink", "write", shapes.Untie, shapes.Done, _unlink, True),
        Verb("forget", "forget", shapes.Forget, shapes.Forgotten, _forget, True),
        Verb("recall", "read", shapes.Recall, shapes.Recalled, _recall, False),
        Verb("showed", "write", shapes.Showed, shapes.Recalled, _showed, True),
        Verb("credit", "credit", shapes.Credit, shapes.Credited, _credit, True),
        Verb("get", "read", shapes.Get, shapes.Memory, _get, False),
        Verb("list", "read", shapes.List, shapes.Page, _list, False),
        Verb("history", "read", shapes.One, shapes.History, _history, False),
        Verb("links", "read", shapes.Links, shapes.LinksOf, _links, False),
        Verb("credits", "read", shapes.One, shapes.CreditsOf, _credits, False),
        Verb("stats", "read", shapes.Everything, shapes.Stats, _stats, False),
        Verb("floor", "read", shapes.Everything, shapes.Floor, _floor, False),
        Verb("policies", "read", shapes.Everything, shapes.Policies, _policies, False),
        Verb("evaluate", "read", shapes.Evaluate, shapes.Evaluated, _evaluate, False),
        Verb("receipt", "read", shapes.One, shapes.Receipt, _receipt, False),
        Verb("receipts", "read", shapes.Receipts, shapes.ReceiptPage, _receipts, False),
        Verb("void", "admin", shapes.Void, shapes.Voided, _void, True),
        Verb("freeze", "admin", shapes.Why, shapes.Nothing, _freeze, True),
        Verb("thaw", "admin", shapes.Why, shapes.Nothing, _thaw, True),
        Verb("refit", "admin", shapes.Everything, shapes.PolicyOf, _refit, True),
        Verb("rollback", "admin", shapes.Rollback, shapes.PolicyOf, _rollback, True),
        Verb("reset_utility", "admin", shapes.ResetUtility, shapes.Counted, _reset_utility, True),
        *OVERVIEWS,
        *KEEPING,
    )
}
"""Name -> verb: one word each on every door."""
