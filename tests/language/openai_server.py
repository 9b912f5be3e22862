"""A server of the OpenAI protocol for tests: it generates with a local model, and can be told to misbehave.

    with serving(TransformersModel("tiny-random")) as server:
        EndpointModel(server.url, "tiny")

It counts what it is asked and what it answered, so that a test can say who paid for what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, BrokenBarrierError, Event, Lock, Thread
from typing import Any

from wayfare.errors import BadValue
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel


class Server(ThreadingHTTPServer):
    """refuse: how many calls are answered by a 429        retry_after: what it says then, None for nothing
    broken: how many calls are answered by a 500        hang: how many calls are never answered
    cut: most tokens of an answer, whatever was asked for        together: answers only when so many ask at once
    pauses: seconds before the answer to a prompt that contains a word
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model: TransformersModel) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model
        self.refuse = self.broken = self.hang = 0
        self.retry_after: str | None = None
        self.cut: int | None = None
        self.together: Barrier | None = None
        self.pauses: dict[str, float] = {}
        self.finish_reason: str | None = None
        self.asked: list[dict[str, Any]] = []
        self.answered: list[str] = []
        self.refused = 0
        self.lock, self.closing = Lock(), Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news here."""

    def take(self, what: str) -> bool:
        with self.lock:
            left = getattr(self, what)
            setattr(self, what, max(0, left - 1))
            return bool(left > 0)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = self.path.endswith("/chat/completions")
        with server.lock:
            server.asked.append(body)
        if server.take("hang"):
            server.closing.wait(30)
            return
        if server.take("refuse"):
            with server.lock:
                server.refused += 1
            headers = {} if server.retry_after is None else {"Retry-After": server.retry_after}
            return self.reply(429, {"error": {"message": "too many", "code": "rate_limit"}}, headers)
        if server.take("broken"):
            return self.reply(500, {"error": {"message": "broken"}})
        if server.together is not None:
            try:
                server.together.wait(10)
            except BrokenBarrierError:
                return self.reply(400, {"error": {"message": "they did not come together"}})
        prompt = body["messages"] if chat else body["prompt"]
        for word, seconds in server.pauses.items():
            if word in json.dumps(prompt):
                server.closing.wait(seconds)
        try:
            with server.lock:
                answer = echo(server.model, body) if body.get("echo") else generate(server, body, prompt, chat)
        except BadValue as error:
            code = {"message": str(error), "code": "context_length_exceeded"}
            return self.reply(400, {"error": code})
        with server.lock:
            server.answered.append(json.dumps(prompt))
        self.reply(200, answer)

    def reply(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        told = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


def generate(server: Server, body: dict[str, Any], prompt: Any, chat: bool) -> dict[str, Any]:
    limit = body["max_tokens"] if server.cut is None else min(server.cut, body["max_tokens"])
    stop = body.get("stop") or ()
    sampling = Sampling(
        body["temperature"], body["top_p"], body.get("min_p", 0.0), limit, tuple(stop), body.get("seed", 0)
    )
    told = server.model.generate([prompt], sampling)
    logps = told.logprobs_at_one[0].tolist()
    tokens = [server.model.decode([each]) for each in told.token_ids[0].tolist()]
    choice: dict[str, Any] = {"index": 0, "finish_reason": server.finish_reason or told.finish[0]}
    if chat:
        choice["message"] = {"role": "assistant", "content": told.texts[0]}
        content = [{"token": t, "logprob": p, "top_logprobs": []} for t, p in zip(tokens, logps, strict=True)]
        choice["logprobs"] = {"content": content} if body.get("logprobs") else None
    else:
        choice["text"] = told.texts[0]
        asked = body.get("logprobs") is not None
        choice["logprobs"] = {"tokens": tokens, "token_logprobs": logps} if asked else None
    if body.get("return_token_ids"):
        choice["token_ids"] = told.token_ids[0].tolist()
    usage = {"prompt_tokens": int(told.prompt_tokens[0]), "completion_tokens": int(told.completion_tokens[0])}
    kind = "chat.completion" if chat else "text_completion"
    return {"id": "1", "object": kind, "created": 0, "model": body["model"], "choices": [choice], "usage": usage}


def echo(model: TransformersModel, body: dict[str, Any]) -> dict[str, Any]:
    """What was sent, token for token, with its log-probabilities, and one token more."""
    text = body["prompt"]
    ids = model.encode(text)
    scores = model.logprobs([(model.decode(ids[:1]), ids[1:])])
    more = model.generate([text], Sampling(0.0, max_tokens=1))
    tokens = [model.decode([each]) for each in ids]
    offsets = [len("".join(tokens[:number])) for number in range(len(ids) + 1)]
    logps = [None, *scores.logprobs[0].tolist(), float(more.logprobs_at_one[0, 0])]
    told = {"tokens": [*tokens, more.texts[0]], "token_logprobs": logps, "text_offset": offsets}
    choice = {"index": 0, "finish_reason": "length", "text": text + more.texts[0], "logprobs": told}
    usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
    return {"id": "1", "object": "text_completion", "created": 0, "model": "", "choices": [choice], "usage": usage}


@contextmanager
def serving(model: TransformersModel) -> Iterator[Server]:
    server = Server(model)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
