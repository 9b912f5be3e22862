"""What must be refused: malformed, huge, not UTF-8, not a number. A clear error of ours, and not a byte changed."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from wayfare.errors import WayfareError
from wayfare.memory import Memory
from wayfare.memory.operations import Add, AddLink, Merge, Supersede, Update
from wayfare.memory.records import LARGEST_META, Link

__all__ = ["cases", "dump", "inputs"]

HUGE = "a" * 1_000_001
SURROGATE = "half a \ud83d pair"
TEXTS: tuple[Any, ...] = (None, 5, 1.5, b"bytes", ["list"], {}, "", "   ", "nul\0nul", SURROGATE, "\udcff", HUGE)
NAMES: tuple[Any, ...] = (*TEXTS[1:], "n" * 201)
NUMBERS: tuple[Any, ...] = (math.nan, math.inf, -math.inf, "1", b"1", [1], 1j, object())
TIMES: tuple[Any, ...] = (*NUMBERS, True)
COUNTS: tuple[Any, ...] = (0, -1, 1.5, math.nan, "3", None, True, 10**30)
Act = Callable[[Memory], Any]


def _deep() -> Any:
    found: Any = {}
    for _ in range(100_000):
        found = {"a": found}
    return found


def cases(id: str, other: str) -> Iterator[tuple[str, Act]]:
    """(what, how) of everything that must be refused. id, other: of two memories"""
    for name, act in _texts(id):
        for value in NAMES if name in ("kind", "task", "source of a credit") else TEXTS:
            if not (value is None and name in ("text of a revision", "task of a recall")):
                yield f"{name}: {_shown(value)}", lambda m, act=act, value=value: act(m, value)
    for value in (*NAMES[1:5], "", "x" * 201, SURROGATE, "\0"):
        yield f"tag {_shown(value)}", lambda m, value=value: m.remember("a new text", tags=[value])
        yield f"key role {_shown(value)}", lambda m, value=value: m.remember("a new text", keys=[(value, "text")])
        yield (
            f"key text {_shown(value)}",
            lambda m, value=value: (
                m.remember("new", keys=[("r", value)])
                if not (isinstance(value, str) and len(value) == 201)
                else _refuse()
            ),
        )
        yield f"type of a link {_shown(value)}", lambda m, value=value: m.link(id, other, value)
        yield f"a filter's kind {_shown(value)}", lambda m, value=value: m.recall("session", kinds=[value])
        yield f"a filter's tag {_shown(value)}", lambda m, value=value: m.recall("session", tags=[value])
        yield f"a list's tag {_shown(value)}", lambda m, value=value: m.list(tags=[value])
        yield f"an idempotency key {_shown(value)}", lambda m, value=value: m.remember("n", idempotency_key=value)
        yield (
            f"an actor {_shown(value)}",
            lambda m, value=value: m.credit("t0", 1.0, actor=value) if value != "" else (_refuse()),
        )
        yield (
            f"evidence {_shown(value)}",
            lambda m, value=value: (
                m.link(id, other, "r", evidence=[value])
                if not (isinstance(value, str) and value in ("", "x" * 201))
                else _refuse()
            ),
        )
    for tags in ("text", 5, None, [str(i) for i in range(101)], {"a": 1}):
        yield f"tags {_shown(tags)}", lambda m, tags=tags: m.remember("a new text", tags=tags)
    for keys in ("text", 5, [("a",)], [("a", "b", "c")], [5], {"a": "b"}):
        yield f"keys {_shown(keys)}", lambda m, keys=keys: m.remember("a new text", keys=keys)
    for meta in (
        5, "text", [1], {"a": math.nan}, {"a": {"b": [math.inf]}}, {"a": b"x"}, {"a": object()}, {(1, 2): 3}, _deep(),
        {"a": "x" * LARGEST_META}, {"a": {1, 2}},
    ):  # fmt: skip
        yield f"meta {_shown(meta)}", lambda m, meta=meta: m.remember("a new text", meta=meta)
        yield f"meta revised {_shown(meta)}", lambda m, meta=meta: m.revise(id, meta=meta)
    for value in TIMES:
        for name in ("event", "valid"):
            pair = (value, None)
            yield f"{name} {_shown(value)}", lambda m, name=name, pair=pair: m.remember("new", **{name: pair})
        yield f"revised event {_shown(value)}", lambda m, value=value: m.revise(id, event_from=value)
        for name in ("since", "until"):
            yield f"list {name} {_shown(value)}", lambda m, name=name, value=value: m.list(**{name: value})
            yield f"recall {name} {_shown(value)}", lambda m, name=name, value=value: m.recall("a", **{name: value})
            yield f"void {name} {_shown(value)}", lambda m, name=name, value=value: m.void(**{name: value})
        yield f"as of {_shown(value)}", lambda m, value=value: m.recall("session", as_of=value)
        yield f"at {_shown(value)}", lambda m, value=value: m.credit("t0", 1.0, at=value)
        yield f"links at {_shown(value)}", lambda m, value=value: m.links(id, at=value)
        yield f"a link's end {_shown(value)}", lambda m, value=value: m.link(id, other, "r", valid_to=value)
    yield "an end before its begin", lambda m: m.remember("new", valid=(5.0, 4.0))
    yield "an event of three", lambda m: m.remember("new", event=(1, 2, 3))  # type: ignore[arg-type]
    for value in (*NUMBERS, 1.0001, -0.0001, 10**400, None):
        yield f"reward {_shown(value)}", lambda m, value=value: m.credit("t0", value, correct=True)
        yield (
            f"a failure's reward {_shown(value)}",
            lambda m, value=value: m.task("x", on_error=value) if (value is not None) else _refuse(),
        )
    for value in NUMBERS:
        yield f"weight {_shown(value)}", lambda m, value=value: m.link(id, other, "r", weight=value)
    for value in COUNTS:
        yield f"k {_shown(value)}", lambda m, value=value: m.recall("session", value)
        yield f"limit {_shown(value)}", lambda m, value=value: m.list(limit=value)
        if value is not None:
            if value != 10**30:  # no budget is too large
                yield f"budget {_shown(value)}", lambda m, value=value: m.recall("session", budget_tokens=value)
            yield f"expect {_shown(value)}", lambda m, value=value: m.revise(id, "new", expect=value)
    for value in (0, -1, math.nan, "5"):
        yield f"timeout {_shown(value)}", lambda m, value=value: m.recall("session", timeout=value)
    for used in ("text", 5, [5], ["nobody"], [None], [SURROGATE]):
        yield f"used {_shown(used)}", lambda m, used=used: m.credit("t0", 1.0, used=used, correct=True)
    for rank in ("king", 5, ""):
        yield f"rank {rank}", lambda m, rank=rank: m.credit("t0", 1.0, rank=rank, correct=True) if rank else _refuse()
    for policy in ("best", 5, b"x", SURROGATE, ""):
        yield f"policy {_shown(policy)}", lambda m, policy=policy: m.recall("session", policy=policy)
        yield f"rollback to {_shown(policy)}", lambda m, policy=policy: m.rollback(policy)
        yield f"evaluate {_shown(policy)}", lambda m, policy=policy: m.evaluate(policy)
    for texts in ("one text", 5, [5], [None], [{"kind": "x"}], [{"text": "x", "what": 1}], ["good", SURROGATE], [b"x"]):
        yield f"many {_shown(texts)}", lambda m, texts=texts: m.remember_many(texts)
    for turns in ("text", 5, [5], [{"speaker": "a"}], [{"speaker": "a", "text": SURROGATE}], [{"text": 5}]):
        yield f"dialogue {_shown(turns)}", lambda m, turns=turns: m.remember_dialogue(turns)
    for ops in ("text", 5, [5], [None], ["ADD"]):
        yield f"operations {_shown(ops)}", lambda m, ops=ops: m.apply(ops)
    good = Add("a good one that must not stay", id="good")
    bad: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("an unknown id", lambda: Update("nobody", {"content": "x"}, "")),
        ("an unknown end of a link", lambda: AddLink(Link(id, "nobody", "r"))),
        ("a field that there is not", lambda: Update(id, {"colour": "red"}, "")),
        ("a merge of one that there is not", lambda: Merge([id, "nobody"], id)),
        ("a successor that there is not", lambda: Supersede(id, "nobody")),
        ("an id twice", lambda: Add("another text", id=id)),
    )
    for name, make in bad:
        yield f"after a good one, {name}", lambda m, make=make: m.apply([good, make()])
    yield "to itself", lambda m: m.link(id, id, "r")
    yield "nothing to revise", lambda m: m.revise(id)
    yield "an unknown field", lambda m: m.revise(id, colour="red")
    yield "void of everything", lambda m: m.void()
    yield "direction", lambda m: m.links(id, direction="up")
    yield "an unknown task", lambda m: m.credit("never heard of", 1.0)
    yield "another outcome", lambda m: m.credit("t0", 0.75)
    yield "a key for something else", lambda m: m.remember("something else", idempotency_key="known")


def _texts(id: str) -> Iterator[tuple[str, Callable[[Memory, Any], Any]]]:
    yield "text", lambda m, v: m.remember(v)
    yield "kind", lambda m, v: m.remember("a new text", kind=v)
    yield "text of a revision", lambda m, v: m.revise(id, v)
    yield "query", lambda m, v: m.recall(v)
    yield "id", lambda m, v: m.get(v)
    yield "id of a history", lambda m, v: m.history(v)
    yield "id of links", lambda m, v: m.links(v)
    yield "id to forget", lambda m, v: m.forget(v)
    yield "id to purge", lambda m, v: m.forget(v, purge=True)
    yield "id to revise", lambda m, v: m.revise(v, "x")
    yield "id to archive", lambda m, v: m.archive(v)
    yield "id to link", lambda m, v: m.link(id, v, "related")
    yield "task", lambda m, v: m.credit(v, 1.0)
    yield "task of a recall", lambda m, v: m.recall("session", task=v)
    yield "source of a credit", lambda m, v: m.credit("t0", 1.0, source=v)


def _refuse() -> None:
    """A case that is none: what it would ask is allowed."""
    raise WayfareError("not a case")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "a mapping 100,000 deep"
    return text if len(text) <= 40 else f"{text[:30]}... of {len(text)}"


def dump(path: Path) -> str:
    """A hash of every row of every table."""
    connection = sqlite3.connect(path)
    total = blake2b()
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        for row in connection.execute(f"SELECT * FROM {table}"):
            total.update(repr(row).encode("utf-8", "surrogatepass"))
    connection.close()
    return total.hexdigest()


def inputs(folder: Path) -> dict[str, Any]:
    """Every case, on a store with two memories and a credited task."""
    path = folder / "inputs.db"
    failures = []
    count = 0
    with Memory(path, synchronous="NORMAL") as memory:
        first = memory.remember("the session cache is flushed at night", idempotency_key="known").id
        second = memory.remember("the session token lives an hour").id
        memory.recall("session", task="t0")
        memory.credit("t0", 0.5)
        before = dump(path)
        for what, act in cases(first, second):
            count += 1
            try:
                act(memory)
                failures.append(f"{what}: was taken")
            except WayfareError as error:
                if not str(error) or len(str(error)) > 2_000:
                    failures.append(f"{what}: says {len(str(error))} characters")
            except Exception as error:
                failures.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
            after = dump(path)
            if after != before:
                failures.append(f"{what}: the store has changed")
                before = after
    return {"inputs": count, "failures": failures[:40], "failed": len(failures)}
