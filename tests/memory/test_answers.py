"""Idempotency keys: every verb that writes does it once under a key, and answers as it did."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from wayfare.errors import BadValue, OutcomeConflict
from wayfare.memory import Memory, Policy
from wayfare.memory.operations import Add, Merge

LOOKING = {"explaining", "surveying"}
"""Modules of which no verb writes."""
READS = {
    "audit", "branch", "close", "delete_snapshot", "diff", "erase", "evaluate", "export", "floor", "get", "history",
    "learns", "links", "list", "observe", "payload", "policies", "policy_named", "quota", "recall", "reembed",
    "set_quota", "snapshot", "snapshots", "stats", "task", "upkeep",
}  # fmt: skip
"""Verbs without a key: they read, or doing them again is nothing new; each recall is a draw of its own."""
KEY = "request 4711"


def _verbs(first: str, second: str, merged: str, policy: str) -> dict[str, Callable[..., Any]]:
    """name -> the verb, to be called with a memory and a key"""
    return {
        "apply": lambda m, key: m.apply([], idempotency_key=key),
        "archive": lambda m, key: m.archive(first, idempotency_key=key),
        "credit": lambda m, key: m.credit("t", 0.25, correct=True, idempotency_key=key),
        "forget": lambda m, key: m.forget(first, idempotency_key=key),
        "freeze": lambda m, key: m.freeze(idempotency_key=key),
        "link": lambda m, key: m.link(first, second, "near", idempotency_key=key),
        "refit": lambda m, key: m.refit(idempotency_key=key),
        "remember": lambda m, key: m.remember("Something new", idempotency_key=key),
        "remember_dialogue": lambda m, key: m.remember_dialogue(
            [{"speaker": "ann", "text": "hello there", "session": "s", "time": 5.0}], idempotency_key=key
        ),
        "remember_many": lambda m, key: m.remember_many(["one more", "two more"], idempotency_key=key),
        "reset_utility": lambda m, key: m.reset_utility(idempotency_key=key),
        "revise": lambda m, key: m.revise(first, "Another text", expect=1, idempotency_key=key),
        "rollback": lambda m, key: m.rollback(policy, idempotency_key=key),
        "showed": lambda m, key: m.showed("a query", [first, second], idempotency_key=key),
        "thaw": lambda m, key: m.thaw(idempotency_key=key),
        "undo_merge": lambda m, key: m.undo_merge(merged, idempotency_key=key),
        "unlink": lambda m, key: m.unlink(first, second, "far", idempotency_key=key),
        "void": lambda m, key: m.void(source="harness", idempotency_key=key),
    }


NAMES = sorted(_verbs("", "", "", ""))


@pytest.fixture
def made(shared_address: str, request: pytest.FixtureRequest):
    with Memory(shared_address, namespace=f"answers/{request.node.callspec.id}", synchronous="NORMAL") as memory:
        first, second = (each.id for each in memory.remember_many(["the session cache", "the session clock"]))
        memory.link(first, second, "far")
        merged = memory.apply([Merge(tuple(each.id for each in memory.remember_many(["one", "two"])), Add("both"))])[
            0
        ].id
        memory.recall("session", task="t")
        memory.credit("t", 1.0)
        yield memory, _verbs(first, second, merged, memory.policies()[0]["id"])


def _state(memory: Memory) -> Any:
    """All that a change would leave: the log, and every answer."""
    with memory.engine.database.read() as tx:
        ns = memory.engine.number(tx)
        tables = ("log", "answers", "receipts", "outcomes", "versions")
        return [tx.execute(f"SELECT COUNT(*) FROM {table} WHERE ns = ?", (ns,)).fetchone()[0] for table in tables]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_under_its_key_is_done_once_whatever_came_in_between(made, name: str) -> None:
    memory, verbs = made
    first = verbs[name](memory, KEY)
    memory.remember("meanwhile")
    if name != "forget":
        memory.credit("t", 0.75, correct=True)
    before = _state(memory)
    again = verbs[name](memory, KEY)
    assert again == first if name != "showed" else (again.id, again.ids) == (first.id, first.ids)
    assert _state(memory) == before
    with pytest.raises(OutcomeConflict, match="another request"):
        memory.remember("a text for which it was not made", idempotency_key=KEY)
    with pytest.raises(BadValue, match="idempotency_key"):
        verbs[name](memory, "")
    assert _state(memory) == before


@pytest.mark.parametrize("purged", ["purged"])
def test_a_purge_under_a_key_answers_as_the_first_time_and_its_answer_tells_nothing(
    new_address: Callable[[], str], store, purged: str
) -> None:
    address = new_address()
    with Memory(address, synchronous="NORMAL") as memory:
        id = memory.remember("moonlit obelisk", reason="moonlit", idempotency_key="a").id
        memory.credit(memory.recall("obelisk"), 1.0, idempotency_key="b")
        first = memory.forget(id, purge=True, idempotency_key=KEY)
        assert memory.forget(id, purge=True, idempotency_key=KEY) == first and first.windows > 0
    assert b"moonlit" not in store.contents(address)


def test_a_challenge_under_a_key_is_put_on_trial_once(address: str) -> None:
    with Memory(address, synchronous="NORMAL") as memory:
        policy = memory.challenge(Policy("memrl"), idempotency_key=KEY)
        epoch = memory.stats()["floor"]["epoch"]
        assert memory.challenge(Policy("memrl"), idempotency_key=KEY) == policy == Policy("memrl")
        assert memory.stats()["floor"]["epoch"] == epoch


def test_a_verb_takes_a_key_or_is_known_to_need_none() -> None:
    verbs = {name: verb for name, verb in inspect.getmembers(Memory, inspect.isfunction) if not name.startswith("_")}
    verbs = {name: verb for name, verb in verbs.items() if verb.__module__.split(".")[-1] not in LOOKING}
    keyed = {name for name, verb in verbs.items() if "idempotency_key" in inspect.signature(verb).parameters}
    assert verbs.keys() - keyed == READS and keyed >= set(NAMES)
