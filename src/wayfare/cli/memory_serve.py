"""`wayfare memory serve` and `wayfare memory token`: a memory for others, over HTTP and MCP."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from wayfare.cli.memory_answers import answer, checked_there, said
from wayfare.cli.memory_options import Options
from wayfare.errors import BadValue, MissingExtra

if TYPE_CHECKING:
    from wayfare.serve.tokens import Issued

__all__ = ["VERBS"]

METRICS_TOKEN = "WAYFARE_METRICS_TOKEN"
DAY = 86_400.0


@dataclass(frozen=True)
class Serve:
    """Serve a memory over HTTP, on this machine alone unless told otherwise."""

    address: tyro.conf.Positional[str] = ""
    """The file, which is made where there is none, or postgresql://... of a role that `install` made.

    Not given: the environment variable WAYFARE_MEMORY."""
    host: str = "127.0.0.1"
    """Address to listen on. Another than localhost needs tokens, and TLS or --behind-proxy."""
    port: int = 8484
    """Port to listen on; 0 takes a free one."""
    workers: int = 1
    """Processes that share the work."""
    namespace: str = "default"
    """Whose memory it is while the store has no token; afterwards each token says for whom it speaks."""
    allow_host: tuple[str, ...] = ()
    """Names by which it is called, besides localhost and --host."""
    allow_origin: tuple[str, ...] = ()
    """Web pages that may call it, such as https://app.example.org; none but its own otherwise."""
    behind_proxy: bool = False
    """A proxy stands before it, ends TLS, and says in X-Forwarded-For for whom it asks."""
    certificate: Path | None = None
    """For TLS of its own: the file with the certificate and what it is signed by."""
    key: Path | None = None
    """The file with the certificate's private key."""
    embedder: str | None = None
    """Of new namespaces: lexical, none, sentence-transformers:NAME or openai:MODEL@URL."""
    policy: str = "safe"
    """safe, or a rule (similarity, memrl, thompson, ...), or the id of a policy."""
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """FULL survives power loss; NORMAL may lose the last commits to it, and is faster."""
    threads: int = 8
    """Of each worker, in which memories work."""
    memories: int = 64
    """Namespaces that each worker keeps open."""
    rate: float = 100.0
    """Requests of one token in a second, in each worker; twice as many may come at once."""
    most_bytes: int = 4 * 2**20
    """Of one request."""
    longest_text: int = 1_000_000
    """Characters of one text."""
    grace: float = 20.0
    """Seconds that requests in hand have to end when it is stopped."""


@dataclass(frozen=True)
class Token(Options):
    """Who may use a server: create a token, list them, revoke one."""

    what: tyro.conf.Positional[Literal["create", "list", "revoke"]] = "list"
    """create, list or revoke."""
    address: tyro.conf.Positional[str] = ""
    """The file, or postgresql://... of the role that the server uses. Not given: WAYFARE_MEMORY."""
    name: tyro.conf.Positional[str] = ""
    """Of create: whose it is, the actor in the history. Of revoke: the id of the token."""
    also_read: tuple[str, ...] = ()
    """Of create: other namespaces that it may read."""
    scopes: tuple[str, ...] = ("read", "write")
    """Of create: some of read, write, credit, forget, admin."""
    days: float | None = None
    """Of create: how long it is good for; not given: until it is revoked."""


def _serve(options: Serve) -> int:
    _installed("wayfare memory serve")
    from wayfare.serve.running import serve
    from wayfare.serve.settings import Limits, Settings

    limits = Limits(
        body=options.most_bytes, text=options.longest_text, rate=options.rate, burst=max(1, round(2 * options.rate))
    )
    serve(
        Settings(
            _address(options.address), host=options.host, port=options.port, workers=options.workers,
            namespace=options.namespace, embedder=options.embedder, policy=options.policy,
            synchronous=options.synchronous, hosts=options.allow_host, origins=options.allow_origin,
            behind_proxy=options.behind_proxy, certificate=options.certificate, key=options.key,
            metrics_token=os.environ.get(METRICS_TOKEN) or None, threads=options.threads, memories=options.memories,
            grace=options.grace, limits=limits,
        )
    )  # fmt: skip
    return 0


def _token(options: Token) -> int:
    from wayfare.serve.tokens import Tokens

    address = _address(options.address)
    if options.what == "create":
        said("name", options.name)
        with Tokens(address) as tokens:
            text, grant = tokens.issue(
                options.name, namespace=options.namespace, also_read=options.also_read, scopes=options.scopes,
                expires_in=None if options.days is None else options.days * DAY,
            )  # fmt: skip
        value = {"token": text, "id": grant.id, "namespace": grant.namespace, "scopes": sorted(grant.scopes)}
        lines = f"{text}\nid {grant.id}: {options.name}, {grant.namespace}, {', '.join(sorted(grant.scopes))}"
        return answer(options, value, lambda: f"{lines}\nIt is not stored: keep it now.")
    checked_there(address)
    with Tokens(address) as tokens:
        if options.what == "revoke":
            done = tokens.revoke(said("id", options.name))
            return answer(options, _plain(done), lambda: f"{done.grant.id} is refused from now on")
        found = [_plain(each) for each in tokens.list()]
    lines = "\n".join(
        f"{each['id']}  {each['state']:8} {each['name']:20} {each['namespace']:20} {','.join(each['scopes'])}"
        for each in found
    )
    return answer(options, found, lambda: lines or "no tokens")


def _plain(issued: Issued) -> dict[str, Any]:
    grant = issued.grant
    return {
        "id": grant.id, "state": issued.state, "name": grant.name, "namespace": grant.namespace,
        "also_read": list(grant.also_read), "scopes": sorted(grant.scopes), "created": _when(issued.created_at),
        "expires": _when(grant.expires_at), "revoked": _when(issued.revoked_at),
    }  # fmt: skip


def _when(time: float | None) -> str | None:
    return None if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def _address(given: str) -> str:
    address = given or os.environ.get("WAYFARE_MEMORY", "")
    if not address:
        raise BadValue("address", "nothing", "given: a file, or postgresql://... (or WAYFARE_MEMORY)")
    return address


def _installed(what: str) -> None:
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtra(what, "serve") from error


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"serve": (Serve, _serve), "token": (Token, _token)}
"""Verb -> what it takes, and what it does."""
