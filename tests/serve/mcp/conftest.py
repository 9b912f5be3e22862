"""A memory served to the official client: over HTTP by a real uvicorn, over stdio by a real process, on both stores.

site        a running server of a store, one for all tests of a module; a test takes a namespace of its own
agent       opens a client of a door: `http` of the site, or `stdio`, in today's protocol and the one with a handshake
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.memory.stores import Store
from tests.serve.serving import Served, served
from wayfare.memory import Memory
from wayfare.serve.mcp.mounted import attach
from wayfare.serve.settings import Limits
from wayfare.serve.tokens import DEFAULT_SCOPES

_numbers = count()


class Site:
    """A running server of a store, and a namespace of the test that asks."""

    def __init__(self, made: Served) -> None:
        self.served, self.address, self.tokens = made, made.address, made.tokens
        self.url = f"{made.base_url}/mcp"
        self.namespace = f"org/n{next(_numbers)}"

    def token(self, *scopes: str, namespace: str | None = None, name: str = "agent") -> str:
        """The text of a new one."""
        return self.tokens.issue(name, namespace=namespace or self.namespace, scopes=scopes or DEFAULT_SCOPES)[0]

    def memory(self, namespace: str | None = None) -> Memory:
        """The same memory through the library."""
        return Memory(self.address, namespace=namespace or self.namespace, synchronous="NORMAL")


@pytest.fixture(scope="module")
def running(store: Store) -> Iterator[Served]:
    """The server of a module, with the door of MCP. From the first token on, one is needed."""
    place = store.new()
    with served(place, attach=(attach,), limits=Limits(rate=100_000.0, burst=100_000)) as made:
        made.token("somebody", namespace="elsewhere")
        yield made
    store.drop(place)


@pytest.fixture
def site(running: Served) -> Site:
    """It, for a test with a namespace of its own."""
    return Site(running)


@asynccontextmanager
async def over_http(url: str, token: str | None, mode: str = "auto") -> AsyncIterator[Client]:
    """The official client at /mcp, with a token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def command(address: str, *words: str) -> StdioServerParameters:
    """The server of one user, as a client starts it."""
    program = ["-m", "wayfare", "memory", "mcp", address, *words]
    return StdioServerParameters(command=sys.executable, args=program, env={"PATH": os.environ["PATH"]})


@asynccontextmanager
async def over_stdio(
    address: str, namespace: str, scopes: Sequence[str] = (), mode: str = "auto"
) -> AsyncIterator[Client]:
    """The official client of a process that it starts. scopes: none are those that it has by itself"""
    words = ["--namespace", namespace, *(["--scopes", *scopes] if scopes else [])]
    async with Client(command(address, *words), mode=mode) as client:
        yield client


Opens = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(params=["http", "stdio"])
def agent(request: pytest.FixtureRequest, site: Site) -> Opens:
    """Opens a client that may do what the scopes say."""

    def opens(*scopes: str, mode: str = "auto", **given: Any) -> AbstractAsyncContextManager[Client]:
        if request.param == "http":
            return over_http(site.url, site.token(*scopes, **given), mode)
        return over_stdio(site.address, site.namespace, scopes, mode)

    return opens
