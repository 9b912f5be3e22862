"""One process of one contender of the memory benchmark: STAGE WHO DATA STORE ['{"setting": value}'] -> one JSON line.

    fill      make the store from the data, a thousand records at a time
    tune      set how wide a copy of it searches
    recall    seconds of vector queries, of those with a filter that keeps 1 %, of whole recalls, after a warm-up
    adds      into a filled store (the front gives a copy): one by one, then a thousand at a time
    credits   ours alone, into a copy: tasks that were recalled before
    fresh     open a filled store and recall 100 times: times, and how much memory; with `only_import`, neither
    forced    so many adds, one by one or in one batch, for a count of fsync from outside

Times are of single calls; everything else is outside the clock. Of a phase that is slow fewer calls are made, never
below LEAST.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import memory_data
import numpy as np
from memory_data import DIMENSION, QUESTIONS, TEN, Data, Rows, tag

LEAST = 10
BATCH = 1_000
WARM = 40
"""Questions of the warm-up, and one more for each 4,000 records: what an index makes little by little is then made."""


def contender(who: str, folder: Path) -> Any:
    """The object that is timed."""
    folder.mkdir(parents=True, exist_ok=True)
    if who == "ours":
        from memory_ours import Ours

        return Ours(folder)
    from memory_peers import PEERS

    return PEERS[who](folder)


def fill(who: str, data: Data, store: Path) -> dict[str, Any]:
    """A store with all the data."""
    shutil.rmtree(store, ignore_errors=True)
    it = contender(who, store)
    spent = 0.0
    for rows in data.parts(BATCH):
        begun = time.perf_counter()
        it.add_many(rows)
        spent += time.perf_counter() - begun
    it.settle()
    it.close()
    size = sum(each.stat().st_size for each in store.rglob("*") if each.is_file())
    return {"per_second": len(data) / spent, "mib": size / 2**20}


def tune(who: str, data: Data, store: Path) -> dict[str, Any]:
    """What `chroma-98` needs."""
    from memory_peers import tuned

    return {"ef_search": tuned(store, data)}


def recall(
    who: str, data: Data, store: Path, seconds: float = 5.0, seed: int = 0, warm: float = 5.0, whole: bool = True
) -> dict[str, Any]:
    """Latencies in ms and recall@10 of what the contender can do; without `whole`, of its vectors only."""
    it = contender(who, store)
    it.ask(data)
    order = [int(j) for j in np.random.default_rng(seed).permutation(QUESTIONS)]
    told: dict[str, Any] = {}
    phases: dict[str, Callable[[int], Any]] = {"vector": lambda j: it.nearest(data, j, TEN)}
    if hasattr(it, "nearest_tagged"):
        phases["vector, 1 %"] = lambda j: it.nearest_tagged(data, j, TEN)
    if whole and hasattr(it, "whole"):
        phases["whole"] = lambda j: it.whole(data, j)
        phases["whole, 1 %"] = lambda j: it.whole(data, j, True)
    for name, call in phases.items():
        begun = time.perf_counter()
        for i in range(WARM + len(data) // 4_000 if name == "vector" else WARM // 10):
            if i >= 3 and time.perf_counter() - begun > warm:
                break
            call(order[-1 - i % QUESTIONS])
        begun, used = time.perf_counter(), time.process_time()
        found = list(timed(call, order, seconds, LEAST))
        used, gone = time.process_time() - used, time.perf_counter() - begun
        times = [spent for _, spent, _ in found]
        told[name] = {
            "p50": 1e3 * float(np.median(times)), "p99": 1e3 * float(np.quantile(times, 0.99)), "calls": len(times),
            "cpu": 1e3 * used / len(times), "cores": used / gone,
        }  # fmt: skip
        if name.startswith("vector"):
            tagged = name != "vector"
            told[name]["recall"] = float(np.mean([data.right(j, answer, tagged) for j, _, answer in found]))
        elif name != "whole":
            told[name]["strays"] = sum(each != tag(j) for j, _, answer in found for each in answer)
    told["memory"] = memory()
    if who == "ours":
        told["search"] = it.search
    it.close()
    return told


def timed(call: Callable[[int], Any], order: list[int], seconds: float, least: int) -> Iterator[tuple[int, float, Any]]:
    """(question, seconds, answer), until the time is over and at least so many were asked."""
    end, count = time.perf_counter() + seconds, 0
    while count < least or (time.perf_counter() < end and count < len(order)):
        question = order[count % len(order)]
        begun = time.perf_counter()
        answer = call(question)
        yield question, time.perf_counter() - begun, answer
        count += 1


def adds(who: str, data: Data, store: Path, seconds: float = 3.0) -> dict[str, Any]:
    """Adds a second, one by one and in batches, and how often the disk below forces 4 KiB a second just then."""
    told: dict[str, Any] = {"fdatasync": forces(store, 0.5)}
    it = contender(who, store)
    told["one"], told["one, cpu"] = rate(it.add, more(len(data), 1), seconds)
    told["many"], told["many, cpu"] = rate(it.add_many, more(len(data) + 10**6, BATCH), seconds)
    it.close()
    return told


def rate(add: Callable[[Rows], None], parts: Iterator[Rows], seconds: float) -> tuple[float, float]:
    """Records a second, and microseconds of processor each: time within `add` alone, after one call of warm-up."""
    add(next(parts))
    spent, used, count = 0.0, 0.0, 0
    while spent < seconds:
        rows = next(parts)
        begun, before = time.perf_counter(), time.process_time()
        add(rows)
        used += time.process_time() - before
        spent += time.perf_counter() - begun
        count += len(rows.texts)
    return count / spent, 1e6 * used / count


def more(start: int, size: int) -> Iterator[Rows]:
    """Records that no store has yet, `size` at a time, drawn alike."""
    while True:
        texts = list(memory_data.texts(start, start + max(size, BATCH)))
        vectors = np.random.default_rng([23, start]).standard_normal((len(texts), DIMENSION), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for i in range(0, len(texts), size):
            tags = [tag(start + j) for j in range(i, i + size)]
            yield Rows(start + i, texts[i : i + size], vectors[i : i + size], tags)
        start += len(texts)


def forces(folder: Path, seconds: float) -> float:
    """How often a second 4 KiB at the end of a file can be forced to this disk."""
    path, count = folder / "forced", 0
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        os.pwrite(file, b"x" * 4096, 4096 * count)
        os.fdatasync(file)
        count += 1
    spent = time.perf_counter() - begun
    os.close(file)
    path.unlink()
    return count / spent


def credits(who: str, data: Data, store: Path, count: int = 1_000) -> dict[str, Any]:
    """Credits a second, of tasks with one recall of five memories each."""
    it = contender(who, store)
    it.ask(data)
    tasks = it.tasks(data, count + 1)
    told = {"fdatasync": forces(store, 0.5)}
    it.credit(tasks[0], 1.0)
    begun, before = time.perf_counter(), time.process_time()
    for i, task in enumerate(tasks[1:]):
        it.credit(task, float(i % 2))
    told["cpu"] = 1e6 * (time.process_time() - before) / count
    told["per_second"] = count / (time.perf_counter() - begun)
    it.close()
    return told


def fresh(who: str, data: Data, store: Path, only_import: bool = False) -> dict[str, Any]:
    """A process that has just begun: seconds until it has opened, until its first answer, and MiB that it takes."""
    imported(who)
    if only_import:
        return {"memory": memory()}
    begun = time.perf_counter()
    it = contender(who, store)
    it.ask(data)
    opened = time.perf_counter()
    it.whole(data, 0)
    first = time.perf_counter()
    for j in range(1, 101):
        it.whole(data, j % QUESTIONS)
    told = {"open": opened - begun, "first": first - begun, "memory": memory(), "threads": threading.active_count()}
    it.close()
    return told


def imported(who: str) -> None:
    """Import what the contender needs."""
    names = {
        "ours": ["memory_ours"], "chroma": ["chromadb"], "lancedb": ["lancedb", "pyarrow"],
        "qdrant": ["qdrant_client"], "sqlite-vec": ["apsw", "sqlite_vec"], "mem0": ["mem0"],
    }  # fmt: skip
    for name in [*names[who], *([] if who == "ours" else ["memory_peers"])]:
        importlib.import_module(name)


def memory() -> dict[str, float]:
    """MiB of this process: peak of what is resident, resident now, and its share of pages that others have too."""
    found: dict[str, float] = {}
    for path, names in (("status", {"VmHWM": "peak", "VmRSS": "resident"}), ("smaps_rollup", {"Pss": "share"})):
        for line in Path(f"/proc/self/{path}").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                found[names[name]] = int(rest.split()[0]) / 1024
    return found


def forced(who: str, data: Data, store: Path, one: int = 0, many: int = 0) -> dict[str, Any]:
    """Adds into an empty store, for a count from outside."""
    shutil.rmtree(store, ignore_errors=True)
    it = contender(who, store)
    parts = more(0, 1)
    for _ in range(one):
        it.add(next(parts))
    if many:
        it.add_many(next(more(10**6, many)))
    os._exit(0)  # what closing forces is no add


STAGES = {
    "fill": fill,
    "tune": tune,
    "recall": recall,
    "adds": adds,
    "credits": credits,
    "fresh": fresh,
    "forced": forced,
}


def main() -> None:
    stage, who, folder, store, *rest = sys.argv[1:]
    settings = json.loads(rest[0]) if rest else {}
    print(json.dumps(STAGES[stage](who, memory_data.read(Path(folder)), Path(store), **settings)))


if __name__ == "__main__":
    main()
