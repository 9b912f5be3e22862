"""One agent's loop through four doors: Python, the command line, HTTP and MCP. The same utilities come of it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from tests.serve.mcp.conftest import command
from tests.serve.serving import served
from wayfare.cli import main
from wayfare.memory import Memory

TEXTS = (
    "Login fails after a password reset: flush the session cache",
    "Login fails after a password reset: ask the user to wait",
    "Login fails when the clock of the device is wrong",
    "A password reset mail may lie in the spam folder",
    "The session cache is kept for an hour",
    "Calendars of shared accounts sync once a day",
)
QUERIES = (
    "login fails after a password reset", "the reset mail does not arrive", "session is lost", "login with wrong clock",
)  # fmt: skip
HELPS = {TEXTS[0]: 1.0, TEXTS[2]: 0.75, TEXTS[3]: 0.5}
TASKS = 12


def rounds() -> list[tuple[str, str]]:
    """(task, query) of each round."""
    return [(f"ticket-{i}", QUERIES[i % len(QUERIES)]) for i in range(TASKS)]


def reward(shown: Sequence[str]) -> float:
    """How a task went, by what was shown for it."""
    return max((HELPS.get(text, 0.0) for text in shown), default=0.0)


def python(address: str) -> None:
    with Memory(address) as memory:
        for text in TEXTS:
            memory.remember(text)
        for task, query in rounds():
            recall = memory.recall(query, k=2, task=task)
            memory.credit(task, reward([item.record.content for item in recall]))


def command_line(address: str) -> None:
    def run(*words: str) -> Any:
        said = io.StringIO()
        with redirect_stdout(said):
            assert main(["memory", *words, "--db", address, "--json"]) == 0
        return json.loads(said.getvalue())

    for text in TEXTS:
        run("remember", text)
    for task, query in rounds():
        found = run("recall", query, "--k", "2", "--task", task)
        run("credit", task, str(reward([item["content"] for item in found["items"]])))


def http(address: str) -> None:
    with served(address) as made, httpx.Client(base_url=made.base_url, timeout=60) as client:

        def post(path: str, body: Any) -> Any:
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        for text in TEXTS:
            post("/v1/remember", {"text": text})
        for task, query in rounds():
            found = post("/v1/recall", {"query": query, "k": 2, "task": task})
            worth = reward([item["memory"]["content"] for item in found["items"]])
            post(f"/v1/tasks/{task}/outcome", {"reward": worth})


def mcp(address: str) -> None:
    async def loop() -> None:
        words = command(address, "--scopes", "read", "write", "credit", "--actor", "")
        async with Client(words) as client:

            async def call(tool: str, **given: Any) -> Any:
                done = await client.call_tool(tool, given)
                assert not done.is_error, done.content
                return done.structured_content

            texts = {}
            for text in TEXTS:
                texts[(await call("remember", text=text))["id"]] = text
            for task, query in rounds():
                found = await call("recall", query=query, k=2, task=task)
                worth = reward([texts[item["id"]] for item in found["items"]])
                await call("credit", task=task, reward=worth, source="harness")

    asyncio.run(loop())


DOORS: dict[str, Callable[[str], None]] = {"command line": command_line, "http": http, "mcp": mcp}


def taught(address: str) -> dict[str, tuple[float, ...]]:
    """What each memory has been credited with."""
    with Memory(address) as memory:
        found = memory.list().records
    return {
        each.content: (each.utility.n, each.utility.total, each.utility.squares, each.utility.q, each.utility.recalled)
        for each in found
    }


@pytest.mark.parametrize("door", DOORS)
def test_the_same_loop_teaches_the_same_through(
    door: str,
    new_address: Callable[[], str],
    tmp_path: Path,
) -> None:
    here, there = str(tmp_path / "python.db"), new_address()
    python(here)
    DOORS[door](there)
    assert taught(there) == taught(here)
    assert sum(n for n, *_ in taught(here).values()) == pytest.approx(TASKS)
