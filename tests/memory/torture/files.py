"""A file that ends early, and one whose bytes have changed.

What is read from a damaged file is an error of ours, a right answer, or something wrong that the doctor finds; a record
that is returned is never a wrong one. What is saved from it is whole.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, WayfareError
from wayfare.memory import Memory, Record
from wayfare.memory.records import Key
from wayfare.memory.store.doctor import doctor, salvage

__all__ = ["QUERIES", "flipped", "made", "truncated"]

QUERIES = ("flush the session cache", "calendar of shared accounts", "topic 3 word7", "password")
WORDS = ("flush", "session", "cache", "calendar", "shared")


def made(path: Path, seed: int = 0) -> Path:
    """A file of some 100 memories in which everything has happened; closed, so that its log is in it."""
    draw = random.Random(seed)
    clock = _Clock()
    with Memory(path, synchronous="NORMAL", embedder="lexical:64", clock=clock, actor="ann") as memory:
        ids = []
        for i in range(90):
            text = f"topic {i % 7} word{i} {' '.join(draw.choices(WORDS, k=4))}"
            keys = [Key("intent", f"ask for topic {i % 7}")] if i % 3 == 0 else []
            ids.append(
                memory.remember(text, tags=["odd"] * (i % 2), keys=keys, meta={"i": i}, idempotency_key=f"k{i}").id
            )
        for i in range(25):
            memory.recall(QUERIES[i % 4], k=3, task=f"task-{i}")
            memory.credit(f"task-{i}", draw.random(), actor=f"a{i % 3}")
        memory.credit("task-3", 1.0, source="human")
        memory.credit("task-4", 1.0, correct=True)
        memory.void(actor="a2", since=0.0)
        for i in range(8):
            memory.revise(ids[i], f"topic {i} revised {draw.random()}")
        memory.link(ids[20], ids[21], "related", evidence=["a book"])
        memory.link(ids[22], ids[21], "part_of")
        memory.archive(ids[30])
        memory.forget(ids[31])
        memory.forget(ids[32], purge=True)
    with Memory(path, namespace="other", embedder="lexical:64", clock=clock) as other:
        for i in range(10):
            other.remember(f"of another tenant, number {i}")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


class _Clock:
    def __init__(self) -> None:
        self.now = 1.0e9

    def __call__(self) -> float:
        self.now += 1.25
        return self.now


# What is read, question by question


def _questions(ids: list[str]) -> dict[str, Callable[[Memory], Any]]:
    """Name -> what is asked; the order matters, since recalls are logged."""
    asked: dict[str, Callable[[Memory], Any]] = {
        "list": lambda m: m.list(limit=1_000, status=None).records,
        "list of a tag": lambda m: m.list(limit=1_000, tags=["odd"]).records,
        "policies": lambda m: [{k: v for k, v in each.items() if k != "role"} for each in m.policies()],
        "stats": lambda m: {k: v for k, v in m.stats().items() if k not in ("address", "bytes", "search")},
    }
    for id in ids:
        asked[f"get {id}"] = lambda m, id=id: (m.get(id), m.get(id).utility)
        asked[f"history {id}"] = lambda m, id=id: m.history(id)
        asked[f"links {id}"] = lambda m, id=id: m.links(id)
    for i, query in enumerate(QUERIES):
        asked[f"recall {i}"] = lambda m, i=i, query=query: _recalled(m.recall(query, k=4, task=f"probe-{i}"))
    asked["recall in an old task"] = lambda m: _recalled(m.recall(QUERIES[0], k=4, task="task-5"))
    asked["the same key again"] = lambda m: m.remember("anything", idempotency_key="k5").id
    asked["credit again"] = lambda m: m.credit("task-6", 0.25, correct=True).shares
    asked["evaluate"] = lambda m: m.evaluate("similarity").to_json()
    return asked


def _recalled(found: Any) -> Any:
    return [(item.record, item.relevance, item.score, item.propensity, item.text) for item in found], found.side


def _answers(path: Path, ids: list[str]) -> dict[str, Any]:
    """Question -> answer, or the error as a value; an error that is not ours is kept as its trace."""
    found: dict[str, Any] = {}
    try:
        memory = Memory(path, synchronous="NORMAL", clock=lambda: 2.0e9)
    except WayfareError as error:
        return {"open": error}
    except Exception as error:
        return {"open": "".join(traceback.format_exception(error))}
    with memory:
        for name, ask in _questions(ids).items():
            try:
                found[name] = ask(memory)
            except WayfareError as error:
                found[name] = error
            except Exception as error:
                found[name] = _Strange("".join(traceback.format_exception(error)[-4:]))
    return found


class _Strange(str):
    """An error that is none of ours."""


def _records(value: Any) -> Iterator[Record]:
    if isinstance(value, Record):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _records(each)
    elif hasattr(value, "record") and isinstance(value.record, Record):
        yield value.record


# Single bytes


def flipped(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """count single bytes changed, each in a fresh copy: half anywhere, half outside of the blocks of vectors."""
    draw = random.Random(f"flips {seed}")
    base = made(folder / "base.db", seed)
    size = base.stat().st_size
    pages = _pages_of_vectors(base)
    found: dict[str, Any] = _counts({"changes": 0, "bytes of the file": size})
    truth, ids, versions = _truth(base, folder)
    for i in range(count):
        offset = draw.randrange(size)
        while i % 2 and offset // 4096 in pages:
            offset = draw.randrange(size)
        data = bytearray(base.read_bytes())
        data[offset] ^= 1 << draw.randrange(8) if draw.random() < 0.5 else draw.randrange(1, 256)
        path = folder / f"flipped-{i}.db"
        path.write_bytes(data)
        found["changes"] += 1
        _judge(f"byte {offset} (page {offset // 4096 + 1})", path, truth, ids, versions, found)
    return found


def truncated(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """count files that end early, anywhere or at the end of a page."""
    draw = random.Random(f"truncated {seed}")
    base = made(folder / "whole.db", seed)
    size = base.stat().st_size
    found = _counts({"files": 0})
    truth, ids, versions = _truth(base, folder)
    for i in range(count):
        end = draw.randrange(size) if i % 2 else draw.randrange(size // 4096) * 4096
        path = folder / f"truncated-{i}.db"
        path.write_bytes(base.read_bytes()[:end])
        found["files"] += 1
        _judge(f"cut at {end} of {size}", path, truth, ids, versions, found)
    return found


def _counts(first: dict[str, Any]) -> dict[str, Any]:
    return {
        **first, "all answers right": 0, "some refused with an error": 0, "some wrong, found by the doctor": 0,
        "found by the doctor": 0, "saved": 0, "nothing to be saved": 0, "why not": {}, "memories saved": 0,
        "memories there were": 0, "failures": [],
    }  # fmt: skip


def _truth(base: Path, folder: Path) -> tuple[dict[str, Any], list[str], dict[tuple[str, int], Record]]:
    path = folder / "truth.db"
    shutil.copy(base, path)
    with Memory(path, read_only=True) as memory:
        records = memory.list(limit=1_000, status=None).records
        ids = [record.id for record in records]
        versions = {
            (step.record.id, step.record.version): step.record
            for id in ids
            for step in memory.history(id)
            if step.record
        }
    asked = ids[:6] + ids[18:24] + ids[60:63]
    return _answers(path, asked), asked, versions


def _judge(
    what: str, path: Path, truth: dict[str, Any], ids: list[str], versions: dict[tuple[str, int], Record],
    found: dict[str, Any],
) -> None:  # fmt: skip
    def fail(why: str) -> None:
        if len(found["failures"]) < 20:
            found["failures"].append(f"{what}: {why}"[:1_500])

    before = path.read_bytes()
    report = None
    try:
        report = doctor(path)
    except WayfareError:
        pass  # it says why it cannot even be looked at
    except Exception as error:
        fail("the doctor fell over: " + "".join(traceback.format_exception(error)[-3:]))
    if path.read_bytes() != before:
        fail("the doctor has changed the file")
    seen = report is None or report.worst in ("warning", "damage")
    found["found by the doctor"] += seen
    saved = path.with_name("saved.db")
    _salvaged(path, saved, versions, found, fail)
    for end in ("", "-wal", "-shm"):
        saved.with_name(saved.name + end).unlink(missing_ok=True)
    answers = _answers(path, ids)
    wrong, errors = [], 0
    for name, right in truth.items():
        if "open" in answers:
            errors += isinstance(answers["open"], WayfareError)
            if not isinstance(answers["open"], WayfareError):
                fail("opening: " + answers["open"])
            break
        answer = answers[name]
        if isinstance(answer, _Strange):
            fail(f"{name}: {answer}")
        elif isinstance(answer, WayfareError) and not isinstance(right, WayfareError):
            errors += 1
        elif isinstance(right, WayfareError):
            if type(answer) is not type(right):
                wrong.append(name)
        elif answer != right:
            wrong.append(name)
            for record in _records(answer):
                if versions.get((record.id, record.version), record) != record or (
                    (record.id, record.version) not in versions
                ):
                    fail(f"{name}: a wrong record was returned: {record}")
    if wrong and not seen:
        fail(f"silently wrong: {wrong[:4]}, {answers[wrong[0]]!r} instead of {truth[wrong[0]]!r}")
    found["all answers right"] += not wrong and not errors
    found["some refused with an error"] += bool(errors)
    found["some wrong, found by the doctor"] += bool(wrong)
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _salvaged(
    path: Path, saved: Path, versions: dict[tuple[str, int], Record], found: dict[str, Any], fail: Callable[[str], None]
) -> None:
    try:
        salvage(path, saved)
    except WayfareError as error:
        found["nothing to be saved"] += 1
        why = str(error).replace(str(path), "FILE")[:80]
        found["why not"][why] = found["why not"].get(why, 0) + 1
        if saved.exists():
            fail("a salvage that was refused has left a file")
        return
    except Exception as error:
        fail("the salvage fell over: " + "".join(traceback.format_exception(error)[-3:]))
        return
    found["saved"] += 1
    report = doctor(saved)
    if report.worst not in ("clean", "note"):
        fail(f"what was saved is not clean: {report}")
    connection = sqlite3.connect(saved)
    spaces = [path for (path,) in connection.execute("SELECT path FROM namespaces ORDER BY ns")]
    connection.close()
    found["memories there were"] += len({id for id, _ in versions})
    for name in spaces[:1]:
        try:
            with Memory(saved, namespace=name) as memory:
                records = memory.list(limit=1_000, status=None).records
                found["memories saved"] += len(records)
                for record in records:
                    if versions.get((record.id, record.version)) != record:
                        fail(f"a wrong record was saved: {record}")
                        break
                memory.recall(QUERIES[0])
                memory.remember("life goes on")
        except BadValue as error:  # the name of the namespace is what was hit
            if "namespace" not in str(error):
                fail(f"what was saved does not work: {error}")
        except (WayfareError, AssertionError) as error:
            fail(f"what was saved does not work: {type(error).__name__}: {error}")


def _pages_of_vectors(path: Path) -> set[int]:
    """Numbers, from 0, of the pages that hold them: the overflow pages of `blocks`."""
    connection = sqlite3.connect(path)
    data = path.read_bytes()
    pages = set()
    for (blob,) in connection.execute("SELECT data FROM blocks"):
        for start in range(0, len(blob) - 4_200, 4_092):
            at = data.find(blob[start + 3_000 : start + 3_064])
            if at >= 0:
                pages.add(at // 4096)
    connection.close()
    return pages
