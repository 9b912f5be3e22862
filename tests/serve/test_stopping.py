"""The program itself: several workers, a store held by another, and a signal to stop while requests are in hand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from tests.memory.stores import opened
from tests.serve.serving import SCOPES
from wayfare.memory import Memory
from wayfare.serve.tokens import Tokens


@contextmanager
def program(address: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """`wayfare memory serve`, ready: the process, its address, and what it has said so far."""
    command = [sys.executable, "-m", "wayfare", "memory", "serve", address, "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")), daemon=True)
    reading.start()
    try:
        base = _eventually(
            lambda: next((found[0] for line in lines if (found := re.search(r"http://\S+", line))), None)
        )
        assert base is not None, lines
        _eventually(lambda: _answers(f"{base}/readyz"))
        yield process, base, lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        reading.join(10)


def _eventually(look: Callable[[], Any]) -> Any:
    """What is found in the end; None where it is not."""
    for _ in range(3_000):
        found = look()
        if found:
            return found
        time.sleep(0.01)
    return None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_what_is_in_hand_ends_and_what_is_new_is_refused_when_the_server_is_told_to_stop(address: str) -> None:
    with Memory(address, namespace="org/ann", synchronous="NORMAL") as memory, Tokens(address) as tokens:
        text, _ = tokens.issue("ann", namespace="org/ann", scopes=SCOPES)
        holding = opened(address).bound("org/ann")
        with program(address, "--synchronous", "NORMAL") as (process, base, lines), ThreadPoolExecutor() as threads:
            with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {text}"}, timeout=60) as client:
                with holding.write():  # nobody else writes there meanwhile
                    waiting = threads.submit(client.post, "/v1/remember", json={"text": "in hand"})
                    numbers = _eventually(lambda: "in_hand 2.0" in client.get("/metrics").text)
                    assert numbers
                    process.send_signal(signal.SIGTERM)
                    refused = _eventually(
                        lambda: answer if (answer := client.get("/v1/stats")).status_code == 503 else None
                    )
                    assert refused.headers["retry-after"] and refused.headers["connection"] == "close"
                    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
                    assert not waiting.done()
                assert waiting.result().status_code == 200
            assert process.wait(30) in (0, -signal.SIGTERM)
        holding.close()
        assert [each.content for each in memory.list().records] == ["in hand"]
        assert not any("fault" in line for line in lines)


def test_several_workers_serve_one_store_and_lose_nothing(address: str) -> None:
    with Tokens(address) as tokens:
        text, grant = tokens.issue("ann", namespace="org/ann", scopes=SCOPES)
    headers = {"Authorization": f"Bearer {text}"}
    with program(address, "--workers", "2", "--synchronous", "NORMAL") as (_, base, lines):

        def works(i: int) -> list[str]:
            ids = []
            with httpx.Client(base_url=base, headers=headers, timeout=60) as client:  # a connection of its own
                for j in range(3):
                    done = client.post("/v1/remember", json={"text": f"note {i} {j}"}).raise_for_status().json()
                    task = f"t {i} {j}"
                    found = client.post("/v1/recall", json={"query": f"note {i}", "task": task}).raise_for_status()
                    shown = {item["memory"]["id"] for item in found.json()["items"]}
                    client.post("/v1/credit", json={"task": task, "reward": 1.0}).raise_for_status()
                    ids.append(done["id"])
                    assert shown
            return ids

        with ThreadPoolExecutor(8) as threads:
            made = [id for ids in threads.map(works, range(8)) for id in ids]
        assert len(set(made)) == 24
        numbers = httpx.get(f"{base}/metrics").text
        assert sum(map(float, re.findall(r"wayfare_credits_total\{.*\} (\S+)", numbers))) == 24
        with Tokens(address) as tokens:
            tokens.revoke(grant.id)
        with ThreadPoolExecutor(8) as threads:
            said = list(threads.map(lambda _: httpx.get(f"{base}/v1/stats", headers=headers).status_code, range(16)))
        assert said == [401] * 16
    with Memory(address, namespace="org/ann") as memory:
        assert {each.id for each in memory.list().records} == set(made)
        sides = memory.stats()["sides"].values()
        assert sum(each["tasks"] for each in sides) == sum(each["credited"] for each in sides) == 24
    assert len({json.loads(line)["message"] for line in lines if "Started server" in line}) == 2


def test_what_has_not_been_committed_when_its_time_is_over_is_never_made(address: str) -> None:
    with Memory(address, namespace="org/ann", synchronous="NORMAL") as memory, Tokens(address) as tokens:
        text, _ = tokens.issue("ann", namespace="org/ann", scopes=SCOPES)
        holding = opened(address).bound("org/ann")
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "once"}
        with program(address, "--synchronous", "NORMAL", "--grace", "0.2") as (process, base, _), httpx.Client(
            base_url=base, headers=headers, timeout=60
        ) as client, ThreadPoolExecutor() as threads:  # fmt: skip
            with holding.write():
                waiting = threads.submit(client.post, "/v1/remember", json={"text": "too late"})
                assert _eventually(lambda: "in_hand 2.0" in httpx.get(f"{base}/metrics").text)
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) in (0, -signal.SIGTERM)  # nobody made way for it
            assert isinstance(waiting.exception(), httpx.TransportError) or waiting.result().status_code >= 500
        holding.close()
        assert memory.list().records == ()
        assert memory.remember("too late", idempotency_key="once").op == "ADD"
