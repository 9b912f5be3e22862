"""What a client is told of the tools, and that it is so: forms, hints, and answers as the other doors give them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError
from mcp_types import Tool

from tests.serve.mcp.conftest import Site, over_http
from tests.serve.mcp.test_agents import answer
from wayfare.memory import Memory
from wayfare.serve.tokens import Tokens

ALL = ("read", "write", "credit", "forget")


async def _tools(site: Site) -> dict[str, Tool]:
    async with over_http(site.url, site.token(*ALL)) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


def test_every_argument_is_described_and_no_form_needs_another_to_be_read(site: Site) -> None:
    tools = asyncio.run(_tools(site))
    assert list(tools) == ["recall", "remember", "revise", "history", "credit", "forget"]
    for tool in tools.values():
        assert tool.title and tool.description and tool.output_schema is not None
        for form in (tool.input_schema, tool.output_schema):
            text = json.dumps(form)
            assert form["type"] == "object" and form["additionalProperties"] is False
            assert "$ref" not in text and "$defs" not in text
        assert set(tool.input_schema["required"]) <= set(tool.input_schema["properties"])
        assert all(each["description"] for each in tool.input_schema["properties"].values())
    # What is read into every prompt of every agent: about 2,000 tokens for all six.
    told = [tool.model_dump(by_alias=True, exclude_none=True, exclude={"output_schema"}) for tool in tools.values()]
    assert len(json.dumps(told)) < 8_500


def test_the_hints_of_the_tools_are_true(site: Site) -> None:
    tools = asyncio.run(_tools(site))
    with site.memory() as memory:
        kept = memory.remember("Flush the session cache")
        gone = memory.remember("Invoices are sent on Mondays")
        memory.recall("session cache", task="t")
        calls: dict[str, dict[str, Any]] = {
            "recall": {"query": "session cache"}, "history": {"id": kept.id}, "remember": {"text": "A new thought"},
            "revise": {"id": kept.id, "text": "Flush all caches"}, "credit": {"task": "t", "reward": 1.0},
            "forget": {"id": gone.id},
        }  # fmt: skip

        def state() -> Any:
            """Every version of every memory, and what credit has taught; not how often it was recalled."""
            records = memory.list(status=None).records
            return {
                each.id: (len(memory.history(each.id)), each.content, each.status, each.utility.n) for each in records
            }

        async def look() -> None:
            async with over_http(site.url, site.token(*ALL)) as client:
                for name, asked in calls.items():
                    hints = tools[name].annotations
                    assert hints is not None and hints.open_world_hint is False
                    before = state()
                    answer(await client.call_tool(name, asked))
                    once = state()
                    assert (once == before) == bool(hints.read_only_hint), name
                    await client.call_tool(name, asked)
                    assert state() == once or not (hints.read_only_hint or hints.idempotent_hint), name
                    if not hints.read_only_hint and not hints.destructive_hint:  # it only adds
                        assert all(each in state() and state()[each][0] >= before[each][0] for each in before), name

        asyncio.run(look())


def test_a_tool_answers_what_the_http_door_answers_in_fewer_fields(site: Site) -> None:
    token = {"Authorization": f"Bearer {site.token(*ALL)}"}
    http = httpx.Client(base_url=site.url.removesuffix("/mcp"), headers=token)

    async def look() -> None:
        async with over_http(site.url, site.token(*ALL)) as client:
            kept = answer(await client.call_tool("remember", {"text": "Flush the session cache", "tags": ["a"]}))
            again = http.post("/v1/remember", json={"text": "Flush the session cache", "tags": ["a"]}).json()
            assert {**again, "op": "ADD", "reason": "", "seq": kept["seq"]} == kept
            seen = answer(await client.call_tool("recall", {"query": "session cache", "task": "one"}))
            theirs = http.post("/v1/recall", json={"query": "session cache", "task": "two"}).json()
            for mine, other in zip(seen["items"], theirs["items"], strict=True):
                whole = {**other["memory"], **other}
                assert mine == {name: whole[name] for name in mine}
            assert seen.keys() < theirs.keys() and (seen["task"], theirs["task"]) == ("one", "two")
            said = answer(await client.call_tool("credit", {"task": "one", "reward": 0.5, "source": "human"}))
            other = http.post("/v1/tasks/two/outcome", json={"reward": 0.5, "source": "human"}).json()
            assert {**said, "task": "two", "seq": other["seq"]} == other
            told = answer(await client.call_tool("history", {"id": kept["id"]}))["versions"]
            for mine, step in zip(told, http.get(f"/v1/memories/{kept['id']}/history").json()["versions"], strict=True):
                assert mine == {**{name: step[name] for name in mine.keys() & step.keys()},
                                "status": step["memory"]["status"], "text": step["memory"]["content"]}  # fmt: skip

    asyncio.run(look())
    http.close()


def test_a_budget_of_tokens_holds_for_the_words_and_for_the_structure(site: Site) -> None:
    async def look() -> None:
        async with over_http(site.url, site.token()) as client:
            for i in range(5):
                await client.call_tool("remember", {"text": f"Note {i} on the session cache. " + "word " * 2_000})
            asked = {"query": "session cache", "budget_tokens": 200}
            found = await client.call_tool("recall", asked)
            assert len(answer(found)["items"]) == 5
            assert sum(len(item["text"]) for item in answer(found)["items"]) < 200 * 4

    asyncio.run(look())


@contextmanager
def command_running(*words: str) -> Iterator[str]:
    """`wayfare memory serve` as an operator starts it: where it listens."""
    program = [sys.executable, "-m", "wayfare", "memory", "serve", "--port", "0", *words]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.match(r"wayfare: (http://\S+)", line)
            if found:
                break
        else:
            raise AssertionError("it did not start")
        yield found[1]
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode in (0, -signal.SIGTERM)  # uvicorn ends by the signal that stopped it


def test_any_of_several_workers_answers_and_all_refuse_a_token_that_was_revoked(tmp_path: Path) -> None:
    """Each request opens a connection of its own, so that the workers take turns as they like."""
    address = str(tmp_path / "a.db")
    with Tokens(address) as tokens:
        text, grant = tokens.issue("agent", namespace="org/ann")

        async def one(url: str, number: int) -> None:
            async with over_http(url, text, ["auto", "legacy"][number % 2]) as client:
                answer(await client.call_tool("remember", {"text": f"Note {number}"}))
                assert answer(await client.call_tool("recall", {"query": f"Note {number}"}))["items"]

        async def refused(url: str) -> None:
            for _ in range(4):
                with pytest.raises((MCPError, ExceptionGroup)):
                    async with over_http(url, text, "2026-07-28") as client:
                        await client.call_tool("recall", {"query": "Note"})

        with command_running(address, "--workers", "2") as place:
            url = f"{place}/mcp"
            for number in range(4):
                asyncio.run(one(url, number))
            tokens.revoke(grant.id)
            asyncio.run(refused(url))
    with Memory(address, namespace="org/ann") as memory:
        assert len(memory.list().records) == 4
