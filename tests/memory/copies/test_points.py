"""What stood at a point of the log is told, and stands again: by a model that keeps every state that there was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.memory.stores import Store
from tests.memory.test_memory import Clock
from wayfare.errors import BadValue, OutcomeConflict, StoreError
from wayfare.memory import Key, Link, Memory
from wayfare.memory.operations import Add, AddLink, Archive, Delete, Merge, Operation, Supersede, Unlink, Update
from wayfare.memory.records import checksum
from wayfare.memory.store.rows import LOG_COLUMNS

WORDS = ("token", "cache", "router", "invoice", "printer", "backup", "mailbox", "session")
Told = dict[str, Any]


def told(memory: Memory) -> Told:
    """All that a namespace says: records that are there, links, and what each is found under."""
    records, after = {}, None
    while True:
        page = memory.list(status=None, limit=500, after=after)
        records |= {each.id: each.with_(version=0, updated_at=0.0) for each in page.records}
        after = page.next
        if after is None:
            break
    links = {(link.source, link.type, link.target): link for id in records for link in memory.links(id)}
    return {"records": records, "links": links, "found": found_under(memory)}


def found_under(memory: Memory) -> set[tuple[str, str, str]]:
    with memory.engine.database.read() as tx:
        rows = tx.execute(
            "SELECT r.id, e.role, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record"
            " JOIN namespaces n ON n.ns = e.ns WHERE e.alive = 1 AND n.path = ? ORDER BY 1, 2, 3",
            (memory.engine.namespace,),
        ).fetchall()
    return set(map(tuple, rows))


def stands(state: Told, id: str) -> Any:
    return state["records"][id], {each for each in state["found"] if each[0] == id}


class Changes:
    """Draws operations, and keeps what the memory said after each."""

    def __init__(self, memory: Memory, seed: int) -> None:
        self.memory, self.draw = memory, np.random.default_rng(seed)
        self.states: dict[int, Told] = {0: told(memory)}
        self.ids: list[str] = []

    def one(self, choices: Any) -> Any:
        return choices[int(self.draw.integers(len(choices)))]

    def text(self) -> str:
        return f"{self.one(WORDS)} {self.one(WORDS)} {int(self.draw.integers(40))}"

    def added(self) -> Add:
        self.ids.append(f"m{len(self.ids):03}")
        return Add(
            self.text(), id=self.ids[-1], tags=[self.one(("a", "b"))],
            keys=(Key("intent", f"how to {self.one(WORDS)}"),) if self.draw.random() < 0.5 else (),
            context=f"around {self.one(WORDS)}" if self.draw.random() < 0.3 else None,
        )  # fmt: skip

    def operation(self) -> Operation:
        a, b = self.one(self.ids), self.one(self.ids)
        makers: list[Callable[[], Operation]] = [
            self.added, self.added, lambda: Update(a, {"content": self.text()}), lambda: Update(a, {"tags": ("c",)}),
            lambda: Update(a, {"keys": (Key("intent", self.text()),)}), lambda: Update(a, {"context": self.text()}),
            lambda: Supersede(a, self.added()), lambda: Merge((a, b), self.added()), lambda: Archive(a),
            lambda: Merge((a,), b), lambda: AddLink(Link(a, b, "causes", float(self.draw.integers(3)))),
            lambda: AddLink(Link(a, b, "before")), lambda: Unlink(a, b, "causes"), lambda: Delete(a),
        ]  # fmt: skip
        return self.one(makers)()

    def step(self) -> None:
        try:
            if len(self.ids) < 6:
                self.memory.apply([self.added()])
            elif self.draw.random() < 0.1:
                self.memory.undo_merge(self.one(self.ids))
            else:
                self.memory.apply([self.operation() for _ in range(int(self.draw.integers(1, 3)))])
        except (StoreError, BadValue):
            pass  # of ids that are gone, texts that are there, links to oneself
        self.keep()

    def keep(self) -> int:
        with self.memory.engine.database.read() as tx:
            (seq,) = tx.execute("SELECT max(sequence) FROM namespaces").fetchone()
        self.states[seq] = told(self.memory)
        return int(seq)


@pytest.mark.parametrize("seed", [0, 1])
def test_after_any_changes_any_earlier_state_is_told_and_stands_again(address: str, seed: int) -> None:
    with Memory(address, embedder="lexical:32", synchronous="NORMAL", clock=Clock()) as memory:
        changes = Changes(memory, seed)
        for _ in range(60):
            changes.step()
        points = sorted(changes.states)
        for _ in range(6):
            a, b = changes.one(points), changes.one(points)
            one, other, found = changes.states[a], changes.states[b], memory.diff(int(a), int(b))
            assert set(found.added) == other["records"].keys() - one["records"].keys()
            assert set(found.forgotten) == one["records"].keys() - other["records"].keys()
            both = one["records"].keys() & other["records"].keys()
            assert set(found.revised) == {id for id in both if stands(one, id) != stands(other, id)}
            there = {key: link for key, link in one["links"].items() if {key[0], key[2]} <= both}
            then = {key: link for key, link in other["links"].items() if {key[0], key[2]} <= both}
            changed = {(link.source, link.type, link.target) for link in found.links}
            assert {key for key in there.keys() | then.keys() if there.get(key) != then.get(key)} <= changed
        for _ in range(6):
            to = changes.one(points)
            dry = memory.rollback(to=int(to), dry_run=True)
            before = told(memory)
            assert dry.dry and told(memory) == before
            done = memory.rollback(to=int(to))
            assert (done.restored, done.forgotten, done.linked) == (dry.restored, dry.forgotten, dry.linked)
            assert told(memory) == changes.states[to]
            again = memory.rollback(to=int(to))
            assert not (again.restored or again.forgotten or again.linked or again.unlinked)
            changes.step()
            points = sorted(changes.states)


def test_going_back_is_a_step_of_history_and_can_itself_be_gone_back_on(address: str) -> None:
    clock = Clock()
    with Memory(address, embedder="lexical:32", clock=clock, actor="ann") as memory:
        id = memory.remember("The token lives an hour", keys=[("intent", "how long")]).id
        clock.now += 10
        point = clock.now
        clock.now += 10
        memory.revise(id, "The token lives a day", keys=[])
        other = memory.remember("Something new").id
        memory.recall("token", task="t")
        memory.credit("t", 1.0)
        learned = memory.get(id).utility
        memory.forget(id)
        done = memory.rollback(to=point, reason="the day was wrong")
        assert done.restored == (id,) and done.forgotten == (other,)
        assert memory.get(id).content == "The token lives an hour" and memory.get(id).utility == learned
        assert [step.op for step in memory.history(id)] == ["ADD", "UPDATE", "DELETE", "RESTORE"]
        assert memory.history(id)[-1].reason == "the day was wrong" and memory.history(id)[-1].actor == "ann"
        assert memory.recall("how long").ids == (id,)
        memory.rollback(to=2)  # after the revision
        assert memory.get(id).content == "The token lives a day"
        told = memory.rollback(to=1, idempotency_key="once")
        later = memory.remember("Written since").id
        assert memory.rollback(to=1, idempotency_key="once") == told and memory.get(later).content
        with pytest.raises(OutcomeConflict):
            memory.rollback(to=2, idempotency_key="once")
        with pytest.raises(BadValue, match="to must be"):
            memory.rollback(to=10_000)
        with pytest.raises(BadValue, match="to must be"):
            memory.rollback()  # type: ignore[call-overload]
        with pytest.raises(BadValue, match="the id or the label of a copy"):
            memory.rollback(to="never made")


def test_two_that_exchanged_their_texts_get_them_back(address: str) -> None:
    with Memory(address, embedder="none") as memory:
        a, b = memory.remember("left").id, memory.remember("right").id
        memory.revise(a, "between")
        memory.revise(b, "left")
        memory.revise(a, "right")
        memory.rollback(to=2)
        assert (memory.get(a).content, memory.get(b).content) == ("left", "right")
        assert memory.recall("right").items[0].id == b


def test_what_was_purged_does_not_come_back_and_the_rest_does(address: str) -> None:
    with Memory(address, embedder="none") as memory:
        a, b = memory.remember("to be purged").id, memory.remember("to be changed").id
        memory.link(a, b, "causes")
        memory.revise(b, "changed")
        memory.forget(a, purge=True)
        done = memory.rollback(to=3)
        assert done.lost == (a,) and done.restored == (b,)
        assert memory.get(b).content == "to be changed"
        assert memory.diff(3, None).forgotten == (a,)


GOING_BACK = """
import sys
from wayfare.memory import Memory
from wayfare.memory.copies import rolling
kept, calls = rolling._restore, 0
def halts(*given):
    global calls
    calls += 1
    if calls == 3:
        print("half way", flush=True)
        sys.stdin.read()
    kept(*given)
rolling._restore = halts
with Memory(sys.argv[1]) as memory:
    memory.rollback(to=int(sys.argv[2]))
print("done", flush=True)
"""


def test_killed_on_its_way_back_a_memory_stands_as_it_stood(store: Store, address: str) -> None:
    with Memory(address, embedder="lexical:32", synchronous="NORMAL") as memory:
        memory.apply([Add(f"memory {i}", id=f"m{i}") for i in range(60)])
        memory.apply([Update(f"m{i}", {"content": f"otherwise {i}"}) for i in range(60)])
        before = told(memory)
    command = [sys.executable, "-c", GOING_BACK, address, "60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "half way\n"
        child.send_signal(signal.SIGKILL)
        assert child.stdout.read() == ""
    with Memory(address, synchronous="NORMAL") as memory:
        assert told(memory) == before
        assert len(memory.rollback(to=60).restored) == 60
        assert memory.get("m7").content == "memory 7"


# Snapshots and branches


def test_a_snapshot_is_a_point_a_file_and_a_line_of_the_list(store: Store, address: str, tmp_path: Path) -> None:
    with Memory(address) as memory:
        if store.name == "postgresql":
            with pytest.raises(BadValue, match="folder must be given"):
                memory.snapshot("before")
        folder = None if store.name == "file" else tmp_path / "kept"
        memory.remember("first")
        made = memory.snapshot("before", folder=folder)
        memory.remember("second")
        assert memory.snapshots() == [made] and made.seq == 1 and made.digest and Path(made.path).is_file()
        assert len(memory.diff("before").added) == 1 and memory.diff(made.id) == memory.diff("before")
        later = memory.snapshot("before", folder=folder)
        assert memory.diff("before").added == ()  # the last of that label
        memory.rollback(to=made.id)
        assert len(memory.list().records) == 1
        with Memory.from_bundle(later.path, tmp_path / "other.db", digest=later.digest) as other:
            assert len(other.list().records) == 2
            assert [copy.path for copy in other.snapshots()] == [made.path, later.path]
        gone = memory.delete_snapshot(made.id)
        assert not Path(made.path).exists() and gone.gone_at is not None
        assert memory.snapshots() == [later] and memory.snapshots(all=True) == [gone, later]
        Path(later.path).write_bytes(b"something else")
        with pytest.raises(BadValue, match="another file by now"):
            memory.delete_snapshot("before")
        Path(later.path).unlink()
        assert memory.delete_snapshot(later.id).gone_at is not None
        Path(later.path).parent.rmdir()
        with pytest.raises(BadValue, match="what must be one of"):
            memory.snapshots(what="photo")


def test_a_branch_goes_its_own_way(address: str) -> None:
    with Memory(address, namespace="org/main", embedder="lexical:32") as memory:
        id = memory.remember("The token lives an hour").id
        memory.recall("token", task="t")
        memory.credit("t", 1.0)
        made = memory.branch("org/trial")
        assert made.namespace == "org/trial" and made.sequence == 3
        memory.remember("only here")
        with Memory(address, namespace="org/trial") as trial:
            assert trial.get(id).utility == memory.get(id).utility
            trial.revise(id, "The token lives a day")
            assert memory.get(id).content == "The token lives an hour"
            assert len(trial.list().records) == 1
        with pytest.raises(BadValue, match="namespace must be one that holds nothing yet"):
            memory.branch("org/trial")
        for name in ("org/main", "a//b"):
            with pytest.raises(BadValue, match="namespace"):
                memory.branch(name)
        assert [copy.path for copy in memory.snapshots(what="branch")] == ["org/trial"]
        with pytest.raises(BadValue, match="it is the namespace"):
            memory.delete_snapshot(memory.snapshots()[0].id)


def test_a_purge_names_the_copies_that_still_hold_the_text(address: str, tmp_path: Path) -> None:
    with Memory(address, embedder="none") as memory:
        memory.snapshot("too early", folder=tmp_path)
        id = memory.remember("Zephyrine's passphrase is moonlit-obelisk").id
        first = memory.snapshot("holds it", folder=tmp_path)
        other = memory.remember("something else").id
        second = memory.export(tmp_path / "a.zip")
        memory.branch("elsewhere")
        memory.delete_snapshot(first.id)
        purged = memory.forget(id, purge=True)
        assert [(copy.what, copy.path) for copy in purged.copies] == [
            ("export", second.path), ("branch", "elsewhere")
        ]  # fmt: skip
        memory.snapshot("too late", folder=tmp_path)
        assert memory.forget(id, purge=True).copies == purged.copies
        assert [copy.label for copy in memory.forget(other, purge=True).copies] == ["", "", "too late"]
    for copy, holds in ((second.path, True), (memory_file(tmp_path, "too late", address), False)):
        import zipfile

        with zipfile.ZipFile(copy) as archive:
            assert any(b"moonlit" in archive.read(name) for name in archive.namelist()) == holds


def memory_file(folder: Path, label: str, address: str) -> str:
    with Memory(address) as memory:
        return next(copy.path for copy in memory.snapshots() if copy.label == label)


def test_a_log_from_before_links_and_entries_were_told_gives_texts_back_and_says_what_it_does_not_know(
    address: str,
) -> None:
    with Memory(address, embedder="lexical:64") as memory:
        a = memory.remember("The token lives an hour", keys=[("intent", "how long")]).id
        b = memory.remember("The cache is flushed at night").id
        memory.link(a, b, "causes")
        memory.revise(a, "The token lives a day")
        memory.forget(b)
        memory.unlink(a, b, "causes")
        with memory.engine.database.write() as tx:
            for ns, *row in tx.execute(f"SELECT ns, {LOG_COLUMNS} FROM log ORDER BY seq").fetchall():
                body = {name: told for name, told in json.loads(row[8]).items() if name not in ("alive", "links")}
                row[8] = json.dumps(body)
                tx.execute(
                    "UPDATE log SET body = ?, checksum = ? WHERE ns = ? AND seq = ?",
                    (row[8], checksum(*row[:9]), ns, row[0]),
                )
        assert not memory.diff(3).links_known
        before = memory.recall("lives an hour", policy="similarity").items[0].by["vectors"]
        done = memory.rollback(to=3)
        assert not done.links_known and set(done.restored) == {a, b}
        assert memory.recall("how long").ids[0] == a and memory.recall("flushed at night").ids[0] == b
        after = memory.recall("lives an hour", policy="similarity").items[0].by["vectors"]
        assert after > before  # the vector is that of the text that stands
        assert memory.get(a).content == "The token lives an hour" and memory.links(a) == []
