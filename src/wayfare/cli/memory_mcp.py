"""`wayfare memory mcp`: a memory as a tool of whatever speaks the Model Context Protocol, over standard streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tyro

from wayfare.cli.memory_options import Options
from wayfare.errors import MissingExtra

__all__ = ["VERBS"]


@dataclass(frozen=True)
class Mcp(Options):
    """Serve a memory to one MCP client over standard input and output. The client starts it, and ends it."""

    address: tyro.conf.Positional[str] = ""
    """The file, which is made where there is none, or postgresql://... Best as a full path: it is the client that
    says in which folder this runs. Not given: --db."""
    scopes: tuple[str, ...] = ("read", "write")
    """What the client may do, some of read, write, credit, forget: only those tools are listed."""
    actor: str = "agent"
    """By whom, in the history, and on whose account credits are capped; "" is the owner, whom no cap limits."""
    also_read: tuple[str, ...] = ()
    """Other namespaces that are read."""
    embedder: str | None = None
    """Of a new namespace: lexical, none, sentence-transformers:NAME or openai:MODEL@URL."""
    policy: str = "safe"
    """safe, or a rule (similarity, memrl, thompson, ...), or the id of a policy."""


def _mcp(options: Mcp) -> int:
    try:
        import fastapi  # noqa: F401
        import mcp  # noqa: F401
    except ImportError as error:
        raise MissingExtra("wayfare memory mcp", "serve") from error
    from wayfare.serve.mcp.stdio import serve_stdio

    serve_stdio(
        options.address or options.db, namespace=options.namespace, also_read=options.also_read,
        scopes=options.scopes, actor=options.actor, embedder=options.embedder, policy=options.policy,
    )  # fmt: skip
    return 0


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"mcp": (Mcp, _mcp)}
"""Verb -> what it takes, and what it does."""
