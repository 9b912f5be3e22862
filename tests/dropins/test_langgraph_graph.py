"""Compiled graphs with a real checkpointer, whose nodes remember and recall through the store, and are credited."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import Command, interrupt

from tests.dropins.conftest import Maker
from wayfare.dropins.langgraph import WayfareStore

INDEX = {"fields": ["note"]}
NOTES = {
    "flush": "Login fails after a password reset: flush the session cache",
    "region": "Login fails after a password reset: ask for the region of the account",
    "calendar": "Calendars of shared accounts sync once a day",
}
QUESTION = "login fails after a password reset"


class State(TypedDict, total=False):
    ticket: str
    advice: list[str]
    approved: bool
    solved: bool


def look_up(state: State, runtime: Runtime[None]) -> State:
    """One note at most: whoever gets the wrong one does not solve the ticket."""
    assert runtime.store is not None
    found = runtime.store.search(("notes",), query=state["ticket"], limit=1)
    return {"advice": [item.key for item in found]}


async def look_up_later(state: State, runtime: Runtime[None]) -> State:
    assert runtime.store is not None
    found = await runtime.store.asearch(("notes",), query=state["ticket"], limit=1)
    return {"advice": [item.key for item in found]}


def work(state: State) -> State:
    return {"solved": state["advice"] == ["flush"]}


def write_down(state: State, *, store: BaseStore) -> State:
    store.put(("log",), state["ticket"], {"note": f"{state['ticket']}: {state['solved']}"})
    return {}


def approve(state: State) -> State:
    return {"approved": interrupt({"advice": state["advice"]})}


def _graph(store: WayfareStore, saver: Any, *, looks: Any = look_up, asks: bool = False) -> Any:
    builder = StateGraph(State)
    nodes: list[tuple[str, Any]] = [("look_up", looks), ("work", work), ("write_down", write_down)]
    if asks:
        nodes[1:1] = [("approve", approve), ("look_again", looks)]
    for name, node in nodes:
        builder.add_node(name, node)
    order = [START, *(name for name, _ in nodes), END]
    for before, after in pairwise(order):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=saver, store=store)


def _begun(store: WayfareStore) -> dict[str, str]:
    for key, note in NOTES.items():
        store.put(("notes",), key, {"note": note})
    return {record.content: record.id for record in store.memory.list().records}


def _means(store: WayfareStore) -> dict[str, float | None]:
    by = {note: key for key, note in NOTES.items()}
    return {by[each.content]: each.utility.mean for each in store.memory.list().records if each.content in by}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_a_graph_has_looked_up_is_credited_with_its_outcome_and_the_next_graph_knows(
    ours: Maker, tmp_path: Path, asynchronous: bool
) -> None:
    store = ours(index=INDEX, policy="thompson")
    _begun(store)
    solved: list[bool] = []

    def close(task: Any, state: State) -> None:
        assert len(task.recalls) == 1 and task.recalls[0].logged
        assert [item.record.content for item in task.recalls[0]] == [NOTES[key] for key in state["advice"]]
        task.credit(1.0 if state["solved"] else 0.0)
        solved.append(state["solved"])

    def run() -> None:
        with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
            graph = _graph(store, saver)
            for number in range(24):
                with store.memory.task(f"ticket-{number}") as task:
                    close(task, graph.invoke({"ticket": QUESTION}, {"configurable": {"thread_id": str(number)}}))
            assert len(list(saver.list({"configurable": {"thread_id": "0"}}))) >= 4

    async def arun() -> None:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
            graph = _graph(store, saver, looks=look_up_later)
            for number in range(24):
                with store.memory.task(f"ticket-{number}") as task:
                    config = {"configurable": {"thread_id": str(number)}}
                    close(task, await graph.ainvoke({"ticket": QUESTION}, config))

    asyncio.run(arun()) if asynchronous else run()
    means = _means(store)
    assert means["flush"] == 1.0 and means["region"] == 0.0 and means["calendar"] is None
    assert sum(solved[-12:]) >= 10 and not all(solved)  # by likeness alone both are as good: it has learned
    assert store.get(("log",), QUESTION) is not None


def test_a_graph_that_waits_for_somebody_is_credited_for_both_its_parts(
    ours: Maker, places: Any, tmp_path: Path
) -> None:
    first = ours(index=INDEX)
    ids = _begun(first)
    config = {"configurable": {"thread_id": "ticket-7"}}
    path = str(tmp_path / "checkpoints.db")
    with SqliteSaver.from_conn_string(path) as saver, first.memory.task("ticket-7"):
        state = _graph(first, saver, asks=True).invoke({"ticket": QUESTION}, config)
        assert state["__interrupt__"][0].value["advice"] and "solved" not in state
    namespace = first.memory._ground.namespace
    later = ours(index=INDEX, namespace=namespace)  # another handle, as after a restart
    with SqliteSaver.from_conn_string(path) as saver, later.memory.task("ticket-7") as task:
        state = _graph(later, saver, asks=True).invoke(Command(resume=True), config)
        assert state["approved"] and len(task.recalls) == 1
    done = later.memory.credit("ticket-7", 1.0, source="human")
    assert set(done.shares) <= set(ids.values()) and sum(done.shares.values()) == pytest.approx(1.0)
    shown = {record.id for record in later.memory.list().records if record.utility.recalled}
    assert shown == set(done.shares)


def test_what_was_shown_by_a_filter_is_credited_too(ours: Maker) -> None:
    store = ours(index=INDEX)
    _begun(store)
    with store.memory.task("t") as task:
        found = store.search(("notes",), query=QUESTION, filter={"note": {"$ne": NOTES["flush"]}}, limit=1)
        assert [item.key for item in found] == ["region"]
        assert [recall.side for recall in task.recalls] == ["fixed"]
        task.credit(0.0)
    assert _means(store)["region"] == 0.0 and _means(store)["flush"] is None


def test_outside_of_a_task_nothing_is_written_by_a_search(ours: Maker) -> None:
    store = ours(index=INDEX)
    _begun(store)
    before = store.memory.stats()
    assert store.search(("notes",), query="flush the session cache")[0].key == "flush"
    assert store.memory.stats() == before
