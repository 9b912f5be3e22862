"""A server of /v1/embeddings for tests: it serves a lexical embedder, and can be told to misbehave.

with serving() as server:
    Endpoint("words", server.url)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import numpy as np

from wayfare.memory.embedding.lexical import Lexical


class Server(ThreadingHTTPServer):
    """version: of the model behind the name; another gives other vectors
    refuse, broken: how many calls are answered by a 429, a 500        retry_after: what a 429 says then
    said: an answer instead of vectors        asked: the inputs of every call        keys: what came as authorization
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.version = Lexical(32), 0
        self.refuse = self.broken = 0
        self.retry_after: str | None = None
        self.said: bytes | None = None
        self.status = 200
        self.asked: list[list[str]] = []
        self.keys: list[str | None] = []
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text that was asked for, in order."""
        return [text for texts in self.asked for text in texts]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.asked.append(body["input"])
            server.keys.append(self.headers.get("Authorization"))
            if server.refuse:
                server.refuse -= 1
                self._answer(429, b"later", {} if server.retry_after is None else {"Retry-After": server.retry_after})
                return
            if server.broken:
                server.broken -= 1
                self._answer(500, b"broken", {})
                return
        if server.said is not None:
            self._answer(server.status, server.said, {})
            return
        if self.path != "/v1/embeddings" or body["model"] != "words":
            self._answer(404, b"no such model", {})
            return
        vectors = 3.0 * np.roll(server.model.embed(body["input"]), server.version, axis=1)  # of another length than 1
        rows = [{"index": i, "embedding": vector.tolist()} for i, vector in enumerate(vectors)]
        self._answer(200, json.dumps({"data": rows[::-1]}).encode(), {})

    def _answer(self, status: int, said: bytes, headers: dict[str, Any]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
