"""Conversions: the most urgent first, each written once, and never from a source that has moved on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue, NoSuchRecord, VersionConflict
from wayfare.memory import Memory, Record
from wayfare.memory.cubes import Conversions, Cube, State
from wayfare.memory.payloads import Payload


class Prefill:
    """Bytes that can be told from the texts. meddle: what happens while it works"""

    source, target = "token", "activation"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.meddle: Any = None

    def convert(self, records: Sequence[tuple[Record, Payload | None]]) -> tuple[str, Payload]:
        texts = [record.content for record, _ in records]
        self.calls.append(texts)
        if self.meddle is not None:
            self.meddle()
        return f"cache of {len(texts)}", Payload("|".join(texts).encode())


class Decode:
    source, target = "activation", "token"

    def convert(self, records: Sequence[tuple[Record, Payload | None]]) -> tuple[str, None]:
        return " ".join(payload.data.decode() for _, payload in records if payload is not None), None


@pytest.fixture
def cube(tmp_path: Path) -> Iterator[Cube]:
    with Cube(Memory(tmp_path / "agent.db", synchronous="NORMAL", embedder="none")) as made:
        yield made


@pytest.fixture
def prefill() -> Prefill:
    return Prefill()


def test_the_most_urgent_first_each_once_and_whoever_comes_next_goes_on(
    tmp_path: Path, cube: Cube, prefill: Prefill
) -> None:
    ids = [cube.add(f"text {i}", activated=True).id for i in range(4)]
    asked = Conversions(cube, {"prefill": prefill})
    for id, priority in zip(ids, ("background", "normal", "urgent", "background"), strict=True):
        asked.ask("prefill", [id], priority)  # type: ignore[arg-type]
    asked.ask("prefill", [ids[3]], "urgent")
    asked.ask("prefill", [ids[2]], "background")
    order = [ids[2], ids[3], ids[1], ids[0]]
    assert [each.ids[0] for each in asked.waiting()] == order
    assert [each.asked.ids[0] for each in asked.run(limit=1)] == order[:1]
    with Cube(Memory(tmp_path / "agent.db", embedder="none")) as again:  # another process
        other = Prefill()
        done = Conversions(again, {"prefill": other, "else": prefill}).run()
        assert [each.asked.ids[0] for each in done] == order[1:] and all(each.made for each in done)
    assert asked.waiting() == [] and len(prefill.calls) == 1
    asked.ask("prefill", [ids[0]])
    (found,) = asked.run()
    assert (found.made, found.id) == (False, asked.result("prefill", [ids[0]])) and len(prefill.calls) == 1


def test_a_result_is_linked_to_its_sources_and_goes_with_them(cube: Cube, prefill: Prefill) -> None:
    one, two = cube.memory.remember("Ada", subject="ada").id, cube.add("tea", activated=True).id
    asked = Conversions(cube, {"prefill": prefill, "decode": Decode()})
    asked.ask("prefill", [one, two])
    id = asked.run()[0].id
    assert id is not None and cube.memory.payload(id).data == b"Ada|tea"
    assert cube.header(id).descriptive.derived_from == tuple(sorted((one, two)))
    assert cube.header(id).governance.subjects == ("ada",)
    assert {each.evidence for each in cube.memory.links(id, direction="out")} == {(f"{one}@1",), (f"{two}@1",)}
    asked.ask("decode", [id])
    text = asked.run()[0].id
    assert text is not None and cube.memory.get(text).content == "Ada|tea" and cube.memory.get(text).payload is None
    cube.freeze(two)
    assert asked.result("prefill", [one, two]) == id, "the text is as it was"
    cube.thaw(two)
    cube.update(two, "coffee")
    assert cube.state(id) is State.ARCHIVED and asked.result("prefill", [one, two]) is None
    asked.ask("prefill", [one, two])
    new = asked.run()[0].id
    assert new is not None and new != id and cube.memory.payload(new).data == b"Ada|coffee"


def test_what_is_made_of_a_text_that_moves_meanwhile_is_made_again_and_at_last_not_written(
    cube: Cube, prefill: Prefill
) -> None:
    id = cube.add("text 0", activated=True).id
    asked = Conversions(cube, {"prefill": prefill})
    asked.ask("prefill", [id])
    moves = iter(range(1, 3))

    def meddle() -> None:
        for number in moves:
            cube.update(id, f"text {number}")
            return

    prefill.meddle = meddle
    made = asked.run()[0].id
    assert made is not None and cube.memory.payload(made).data == b"text 2" and len(prefill.calls) == 3
    counts = iter(range(100))
    prefill.meddle = lambda: cube.update(id, f"restless {next(counts)}")
    cube.update(id, "text 3")
    asked.ask("prefill", [id])
    with pytest.raises(VersionConflict):
        asked.run()
    assert asked.waiting() and asked.result("prefill", [id]) is None
    prefill.meddle = lambda: cube.archive(id)
    (dropped,) = asked.run()
    assert dropped.id is None and "active" in dropped.reason and asked.waiting() == []


def test_a_converter_that_fails_loses_nothing(cube: Cube, prefill: Prefill) -> None:
    id = cube.add("text", activated=True).id
    asked = Conversions(cube, {"prefill": prefill})
    asked.ask("prefill", [id])

    def fail() -> None:
        raise RuntimeError("out of memory")

    prefill.meddle = fail
    with pytest.raises(RuntimeError):
        asked.run()
    prefill.meddle = None
    assert [each.made for each in asked.run()] == [True]


def test_what_cannot_be_converted_is_refused_when_it_is_asked_for(cube: Cube, prefill: Prefill) -> None:
    asked = Conversions(cube, {"prefill": prefill})
    cache = cube.add("cache", form="activation", payload=Payload(b"kv")).id
    archived = cube.add("text", activated=True).id
    cube.archive(archived)
    for converter, ids, priority, field in (
        ("nobody", [cache], "normal", "converter"), ("prefill", [], "normal", "ids"),
        ("prefill", "id", "normal", "ids"),
        ("prefill", [cache], "normal", "form"), ("prefill", [archived], "normal", "status"),
        ("prefill", [cache], "soon", "priority"),
    ):  # fmt: skip
        with pytest.raises(BadValue, match=field):
            asked.ask(converter, ids, priority)  # type: ignore[arg-type]
    with pytest.raises(NoSuchRecord):
        asked.ask("prefill", ["nobody"])
    with pytest.raises(BadValue, match="FormConverter"):
        Conversions(cube, {"prefill": object()})  # type: ignore[dict-item]
    assert asked.waiting() == [] and asked.run() == []
