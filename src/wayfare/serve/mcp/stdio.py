"""MCP over a process's own standard streams: one user, one store, for as long as the client keeps it running.

    serve_stdio("agent.db", namespace="default", scopes=["read", "write"])

What is written to standard output is the protocol's alone: logs, warnings and whatever a library prints go to standard
error. The process ends when the client closes its input; a change that has begun is finished first.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server
from pydantic import BaseModel

from wayfare.errors import BadValue
from wayfare.memory.opening import checked_path
from wayfare.memory.records import checked_name
from wayfare.serve.handles import Handles
from wayfare.serve.mcp.calls import served
from wayfare.serve.settings import Limits
from wayfare.serve.tokens import DEFAULT_SCOPES, SCOPES, Grant
from wayfare.serve.verbs import VERBS, Answer

__all__ = ["serve_stdio"]

THREADS = 8
"""In which calls are answered at once; each has a connection to the store."""


def serve_stdio(
    address: str,
    *,
    namespace: str = "default",
    also_read: Sequence[str] = (),
    scopes: Iterable[str] = DEFAULT_SCOPES,
    actor: str = "agent",
    **settings: Any,
) -> None:
    """Serve until standard input ends.

    scopes: what the client may do; by default it reads and writes, but neither credits itself nor forgets
    actor: by whom, in the history, and on whose account credits are capped; "" is the owner, whom no cap limits
    settings: of the `Memory`: embedder, policy, ...
    Raises: BadValue; StoreError, before the first request is read.
    """
    allowed = list(scopes)
    for each in allowed:
        if each not in SCOPES:
            raise BadValue("scopes", each, f"some of {', '.join(SCOPES)}")
    if actor:
        checked_name("actor", actor)
    grant = Grant("stdio", actor, checked_path("namespace", namespace), tuple(also_read), frozenset(allowed), None)
    handles = Handles(address, **settings)
    try:
        with handles.lent(grant):  # a store that cannot be opened is told at once
            pass
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
        anyio.run(_serve, handles, grant)
    finally:
        handles.close()


async def _serve(handles: Handles, grant: Grant) -> None:
    threads = anyio.CapacityLimiter(THREADS)

    async def do(grant: Grant, verb: str, ask: BaseModel, key: str | None) -> Answer:
        def act() -> Answer:
            with handles.lent(grant) as memory:
                return VERBS[verb](memory, ask, key)

        return await anyio.to_thread.run_sync(act, limiter=threads)

    server = served(do, lambda _: grant, Limits())
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
