"""A server of the OpenAI protocol that plays a scripted agent: it learns a task only from what stands in its prompt.

Asked for a task it has no advice about, it says the wrong word; told in its prompt to say a word for that task, it says
that. Asked for a lesson, it writes down the word to say. Texts that begin alike get vectors that point alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

ANSWERS = {"colour of the door": "blue", "name of the dog": "Rex", "floor of the printer": "two"}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.chats, self.embedded, self.broken = Lock(), list[str](), 0, False

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
        told = self.vectors(body["input"]) if self.path.endswith("/embeddings") else self.chat(body)
        data = json.dumps(told).encode()
        self.send_response(500 if self.server.broken else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def vectors(self, texts: list[str]) -> dict[str, Any]:
        with self.server.lock:
            self.server.embedded += len(texts)
        rows = []
        for i, text in enumerate(texts):
            row = [0.1] * (len(ANSWERS) + 1)
            row[next((j for j, task in enumerate(ANSWERS) if task in text), len(ANSWERS))] = 1.0
            rows.append({"index": i, "embedding": row})
        return {"data": rows}

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["messages"][-1]["content"]
        with self.server.lock:
            self.server.chats.append(prompt)
        asked = prompt.split("\n\n")[-2] if "on the last line" in prompt else prompt
        task = next(task for task in ANSWERS if task in asked)
        if "on the last line" in prompt:
            advice = re.search(rf"for the {task} say (\w+)", prompt)
            said = f"Let me think.\n{advice.group(1) if advice else 'unknown'}"
        else:
            said = f"for the {task} say {ANSWERS[task]}"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice],
            "usage": usage,
        }  # fmt: skip


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
