"""kill -9 inside writes, checkpoints, purges and migrations, at random moments and at chosen statements.

A child says on a pipe what it is about to do and, once the call has returned, that it is done. After its death the
file must be whole, hold all that was done, and hold what was only begun wholly or not at all. The same file then goes
into the next round: what is recovered is recovered again.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import old_files

from wayfare.errors import WayfareError
from wayfare.memory import Memory
from wayfare.memory.scanning import Place, Runs
from wayfare.memory.store import erasing
from wayfare.memory.store.doctor import doctor
from wayfare.memory.store.file import FileDatabase, FileTransaction
from wayfare.memory.store.schema import VERSION

__all__ = ["MODES", "kills"]

MODES = ("write", "checkpoint", "purge", "migration")
LATEST = str(VERSION)
ROUNDS_A_FILE = 20
LONGEST = 0.5
"""Seconds that a child may live."""
MOST_STATEMENTS = 250
WORDS = [f"{a}{b}" for a in ("cache", "token", "login", "queue", "disk", "shard") for b in range(12)]
Say = Callable[[dict[str, Any]], None]


def kills(mode: str, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """count kills of one mode; what was found."""
    draw = random.Random(f"{mode} {seed}")
    found: dict[str, Any] = {
        "kills": 0, "at a statement": 0, "acknowledged": 0, "begun and not there": 0, "begun and there": 0,
        "failures": [],
    }  # fmt: skip
    if mode == "migration":
        return _migrations(count, draw, folder, found)
    for i in range(count):
        if i % ROUNDS_A_FILE == 0:
            path = folder / f"{mode}-{i}.db"
            model = Model()
            Memory(path).close()
        _round(mode, path, model, draw, found)
        if (i + 1) % ROUNDS_A_FILE == 0:
            _drop(path)
    return found


class Model:
    """What the file must hold: id -> text, version and status; task -> reward. gone: purged, with their texts"""

    def __init__(self) -> None:
        self.records: dict[str, tuple[str, int, str]] = {}
        self.outcomes: dict[str, float] = {}
        self.gone: dict[str, list[str]] = {}
        self.texts: dict[str, list[str]] = {}


def _round(mode: str, path: Path, model: Model, draw: random.Random, found: dict[str, Any]) -> None:
    statement = draw.randrange(1, MOST_STATEMENTS) if draw.random() < 0.5 else None
    seed = draw.random()
    said = _killed(
        lambda say: _work(mode, path, sorted(id for id, row in model.records.items() if row[2] == "active"), seed, say),
        draw.uniform(0.02, LONGEST),
        statement,
    )
    found["kills"] += 1
    found["at a statement"] += statement is not None
    begun = None
    for line in said:
        if "done" in line:
            _apply(model, line["begin"], line["done"])
            found["acknowledged"] += 1
            begun = None
        else:
            begun = line["begin"]
    try:
        _check(path, model, begun, found)
    except (AssertionError, WayfareError, sqlite3.Error) as error:
        found["failures"].append(f"kill {found['kills']}, begun {begun}: {type(error).__name__}: {error}"[:1_000])


def _killed(work: Callable[[Say], None], after: float, statement: int | None) -> list[dict[str, Any]]:
    """Run `work` in a child and kill it: `after` some seconds, or before a statement; what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            if statement is not None:
                _kill_at(statement)
            work(lambda line: void(os.write(writing, json.dumps(line).encode() + b"\n")))
        except BaseException as error:
            os.write(writing, json.dumps({"begin": {"op": "error", "error": repr(error)}}).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    data, end = b"", time.monotonic() + after
    while True:
        left = end - time.monotonic()
        if left <= 0:
            os.kill(child, signal.SIGKILL)
            left = 60.0
            end = time.monotonic() + 120.0
        if select.select([reading], [], [], left)[0]:
            part = os.read(reading, 65_536)
            if not part:
                break
            data += part
    os.waitpid(child, 0)
    os.close(reading)
    return [json.loads(line) for line in data.split(b"\n") if line.endswith(b"}")]


def void(_: object) -> None:
    """Nothing."""


def _kill_at(statement: int) -> None:
    """Die before the n-th statement from here, whichever that is: BEGIN, COMMIT, or any between."""
    left = [statement]
    real = FileTransaction.execute

    def counted(self: FileTransaction, sql: str, parameters: Any = ()) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, sql, parameters)

    FileTransaction.execute = counted  # type: ignore[method-assign]


# What a child does


def _rebuild_often(draw: random.Random) -> None:
    """Let many a purge believe that it has found old bytes: it then rebuilds the whole file, which else is rare."""
    real = erasing.scan

    def found_some(path: str, runs: Runs) -> tuple[int, list[Place]]:
        total, found = real(path, runs)
        return total, found or [Place(path, 0, b"nothing")] * (draw.random() < 0.4)

    erasing.scan = found_some


def _work(mode: str, path: Path, ids: list[str], seed: float, say: Say) -> None:
    draw = random.Random(seed)
    if mode == "purge":
        _rebuild_often(draw)
    with Memory(path, synchronous="FULL" if draw.random() < 0.5 else "NORMAL") as memory:
        while True:
            begin, act = _next(mode, memory, ids, draw)
            say({"begin": begin})
            done = act()
            say({"begin": begin, "done": done})
            if begin["op"] in ("forget", "purge"):
                ids.remove(begin["id"])
            elif begin["op"] == "add":
                ids += done


def _next(mode: str, memory: Memory, ids: list[str], draw: random.Random) -> tuple[dict[str, Any], Callable[[], Any]]:
    kind = draw.choices(
        ("add", "many", "revise", "forget", "credit", "checkpoint", "purge"),
        {"write": (4, 1, 3, 1, 4, 0, 0), "checkpoint": (4, 1, 2, 1, 2, 6, 0), "purge": (4, 1, 1, 0, 1, 0, 5)}[mode],
    )[0]
    if kind == "checkpoint":
        return {"op": kind}, lambda: memory._ground.database.checkpoint()
    if kind == "credit" and ids:
        task = f"task-{draw.getrandbits(60):x}"
        reward = draw.random()

        def act() -> Any:
            memory.recall(" ".join(draw.choices(WORDS, k=4)), k=3, task=task)
            memory.credit(task, reward)
            return None

        return {"op": kind, "task": task, "reward": reward}, act
    if kind in ("revise", "forget", "purge") and ids:
        id = draw.choice(ids)
        if kind == "revise":
            text = _text(draw)
            return {"op": kind, "id": id, "text": text}, lambda: memory.revise(id, text).version
        return {"op": kind, "id": id}, lambda: void(memory.forget(id, purge=kind == "purge"))
    texts = [_text(draw) for _ in range(20 if kind == "many" else 1)]
    return {"op": "add", "texts": texts}, lambda: [each.id for each in memory.remember_many(texts)]


def _text(draw: random.Random) -> str:
    return f"{' '.join(draw.choices(WORDS, k=8))} {draw.getrandbits(80):020x}"


# What must hold afterwards


def _apply(model: Model, begin: dict[str, Any], done: Any) -> None:
    op = begin["op"]
    if op == "add":
        for id, text in zip(done, begin["texts"], strict=True):
            model.records[id] = (text, 1, "active")
            model.texts[id] = [text]
    elif op == "revise":
        model.records[begin["id"]] = (begin["text"], done, "active")
        model.texts[begin["id"]].append(begin["text"])
    elif op in ("forget", "purge"):
        text, version, _ = model.records[begin["id"]]
        model.records[begin["id"]] = ("" if op == "purge" else text, version + 1, "tombstone")
        if op == "purge":
            model.gone[begin["id"]] = model.texts[begin["id"]]
    elif op == "credit":
        model.outcomes[begin["task"]] = begin["reward"]


def _check(path: Path, model: Model, begun: dict[str, Any] | None, found: dict[str, Any]) -> None:
    assert begun is None or begun["op"] != "error", begun
    report = doctor(path)  # before anything else has opened it
    assert report.worst in ("clean", "note"), str(report)
    if begun is not None and begun["op"] == "purge":
        _finish_purge(path, model, begun, found)
        begun = None
    raw = b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*"))
    for id, texts in model.gone.items():
        for text in texts:
            assert text[-20:].encode() not in raw, f"{id} was purged, and its text is there"
    with Memory(path) as memory, memory._ground.database.read() as tx:
        rows = tx.execute("SELECT id, content, version, status FROM records").fetchall()
        there = {row[0]: (row[1], row[2], row[3]) for row in rows}
        outcomes = dict(tx.execute("SELECT task, reward FROM outcomes").fetchall())
    if begun is not None:
        _begun(model, begun, there, outcomes, found)
    assert there == model.records, _difference(there, model.records)
    assert outcomes == model.outcomes, _difference(outcomes, model.outcomes)
    with Memory(path) as memory:  # every reader verifies checksums
        page = memory.list(limit=10_000)
        assert len(page.records) == sum(row[2] == "active" for row in there.values())
        assert all(each.id in there for each in memory.recall("cache1 token2 login3", k=5))
        model.outcomes = dict(outcomes)


def _difference(a: dict[str, Any], b: dict[str, Any]) -> str:
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    return "; ".join(f"{key}: found {a.get(key)}, acknowledged {b.get(key)}" for key in keys[:3])


def _finish_purge(path: Path, model: Model, begun: dict[str, Any], found: dict[str, Any]) -> None:
    """A purge that was only begun has left the record as it was, or emptied; done again it is finished."""
    with Memory(path) as memory:
        with memory._ground.database.read() as tx:
            row = tx.execute("SELECT content, version, status FROM records WHERE id = ?", (begun["id"],)).fetchone()
        emptied = row[2] == "tombstone"
        assert emptied or tuple(row) == model.records[begun["id"]], row
        memory.forget(begun["id"], purge=True)
    found["begun and there" if emptied else "begun and not there"] += 1
    _apply(model, begun, None)


def _begun(
    model: Model, begun: dict[str, Any], there: dict[str, Any], outcomes: dict[str, float], found: dict[str, Any]
) -> None:
    """Was it done wholly, or not at all? The model follows."""
    op = begun["op"]
    if op == "add":
        ids = {row[0]: id for id, row in there.items()}
        some = [ids.get(text) for text in begun["texts"]]
        assert all(some) or not any(some), f"{sum(map(bool, some))} of {len(some)} that belong together"
        done, value = all(some), some
    elif op == "revise":
        row = there[begun["id"]]
        done, value = row[0] == begun["text"], row[1]
    elif op == "forget":
        done, value = there[begun["id"]][2] == "tombstone", None
    elif op == "credit":
        done, value = begun["task"] in outcomes, None
    else:
        return
    found["begun and there" if done else "begun and not there"] += 1
    if done:
        _apply(model, begun, value)


# Migration


def _migrations(count: int, draw: random.Random, folder: Path, found: dict[str, Any]) -> dict[str, Any]:
    old = folder / "old.db"
    old_files.version_1(old, draw.getrandbits(32))
    told = old_files.said(old)
    path = folder / "migrated.db"
    took = _duration(old, path)
    found["seconds of one migration"] = round(took, 3)
    found["versions after a kill"] = {}
    fresh = True
    for _ in range(count):
        if fresh:
            _drop(path)
            shutil.copy(old, path)
        statement = draw.randrange(1, 60) if draw.random() < 0.3 else None
        said = _killed(lambda say: _migrate(path, say), draw.uniform(0.0, 2.0 * took), statement)
        found["kills"] += 1
        found["at a statement"] += statement is not None
        try:
            version = old_files.version(path)
            found["versions after a kill"][version] = found["versions after a kill"].get(version, 0) + 1
            assert version in ("1", LATEST), f"tables of version {version} are no state to be found in"
            assert version == LATEST or not any("done" in line for line in said), "it was said to be migrated"
            found["acknowledged"] += any("done" in line for line in said)
            fresh = version == LATEST or draw.random() < 0.3
            if fresh:
                FileDatabase(path).close()
                report = doctor(path)
                assert report.worst in ("clean", "note"), str(report)
                assert old_files.said(path) == told, "it does not say what it said before"
        except (AssertionError, WayfareError, sqlite3.Error) as error:
            found["failures"].append(f"kill {found['kills']}: {type(error).__name__}: {error}"[:1_000])
            fresh = True
    return found


def _migrate(path: Path, say: Say) -> None:
    say({"begin": {"op": "migrate"}})
    FileDatabase(path).close()
    say({"begin": {"op": "migrate"}, "done": None})
    time.sleep(10)


def _duration(old: Path, path: Path) -> float:
    shutil.copy(old, path)
    start = time.perf_counter()
    FileDatabase(path).close()
    return time.perf_counter() - start


def _drop(path: Path) -> None:
    for each in path.parent.glob(path.name + "*"):
        each.unlink()
