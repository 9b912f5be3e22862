"""Fused cubes are a union: what is the same is one, what differs stands beside it, and models are never mixed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.cubes import Cube, LoaderId, State, fuse
from wayfare.memory.cubes import fusing as module
from wayfare.memory.payloads import Payload

LOADER = LoaderId("sha256:m", "sha256:t", "float32", "sha256:p")


@pytest.fixture
def cubes(tmp_path: Path) -> Iterator[tuple[Cube, Cube, Cube]]:
    made = [
        Cube(Memory(tmp_path / f"{name}.db", namespace=name, synchronous="NORMAL", embedder="none")) for name in "abc"
    ]
    yield made[0], made[1], made[2]
    for each in made:
        each.close()


def kv(cube: Cube, text: str, data: bytes, source: str, **header: Any) -> str:
    payload = Payload(data, header={**LOADER.header, **header})
    return cube.add(text, form="activation", payload=payload, source=cube.memory.get(source), activated=True).id


def said(cube: Cube) -> dict[str, State]:
    return {record.content: cube.state(record.id) for record in cube.records()}


def test_duplicates_are_one_with_both_provenances_and_everything_else_is_taken_as_it_is(cubes: Any) -> None:
    a, b, c = cubes
    one = a.add("Same words", tags=["x"], source="book:1").id
    two = b.add("same  WORDS", tags=["y"], activated=True).id
    alone = b.add("only here").id
    frozen = a.add("cold", activated=True).id
    a.freeze(frozen)
    done = fuse([a, b], c)
    assert done.ids["a", one] == done.ids["b", two] and len(done.added) == 3 and not done.left
    record = c.memory.get(done.ids["a", one])
    assert record.content == "Same words" and set(record.tags) == {"x", "y"}
    assert {each.uri for each in record.provenance} == {"book:1", f"cube:a/{one}@1", f"cube:b/{two}@1"}
    assert said(c) == {"Same words": State.ACTIVATED, "only here": State.GENERATED, "cold": State.FROZEN}
    seq = c.memory.diff(0).b
    assert fuse([a, b], c).added == () and c.memory.diff(0).b == seq, "once it is through it changes nothing"
    assert c.memory.get(done.ids["b", alone]).id == alone


def test_payloads_come_with_their_sources_and_are_archived_with_them_there(cubes: Any) -> None:
    a, b, c = cubes
    text, gone = a.add("rules", activated=True).id, a.add("old rules", activated=True).id
    made, orphan = kv(a, "kv", b"\x01", text), kv(a, "kv of what is archived", b"\x02", gone)
    a.archive(gone)
    same = b.add("rules", activated=True).id
    kv(b, "kv", b"\x01", same)
    kv(b, "kv", b"\x03", same)
    done = fuse([a, b], c)
    assert done.left == {("a", orphan): "it was derived from what is not active"}
    assert sorted(c.memory.payload(r.id).data for r in c.records() if r.form == "activation") == [b"\x01", b"\x03"]
    c.update(done.ids["a", text], "other rules")
    assert c.state(done.ids["a", made]) is State.ARCHIVED
    assert {record.form for record in c.records()} == {"token"}


@pytest.mark.parametrize("field", list(LOADER.header))
def test_payloads_of_another_model_are_refused_by_field_and_file_before_anything_is_written(
    tmp_path: Path, cubes: Any, field: str
) -> None:
    a, b, c = cubes
    kv(a, "kv a", b"1", a.add("text a", activated=True).id)
    odd = kv(b, "kv b", b"2", b.add("text b", activated=True).id, **{field: "another"})
    b.export(tmp_path / "b.cube")
    named = rf"payload.header.{field} of memory {odd} in .*b\.cube must be"
    with Cube.load(tmp_path / "b.cube", tmp_path / "moved.db") as moved, pytest.raises(BadValue, match=named):
        fuse([a, moved], c)
    with pytest.raises(BadValue, match=f"{field}.*namespace 'b'"):
        fuse([b], c, loader=LOADER)
    assert c.memory.diff(0).b == 0
    for cubes_, into in (([], c), ([a, c], c), (["a"], c)):
        with pytest.raises(BadValue):
            fuse(cubes_, into)


def test_fusing_again_takes_what_was_revised_and_leaves_what_was_settled_in_the_target(
    cubes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOGETHER", 1)
    a, b, c = cubes
    mine, shared = a.add("mine 1", activated=True).id, a.add("shared 1", activated=True).id
    b.add("shared 1", activated=True)
    purged, archived = a.add("secret", activated=True).id, a.add("dull", activated=True).id
    ids = fuse([a, b], c).ids
    c.forget(ids["a", purged], purge=True)
    c.archive(ids["a", archived])
    a.update(mine, "mine 2")
    a.update(shared, "shared 2")
    fuse([a, b], c)
    assert set(said(c)) == {"mine 2", "shared 1", "shared 2"}, "b still says the one, and a says the other"
    assert c.state(ids["a", mine]) is State.ARCHIVED
    a.rollback(mine, 1)
    a.freeze(archived)
    fuse([a, b], c)
    assert set(said(c)) == {"mine 1", "shared 1", "shared 2"}
