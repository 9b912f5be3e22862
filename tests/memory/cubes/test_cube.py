"""A cube's states are what its table says, its past stands again byte for byte, and its file is the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue, NoSuchRecord, VersionConflict
from wayfare.memory import Memory
from wayfare.memory.cubes import TRANSITIONS, Cube, LoaderId, State, fingerprint
from wayfare.memory.operations import Add, Supersede
from wayfare.memory.payloads import Payload

LOADER = LoaderId("sha256:m", "sha256:t", "float32", "sha256:p")


def opened(path: Any, namespace: str = "team/a", **settings: Any) -> Cube:
    return Cube(Memory(path, namespace=namespace, synchronous="NORMAL", embedder="none", **settings))


@pytest.fixture
def cube(tmp_path: Path) -> Iterator[Cube]:
    with opened(tmp_path / "agent.db") as made:
        yield made


def in_state(cube: Cube, state: State, text: str) -> str:
    id = cube.add(text, activated=state is not State.GENERATED).id
    if state is State.FROZEN:
        cube.freeze(id)
    elif state is State.ARCHIVED:
        cube.archive(id)
    elif state is State.MERGED:
        cube.merge([id], Add(f"what {text} became"))
    return id


STEPS: dict[State, list[Callable[[Cube, str], Any]]] = {
    State.GENERATED: [],
    State.ACTIVATED: [Cube.activate, Cube.thaw, Cube.restore],
    State.MERGED: [lambda cube, id: cube.merge([id], Add(f"{id} elsewhere"))],
    State.ARCHIVED: [Cube.archive],
    State.FROZEN: [Cube.freeze],
}


@pytest.mark.parametrize("before", list(State))
def test_every_step_of_the_table_can_be_gone_and_no_other(cube: Cube, before: State) -> None:
    for after, ways in STEPS.items():
        if before is State.MERGED and after is State.ACTIVATED:
            ways = [lambda cube, id: cube.unmerge(cube.memory.links(id, direction="in")[0].source)]
        went = []
        for number, step in enumerate(ways):
            id = in_state(cube, before, f"{before} {after} {number}")
            assert cube.state(id) is before
            version = cube.memory.get(id).version
            try:
                step(cube, id)
            except BadValue as error:
                assert error.field == "state"
                assert (cube.state(id), cube.memory.get(id).version) == (before, version), "refused, and nothing done"
            else:
                went.append(cube.state(id))
        legal = after in TRANSITIONS[before] and bool(ways)
        assert went == ([after] if legal else []), (before, after)


def test_what_may_not_be_changed_is_not_and_tags_of_states_are_the_cubes_own(cube: Cube) -> None:
    for state in (State.FROZEN, State.ARCHIVED, State.MERGED):
        with pytest.raises(BadValue, match="state"):
            cube.update(in_state(cube, state, f"a {state} text"), "another")
    with pytest.raises(BadValue, match="thaw"):
        cube.rollback(in_state(cube, State.FROZEN, "cold"), 1)
    id = in_state(cube, State.GENERATED, "new")
    cube.update(id, tags=["mine"])
    assert cube.state(id) is State.GENERATED and "mine" in cube.memory.get(id).tags
    other = in_state(cube, State.ACTIVATED, "in use")
    cube.merge([id], other)
    assert cube.state(other) is State.ACTIVATED and "mine" in cube.memory.get(other).tags
    superseded = in_state(cube, State.ACTIVATED, "was so")
    cube.memory.apply([Supersede(superseded, Add("is so"))])
    assert cube.state(superseded) is State.ARCHIVED, "nothing took it in"
    plain = cube.memory.remember("remembered without a cube").id
    assert cube.state(plain) is State.ACTIVATED
    cube.forget(plain)
    with pytest.raises(NoSuchRecord):
        cube.state(plain)


def test_rollback_gives_text_and_payload_back_byte_for_byte_and_can_be_gone_back_on(cube: Cube) -> None:
    first, second = Payload(b"\0one\xff" * 99, header=LOADER.header), Payload(b"two")
    id = cube.add("  Straße\n", form="activation", payload=first, tags=["x"]).id
    cube.update(id, "another", payload=second, tags=["y"])
    cube.archive(id)
    cube.rollback(id, 1)
    record = cube.memory.get(id)
    assert (record.content, record.tags[-1], cube.memory.payload(id)) == ("  Straße\n", "x", first)
    assert cube.state(id) is State.GENERATED and record.version == 4
    chain = cube.header(id).behavioural.chain
    assert chain[0] == chain[3] == fingerprint(record) and chain[1] == chain[2] != chain[0]
    cube.rollback(id, 2)
    assert cube.memory.payload(id) == second


def test_of_two_that_change_one_memory_at_once_one_is_refused(cube: Cube) -> None:
    id = cube.add("text", activated=True).id
    cube.update(id, "new text", expect=1)
    with pytest.raises(VersionConflict):
        cube.update(id, "other text", expect=1)


def test_a_header_says_what_it_is_whose_it_is_and_how_it_was_used(cube: Cube) -> None:
    text = cube.memory.remember("Ada likes tea", subject="ada", valid=(1.0, None)).id
    made = cube.add("tea", form="activation", payload=Payload(b"kv"), source=cube.memory.get(text)).id
    cube.memory.link(text, made, "derived_from")  # a circle
    with cube.memory.task("t") as task:
        cube.memory.recall("Ada tea", k=2)
        task.credit(1.0)
    head = cube.header(text)
    assert head.governance.subjects == ("ada",) and (head.governance.valid_from, head.governance.valid_to) == (
        1.0,
        None,
    )
    assert head.governance.namespace == "team/a" and head.descriptive.derived_from == (made,)
    assert (head.behavioural.recalled, head.behavioural.reward, head.behavioural.version) == (1, 1.0, 1)
    assert {(link.source, link.target) for link in cube.provenance(made)} == {(made, text), (text, made)}
    heat = cube.heat(text)
    assert (heat.uses, heat.edits) == (1, 0) and heat.stability == pytest.approx(heat.age, abs=1)
    cube.update(text, tags=["drinks"])
    assert cube.heat(text).edits == 0, "its text is as stable as before"
    cube.update(text, "Ada likes coffee")
    assert cube.heat(text).edits == 1 and cube.state(made) is State.ARCHIVED
    assert [each.id for each in cube.heats()] == [text]


def test_a_payload_is_loaded_by_the_model_that_made_it_alone(tmp_path: Path, cube: Cube) -> None:
    id = cube.add("prefix", form="activation", payload=Payload(b"kv", header=LOADER.header)).id
    bare = cube.add("no header", form="activation", payload=Payload(b"other")).id
    assert cube.payload_for(id, LOADER).data == b"kv"
    with pytest.raises(BadValue, match=f"header.model of memory {bare}"):
        cube.payload_for(bare, LOADER)
    with pytest.raises(BadValue, match="carries one"):
        cube.payload_for(cube.add("text").id, LOADER)
    cube.export(tmp_path / "a.cube")
    with Cube.load(tmp_path / "a.cube", tmp_path / "b.db") as moved:
        assert moved.payload_for(id, LOADER).data == b"kv"
        for name in LOADER.header:
            other = LoaderId(**{**LOADER.header, name: "other"})
            with pytest.raises(BadValue, match=rf"payload.header.{name} of memory {id} of .*a\.cube must be 'other'"):
                moved.payload_for(id, other)
        moved.archive(id)
        with pytest.raises(BadValue, match="active"):
            moved.payload_for(id, LOADER)


def test_a_cube_moves_between_the_stores_and_back_with_all_its_past(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    one, two = new_address(), new_address()
    with opened(one) as cube:
        id = cube.add("first", form="activation", payload=Payload(b"1")).id
        cube.update(id, "second", payload=Payload(b"2"))
        cube.freeze(id)
        done = cube.export(tmp_path / "a.cube")
        head = cube.header(id)
    with pytest.raises(BadValue, match="digest"):
        Cube.load(tmp_path / "a.cube", two, namespace="team/a", digest="0" * 64)
    with Cube.load(tmp_path / "a.cube", two, namespace="team/a", digest=done.digest) as moved:
        assert moved.header(id) == head and moved.state(id) is State.FROZEN
        moved.thaw(id)
        moved.rollback(id, 1)
        assert moved.memory.payload(id).data == b"1"


def test_a_composed_cube_searches_all_and_writes_into_one(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    with opened(path, "team/shared") as shared:
        theirs = shared.add("the shared rule of tea", activated=True).id
    with Cube.composed(path, write="team/own", read=["team/shared"], embedder="none") as cube:
        own = cube.add("my own rule of tea", activated=True).id
        assert set(cube.memory.recall("rule tea", k=2).ids) == {own, theirs}
        assert cube.state(theirs) is State.ACTIVATED
        for change in (cube.freeze, cube.archive, lambda id: cube.update(id, "no"), lambda id: cube.merge([id], own)):
            with pytest.raises(NoSuchRecord):
                change(theirs)
