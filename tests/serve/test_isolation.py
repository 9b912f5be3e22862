"""Tenants do whatever they like, through HTTP, MCP and the library, in one store: none sees or changes another's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.mcp.conftest import over_http
from tests.serve.serving import SCOPES, Served, served
from wayfare.errors import NoSuchRecord
from wayfare.memory import Memory
from wayfare.serve.mcp.mounted import attach
from wayfare.serve.settings import Limits

TENANTS = ("org/ann", "org/ann/agent", "org", "org/an")
"""One path the beginning of another: none is any other's."""
DOORS = ("http", "mcp", "library")
SECRETS = ("apple", "pear", "plum", "fig")
_examples = count()

steps = st.lists(
    st.tuples(
        st.sampled_from(range(len(TENANTS))),
        st.sampled_from(DOORS),
        st.sampled_from(["remember", "recall", "revise", "forget", "credit", "peek"]),
        st.integers(0, 5),
    ),
    min_size=4, max_size=14,
)  # fmt: skip


@pytest.fixture(scope="module")
def site(shared_address: str) -> Iterator[Served]:
    with served(shared_address, attach=(attach,), limits=Limits(rate=1e6, burst=10**6)) as made:
        yield made


class Tenant:
    """One of them, with what it should see. known: id -> text"""

    def __init__(self, site: Served, path: str, secret: str, example: int) -> None:
        self.path, self.secret, self.known, self.tasks = f"e{example}/{path}", secret, dict[str, str](), list[str]()
        self.token, _ = site.token(secret, namespace=self.path, scopes=SCOPES)
        self.http = site.client(secret, namespace=self.path)
        self.library = Memory(site.address, namespace=self.path, synchronous="NORMAL")
        self.mcp: Any = None

    async def ask(self, door: str, verb: str, **given: Any) -> tuple[bool, Any]:
        """Whether it was done, and the answer."""
        if door == "mcp":
            done = await self.mcp.call_tool(verb, given)
            return not done.is_error, done.structured_content
        if door == "http":
            answer: httpx.Response = await asyncio.to_thread(self.http.post, f"/v1/{verb}", json=given)
            return answer.status_code == 200, answer.json()
        raise AssertionError(door)

    def ids(self) -> set[str]:
        return {record.id for record in self.library.list(limit=1_000).records}


async def _step(every: list[Tenant], who: int, door: str, verb: str, pick: int, turn: int) -> None:
    me, other = every[who], every[(who + 1 + pick) % len(every)]
    mine = sorted(me.known)
    theirs = sorted(set(other.known) - set(me.known))
    if door == "library":
        door = "http" if verb != "peek" else door
    if verb == "remember":
        text = f"the {me.secret} of turn {turn} is ripe"
        done, answer = await me.ask(door, "remember", text=text)
        assert done
        me.known[answer["id"]] = text
    elif verb == "recall":
        done, answer = await me.ask(door, "recall", query="which is ripe at this turn", k=10, task=f"t{turn}")
        seen = {item["memory"]["id"] if "memory" in item else item["id"] for item in answer["items"]}
        assert done and seen <= set(me.known), "recalled another's"
        me.tasks.append(f"t{turn}")
    elif verb == "credit" and other.tasks:
        done, _ = await me.ask(door, "credit", task=other.tasks[-1], reward=0.0)
        if other is not me and other.tasks[-1] not in me.tasks:
            assert not done, "credited another's task"
    elif verb in ("revise", "forget") and theirs:
        given = {"id": theirs[pick % len(theirs)], **({"text": "taken over"} if verb == "revise" else {})}
        done, _ = await me.ask(door, verb, **given)
        assert not done, f"{verb} of another's"
    elif verb == "forget" and mine:
        done, _ = await me.ask(door, "forget", id=mine[0])
        assert done
        del me.known[mine[0]]
    elif verb == "peek" and theirs:
        wanted = theirs[pick % len(theirs)]
        for path in ("", "/history", "/links", "/credits"):
            assert me.http.get(f"/v1/memories/{wanted}{path}").status_code == 404
        with pytest.raises(NoSuchRecord):
            me.library.get(wanted)
        done, _ = await me.ask("mcp", "history", id=wanted)
        assert not done


@given(steps=steps)
@settings(max_examples=8)
def test_no_tenant_sees_or_changes_anothers_through_any_door(site: Served, steps: list[Any]) -> None:
    async def life() -> None:
        example = next(_examples)
        every = [Tenant(site, path, secret, example) for path, secret in zip(TENANTS, SECRETS, strict=True)]
        async with AsyncExitStack() as stack:
            for each in every:
                each.mcp = await stack.enter_async_context(over_http(f"{site.base_url}/mcp", each.token))
            for turn, (who, door, verb, pick) in enumerate(steps):
                await _step(every, who, door, verb, pick, turn)
        for each in every:
            assert each.ids() == set(each.known)
            for id, text in each.known.items():
                assert each.library.get(id).content == text
            each.library.close()

    asyncio.run(life())
