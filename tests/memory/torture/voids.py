"""Outcomes taken out again: utilities are then, bit for bit, those of a store that never had them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crowd import utilities

from wayfare.memory import Memory
from wayfare.memory.operations import Add
from wayfare.memory.store.doctor import doctor

__all__ = ["Said", "drawn", "undone_and_never", "voids"]

Said = tuple[bool, int, float, int, bool]
"""An outcome: (of the source that is taken out, task, reward, what was used, whether it is said again otherwise)."""
RECORDS, TASKS = 6, 5


def undone_and_never(said: Sequence[Said], folder: Path) -> str:
    """The first difference between a store in which all was said and the bad source then voided, and one without."""
    found = []
    for bad in (True, False):
        path = folder / f"{'undone' if bad else 'never'}.db"
        for each in folder.glob(path.name + "*"):
            each.unlink()
        with Memory(path, synchronous="NORMAL", embedder="none") as memory:
            memory.apply([Add(f"advice number {i}", id=f"id-{i}") for i in range(RECORDS)])
            for task in range(TASKS):
                memory.showed("which advice", [f"id-{(task + i) % RECORDS}" for i in range(3)], task=f"task-{task}")
            for i, (is_bad, task, reward, used, again) in enumerate(said):
                if is_bad and not bad:
                    continue
                source = ("robot" if is_bad else "harness", "agent", "human")[i % 3 if not is_bad else 0]
                ids = None if used == 3 else [f"id-{(task + j) % RECORDS}" for j in range(used)]
                for value in (reward, 1 - reward) if again else (reward,):
                    memory.credit(
                        f"task-{task}", value, used=ids, source=source, rank="human" if is_bad and i % 2 else None,
                        actor="robot" if is_bad else f"actor {i % 2}", correct=True, at=1e9 + i,
                    )  # fmt: skip
            if bad:
                memory.void(source="robot")
        report = doctor(path)
        if report.worst not in ("clean", "note"):
            return str(report)
        connection = sqlite3.connect(path)
        accounts = connection.execute("SELECT record, day, actor, weight FROM accounts ORDER BY 1, 2, 3").fetchall()
        found.append((utilities(connection), accounts))
        connection.close()
    return "" if found[0] == found[1] else f"undone {found[0]}, never {found[1]}"[:2_000]


def drawn(draw: random.Random, length: int) -> list[Said]:
    """Outcomes at random."""
    return [
        (draw.random() < 0.4, draw.randrange(TASKS), draw.random(), draw.randrange(4), draw.random() < 0.2)
        for _ in range(length)
    ]  # fmt: skip


def voids(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """count sequences of outcomes."""
    draw = random.Random(f"voids {seed}")
    failures = []
    for _ in range(count):
        difference = undone_and_never(drawn(draw, draw.randrange(1, 40)), folder)
        if difference:
            failures.append(difference)
    return {"sequences": count, "failures": failures[:10]}
