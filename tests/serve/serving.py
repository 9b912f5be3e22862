"""A real server on a real port, in a thread of the test's own process, and clients that have a token for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import uvicorn

from wayfare.serve.app import Attach, create_app
from wayfare.serve.doors import Doors
from wayfare.serve.running import configured
from wayfare.serve.settings import Settings
from wayfare.serve.tokens import DEFAULT_SCOPES, SCOPES, Grant, Tokens

__all__ = ["SCOPES", "Served", "served"]


class Served:
    """base_url: of the server        tokens: of its store        doors: what its routes share"""

    def __init__(self, address: str, base_url: str, doors: Doors, stack: ExitStack) -> None:
        self.address, self.base_url, self.doors = address, base_url, doors
        self.tokens = Tokens(address)
        self._stack = stack
        stack.callback(self.tokens.close)

    def token(
        self, name: str = "ann", *, namespace: str = "org/ann", scopes: Sequence[str] = DEFAULT_SCOPES, **more: Any
    ) -> tuple[str, Grant]:
        """A new token."""
        return self.tokens.issue(name, namespace=namespace, scopes=scopes, **more)

    def bare(self, **headers: str) -> httpx.Client:
        """A client without a token."""
        return self._stack.enter_context(httpx.Client(base_url=self.base_url, headers=headers, timeout=60.0))

    def client(self, name: str = "ann", **given: Any) -> httpx.Client:
        """A client with a token of its own. given: as `token` takes it; every scope, unless it says otherwise"""
        text, _ = self.token(name, **{"scopes": SCOPES, **given})
        return self.bare(Authorization=f"Bearer {text}")


@contextmanager
def served(address: str, *, attach: tuple[Attach, ...] = (), **options: Any) -> Iterator[Served]:
    """A server of the store at an address. options: as `Settings` takes them"""
    settings = Settings(address, **{"synchronous": "NORMAL", "port": 0, **options})
    app = create_app(settings, attach=attach)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", settings.port))
    server = uvicorn.Server(configured(settings, lambda: app))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server could not start"
        time.sleep(0.005)
    with ExitStack() as stack:
        yield Served(address, f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.doors, stack)
    server.should_exit = True
    thread.join()
