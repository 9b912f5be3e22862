"""What an agent does with the tools: the whole loop on both doors, in both protocols, on both stores."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import anyio
import httpx
import pytest
from mcp import MCPError
from mcp_types import CallToolResult

from tests.serve.mcp.conftest import Opens, Site, over_http, over_stdio
from tests.serve.serving import served
from wayfare.memory import Memory
from wayfare.serve.mcp.mounted import attach

TOOLS = {"read": ["recall", "history"], "write": ["remember", "revise"], "credit": ["credit"], "forget": ["forget"]}


def answer(result: CallToolResult) -> Any:
    """What a tool answered. It has not refused."""
    assert not result.is_error, result.content
    return result.structured_content


def words(result: CallToolResult) -> str:
    """What a model reads that reads text only."""
    return "".join(each.text for each in result.content if each.type == "text")


@pytest.mark.parametrize(
    ("agent", "mode"), [("http", "auto"), ("http", "legacy"), ("stdio", "auto")], indirect=["agent"]
)
def test_what_an_agent_recalls_and_a_harness_credits_is_learned_as_through_the_library(
    agent: Opens, site: Site, mode: str, tmp_path: Any
) -> None:
    texts = ["Flush the session cache after a password reset", "Invoices are sent on Mondays"]

    async def loop() -> dict[str, Any]:
        async with agent(mode=mode) as client:
            kept = [answer(await client.call_tool("remember", {"text": text}))["id"] for text in texts]
            found = await client.call_tool("recall", {"query": "password reset fails", "k": 1, "task": "ticket-1"})
        seen = answer(found)
        assert [item["id"] for item in seen["items"]] == kept[:1] and seen["task"] == "ticket-1"
        assert all(part in words(found) for part in (seen["id"], "ticket-1", kept[0], texts[0]))
        async with agent("credit") as harness:
            credit = {"task": seen["id"], "reward": 0.75, "used": kept[:1], "source": "harness"}
            said = answer(await harness.call_tool("credit", credit))
        assert said["counted"] and said["shares"] == {kept[0]: 1.0}
        return {text: id for text, id in zip(texts, kept, strict=True)}

    ids = asyncio.run(loop())
    with site.memory() as memory, Memory(tmp_path / "a.db") as alone:
        mine = {text: alone.remember(text).id for text in texts}
        alone.recall("password reset fails", k=1, task="ticket-1")
        alone.credit("ticket-1", 0.75, used=[mine[texts[0]]])
        for text in texts:
            ours, theirs = memory.get(ids[text]).utility, alone.get(mine[text]).utility
            assert (ours.n, ours.total, ours.squares, ours.recalled) == (
                theirs.n, theirs.total, theirs.squares, theirs.recalled,
            )  # fmt: skip
        assert memory.history(ids[texts[0]])[0].actor == "agent"


def test_a_harness_credits_over_http_what_an_agent_recalled_over_mcp(site: Site) -> None:
    async def loop() -> str:
        async with over_http(site.url, site.token()) as client:
            id: str = answer(await client.call_tool("remember", {"text": "Flush the session cache"}))["id"]
            seen = answer(await client.call_tool("recall", {"query": "session cache"}))
        token = {"Authorization": f"Bearer {site.token('credit', name='harness')}"}
        url = site.url.replace("/mcp", f"/v1/tasks/{seen['task']}/outcome")
        assert httpx.post(url, json={"reward": 1.0}, headers=token).json()["shares"] == {id: 1.0}
        async with over_http(site.url, site.token("credit", name="itself")) as client:
            own = await client.call_tool("credit", {"task": seen["task"], "reward": 0.0})
        assert answer(own)["source"] == "agent" and not answer(own)["counted"]
        return id

    id = asyncio.run(loop())
    with site.memory() as memory:
        assert memory.get(id).utility.mean == 1.0


def test_a_memory_is_revised_forgotten_and_purged_with_its_history_told(site: Site) -> None:
    async def loop() -> str:
        async with over_http(site.url, site.token("read", "write", "forget")) as client:
            id: str = answer(await client.call_tool("remember", {"text": "The token lives an hour"}))["id"]
            asked = {"id": id, "text": "The token lives a day", "expect": 1, "reason": "new setting"}
            assert answer(await client.call_tool("revise", asked))["version"] == 2
            stale = await client.call_tool("revise", {**asked, "text": "The token lives a week"})
            assert stale.is_error and "is at version 2, not 1" in words(stale)
            told = await client.call_tool("history", {"id": id})
            steps = answer(told)["versions"]
            assert [(each["text"], each["reason"]) for each in steps] == [
                ("The token lives an hour", ""), ("The token lives a day", "new setting"),
            ]  # fmt: skip
            assert "new setting" in words(told) and "an hour" in words(told)
            assert not answer(await client.call_tool("forget", {"id": id}))["purged"]
            assert answer(await client.call_tool("recall", {"query": "token"}))["items"] == []
            assert answer(await client.call_tool("forget", {"id": id, "purge": True}))["purged"]
        return id

    id = asyncio.run(loop())
    with site.memory() as memory:
        assert all(step.record is None for step in memory.history(id))


def test_an_agent_may_say_a_time_as_a_date(site: Site) -> None:
    async def loop() -> str:
        async with over_http(site.url, site.token()) as client:
            said = {"text": "The session cache moved", "event": ["2026-03-01", "2026-03-02T12:00:00+02:00"]}
            id: str = answer(await client.call_tool("remember", said))["id"]
            for since, found in (("2026-02-28", [id]), ("2026-03-03", []), (1772323200, [id])):
                asked = {"query": "session cache", "since": since}
                items = answer(await client.call_tool("recall", asked))["items"]
                assert [item["id"] for item in items] == found
            wrong = await client.call_tool("recall", {"query": "x", "until": "yesterday"})
            assert wrong.is_error and words(wrong).startswith("until must be a date (2026-03-01")
        return id

    id = asyncio.run(loop())
    with site.memory() as memory:
        record = memory.get(id)
        assert (record.event_from, record.event_to) == (1772323200.0, 1772445600.0)


@pytest.mark.parametrize(
    "scopes", [("read",), ("read", "write"), ("credit",), ("read", "write", "credit", "forget"), ("write", "forget")]
)
def test_the_list_of_tools_is_what_the_token_may_do_and_the_rest_is_refused(
    site: Site, scopes: tuple[str, ...]
) -> None:
    with site.memory() as memory:
        id = memory.remember("Flush the session cache").id
        memory.recall("session cache", task="t")
        calls = {
            "recall": {"query": "session"}, "remember": {"text": "new"}, "revise": {"id": id, "text": "other"},
            "history": {"id": id}, "credit": {"task": "t", "reward": 1.0}, "forget": {"id": id},
        }  # fmt: skip
        before = {**memory.stats(), "bytes": 0}

        async def look() -> None:
            async with over_http(site.url, site.token(*scopes)) as client:
                listed = [tool.name for tool in (await client.list_tools()).tools]
                assert sorted(listed) == sorted(name for scope in scopes for name in TOOLS[scope])
                for scope in TOOLS.keys() - set(scopes):
                    for name in TOOLS[scope]:
                        refused = await client.call_tool(name, calls[name])
                        assert refused.is_error and f"{name} needs the scope {scope}" in words(refused)
                with pytest.raises(MCPError, match="there is no tool 'freeze'"):
                    await client.call_tool("freeze", {})

        asyncio.run(look())
        assert {**memory.stats(), "bytes": 0} == before


def test_tokens_of_two_namespaces_see_and_change_nothing_of_each_other(site: Site) -> None:
    other = f"{site.namespace}/other"

    async def meet() -> None:
        mine, theirs = site.token("read", "write", "forget"), site.token("read", "write", "forget", namespace=other)
        async with over_http(site.url, mine) as a, over_http(site.url, theirs) as b:
            id = answer(await a.call_tool("remember", {"text": "The master key lies under the mat"}))["id"]
            seen = answer(await a.call_tool("recall", {"query": "master key"}))
            assert len(seen["items"]) == 1
            assert answer(await b.call_tool("recall", {"query": "master key"}))["items"] == []
            for name, asked in (
                ("history", {"id": id}), ("revise", {"id": id, "text": "mine now"}), ("forget", {"id": id}),
                ("remember", {"text": "from elsewhere", "recall": seen["id"]}), ("forget", {"id": id, "purge": True}),
            ):  # fmt: skip
                refused = await b.call_tool(name, asked)
                assert refused.is_error and "in this namespace" in words(refused), name
            answers = await asyncio.gather(
                *(each.call_tool("remember", {"text": f"{name} {i}"}) for i in range(10) for name, each in
                  (("mine", a), ("theirs", b)))
            )  # fmt: skip
            assert len({answer(each)["id"] for each in answers}) == 20

    asyncio.run(meet())
    for namespace, word, count in ((site.namespace, "theirs", 11), (other, "mine", 10)):
        with site.memory(namespace) as memory:
            texts = [record.content for record in memory.list().records]
            assert len(texts) == count and not any(text.startswith(word) for text in texts)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_revoked_token_is_refused_with_the_next_request_of_a_client_that_goes_on(site: Site, mode: str) -> None:
    text, grant = site.tokens.issue("agent", namespace=site.namespace, scopes=["read", "write"])

    async def loop() -> None:
        async with over_http(site.url, text, mode) as client:
            answer(await client.call_tool("remember", {"text": "Flush the session cache"}))
            site.tokens.revoke(grant.id)
            for name, asked in (("remember", {"text": "After all"}), ("recall", {"query": "cache"})):
                with pytest.raises(MCPError):
                    await client.call_tool(name, asked)
            with pytest.raises(MCPError):
                await client.list_tools(cache_mode="bypass")
        async with over_http(site.url, site.token(), mode) as client:
            assert len(answer(await client.call_tool("recall", {"query": "cache"}))["items"]) == 1

    asyncio.run(loop())
    refused = httpx.post(site.url, json={}, headers={"Authorization": f"Bearer {text}"})
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer")
    with site.memory() as memory:
        assert [record.content for record in memory.list().records] == ["Flush the session cache"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_goes_on_when_its_server_was_started_again(address: str, mode: str) -> None:
    async def call(client: Any, text: str) -> Any:
        return answer(await client.call_tool("remember", {"text": text}))

    async def loop() -> None:
        with ExitStack() as first:
            made = first.enter_context(served(address, attach=(attach,)))
            async with over_http(f"{made.base_url}/mcp", None, mode) as client:
                await call(client, "Before")
                await asyncio.to_thread(first.close)
                port = int(made.base_url.rpartition(":")[2])
                with served(address, attach=(attach,), port=port):
                    await call(client, "After")

    asyncio.run(loop())
    with Memory(address) as memory:
        assert [record.content for record in memory.list().records] == ["Before", "After"]


def test_many_clients_at_once_lose_nothing(site: Site) -> None:
    async def one(number: int) -> None:
        async with over_http(site.url, site.token(name=f"agent-{number}")) as client:
            for i in range(4):
                answer(await client.call_tool("remember", {"text": f"Note {i} of client {number}"}))
                assert answer(await client.call_tool("recall", {"query": f"Note {i} of client {number}"}))["items"]

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(all_of_them())
    with site.memory() as memory:
        assert len(memory.list(limit=100).records) == 32 == memory.stats()["recalls"]


def test_processes_of_several_clients_share_one_store_and_offer_by_default_to_read_and_write(site: Site) -> None:
    async def one(number: int) -> None:
        async with over_stdio(site.address, site.namespace) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            assert listed == ["recall", "remember", "revise", "history"]
            for i in range(3):
                answer(await client.call_tool("remember", {"text": f"Note {i} of client {number}"}))

    async def both() -> None:
        await asyncio.gather(one(0), one(1))

    asyncio.run(both())
    with site.memory() as memory:
        assert len(memory.list().records) == 6


@pytest.mark.parametrize(
    ("agent", "mode"), [("http", "auto"), ("http", "legacy"), ("stdio", "legacy")], indirect=["agent"]
)
def test_what_was_cancelled_stands_whole_or_not_at_all_and_its_key_tells_which(
    agent: Opens, site: Site, mode: str
) -> None:
    texts = [f"Step {i}: flush the session cache" for i in range(12)]

    async def loop() -> list[Any]:
        async with agent(mode=mode) as client:
            for i, text in enumerate(texts):
                with_key = {"text": text, "idempotency_key": f"key-{i}"}
                with anyio.move_on_after(0.001 * i):
                    await client.call_tool("remember", with_key)
            again = [
                answer(await client.call_tool("remember", {"text": text, "idempotency_key": f"key-{i}"}))
                for i, text in enumerate(texts)
            ]
        return again

    again = asyncio.run(loop())
    assert [each["op"] for each in again] == ["ADD"] * len(texts)
    with site.memory() as memory:
        records = memory.list(limit=100).records
        assert sorted(record.content for record in records) == sorted(texts)
        assert {record.id for record in records} == {each["id"] for each in again}
        assert all(len(memory.history(record.id)) == 1 for record in records)
        for text in texts:
            assert text in [item.record.content for item in memory.recall(text, k=12)]
