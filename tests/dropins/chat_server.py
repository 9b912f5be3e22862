"""A server of OpenAI's /v1/chat/completions for tests, streaming or not: it knows only what stands in the prompt.

It answers with the first note of its system message that speaks of the cache, else that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Server(ThreadingHTTPServer):
    """asked: the bodies of all requests        broken: how many are answered by a 400"""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.broken = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        if self.path != "/v1/chat/completions" or body["model"] != "parrot":
            self._send(404, "application/json", b'{"error": {"message": "no such model"}}')
        elif self.server.broken:
            self.server.broken -= 1
            self._send(400, "application/json", b'{"error": {"message": "broken"}}')
        else:
            self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        (note,) = re.findall(r"^.*cache.*$", body["messages"][0]["content"], re.MULTILINE)[:1] or ["I do not know"]
        head = {"id": "1", "created": 1, "model": "parrot"}
        if not body.get("stream"):
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": note}}
            said = {**head, "object": "chat.completion", "choices": [choice]}
            self._send(200, "application/json", json.dumps(said).encode())
            return
        events = [{"role": "assistant"}, *({"content": piece} for piece in re.findall(r"\S+\s*", note)), {}]
        lines = b""
        for delta in events:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
            lines += b"data: " + json.dumps(chunk).encode() + b"\n\n"
        self._send(200, "text/event-stream", lines + b"data: [DONE]\n\n")

    def _send(self, status: int, kind: str, said: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@contextmanager
def serving_chat() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
