"""Memento's whole loop with scripted models, its cases in a real memory, and tools of a real MCP server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.agents.mcp_tools import McpTools
from wayfare.agents.memento import Memento
from wayfare.agents.memento_log import logged_rows
from wayfare.agents.memento_prompts import AVOID, FOLLOW, read_plan, read_tool_use
from wayfare.errors import BadValue, Unavailable
from wayfare.language import Samples, Sampling
from wayfare.learn.case_rows import case_text, guarded
from wayfare.memory import Memory
from wayfare.memory.policy import Policy

SERVER = [sys.executable, str(Path(__file__).with_name("tool_server.py"))]


def plan(*steps: str) -> str:
    return json.dumps({"plan": [{"id": i, "description": step} for i, step in enumerate(steps, 1)]})


def final(answer: str) -> str:
    return json.dumps({"final_answer": answer})


class Scripted:
    """Says what a function makes of each prompt, or one line of a list after the other. heard: prompts"""

    def __init__(self, said: Callable[[str], str] | Sequence[str]) -> None:
        self.said, self.heard = said, list[str]()

    def generate(self, prompts: Sequence[Any], sampling: Sampling = Sampling()) -> Samples:  # noqa: B008, RUF100
        (messages,) = prompts
        self.heard.append("\n".join(message["content"] for message in messages))
        text = self.said(self.heard[-1]) if callable(self.said) else self.said[len(self.heard) - 1]
        none, one = np.zeros((1, 0)), np.zeros(1, np.int64)
        return Samples(
            one, (text,), none.astype(np.int64), none.astype(bool), none.astype(np.float32), none.astype(np.float32),
            ("stop",), ("",), one, one,
        )  # fmt: skip

    def logprobs(self, sequences: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def memory(tmp_path) -> Iterator[Memory]:
    with Memory(tmp_path / "cases.db", policy="similarity", relevance_floor=0.0) as made:
        yield made


def test_a_question_is_planned_carried_out_with_tools_answered_and_becomes_a_case(memory) -> None:
    planner = Scripted(
        lambda prompt: final("5") if "Results so far" in prompt else f"Sure:\n```json\n{plan('add 2 and 3')}\n```"
    )
    executor = Scripted(
        lambda prompt: (
            "the sum is 5" if "Tools used for it" in prompt else '{"tool": "add", "arguments": {"a": 2, "b": 3}}'
        )
    )
    with McpTools(SERVER) as tools:
        assert set(tools.listing) == {"add", "fail"} and "sum of two" in tools.listing["add"]
        assert tools.call("add", {"a": 2, "b": 3}) == "5"
        assert tools.call("fail", {}).startswith("error:") and tools.call("nothing", {}).startswith("error: no tool")
        assert tools.call("add", {"a": "x"}).startswith("error:")
        agent = Memento(planner, memory, executor=executor, tools=tools)
        attempt = agent.attempt("What is 2 + 3?")
    assert (attempt.status, attempt.answer, attempt.done) == ("answered", "5", (("add 2 and 3", "the sum is 5"),))
    assert "- add: The sum" in executor.heard[0] and executor.heard[1].endswith("  5") and attempt.calls == 4
    assert attempt.calls <= agent.most_calls
    id = agent.retain(attempt, 1.0)
    record = memory.get(id)
    assert record.content == case_text("What is 2 + 3?", attempt.plan) and record.kind == "case"
    assert (record.meta["reward"], record.meta["tries"], record.meta["told"]) == (1.0, 1, 1)


def test_cases_stand_in_their_blocks_and_those_without_an_outcome_in_none(memory) -> None:
    first = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("step of " + prompt[-3:]))
    agent = Memento(first, memory)
    for name, reward in (("aaa", 1.0), ("bbb", 0.0), ("ccc", None)):
        agent.retain(agent.attempt(f"question {name}"), reward)

    def prompt_of(**how: Any) -> tuple[str, Any]:
        planner = Scripted([final("y")])
        attempt = Memento(planner, memory, **how).attempt("question ddd")
        return planner.heard[0], attempt

    told, attempt = prompt_of()
    follow, _, avoid = told.partition(AVOID)
    assert "aaa" in follow and FOLLOW in follow and "bbb" in avoid and "ccc" not in told
    by_name = {record.meta["question"][-3:]: record.id for record in memory.list(kind="case").records}
    assert attempt.shown == (by_name["aaa"], by_name["bbb"]) and attempt.plan == ""
    told, attempt = prompt_of(negatives=False)
    assert AVOID not in told and attempt.shown == (by_name["aaa"],)
    assert prompt_of(k=0)[1].shown == ()


def test_outcomes_fall_to_what_was_shown_and_late_ones_are_not_failures_until_then(memory) -> None:
    planner = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("look"))
    agent = Memento(planner, memory)
    first = agent.attempt("question one")
    id = agent.retain(first)
    assert memory.get(id).meta["reward"] is None
    agent.outcome(first, 1.0)
    assert (memory.get(id).meta["reward"], memory.get(id).meta["tries"]) == (1.0, 1)
    second = agent.attempt("question two")
    assert second.shown == (id,)
    agent.retain(second, 0.0)
    assert memory.get(id).utility.n == 1 and memory.get(id).utility.total == 0
    rows = logged_rows(memory)
    assert [(q, c, float(r)) for q, c, r in zip(rows.queries, rows.questions, rows.rewards, strict=True)] == [
        ("question two", "question one", 0.0)
    ]
    assert rows.cases == (case_text("question one", plan("look")),)
    agent.attempt("question one")  # shown its own case, and no outcome said
    assert guarded(logged_rows(memory))[1] == {"no reward": 2}
    for reward in (1.5, float("nan")):
        with pytest.raises(BadValue, match="reward"):
            agent.retain(second, reward)


def test_the_same_plan_for_the_same_question_is_one_case_that_counts(memory) -> None:
    planner = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("look"))
    agent = Memento(planner, memory)
    ids = {agent.retain(agent.attempt(text), reward) for text, reward in (("Who?", 1.0), ("who?", 0.0), ("Who?", 1.0))}
    assert len(ids) == 1 and len(memory.list(kind="case").records) == 1
    meta = memory.get(ids.pop()).meta
    assert (meta["tries"], meta["told"]) == (3, 3) and meta["reward"] == pytest.approx(2 / 3)


def test_a_question_is_not_shown_itself_where_that_is_barred(memory) -> None:
    planner = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("look"))
    agent = Memento(planner, memory)
    agent.retain(agent.attempt("Who was it?"), 1.0)
    assert agent.attempt("who was  it?").shown != ()
    barred = Memento(planner, memory, own=False)
    attempt = barred.attempt("who was  it?")
    assert attempt.shown == ()
    barred.retain(attempt, 0.0)
    assert all(record.utility.n == 0 for record in memory.list(kind="case").records)


@pytest.mark.parametrize(
    ("said", "status", "calls"),
    [
        (["I would look it up.", final("7")], "answered", 2),
        (["I would look it up.", "Really."], "malformed", 2),
        (['{"plan": []}', '{"plan": "look"}'], "malformed", 2),
        ([""], "silent", 1),
        ([plan("a"), ""], "silent", 2),
    ],
)
def test_what_cannot_be_read_is_asked_for_once_more_and_never_raises(memory, said, status, calls) -> None:
    attempt = Memento(Scripted(said), memory).attempt("q")
    assert (attempt.status, attempt.calls) == (status, calls)


def test_an_agent_that_never_answers_ends(memory) -> None:
    agent = Memento(Scripted(lambda prompt: plan("a", "b", "c") if "You plan" in prompt else "done"), memory, steps=2)
    attempt = agent.attempt("q")
    assert attempt.status == "no answer" and len(attempt.done) == 6 and attempt.calls == 10 <= agent.most_calls


def test_a_model_that_only_uses_tools_is_stopped(memory) -> None:
    class Echo:
        listing = {"echo": "says it"}  # noqa: RUF012

        def call(self, name: str, arguments: Any) -> str:
            return str(arguments)

    executor = Scripted(lambda prompt: '{"tool": "echo", "arguments": {}}')
    planner = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("a"))
    attempt = Memento(planner, memory, executor=executor, tools=Echo(), uses=2).attempt("q")
    assert attempt.calls == 5 and "Tools:" not in executor.heard[-1] and attempt.answer == "x"


def test_the_memory_chooses_by_a_learned_value(tmp_path) -> None:
    class Second:
        id = "second"

        def q(self, query: str, records: Any) -> list[float]:
            return [float("two" in record.content) for record in records]

    planner = Scripted(lambda prompt: final("x") if "Results so far" in prompt else plan("look"))
    with Memory(tmp_path / "c.db", policy=Policy("top q", scorer=Second()), relevance_floor=0.0) as memory:
        agent = Memento(planner, memory, k=1)
        for name in ("one", "two", "three"):
            agent.retain(agent.attempt(f"question {name}"), 1.0)
        assert memory.get(agent.attempt("question one").shown[0]).meta["question"] == "question two"


def test_answers_are_read_through_fences_and_greetings_and_nothing_else_is() -> None:
    assert read_plan(f"Here {{you}} go: {plan('a', 'b', 'c')}", 2) == read_plan(plan("a", "b"), 9)
    assert read_plan('{"plan": ["a", "b"]}', 5) == (("a", "b"), None) and read_plan(final("  x "), 3) == ((), "x")
    assert read_plan('{"final_answer": 7}', 3) == ((), "7")
    for said in (
        "",
        "none",
        '{"plan": [1]}',
        '{"final_answer": ""}',
        "[" * 10_000,
        '{"plan": [{"id": 1}]}',
        "{" * 5000,
    ):
        assert read_plan(said, 3) is None
    assert read_tool_use('{"tool": "t", "arguments": [1]}') == ("t", {}) and read_tool_use("42") is None


def test_tools_that_cannot_be_had_are_told_at_once() -> None:
    with pytest.raises(Unavailable), McpTools([sys.executable, "-c", "raise SystemExit(3)"], timeout=5.0):
        pass
    with pytest.raises(BadValue, match="command"):
        McpTools([])
    with pytest.raises(BadValue, match="entered"):
        McpTools(SERVER).call("add", {})


@pytest.mark.parametrize("how", [{"k": -1}, {"rounds": 0}, {"steps": 0}, {"uses": -1}, {"k": True}])
def test_impossible_numbers_are_refused(memory, how) -> None:
    with pytest.raises(BadValue, match=next(iter(how))):
        Memento(Scripted([]), memory, **how)
