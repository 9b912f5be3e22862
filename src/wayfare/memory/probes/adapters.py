"""The interfaces that are known without an adapter: the verbs of `Memory`, and memories for streams of tasks.

    Verbs     remember, recall; and of get, revise, forget, link, credit, history, list, upkeep what there is
    Streamed  search, synthesise, update. Where it keeps all in a `Memory` of its own (`.memory`), that can be looked at
              and things taken out of it by id; nothing is changed there, since that would not be its own doing

A class that has `write` and `recall` is a `Subject` by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.memory import Memory
from wayfare.memory.modules.frames import read as blocks_of
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.probes.subject import Hit, How, WrongAnswer
from wayfare.memory.records import Record

__all__ = ["Streamed", "Verbs", "protocol_of", "subject_of", "taken_by"]

BUDGETS = ("size", "most", "capacity", "budget")
"""Names by which constructors take how much may be held."""
PROTOCOLS = {
    "a Subject": ("write", "recall"),
    "a memory": ("remember", "recall"),
    "a memory for streams": ("search", "synthesise", "update"),
}


def subject_of(maker: Any, folder: Path, how: How) -> Any:
    """What a class or a function without arguments makes, with the verbs of a `Subject`.

    Raises: BadValue naming the class, and the method that it lacks.
    """
    make = _maker(maker, folder, how)
    kind = maker if inspect.isclass(maker) else None
    memory = None if kind is not None else make()[0]
    protocol = protocol_of(kind if kind is not None else type(memory))
    if protocol == "a Subject":
        return make()[0] if kind is not None else memory
    adapter = Verbs if protocol == "a memory" else Streamed
    return adapter(make, how, memory)


def protocol_of(kind: type[Any]) -> str:
    """Which of `PROTOCOLS` a class follows. Raises: BadValue naming the class and the method that it lacks."""
    missing = {
        name: [verb for verb in verbs if not callable(getattr(kind, verb, None))] for name, verbs in PROTOCOLS.items()
    }
    for name, lacks in missing.items():
        if not lacks:
            return name
    near = min(missing, key=lambda name: len(missing[name]) / len(PROTOCOLS[name]))
    others = "; ".join(f"{name} has {', '.join(verbs)}" for name, verbs in PROTOCOLS.items())
    raise BadValue("memory", kind.__qualname__, f"{near} with {', '.join(missing[near])}, which it lacks ({others})")


def _maker(maker: Any, folder: Path, how: How) -> Callable[[], tuple[Any, bool]]:
    """Makes an instance, and says whether another one at the same address would be the same memory."""
    if not inspect.isclass(maker):
        return lambda: (maker(), False)
    takes = taken_by(maker)
    offered: dict[str, Any] = {"address": str(folder / "memory.db"), "k": how.k, "seed": how.seed}
    offered |= {"synchronous": "NORMAL"}
    offered |= {name: it for name, it in (("clock", how.clock), ("embedder", how.embedder)) if it is not None}
    if how.plain and issubclass(maker, Memory):
        offered["policy"] = "similarity"
    if how.budget is not None:
        offered |= dict.fromkeys(BUDGETS, how.budget)
    given = {name: value for name, value in offered.items() if name in takes}
    return lambda: (maker(**given), "address" in given)


def taken_by(kind: type[Any]) -> set[str]:
    """Names of what the constructors of a class and of those that it inherits from take."""
    takes: set[str] = set()
    for base in kind.__mro__[:-1]:
        if "__init__" in vars(base):
            takes |= set(inspect.signature(vars(base)["__init__"]).parameters)
    return takes - {"self"}


class _Adapter:
    restart: Any

    def __init__(self, make: Callable[[], tuple[Any, bool]], how: How, memory: Any = None) -> None:
        self.make, self.how = make, how
        self.memory, lasting = make() if memory is None else (memory, False)
        if not lasting:
            self.restart = None

    def close(self) -> None:
        if callable(getattr(self.memory, "close", None)):
            self.memory.close()

    def reset_context(self) -> None:
        """What these interfaces hold stands outside of any conversation: a new one begins by not saying anything."""

    def _again(self) -> Any:
        self.close()
        return type(self)(self.make, self.how)

    def _lacking(self, holder: Any, needs: dict[str, str]) -> None:
        for verb, own in needs.items():
            if not callable(getattr(holder, own, None)):
                setattr(self, verb, None)


class Verbs(_Adapter):
    """A memory that remembers and recalls."""

    def __init__(self, make: Callable[[], tuple[Any, bool]], how: How, memory: Any = None) -> None:
        self.restart: Any = self._again
        super().__init__(make, how, memory)
        self._lacking(self.memory, {
            "read": "get", "edit": "revise", "delete": "forget", "link": "link", "credit": "credit",
            "history": "history", "consolidate": "upkeep", "trim": "upkeep",
        })  # fmt: skip
        if not callable(getattr(self.memory, "list", None)) and not callable(getattr(self.memory, "__len__", None)):
            self.size: Any = None
        else:
            self.size = self._size
        if "as_of" not in inspect.signature(self.memory.recall).parameters:
            self.recall_as_of: Any = None
        else:
            self.recall_as_of = self._as_of
        self._last: Any = None
        self._turn, self._named = 0, "task" in inspect.signature(self.memory.recall).parameters

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> Any:
        done = self.memory.remember(text if key is None else f"{key} {text}")
        id = done if isinstance(done, str) else getattr(done, "id", None)
        for other in links:
            self.link(id, other)
        return id

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        self._turn += 1  # tasks are named, so that whatever is drawn by their names can be drawn again
        self._last = self.memory.recall(query, k, **({"task": f"probe {self._turn}"} if self._named else {}))
        return _hits(self._last)

    def _as_of(self, query: str, k: int, at: float) -> Sequence[Hit]:
        return _hits(self.memory.recall(query, k, as_of=at))

    def read(self, id: str) -> str:
        return _active(self.memory.get(id), id)

    def edit(self, id: str, text: str) -> None:
        self.memory.revise(id, text)

    def delete(self, id: str) -> None:
        self.memory.forget(id)

    def link(self, source: Any, target: str) -> None:
        self.memory.link(source, target, "related")

    def credit(self, ids: Sequence[str], reward: float) -> None:
        used = {"used": list(ids)} if "used" in inspect.signature(self.memory.credit).parameters else {}
        self.memory.credit(getattr(self._last, "task", self._last), reward, **used)

    def history(self, id: str) -> Sequence[str]:
        return _versions(self.memory, id)

    def _size(self) -> int:
        return len(self.memory) if hasattr(self.memory, "__len__") else _held(self.memory)

    def consolidate(self) -> None:
        self.memory.upkeep("duplicates", dry_run=False)

    def trim(self, most: int) -> None:
        from wayfare.memory.upkeep import Evict

        self.memory.upkeep(Evict(most), dry_run=False)


class Streamed(_Adapter):
    """A memory for streams of tasks; what is written is a task that has ended, and well."""

    def __init__(self, make: Callable[[], tuple[Any, bool]], how: How, memory: Any = None) -> None:
        self.restart: Any = self._again
        super().__init__(make, how, memory)
        inner = getattr(self.memory, "memory", None)
        self.inner: Any = inner if isinstance(inner, Memory) else None
        self._lacking(self.inner, {"read": "get", "delete": "forget", "history": "history"})
        if not callable(getattr(self.memory, "__len__", None)) and self.inner is None:
            self.size: Any = None
        else:
            self.size = self._size
        self._query, self._shown, self._context = "", dict[str, str](), ""

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> Any:
        return self.finish(text if key is None else key, text, 1.0)

    def finish(self, key: str, text: str, reward: float) -> Any:
        before = self._newest()
        self.memory.update(Finished(key, text, reward))
        after = self._newest()
        return after if after != before else None

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        found = self.memory.search(query)
        hits = [(each.id, each.text) for each in found]
        context = self.memory.synthesise(query, found)
        if not isinstance(context, str):
            raise WrongAnswer(f"synthesise returns {type(context).__name__}, not text")
        self._query, self._shown, self._context = query, dict(hits), context
        return hits if hits or not context.strip() else [("", context)]

    def credit(self, ids: Sequence[str], reward: float) -> None:
        """The task that was searched for last ended with what the first of these says."""
        told = blocks_of(self._shown.get(ids[0], "") if ids else "")
        answer = (told[0].answer or told[0].text) if told else ""
        self.memory.update(
            Finished(self._query, answer, reward, context=self._context, shown=tuple(self._shown))
        )  # fmt: skip

    def read(self, id: str) -> str:
        return _active(self.inner.get(id), id)

    def delete(self, id: str) -> None:
        self.inner.forget(id)

    def history(self, id: str) -> Sequence[str]:
        return _versions(self.inner, id)

    def _size(self) -> int:
        return len(self.memory) if hasattr(self.memory, "__len__") else _held(self.inner)

    def _newest(self) -> str | None:
        if self.inner is None:
            return None
        page = self.inner.list(newest=True, limit=1).records
        return page[0].id if page else None


def _held(memory: Any) -> int:
    held, after = 0, None
    while True:
        page = memory.list(limit=500, after=after)
        held, after = held + len(page.records), page.next
        if after is None:
            return held


def _versions(memory: Any, id: str) -> list[str]:
    """What each version of a record says, by which it is found and what it counts as."""
    found = []
    for step in memory.history(id):
        record = getattr(step, "record", step)
        if isinstance(record, Record):
            found.append(f"{record.content} {record.status} {sorted(record.tags)} {sorted(dict(record.meta).items())}")
        elif record is not None:
            found.append(_text(record))
    return found


def _active(found: Any, id: str) -> str:
    if found is None or getattr(found, "status", "active") != "active":
        raise KeyError(id)
    return _text(found)


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    for holder in (getattr(item, "record", item), item):
        for name in ("content", "text"):
            if isinstance(getattr(holder, name, None), str):
                return str(getattr(holder, name))
    return str(item)


def _hits(found: Iterable[Any]) -> list[Hit]:
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise WrongAnswer(f"recall returns {type(found).__name__}, not a list")
    hits = []
    for item in found:
        if isinstance(item, tuple) and len(item) == 2 and all(isinstance(each, str) for each in item):
            hits.append(item)
            continue
        if isinstance(item, tuple) and not hasattr(item, "id"):  # (text, score) and the like
            item = next((each for each in item if isinstance(each, str)), item)
        id = getattr(item, "id", "")
        hits.append((id if isinstance(id, str) else "", _text(item)))
    return hits
