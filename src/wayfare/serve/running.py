"""Runs the application with uvicorn: checks who could reach it, says so, listens, with one worker or several.

A server that others than this machine can reach needs tokens, and TLS, its own or a proxy's. Without a token in the
store a server on localhost works for whoever sits there, with every scope: that is said where it starts.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from wayfare.errors import BadValue, StoreError
from wayfare.serve.app import create_app
from wayfare.serve.settings import Settings
from wayfare.serve.telemetry import SHARED, log_in_json, record
from wayfare.serve.tokens import Tokens

__all__ = ["Make", "check", "configured", "serve"]


@dataclass(frozen=True)
class Make:
    """Makes the application, in whichever process is asked."""

    settings: Settings

    def __call__(self) -> FastAPI:
        from wayfare.serve.mcp.mounted import attach

        log_in_json()
        return create_app(self.settings, attach=(attach,))


def check(settings: Settings) -> str:
    """What to say of who may come in. Raises: BadValue where it would be open to others without protection."""
    with Tokens(settings.address) as tokens:
        any_token = tokens.any()
    if settings.local:
        if any_token:
            return "this machine only; a token is needed"
        return (
            f"NO TOKEN IS NEEDED: every program of this machine may read, write, credit, forget and govern namespace "
            f"{settings.namespace!r}. `wayfare memory token create` makes a token, and from then on one is needed"
        )
    if not any_token:
        raise BadValue(
            "host", settings.host, "127.0.0.1 until there are tokens: others could read and write everything; "
            "`wayfare memory token create` makes one",
        )  # fmt: skip
    if settings.certificate is None and not settings.behind_proxy:
        raise BadValue(
            "host", settings.host, "127.0.0.1 unless tokens travel encrypted: --certificate and --key, or "
            "--behind-proxy where a proxy ends TLS",
        )  # fmt: skip
    if not settings.hosts and _everywhere(settings.host):
        raise BadValue("allow_host", "nothing", "given: the names by which the server is called")
    return f"reachable as {', '.join(settings.hosts) or settings.host}; a token is needed"


def serve(settings: Settings) -> None:
    """Listen until a signal comes. Raises: as `check`; BadValue where the address cannot be listened on; StoreError."""
    said = check(settings)
    listening = _socket(settings)
    port = listening.getsockname()[1]
    log_in_json()
    place = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.certificate is None else "https"
    record(30 if said.startswith("NO") else 20, said)
    print(f"wayfare: {scheme}://{place}:{port}  {said}", file=sys.stderr, flush=True)
    shared = None
    if settings.workers > 1:
        shared = os.environ[SHARED] = tempfile.mkdtemp(prefix="wayfare-metrics-")
    try:
        config = configured(settings, Make(settings))
        if settings.workers > 1:
            Multiprocess(config, sockets=[listening]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            if not server.started:
                raise StoreError("the server could not start; its log says why")
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
        if shared is not None:
            del os.environ[SHARED]
            shutil.rmtree(shared, ignore_errors=True)


def configured(settings: Settings, make: Callable[[], FastAPI]) -> uvicorn.Config:
    """How uvicorn is to run an application."""
    headers = [("Strict-Transport-Security", "max-age=31536000")] if settings.certificate is not None else []
    return uvicorn.Config(
        make, factory=True, workers=settings.workers, log_config=None, access_log=False,
        server_header=False, headers=headers, proxy_headers=settings.behind_proxy, forwarded_allow_ips="*",
        timeout_graceful_shutdown=max(1, round(settings.grace)), timeout_keep_alive=15, backlog=1024,
        ssl_certfile=None if settings.certificate is None else str(settings.certificate),
        ssl_keyfile=None if settings.key is None else str(settings.key), http="h11", ws="none",
    )  # fmt: skip


def _socket(settings: Settings) -> socket.socket:
    """Made with its protocol named: only then does asyncio send small answers at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadValue("host", settings.host, f"an address of this machine: {error}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise BadValue("port", settings.port, f"free on {settings.host}: {error.strerror}") from None
    return listening


def _everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""
