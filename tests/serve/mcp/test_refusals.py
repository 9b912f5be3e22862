"""What a tool refuses: it says which argument and what is allowed, nothing has changed, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult

from tests.memory.stores import Store
from tests.serve.mcp.conftest import Site, over_http
from tests.serve.mcp.test_agents import answer, words
from wayfare.memory import Memory
from wayfare.serve.handles import Handles
from wayfare.serve.mcp.calls import served
from wayfare.serve.mcp.tools import TOOLS
from wayfare.serve.settings import Limits
from wayfare.serve.tokens import SCOPES, Grant
from wayfare.serve.verbs import VERBS

ALL = ("read", "write", "credit", "forget")


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("remember", {}, "text: Field required"),
    ("remember", {"text": ""}, "text: String should have at least 1 character"),
    ("remember", {"text": 7}, "text: Input should be a valid string"),
    ("remember", {"text": "x" * 1_000_001}, "text must be 1000000 characters at most"),
    ("remember", {"text": "x", "tags": "billing"}, "tags: Input should be a valid list"),
    ("remember", {"text": "x", "tags": ["y"] * 101}, "tags: List should have at most 100 items"),
    ("remember", {"text": "x", "keys": nested(100)}, "keys must be 32 levels deep at most"),
    ("remember", {"text": "x", "keys": [{"role": "intent"}]}, "keys.0.text: Field required"),
    ("remember", {"text": "x", "event": True}, "event"),
    ("remember", {"text": "x", "event": [1.0, 2.0, 3.0]}, "event"),
    ("remember", {"text": "x", "event": "soon"}, "event must be a date (2026-03-01"),
    ("remember", {"text": "x", "meta": {}}, "meta must be left out: remember takes text, kind"),
    ("remember", {"text": "x", "actor": "root"}, "actor must be left out"),
    ("remember", {"text": "x", "namespace": "other"}, "namespace must be left out"),
    ("remember", {"text": "x", "recall": "nope"}, "no receipt has the id 'nope'"),
    ("remember", {"text": "x", "idempotency_key": 7}, "idempotency_key must be a text"),
    ("recall", {"query": "x", "k": 0}, "k: Input should be greater than or equal to 1"),
    ("recall", {"query": "x", "k": 51}, "k: Input should be less than or equal to 50"),
    ("recall", {"query": "x", "k": "five"}, "k: Input should be a valid integer"),
    ("recall", {"query": "x", "k": 2.5}, "k: Input should be a valid integer"),
    ("recall", {"query": "x", "budget_tokens": -1}, "budget_tokens: Input should be greater than"),
    ("recall", {"query": "x", "policy": "similarity"}, "policy must be left out"),
    ("recall", {"query": nested(10)}, "query: Input should be a valid string"),
    ("revise", {"id": "nope", "text": "x"}, "no memory has the id 'nope'"),
    ("revise", {"id": "nope"}, "revise must be told what to change"),
    ("history", {"id": "nope"}, "no memory has the id 'nope'"),
    ("forget", {"id": "nope", "purge": "yes"}, "purge: Input should be a valid boolean"),
    ("credit", {"task": "t"}, "reward: Field required"),
    ("credit", {"task": "t", "reward": 2}, "reward must be from 0 to 1"),
    ("credit", {"task": "t", "reward": "1"}, "reward: Input should be a valid number"),
    ("credit", {"task": "t", "reward": True}, "reward: Input should be a valid number"),
    ("credit", {"task": "t", "reward": 1, "used": ["nope"]}, "used"),
]


def test_a_refusal_names_the_argument_and_what_is_allowed_and_nothing_has_changed(site: Site) -> None:
    with site.memory() as memory:
        memory.remember("Flush the session cache")
        memory.recall("session cache", task="t")
        before = {**memory.stats(), "bytes": 0}

        async def ask() -> None:
            async with over_http(site.url, site.token(*ALL)) as client:
                for name, asked, said in WRONG:
                    refused = await client.call_tool(name, asked)
                    assert refused.is_error and refused.structured_content is None
                    assert said in words(refused) and len(words(refused)) < 2_000, (name, words(refused))
                assert len(answer(await client.call_tool("history", {"id": memory.list().records[0].id}))) == 1

        asyncio.run(ask())
        assert {**memory.stats(), "bytes": 0} == before


Value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["t", "fact", "\0", "\ud800", "2026-03-01", "9999999-01-01", "x" * 300, "<memories>", 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6,
)  # fmt: skip
NAMES = sorted(
    {name for tool in TOOLS.values() for name in [*tool.fields, "idempotency_key", "namespace", "__class__"]}
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A tool, and arguments: likely ones, with others instead of some."""
    name = draw(st.sampled_from(list(TOOLS)))
    asked: dict[str, Any] = {
        "recall": {"query": "session"}, "remember": {"text": "session note"}, "revise": {"id": "ID", "text": "other"},
        "history": {"id": "ID"}, "credit": {"task": "t", "reward": 1.0}, "forget": {"id": "ID"},
    }[name]  # fmt: skip
    names = [*TOOLS[name].fields, "idempotency_key"] if draw(st.booleans()) else NAMES
    return name, {**asked, **draw(st.dictionaries(st.sampled_from(names), Value, max_size=3))}


class Serving:
    """A server in this process, on a store, with every scope."""

    def __init__(self, address: str) -> None:
        self.handles = Handles(address, synchronous="NORMAL")
        self.grant = Grant("test", "agent", "default", (), frozenset(SCOPES), None)

        async def do(grant: Grant, verb: str, ask: Any, key: str | None) -> Any:
            with self.handles.lent(grant) as memory:
                return VERBS[verb](memory, ask, key)

        self.server = served(do, lambda _: self.grant, Limits())

    def call(self, name: str, asked: dict[str, Any]) -> CallToolResult:
        async def once() -> CallToolResult:
            async with Client(self.server, mode="2026-07-28") as client:
                return await client.call_tool(name, asked)

        return asyncio.run(once())


def test_whatever_arguments_come_a_tool_answers_or_refuses_and_what_it_refuses_changes_nothing(
    address: str, store: Store
) -> None:
    serving = Serving(address)
    with Memory(address, synchronous="NORMAL") as memory:
        kept = memory.remember("Flush the session cache")
        memory.recall("session cache", task="t")

        def state() -> Any:
            """Every version of all that there is, and what the log counts."""
            return memory.list(limit=1_000, status=None), {**memory.stats(), "bytes": 0}

        @settings(max_examples=200 if store.name == "file" else 60)
        @given(calls())
        def fuzz(call: tuple[str, dict[str, Any]]) -> None:
            name, asked = call
            if asked.get("id") == "ID":
                asked["id"] = kept.id
            result = serving.call(name, asked)
            assert "fault of the server" not in words(result), (name, asked)
            now = state()
            if result.is_error:
                assert words(result) and now == last[0], (name, asked)
            else:
                json.dumps(result.structured_content, allow_nan=False)
            last[0] = now

        last = [state()]
        fuzz()
    serving.handles.close()


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
def test_what_no_json_should_hold_is_refused_by_name_before_anything_reads_it(site: Site, version: str) -> None:
    """Sent as it is: the official client would not."""
    headers = {
        "Authorization": f"Bearer {site.token(*ALL)}", "Content-Type": "application/json", "Accept": "application/json",
        "MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": "credit",
    }  # fmt: skip
    meta = {
        "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }  # fmt: skip
    for asked, said in (
        ({"task": "t", "reward": math.nan}, "reward must be a finite number"),
        ({"task": "t", "reward": 1.0, "used": [-math.inf]}, "used must be a finite number"),
        ({"task": nested(100), "reward": 1.0}, "task must be 32 levels deep at most"),
        ({"task": {"x": "y" * 2_000_000}, "reward": 1.0}, "task must be 1000000 characters at most"),
        ({"task": "t", "reward": 10**400}, "reward"),
        ({"\0": 1, "task": "t", "reward": 1.0}, "\0 must be left out"),
    ):
        body = json.dumps({**ENVELOPE, "params": {"name": "credit", "arguments": asked, "_meta": meta}})
        result = httpx.post(site.url, content=body.encode(), headers=headers, timeout=60).json()["result"]
        assert result["isError"] and result["content"][0]["text"].startswith(said), result


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
ENVELOPE = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
GOOD = {**ENVELOPE, "params": {"name": "remember", "arguments": {"text": "x"}}}
BODIES: list[bytes] = [
    b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 100_000,
    json.dumps([GOOD, GOOD]).encode(),
    json.dumps({**ENVELOPE, "params": []}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": 7}}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": "remember", "arguments": [1]}}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": "remember", "arguments": {"text": math.nan}}}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": "credit", "arguments": {"task": "t", "reward": math.inf}}}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": "remember", "arguments": {"text": "\ud800"}}}).encode(),
    json.dumps({**ENVELOPE, "params": {"name": "remember", "arguments": {"text": nested(500)}}}).encode(),
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"recall","arguments":{"query":"x","k":'
    + b"9" * 5_000 + b"}}}",
    json.dumps({**ENVELOPE, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}).encode(),
    json.dumps({**ENVELOPE, "method": "no/such"}).encode(),
    json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode(),
    json.dumps({"jsonrpc": "1.0", "id": {}, "method": "tools/call"}).encode(),
    b'{"x": "' + b"y" * (5 * 2**20) + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("version", [None, "2025-06-18", "2026-07-28", "1999-01-01", "\x7f"])
def test_no_body_is_a_fault_of_the_server_or_changes_anything(site: Site, version: str | None) -> None:
    headers = {
        "Authorization": f"Bearer {site.token(*ALL)}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "Mcp-Method": "tools/call", "Mcp-Name": "remember",
    }  # fmt: skip
    if version is not None:
        headers["MCP-Protocol-Version"] = version
    with site.memory() as memory, httpx.Client(headers=headers, timeout=60) as client:
        before = {**memory.stats(), "bytes": 0}
        for body in BODIES:
            said = client.post(site.url, content=body)
            assert said.status_code < 500, (body[:200], said.status_code, said.text[:500])
            assert "Traceback" not in said.text and len(said.content) < 20_000
            if said.status_code == 200:
                result = said.json()
                assert "error" in result or result["result"]["isError"], body[:200]
        for method in ("GET", "DELETE", "PUT"):
            assert client.request(method, site.url).status_code == 405
        assert client.post(site.url, content=b"text=x", headers={"Content-Type": "text/plain"}).status_code < 500
        assert {**memory.stats(), "bytes": 0} == before


def test_who_has_no_good_token_or_calls_from_another_page_is_not_heard(site: Site) -> None:
    good = {"Authorization": f"Bearer {site.token(*ALL)}", "Accept": "application/json, text/event-stream"}
    for headers in (
        {},
        {"Authorization": "Bearer nope"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer  x y"},
    ):
        said = httpx.post(site.url, json=GOOD, headers={**good, "Authorization": "", **headers})
        assert said.status_code == 401 and said.headers["WWW-Authenticate"].startswith("Bearer"), headers
    said = httpx.post(site.url, json=GOOD, headers={**good, "Host": "rebound.example"})
    assert 400 <= said.status_code < 500
    said = httpx.post(site.url, json=GOOD, headers={**good, "Origin": "https://elsewhere.example"})
    assert said.status_code == 403
    with site.memory() as memory:
        assert not memory.list().records
    assert httpx.post(site.url, json=GOOD, headers=good).status_code == 200


def test_too_many_requests_of_a_token_are_told_to_wait(address: str) -> None:
    from tests.serve.serving import served as server
    from wayfare.serve.mcp.mounted import attach

    with server(address, attach=(attach,), limits=Limits(rate=0.001, burst=3)) as made:
        text, _ = made.token()
        headers = {"Authorization": f"Bearer {text}", "Accept": "application/json"}
        statuses = [httpx.post(f"{made.base_url}/mcp", json=GOOD, headers=headers) for _ in range(4)]
        assert [each.status_code for each in statuses] == [200, 200, 200, 429]
        assert int(statuses[-1].headers["Retry-After"]) >= 1


def test_a_process_says_nothing_but_the_protocol_and_outlives_nonsense(tmp_path: Path) -> None:
    lines: list[bytes] = [
        b"hello", b"{", b"\xff\xfe", b"[" * 10_000, b"null", *(body for body in BODIES[9:22] if b"\n" not in body),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode(),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode(),
        json.dumps({**GOOD, "id": "last"}).encode(),
    ]  # fmt: skip
    program = [sys.executable, "-m", "wayfare", "memory", "mcp", str(tmp_path / "a.db")]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"\n".join(lines) + b"\n")
    process.stdin.flush()
    said = []
    for line in process.stdout:
        said.append(json.loads(line))
        if said[-1].get("id") == "last":
            break
    rest, _ = process.communicate()
    assert process.returncode == 0 and rest == b""
    assert all(each["jsonrpc"] == "2.0" for each in said)
    assert said[-1]["result"]["structuredContent"]["op"] == "ADD"
    with Memory(tmp_path / "a.db") as memory:
        assert [record.content for record in memory.list().records] == ["x"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{folder}/no/such/a.db"], "address must be in a folder that is there"),
        (["{folder}/a.db", "--scopes", "all"], "scopes must be some of read, write"),
        (["{folder}/a.db", "--namespace", "org//ann"], "namespace must be"),
        (["{folder}/a.db", "--actor", "x" * 300], "actor must be"),
        (["{folder}/junk.db"], "is not a database"),
    ],
)
def test_a_process_that_cannot_serve_says_why_on_one_line_and_ends(
    tmp_path: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from wayfare.cli import main

    (tmp_path / "junk.db").write_bytes(b"junk" * 1_000)
    assert main(["memory", "mcp", *(each.format(folder=tmp_path) for each in arguments)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and said in err and err.count("\n") == 1
