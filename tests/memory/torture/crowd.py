"""Eight processes that write, credit, correct, forget, take back and recall in one file at once.

Afterwards the utilities must be, bit for bit, those of a textbook that folds the outcomes in the order of the log; and
nothing may have been recalled whose forgetting had returned before the recall began.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, NoSuchRecord, OutcomeConflict, StoreError, VersionConflict
from wayfare.memory import Memory
from wayfare.memory.store.doctor import doctor

__all__ = ["crowd", "textbook", "utilities"]

PROCESSES = 8
WORDS = [f"{a}{b}" for a in ("cache", "token", "login", "queue", "disk", "shard") for b in range(8)]
EXPECTED = (NoSuchRecord, VersionConflict, OutcomeConflict, BadValue)
"""What others may have done first."""
ROLES = {
    "crowd": {"recall": 6, "add": 4, "forget": 2, "revise": 2, "late": 3, "void": 1, "link": 1, "read": 1},
    "forgetting": {"recall": 8, "add": 5, "forget": 5},
}


def crowd(calls: int, seed: int, folder: Path, role: str = "crowd") -> dict[str, Any]:
    """calls: of each process."""
    path, gone = folder / f"{role}.db", folder / f"{role}-gone"
    with Memory(path, synchronous="NORMAL") as memory:
        memory.remember_many([_text(random.Random(f"{seed} {i}")) for i in range(60)])
    gone.touch()
    children = []
    for worker in range(PROCESSES):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            found: dict[str, Any] = {"failures": ["ended early"]}
            try:
                os.close(reading)
                found = _work(path, gone, calls, f"{seed} {worker}", f"actor {worker}", ROLES[role])
            except BaseException as error:
                found = {"failures": [f"{type(error).__name__}: {error}"]}
            finally:
                os.write(writing, json.dumps(found).encode())
                os._exit(0)
        os.close(writing)
        children.append((child, reading))
    done: Counter[str] = Counter()
    failures: list[str] = []
    for child, reading in children:
        with os.fdopen(reading, "rb") as pipe:
            told = json.loads(pipe.read() or b'{"failures": ["said nothing"]}')
        os.waitpid(child, 0)
        failures += told["failures"]
        done.update(told.get("done", {}))
    report = doctor(path)
    if report.worst not in ("clean", "note"):
        failures.append(str(report)[:1_000])
    connection = sqlite3.connect(path)
    mine, theirs = textbook(connection), utilities(connection)
    connection.close()
    differ = sum(mine.get(record) != theirs.get(record) for record in {*mine, *theirs})
    if differ:
        failures.append(f"{differ} utilities are not those of a replay")
    return {
        "processes": PROCESSES, "calls": calls * PROCESSES, "done": dict(sorted(done.items())),
        "credited records compared": len(mine), "failures": failures,
    }  # fmt: skip


def _text(draw: random.Random) -> str:
    return f"{' '.join(draw.choices(WORDS, k=8))} {draw.getrandbits(64):x}"


def _work(path: Path, gone: Path, calls: int, seed: str, actor: str, role: dict[str, int]) -> dict[str, Any]:
    draw = random.Random(seed)
    done: Counter[str] = Counter()
    failures: list[str] = []
    with Memory(path, actor=actor, synchronous="NORMAL") as memory:
        for i in range(calls):
            kind = draw.choices(list(role), list(role.values()))[0]
            try:
                _call(memory, kind, gone, draw, f"{seed} {i}", failures)
                done[kind] += 1
            except EXPECTED as error:
                done[f"{kind}: {type(error).__name__}"] += 1
            except StoreError as error:
                failures.append(f"{kind}: {type(error).__name__}: {error}")
    return {"done": dict(done), "failures": failures[:5]}


def _call(memory: Memory, kind: str, gone: Path, draw: random.Random, name: str, failures: list[str]) -> None:
    if kind == "recall":
        before = set(gone.read_text().split())
        found = memory.recall(" ".join(draw.choices(WORDS, k=3)), k=4, task=f"task {name}")
        if before & set(found.ids):
            failures.append(f"recalled although forgotten before: {sorted(before & set(found.ids))}")
        if found and draw.random() < 0.9:
            used = list(found.ids[: draw.randrange(1, 4)]) if draw.random() < 0.5 else None
            memory.credit(found.task, draw.random(), used=used)
        return
    if kind == "add":
        memory.remember(_text(draw), tags=[draw.choice("abc")])
        return
    page = memory.list(limit=500).records
    if not page:
        return
    record = draw.choice(page)
    if kind == "forget":
        memory.forget(record.id)
        with open(gone, "ab", buffering=0) as file:
            file.write(f"{record.id}\n".encode())
    elif kind == "revise":
        memory.revise(record.id, _text(draw), expect=record.version)
    elif kind == "late":
        with memory._ground.database.read() as tx:
            rows = tx.execute("SELECT id FROM tasks ORDER BY opened_at DESC LIMIT 30").fetchall()
        if rows:
            source = draw.choice(("human", "agent", "harness", "review"))
            rank = None if source != "review" else "implicit"
            memory.credit(draw.choice(rows)[0], draw.random(), source=source, rank=rank, correct=draw.random() < 0.7)
    elif kind == "void":
        memory.void(actor=memory.actor, source=draw.choice(("agent", "harness")), reason="taken back")
    elif kind == "link":
        memory.link(record.id, draw.choice(page).id, "related")
    else:
        memory.get(record.id)
        memory.history(record.id)


# The textbook: from outcomes and base credits alone


RANKS = ("human", "harness", "agent", "implicit")


def textbook(connection: sqlite3.Connection, ns: int = 1) -> dict[int, bytes]:
    """record -> n, total, squares, q, used, last credit, as bytes; a loop over the outcomes in the order of the log."""
    outcomes = {
        row[0]: row[1:]
        for row in connection.execute(
            "SELECT seq, task, rank, actor, time, reward, basis FROM outcomes"
            " WHERE ns = ? AND voided IS NULL AND replaced IS NULL ORDER BY seq",
            (ns,),
        )
    }
    best: dict[str, tuple[int, int]] = {}
    for seq, (task, rank, *_) in outcomes.items():
        if rank != "implicit":
            best[task] = min(best.get(task, (9, 0)), (RANKS.index(rank), -seq))
    counted = {-seq for _, seq in best.values()} | {seq for seq, row in outcomes.items() if row[1] == "implicit"}
    found: dict[int, list[Any]] = {}
    accounts: dict[int, dict[tuple[int, str], float]] = {}
    for record, seq, base in connection.execute(
        "SELECT record, seq, base FROM credits WHERE ns = ? ORDER BY seq, record", (ns,)
    ):
        if seq not in outcomes or seq not in counted:
            continue
        _, _, actor, time, reward, basis = outcomes[seq]
        account = accounts.setdefault(record, {})
        day = int(time // 86_400)
        share = base
        if actor:
            recent = {key: weight for key, weight in sorted(account.items()) if day - 30 < key[0] <= day}
            mine = _sum(weight for (_, who), weight in recent.items() if who == actor)
            whole = _sum(weight for (_, who), weight in recent.items() if who != actor) + mine
            share = min(share, max(0.0, max(3.0 - mine, (0.2 * whole - mine) / 0.8)))
        if share <= 0:
            continue
        account[day, actor] = account.get((day, actor), 0.0) + share
        n, total, squares, q, used, last = found.get(record, [0.0, 0.0, 0.0, 0.5, 0, None])
        found[record] = [
            n + share, total + share * reward, squares + share * reward * reward, q + 0.3 * (reward - q),
            used + (basis == "used"), time if last is None else max(time, last),
        ]  # fmt: skip
    return {record: struct.pack("<4dqd", *row) for record, row in found.items()}


def _sum(values: Iterable[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def utilities(connection: sqlite3.Connection, ns: int = 1) -> dict[int, bytes]:
    """The same, as the store has it."""
    rows = connection.execute(
        "SELECT record, n, total, squares, q, used, last_credit FROM utilities WHERE ns = ? AND q IS NOT NULL", (ns,)
    )
    return {row[0]: struct.pack("<4dqd", *row[1:]) for row in rows}
