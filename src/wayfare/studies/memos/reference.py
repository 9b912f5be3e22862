"""What a cube must do, in plain Python: the reference that random operations on a real one are held against.

A `Reference` knows two cubes, `a` and `b`, and a third, `c`, that they are fused into. It says of each operation
whether it is refused, and what every memory says afterwards, at which version, in which state and with which past. It
is written from what the manual says a cube does, and shares no code with the memory but the names of its states.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256

from wayfare.studies.memos.drawing import CHANGEABLE, Operation, drawn

__all__ = ["Item", "Reference", "Snap", "Taken", "bytes_of"]


@lru_cache(maxsize=4_096)
def bytes_of(number: int) -> bytes:
    """The payload of a number."""
    draw = random.Random(number)
    return draw.randbytes(draw.randrange(1, 4_000))


@dataclass(frozen=True)
class Snap:
    """One version. payload: a number, None without; rests: what its source said and carried when this was written"""

    text: str
    payload: int | None
    status: str
    mark: str = ""
    rests: tuple[str, int | None] | None = None

    @property
    def said(self) -> tuple[str, int | None]:
        """Text and payload."""
        return self.text, self.payload


@dataclass
class Item:
    """A memory. source: id of what it was derived from        merged: whether it is in another by now

    took: of the last merge into it: its version then, the one before (None: it was made by it), and (id, version) of
    each that it took in
    """

    id: str
    form: str
    past: list[Snap]
    source: str | None = None
    merged: bool = False
    gone: bool = False
    took: tuple[int, int | None, list[tuple[str, int]]] | None = None

    @property
    def now(self) -> Snap:
        """As it stands."""
        return self.past[-1]

    @property
    def state(self) -> str:
        """One of five."""
        if self.now.status == "superseded":
            return "merged" if self.merged else "archived"
        return "archived" if self.now.status == "archived" else self.now.mark or "activated"


@dataclass
class Taken:
    """A memory of the third cube. origins: (cube, id) -> the latest version that was taken"""

    form: str
    said: tuple[str, int | None]
    origins: dict[tuple[str, str], int]
    active: bool = True
    mark: str = ""
    sources: set[str] = field(default_factory=set)


class Reference:
    """The three cubes. `touched`: ids of cube and memory that the last operation may have changed."""

    def __init__(self) -> None:
        self.cubes: dict[str, dict[str, Item]] = {"a": {}, "b": {}}
        self.moves = {"a": 0, "b": 0}
        self.fused: dict[str, Taken] = {}
        self.touched: set[tuple[str, str]] = set()

    def draw(self, seed: int, number: int) -> Operation:
        """The operation of that number, some of them such as must be refused."""
        return drawn(self.cubes, seed, number)

    # Applying

    def apply(self, op: Operation) -> bool:
        """Whether it is done; where it is refused nothing has changed."""
        self.touched = set()
        if op["kind"] == "migrate":
            self.moves[op["cube"]] += 1
            return True
        if op["kind"] == "fuse":
            self._fuse()
            return True
        done: bool = getattr(self, f"_{op['kind']}")(self.cubes[op["cube"]], op)
        self.touched = {(op["cube"], id) for id in self._seen} if done else {(op["cube"], op["id"])}
        return done

    def _begin(self, *ids: str) -> None:
        self._seen = list(ids)

    def _write(self, items: dict[str, Item], item: Item, snap: Snap) -> None:
        """A new version; what it rests on is asked anew where it says something else."""
        if item.source is not None and snap.said != item.now.said:
            snap = replace(snap, rests=items[item.source].now.said)
        elif item.source is not None:
            snap = replace(snap, rests=item.now.rests)
        before = item.now.said
        item.past.append(snap)
        self._seen.append(item.id)
        if snap.said != before:
            self._cascade(items, item.id)

    def _cascade(self, items: dict[str, Item], id: str) -> None:
        waiting, seen = [id], {id}
        while waiting:
            source = waiting.pop()
            for item in items.values():
                if item.source == source and not item.gone and item.id not in seen:
                    seen.add(item.id)
                    waiting.append(item.id)
                    if item.now.status == "active":
                        item.past.append(replace(item.now, status="archived"))
                        self._seen.append(item.id)

    def _same(self, items: dict[str, Item], said: tuple[str, int | None], but: str = "") -> Item | None:
        for item in items.values():
            if not item.gone and item.now.status == "active" and item.now.said == said and item.id != but:
                return item
        return None

    def _add(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        if self._same(items, (op["text"], None)) is None:
            items[op["id"]] = Item(op["id"], "token", [Snap(op["text"], None, "active", op["mark"])])
        return True

    def _derive(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        source = items[op["source"]]
        snap = Snap(op["text"], op["payload"], "active", op["mark"], source.now.said)
        items[op["id"]] = Item(op["id"], op["form"], [snap], op["source"])
        return True

    def _update(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        item = items[op["id"]]
        text = item.now.text if op["text"] is None else op["text"]
        payload = item.now.payload if op["payload"] is None else op["payload"]
        if item.state not in CHANGEABLE or self._same(items, (text, payload), item.id) is not None:
            return False
        if (text, payload) != item.now.said:
            self._write(items, item, replace(item.now, text=text, payload=payload))
        return True

    def _marked(self, items: dict[str, Item], op: Operation, allowed: tuple[str, ...], mark: str) -> bool:
        self._begin(op["id"])
        item = items[op["id"]]
        if item.state not in allowed:
            return False
        self._write(items, item, replace(item.now, mark=mark))
        return True

    def _activate(self, items: dict[str, Item], op: Operation) -> bool:
        return self._marked(items, op, ("generated",), "")

    def _freeze(self, items: dict[str, Item], op: Operation) -> bool:
        return self._marked(items, op, CHANGEABLE, "frozen")

    def _thaw(self, items: dict[str, Item], op: Operation) -> bool:
        return self._marked(items, op, ("frozen",), "")

    def _archive(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        item = items[op["id"]]
        if item.state not in CHANGEABLE:
            return False
        self._write(items, item, replace(item.now, status="archived"))
        return True

    def _forget(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        items[op["id"]].gone = True
        self._cascade(items, op["id"])
        return True

    def _stale(self, items: dict[str, Item], item: Item, snap: Snap) -> bool:
        """Whether a version of a form answers for what stands no more."""
        if item.source is None:
            return False
        source = items[item.source]
        if source.gone or source.now.status == "superseded" or source.now.said != snap.rests:
            return True
        return source.form != "token" and self._stale(items, source, source.now)

    def _restore(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        item = items[op["id"]]
        if item.state != "archived":
            return False
        then = [snap for snap in item.past if snap.status == "active"][-1]
        if self._stale(items, item, then) or self._same(items, then.said, item.id) is not None:
            return False
        self._write(items, item, then)
        if then.mark:
            self._write(items, item, replace(item.now, mark=""))
        return True

    def _rollback(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        item = items[op["id"]]
        if item.state == "frozen" or op["version"] >= len(item.past):
            return False
        then = item.past[op["version"] - 1]
        clash = then.status == "active" and self._same(items, then.said, item.id) is not None
        if clash or self._stale(items, item, then):
            return False
        self._write(items, item, then)
        return True

    def _merge(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        taken = [items[id] for id in op["ids"]]
        into = items.get(op["id"])
        allowed = CHANGEABLE
        if any(item.state not in allowed for item in taken) or (into is not None and into.state not in allowed):
            return False
        before = None if into is None else len(into.past)
        for item in taken:
            if item.now.mark:
                self._write(items, item, replace(item.now, mark=""))
            self._write(items, item, replace(item.now, status="superseded"))
            item.merged = True
        if into is None:
            into = items[op["id"]] = Item(op["id"], "token", [Snap(op["text"], None, "active")])
        else:
            self._write(items, into, into.now)
        into.took = (len(into.past), before, [(item.id, len(item.past)) for item in taken])
        for item in taken:
            self._cascade(items, item.id)
        return True

    def _unmerge(self, items: dict[str, Item], op: Operation) -> bool:
        self._begin(op["id"])
        into = items[op["id"]]
        if into.took is None or len(into.past) != into.took[0]:
            return False
        _, before, members = into.took
        own = into.now if before is not None else replace(into.now, status="archived")
        taken = [items[id] for id, _ in members]
        if any(item.gone or len(item.past) != version for item, (_, version) in zip(taken, members, strict=True)):
            return False
        said = [item.now.said for item in taken]
        others = [self._same(items, each) for each in said]
        if len(set(said)) < len(said) or any(
            each is not None and (before is not None or each is not into) for each in others
        ):
            return False
        self._write(items, into, own)
        into.took = None
        for item in taken:
            self._write(items, item, replace(item.now, status="active"))
            item.merged, item.took = False, None
        return True

    # Fusing

    def _fuse(self) -> None:
        groups: dict[tuple[str, int | None], list[tuple[str, Item]]] = {}
        for name, item in self._fusible():
            groups.setdefault(item.now.said, []).append((name, item))
        ids: dict[tuple[str, str], str] = {}
        for said, members in groups.items():
            id = self._taken(said, members)
            ids |= {(name, item.id): id for name, item in members}
        for (name, own), id in ids.items():
            source = self.cubes[name][own].source
            if source is not None and (name, source) in ids:
                self.fused[id].sources.add(ids[name, source])
        self.touched = {("c", id) for id in self.fused}

    def _fusible(self) -> Iterator[tuple[str, Item]]:
        for name, items in self.cubes.items():
            active = {id: item for id, item in items.items() if not item.gone and item.now.status == "active"}

            def whole(item: Item, active: dict[str, Item] = active) -> bool:
                return item.source is None or (item.source in active and whole(active[item.source]))

            yield from ((name, item) for _, item in sorted(active.items()) if whole(item))

    def _taken(self, said: tuple[str, int | None], members: list[tuple[str, Item]]) -> str:
        name, first = members[0]
        marks = [item.now.mark for _, item in members]
        origins = {(cube, item.id): len(item.past) for cube, item in members}
        for id, known in self.fused.items():
            if known.active and known.said == said:
                known.mark = _mark([known.mark, *marks])
                known.origins |= origins
                return id
        place = (name, first.id)
        before = [(known.origins[place], id) for id, known in self.fused.items() if place in known.origins]
        if before:
            version, latest = max(before, key=lambda each: each[0])
            if self.fused[latest].said == said or version == origins[place]:
                return latest
        id = first.id
        if id in self.fused:
            id = f"cube:cube/{name}/{first.id}@{origins[place]}"
        if before:
            old = self.fused[latest]
            if old.active and set(old.origins) == {place}:
                old.active = False
                self._cut(latest)
        self.fused[id] = Taken(first.form, said, origins, True, _mark(marks))
        return id

    def _cut(self, id: str) -> None:
        """What was derived from it is archived."""
        waiting, seen = [id], {id}
        while waiting:
            source = waiting.pop()
            for other, known in self.fused.items():
                if source in known.sources and other not in seen and known.form != "token":
                    seen.add(other)
                    waiting.append(other)
                    known.active = False

    def digest(self) -> str:
        """Of everything: two references that agree have the same."""
        told = repr((self.cubes, self.moves, sorted(self.fused.items(), key=lambda each: each[0])))
        return sha256(told.encode()).hexdigest()


def _mark(marks: list[str]) -> str:
    if "frozen" in marks:
        return "frozen"
    return "generated" if set(marks) == {"generated"} else ""
