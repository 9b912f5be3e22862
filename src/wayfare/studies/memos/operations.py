"""Random operations on real cubes, each held against a reference in memory; and the process killed on the way.

    run_operations(folder, seed=0, operations=10_000)
    run_operations(folder, seed=0, operations=1_000, kill_at=400)

Two cubes in files of their own are added to, updated, merged, archived, restored, rolled back, frozen, forgotten, moved
to new files through a bundle, and fused into a third; a tenth or so of what is asked must be refused. After each
operation the memories that it may have changed are read back, every 500 operations and at the end all of them with
their whole past.

With `kill_at` another process carries the operations out, says before each that it begins and after it that it is done,
and kills itself (SIGKILL) at a random statement of that one, or right after its commit. What was done must then be
there, and what was only begun wholly or not at all; this process opens the files and goes on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, Damaged, NoSuchRecord, StoreError
from wayfare.memory import Memory
from wayfare.memory.cubes import Cube, LoaderId, fuse
from wayfare.memory.cubes.fusing import made_id
from wayfare.memory.operations import Add
from wayfare.memory.payloads import Payload
from wayfare.memory.store.doctor import doctor
from wayfare.memory.store.file import FileTransaction
from wayfare.studies.memos.drawing import Operation
from wayfare.studies.memos.reference import Item, Reference, Taken, bytes_of

__all__ = ["Runner", "run_operations"]

LOADER = LoaderId("sha256:model", "sha256:tokenizer", "float32", "sha256:template")
ALL = 500
"""Operations after which everything is read back."""
MOST_STATEMENTS = 60
MOST_TOLD = 20


def run_operations(folder: Path, seed: int, operations: int, kill_at: int | None = None) -> dict[str, Any]:
    """Counts of a run: operations, refused, divergences, lost, rollbacks, rollbacks_unequal, migrations, fusions, and
    kills.

    folder: that is there, and empty        kill_at: number of the operation in which the process is killed, from 0
    divergences: memories, or refusals, that are not as the reference has them        lost: of these, memories that were
    as an acknowledged operation had left them, and are not any more after the kill
    told: what the first divergences were        Raises: BadValue.
    """
    if operations < 1 or (kill_at is not None and not 0 <= kill_at < operations):
        raise BadValue("kill_at", kill_at, f"from 0 to {operations - 1}, the operations that there are")
    runner = Runner(folder, seed)
    start = 0
    if kill_at is not None:
        start = _killed(runner, operations, kill_at)
    with runner:
        for number in range(start, operations):
            runner.step(number)
            if (number + 1) % ALL == 0:
                runner.look()
        runner.look()
    for path in sorted(folder.glob("*.db")):
        if doctor(path).worst == "damage":
            runner.wrong(f"the doctor finds damage in {path.name}")
    names = ("operations", "refused", "divergences", "lost", "rollbacks", "rollbacks_unequal", "migrations", "fusions")
    counts = {name: runner.counts[name] for name in names}
    return {**counts, "kills": int(kill_at is not None), "told": runner.told}


class Runner:
    """The files of a run, and the reference. folder: where they lie"""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.reference = Reference()
        self.counts: Counter[str] = Counter()
        self.told: list[str] = []
        self._cubes: dict[str, Cube] = {}

    def step(self, number: int) -> None:
        """One operation on both, and a look at what it may have changed."""
        op = self.reference.draw(self.seed, number)
        wanted: bytes | None = None
        if op["kind"] == "rollback":
            past = self.reference.cubes[op["cube"]][op["id"]].past
            if op["version"] <= len(past):
                then = past[op["version"] - 1]
                wanted = then.text.encode() + b"\0" + (b"" if then.payload is None else bytes_of(then.payload))
        expected = self.reference.apply(op)
        done = self.carry_out(op)
        self.counts["operations"] += 1
        self.counts["refused"] += not done
        if done != expected:
            self.wrong(f"operation {number} {op}: {'done' if done else 'refused'}, the reference says otherwise")
        if done and op["kind"] == "rollback":
            self.counts["rollbacks"] += 1
            self.counts["rollbacks_unequal"] += self._bytes(op["cube"], op["id"]) != wanted
        for cube, id in sorted(self.reference.touched):
            why = self.differs(cube, id)
            if why:
                self.wrong(f"operation {number} {op}: {why}")

    def carry_out(self, op: Operation) -> bool:
        """Whether the memory did it; False where it refused."""
        try:
            self._do(op)
        except (BadValue, StoreError):
            return False
        return True

    def look(self, past: bool = True) -> None:
        """Read back everything. past: every version, too"""
        for cube, id in self._everything():
            why = self.differs(cube, id, past)
            if why:
                self.wrong(why)
        for name, items in self.reference.cubes.items():
            there = {record.id for record in self._open(name).records(None)}
            if there != {id for id, item in items.items() if not item.gone}:
                self.wrong(f"cube {name} has other memories than it should")

    def unlike(self) -> set[tuple[str, str]]:
        """Places of memories that are not as the reference has them."""
        return {place for place in self._everything() if self.differs(*place, past=True)}

    def _everything(self) -> Iterator[tuple[str, str]]:
        yield from ((name, id) for name, items in self.reference.cubes.items() for id in items)
        yield from (("c", id) for id in self.reference.fused)

    def wrong(self, what: str) -> None:
        """Count a divergence."""
        self.counts["divergences"] += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(what)

    # The files

    def place(self, name: str, more: int = 0) -> Path:
        """Of a cube, after all its moves and some."""
        moves = self.reference.moves.get(name, 0) + more
        return self.folder / f"{name}-{moves}.db"

    def _open(self, name: str) -> Cube:
        if name not in self._cubes:
            memory = Memory(self.place(name), namespace=f"cube/{name}", synchronous="NORMAL", embedder="none")
            self._cubes[name] = Cube(memory)
        return self._cubes[name]

    def close(self) -> None:
        """All files."""
        for cube in self._cubes.values():
            cube.close()
        self._cubes.clear()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What is done

    def _do(self, op: Operation) -> None:
        kind = op["kind"]
        if kind == "migrate":
            self._migrate(op["cube"])
            return
        if kind == "fuse":
            self.counts["fusions"] += 1
            fuse([self._open("a"), self._open("b")], self._open("c"), loader=LOADER)
            return
        cube, id = self._open(op["cube"]), op["id"]
        match kind:
            case "add":
                cube.add(op["text"], id=id, activated=not op["mark"])
            case "derive":
                cube.add(
                    op["text"], id=id, activated=not op["mark"], form=op["form"], payload=_payload(op["payload"]),
                    source=cube.memory.get(op["source"]),
                )  # fmt: skip
            case "update":
                more: dict[str, Any] = {} if op["payload"] is None else {"payload": _payload(op["payload"])}
                cube.update(id, op["text"], **more)
            case "merge":
                cube.merge(op["ids"], id if op["text"] is None else Add(op["text"], id=id))
            case "rollback":
                cube.rollback(id, op["version"])
            case _:
                getattr(cube, kind)(id)

    def _migrate(self, name: str) -> None:
        """Through a bundle into a new file; the old one goes last."""
        self.counts["migrations"] += 1
        old, new, bundle = self.place(name, -1), self.place(name), self.folder / f"{name}.cube"
        for path in (*_files(new), bundle):
            path.unlink(missing_ok=True)  # of a process that was killed here
        cube = self._cubes.pop(name, None) or Cube(
            Memory(old, namespace=f"cube/{name}", synchronous="NORMAL", embedder="none")
        )
        with cube:
            digest = cube.export(bundle).digest
        self._cubes[name] = Cube.load(
            bundle, new, namespace=f"cube/{name}", digest=digest, synchronous="NORMAL", embedder="none"
        )
        for path in (*_files(old), bundle):
            path.unlink(missing_ok=True)

    # What is there

    def _bytes(self, name: str, id: str) -> bytes:
        memory = self._open(name).memory
        record = memory.get(id)
        return record.content.encode() + b"\0" + (b"" if record.payload is None else memory.payload(id).data)

    def differs(self, name: str, id: str, past: bool = False) -> str:
        """In what a memory is not as the reference has it; "" where it is."""
        try:
            return self._differs(name, id, past)
        except Damaged as error:
            return str(error)

    def _differs(self, name: str, id: str, past: bool) -> str:
        if name == "c":
            return self._differs_fused(id, self.reference.fused[id])
        cube, item = self._open(name), self.reference.cubes[name].get(id)
        try:
            record = cube.memory.get(id)
        except NoSuchRecord:
            return "" if item is None or item.gone else f"{name} {id} is not there"
        if item is None or item.gone:
            return f"{name} {id} is there"
        found = (record.version, record.status, str(cube.state(id)), record.form, record.content)
        wanted = (len(item.past), item.now.status, item.state, item.form, item.now.text)
        if found != wanted:
            return f"{name} {id} is {found}, not {wanted}"
        if self._carried(cube, id, None) != _wanted(item.now.payload):
            return f"{name} {id} carries other bytes"
        return self._differs_before(cube, item) if past else ""

    def _differs_before(self, cube: Cube, item: Item) -> str:
        steps = [step.record for step in cube.memory.history(item.id)]
        told = [None if record is None else (record.content, record.status) for record in steps]
        if told != [(snap.text, snap.status) for snap in item.past]:
            return f"{item.id} has another past: {told}"
        for version, snap in enumerate(item.past, 1):
            if self._carried(cube, item.id, version) != _wanted(snap.payload):
                return f"{item.id} carried other bytes at version {version}"
        return ""

    def _differs_fused(self, id: str, taken: Taken) -> str:
        cube, own = self._open("c"), id if len(id) == 26 else made_id(id)
        try:
            record = cube.memory.get(own)
        except NoSuchRecord:
            return f"c {own} is not there"
        state = (taken.mark or "activated") if taken.active else "archived"
        found, wanted = (str(cube.state(own)), record.form, record.content), (state, taken.form, taken.said[0])
        if found != wanted:
            return f"c {own} is {found}, not {wanted}"
        same = self._carried(cube, own, None) == _wanted(taken.said[1])
        return "" if same else f"c {own} carries other bytes"

    def _carried(self, cube: Cube, id: str, version: int | None) -> bytes | None:
        with suppress(BadValue):
            return cube.memory.payload(id, version=version).data
        return None


def _wanted(number: int | None) -> bytes | None:
    return None if number is None else bytes_of(number)


def _payload(number: int) -> Payload:
    return Payload(bytes_of(number), header=LOADER.header)


def _files(path: Path) -> list[Path]:
    """The file first: without it what stands beside it means nothing."""
    return [Path(f"{path}{end}") for end in ("", "-wal", "-shm")]


# Killed


def _killed(runner: Runner, operations: int, kill_at: int) -> int:
    """Have another process go as far as it is killed; the number of the first operation that is still to be done."""
    command = [sys.executable, "-m", __name__, str(runner.folder), str(runner.seed), str(operations), str(kill_at)]
    child = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if child.returncode != -signal.SIGKILL:
        raise StoreError(f"the process that was to be killed ended by itself: {child.stderr[-2000:]}")
    said = [line.split() for line in child.stdout.splitlines()]
    begun = [int(number) for word, number in said if word == "begin"][-1]
    seen = [word for word, number in said if int(number) == begun]
    runner.counts["operations"] += begun
    for number in range(begun):
        runner.reference.apply(runner.reference.draw(runner.seed, number))
    if "done" in seen:
        raise StoreError("it was killed after what it was to be killed in")
    op = runner.reference.draw(runner.seed, begun)
    moved = op["kind"] == "migrate" and not runner.place(op["cube"]).exists()
    before = None if moved else runner.unlike()
    if before == set():
        runner.close()
        return begun
    runner.close()
    runner.reference.apply(op)
    after = runner.unlike()
    runner.close()
    lost = after if before is None else before & after
    for name, id in sorted(lost):
        runner.counts["lost"] += 1
        runner.wrong(f"{name} {id} is neither as it was before operation {begun} nor as it is after it")
    runner.counts["operations"] += 1
    return begun + 1


def _child(folder: str, seed: str, operations: str, kill_at: str) -> None:
    runner, last = Runner(Path(folder), int(seed)), int(kill_at)
    draw = random.Random(f"{seed} {kill_at} kill")
    for number in range(int(operations)):
        op = runner.reference.draw(runner.seed, number)
        runner.reference.apply(op)
        print("begin", number, flush=True)
        if number == last:
            _die_at(draw.randrange(1, MOST_STATEMENTS))
        runner.carry_out(op)
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        print("done", number, flush=True)


def _die_at(statement: int) -> None:
    """This process ends in the n-th statement from now."""
    left = statement
    run = FileTransaction.execute

    def execute(self: FileTransaction, sql: str, parameters: Any = ()) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, sql, parameters)

    FileTransaction.execute = execute  # type: ignore[method-assign]


if __name__ == "__main__":
    _child(*sys.argv[1:])
