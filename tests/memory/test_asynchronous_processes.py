"""The awaited memory under four workers of uvicorn, one of which is killed, and across a fork."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.memory.test_asynchronous import PATIENCE, run
from wayfare.memory import AsyncMemory, Memory

ROOT = Path(__file__).resolve().parents[2]
WRITES, CLIENTS = 160, 16


@contextmanager
def workers(address: str) -> Iterator[str]:
    """uvicorn with four of them; where it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "tests.memory.served_by_asgi:app", "--workers", "4", "--port", str(port),
            "--log-level", "warning",
        ],
        cwd=ROOT, env={**os.environ, "WAYFARE_TEST_ADDRESS": address, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


async def asked(client: httpx.AsyncClient, path: str, text: str, key: str) -> str:
    """Until it is answered: a worker that was killed has answered nobody."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            answer = await client.post(path, content=text, headers={"idempotency-key": key})
            answer.raise_for_status()
            return answer.text
        except httpx.TransportError:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)


def test_what_four_workers_acknowledge_is_there_once_though_one_is_killed(address: str) -> None:
    async def load(base: str) -> tuple[dict[str, str], int]:
        limits = httpx.Limits(max_keepalive_connections=0)  # each request may come to another worker
        async with httpx.AsyncClient(base_url=base, timeout=PATIENCE, limits=limits) as client:
            acknowledged: dict[str, str] = {}
            numbers = iter(range(WRITES))
            victim = int(await asked(client, "/worker", "", ""))

            async def work() -> None:
                for number in numbers:
                    key = f"write {number}"
                    acknowledged[key] = await asked(client, "/remember", f"note number {number}", key)
                    if number % 6 == 0:
                        assert await asked(client, "/recall", f"note {number}", f"task {number}") == f"task {number}"
                    if number == WRITES // 3:
                        os.kill(victim, signal.SIGKILL)

            await asyncio.gather(*(work() for _ in range(CLIENTS)))
            again = {
                key: await asked(client, "/remember", f"note number {key[6:]}", key) for key in list(acknowledged)[::9]
            }
            assert again == {key: acknowledged[key] for key in again}
            seen = {await asked(client, "/worker", "", "") for _ in range(40)}
            return acknowledged, len(seen - {str(victim)})

    with Memory(address, synchronous="NORMAL") as memory, workers(address) as base:
        acknowledged, others = run(load(base))
        records = memory.list(limit=1_000).records
        there = {record.id: record.content for record in records}
        assert len(records) == WRITES and len({record.content for record in records}) == WRITES
        assert {key: there[id] for key, id in acknowledged.items()} == {
            f"write {number}": f"note number {number}" for number in range(WRITES)
        }
        assert others >= 2
        tasks = {f"task {number}" for number in range(0, WRITES, 6)}
        with memory.engine.database.read() as tx:
            rows = tx.execute("SELECT task, COUNT(*) FROM outcomes GROUP BY task ORDER BY task").fetchall()
        assert {task for task, _ in rows} == tasks and {count for _, count in rows} == {1}


def test_a_memory_that_was_opened_before_a_fork_works_in_the_child_and_goes_on_in_the_parent(address: str) -> None:
    memory = run(_opened(address))
    run(_used(memory, "before the fork"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(_used(memory, "in the child"))
            run(memory.close())
            code = 0
        finally:
            os._exit(code)
    run(_used(memory, "in the parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run(_used(memory, "after the child"))
    contents = {record.content for record in run(_listed(memory))}
    run(memory.close())
    assert contents - {"given up"} == {f"{i} {when}" for i in range(6) for when in (
        "before the fork", "in the child", "in the parent", "after the child",
    )}  # fmt: skip


async def _opened(address: str) -> AsyncMemory:
    return await AsyncMemory.open(address, synchronous="NORMAL")


async def _used(memory: AsyncMemory, when: str) -> None:
    done = await asyncio.gather(*(memory.remember(f"{i} {when}") for i in range(6)))
    async with memory.task(when) as task:
        recall = await memory.recall(when, k=1)
        assert recall.logged and recall.task == when
        await task.credit(1.0)
    assert (await memory.get(done[0].id)).content == f"0 {when}"
    call = asyncio.create_task(memory.remember("given up"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def _listed(memory: AsyncMemory) -> list:  # type: ignore[type-arg]
    return list((await memory.list(limit=1_000)).records)
