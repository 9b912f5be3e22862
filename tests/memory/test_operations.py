from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.memory.operations import (
    Add,
    AddLink,
    Archive,
    Delete,
    Merge,
    Noop,
    Supersede,
    Unlink,
    Update,
    request_of,
)
from wayfare.memory.records import Key, Link, Provenance


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", ""), ("content", "  \n"), ("content", 7), ("content", "a\0b"), ("content", "\ud800"),
        ("content", "x" * 1_000_001), ("kind", ""), ("kind", None), ("form", "voice"), ("tags", "one"), ("tags", [""]),
        ("tags", [str(i) for i in range(101)]), ("meta", {"a": math.nan}), ("meta", [1]), ("meta", {"a": object()}),
        ("keys", "a"), ("keys", [("intent", "x")]), ("keys", [Key("content", "x")]), ("event_from", math.inf),
        ("valid_to", "now"), ("event_to", True), ("provenance", "uri"), ("provenance", ["uri"]),
        ("provenance", [Provenance(span=(3, 1))]), ("provenance", [Provenance(parents="abc")]),  # type: ignore[arg-type]
        ("provenance", [Provenance(uri=3)]), ("links", [Archive("a")]), ("reason", 3), ("id", ""), ("id", "x" * 201),  # type: ignore[arg-type]
        ("context", " "), ("links", [Link("", "a", "t", valid_from=2.0, valid_to=1.0)]),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_where_it_is_made(field: str, value: Any) -> None:
    with pytest.raises(BadValue):
        Add(**{"content": "text", field: value})


def test_an_interval_does_not_end_before_it_begins() -> None:
    with pytest.raises(BadValue, match="event_to must be not before event_from"):
        Add("a", event_from=2.0, event_to=1.0)
    with pytest.raises(BadValue, match="valid_to"):
        Add("a", valid_from=2.0, valid_to=1.0)


def test_what_is_given_loosely_is_kept_strictly() -> None:
    add = Add("a", tags={"b", "a"}, keys=[Key("intent", "x"), Key("intent", "x")], meta={"n": [1]}, event_from=3)  # type: ignore[arg-type]
    assert add.tags == ("a", "b") and add.keys == (Key("intent", "x"),) and add.event_from == 3.0
    with pytest.raises(TypeError):
        add.meta["n"] = 2  # type: ignore[index]


@pytest.mark.parametrize("changes", [{}, None, {"id": "x"}, {"status": "active"}, {"content": ""}, {"tags": "x"}])
def test_an_update_names_fields_that_may_change(changes: Any) -> None:
    with pytest.raises(BadValue):
        Update("id", changes)


def test_other_operations_are_checked_too() -> None:
    for bad in (
        lambda: Merge("ab", "c"),  # type: ignore[arg-type]
        lambda: Merge(("a",), "a"),
        lambda: Merge((), Add("x")),
        lambda: Supersede("a", "a"),
        lambda: Supersede("a", 3),  # type: ignore[arg-type]
        lambda: Supersede("a", "b", at=math.nan),
        lambda: AddLink(Link("", "b", "t")),
        lambda: Unlink("a", "b", ""),
        lambda: Archive(""),
        lambda: Delete(None),  # type: ignore[arg-type]
        lambda: Noop(""),
    ):
        with pytest.raises(BadValue):
            bad()
    assert Merge(("a", "b", "a"), "b").ids == ("a", "b")


def test_the_same_request_is_written_the_same() -> None:
    one = [Add("a", meta={"x": 1, "y": 2}, tags=["b", "a"]), Update("i", {"kind": "k", "content": "c"})]
    two = [Add("a", meta={"y": 2, "x": 1}, tags=["a", "b"]), Update("i", {"content": "c", "kind": "k"})]
    assert request_of(one) == request_of(two)
    assert request_of(one) != request_of([Add("a", meta={"x": 1, "y": 3}), two[1]])
    assert request_of(Archive("a")) != request_of(Delete("a"))


def test_an_update_can_be_pickled() -> None:
    update = Update("i", {"content": "c"}, "why")
    assert pickle.loads(pickle.dumps(update)) == update
