"""The audit finds what is wrong, names it by ids, and touches nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.memory.upkeep.seen import everything
from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.operations import Add
from wayfare.memory.records import Link, Provenance


def test_each_kind_of_fault_is_found_and_only_what_is_one(memory: Memory) -> None:
    fact = memory.remember("the token of the billing service lives an hour").id
    same = memory.remember("The token of the billing  service lives an hour", kind="rule").id
    near = memory.remember("the token of the billing service lives about an hour").id
    lost = memory.remember("a source that will be forgotten").id
    child = memory.apply([Add("what follows from the source", provenance=(Provenance(parents=(lost,)),))])[0].id
    linked = memory.remember("a thing beside it").id
    memory.link(linked, lost, "related")
    with memory.task("once") as task:
        recall = memory.recall("how long does the billing token live", k=1)
        shown = recall.ids[0]
        task.credit(1.0)
    echo = memory.apply([Add("noted: token of the billing service lives an hour", kind="note")])[
        0
    ].id  # past `remember`
    named = memory.apply([Add("said in a recall that left nothing", provenance=(Provenance("recall:nowhere"),))])[0].id
    memory.forget(lost)
    before = everything(memory)
    found = memory.audit()
    assert everything(memory) == before
    assert found.statuses == {"active": 7, "tombstone": 1} and found.active == 7
    assert found.duplicates == (tuple(sorted((fact, same))),)
    assert found.near == (tuple(sorted((fact, near))),)
    assert (echo, shown) in found.echoes and {id for id, _ in found.echoes} <= {echo, near, same, fact}
    assert shown not in found.never and set(found.never) == {fact, same, near, child, linked, echo, named} - {shown}
    assert found.never_recalled == pytest.approx(6 / 7)
    assert set(found.orphans) == {(linked, "related", lost), (child, "derived_from", lost)}
    assert set(found.provenance) == {(child, lost), (named, "recall:nowhere")}
    assert [id for id, _ in found.stale] == [child]


def test_a_sound_memory_has_nothing_to_find(memory: Memory, new_memory: Callable[..., Memory]) -> None:
    empty = new_memory("upkeep/empty").audit()
    assert empty.active == 0 and empty.never_recalled == 0.0
    with memory.task("t"):
        for text in ("the printer is slow", "call the customer back"):
            memory.remember(text)
        recall = memory.recall("printer")
        memory.remember("a slow printer wants its queue emptied, said the technician", source=recall)
    other = new_memory("upkeep/reader", also_read=[memory.engine.namespace])
    other.apply([Add("its own", provenance=(Provenance(parents=recall.ids),), links=(Link("", recall.ids[0], "x"),))])
    for found in (memory.audit(), other.audit()):
        assert found.duplicates == found.near == found.echoes == found.orphans == found.provenance == found.stale == ()


def test_a_threshold_that_makes_no_sense_is_refused(memory: Memory) -> None:
    with pytest.raises(BadValue, match="threshold"):
        memory.audit(threshold=2)
