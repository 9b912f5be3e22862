"""A real HTTP server over a tiny model that loads adapters while it runs: the three endpoints that vLLM documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


class AdapterServer:
    """base: folder of the model. `asked` holds every request; `says` changes an answer before it is sent."""

    def __init__(self, base: Path) -> None:
        self.base, self.adapters, self.asked = base, dict[str, Any](), list[tuple[str, dict[str, Any]]]()
        self.lock = threading.Lock()
        self.says = lambda verb, answer: answer
        self.failing = 0

    def answer(self, verb: str, told: dict[str, Any]) -> tuple[int, Any]:
        with self.lock:
            self.asked.append((verb, told))
            if self.failing > 0:
                self.failing -= 1
                return 503, {"error": "busy"}
            if verb == "load_lora_adapter":
                model = AutoModelForCausalLM.from_pretrained(self.base)
                self.adapters[told["lora_name"]] = PeftModel.from_pretrained(model, told["lora_path"]).eval()
                return 200, {}
            if verb == "unload_lora_adapter":
                return (200, {}) if self.adapters.pop(told["lora_name"], None) is not None else (404, {})
            if told["model"] not in self.adapters:
                return 404, {"error": f"no model {told['model']}"}
            return 200, self.says(verb, self._completed(self.adapters[told["model"]], told))

    @torch.no_grad()
    def _completed(self, model: Any, told: dict[str, Any]) -> dict[str, Any]:
        draw = torch.Generator().manual_seed(told["seed"])
        ids, drawn, logps = list(told["prompt"]), [], []
        for _ in range(told["max_tokens"]):
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1].float() / told["temperature"]
            token = int(torch.multinomial(logits.softmax(dim=-1), 1, generator=draw))
            logps.append(float(logits.log_softmax(dim=-1)[token]))
            drawn.append(token)
            ids.append(token)
            if token == model.config.eos_token_id:
                break
        finish = "stop" if drawn[-1] == model.config.eos_token_id else "length"
        return {"choices": [{"token_ids": drawn, "logprobs": {"token_logprobs": logps}, "finish_reason": finish}]}


@contextmanager
def serving(base: Path) -> Iterator[tuple[AdapterServer, str]]:
    """(the server, its address up to /v1)."""
    server = AdapterServer(base)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = server.answer(self.path.removeprefix("/v1/"), told)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{http.server_address[1]}/v1"
    finally:
        http.shutdown()
        http.server_close()
