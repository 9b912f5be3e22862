"""Every memory that comes with Wayfare is what its card says, and each class with a card is listed."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import wayfare
from wayfare.errors import BadValue
from wayfare.memory.cards import EXPERIENCES, MemoryCard, Retrieval, Topology, registered
from wayfare.memory.memory import Memory
from wayfare.memory.probes import CardReport, check_card
from wayfare.memory.probes.checking import PROBES, held_against
from wayfare.memory.probes.degenerate import MISLABELLED, wrong_card
from wayfare.memory.probes.shipped import SHIPPED, shipped

pytestmark = pytest.mark.xdist_group("shipped")  # one worker, so that each memory is tried once

TRIED = [each.name for each in SHIPPED if not each.torch]
SECONDS = 600.0
"""No test may fail because the machine is busy."""


@cache
def reported(name: str) -> CardReport:
    return shipped(name).check(seconds=SECONDS, new_process=name == "Memory")


@pytest.mark.parametrize("name", TRIED)
def test_what_the_card_says_is_what_is_seen(name: str) -> None:
    found = reported(name)
    assert found.agrees, found.text
    assert [row.probe for row in found.rows] == [f"P{i}" for i in range(1, 11)]
    assert "another process" in found.text if name == "Memory" else True


def test_each_class_with_a_card_is_listed() -> None:
    home = Path(wayfare.__file__).parent / "memory"
    listed = {each.home.partition(":")[2] for each in SHIPPED}
    for path in sorted(home.rglob("*.py")):
        if "probes" in path.parts or "card" not in path.read_text():
            continue
        module = import_module(".".join(("wayfare.memory", *path.relative_to(home).with_suffix("").parts)))
        for name, kind in vars(module).items():
            own = inspect.isclass(kind) and kind.__module__ == module.__name__
            if own and isinstance(getattr(kind, "card", None), MemoryCard):
                shared = any(
                    other.__module__ != kind.__module__ or other is not kind for other in kind.__subclasses__()
                )
                assert name in listed or shared, f"{name} has a card, and is not tried"
                registered(name, kind.card)


@pytest.mark.parametrize("which", MISLABELLED)
def test_a_card_that_is_wrong_in_one_field_is_caught(which: str) -> None:
    name, change = MISLABELLED[which]
    found = held_against(reported(name), wrong_card(shipped(name).card(), which))
    assert {row.field for row in found.disagreements} == set(change), found.text


def test_a_memory_whose_links_weigh_more_is_a_graph() -> None:
    class Tied(Memory):
        def __init__(self, address: str, seed: int = 0, **settings: Any) -> None:
            super().__init__(address, weights={"links": 1.0}, seed=seed, **settings)

    found = check_card(Tied, card=EXPERIENCES, probes=["P9"], seconds=SECONDS)
    assert [row.probe for row in found.disagreements] == ["P3", "P9"]
    graph = replace(
        EXPERIENCES,
        topology={Topology.FLAT, Topology.PLANAR},
        retrieval={Retrieval.LEXICAL, Retrieval.SEMANTIC, Retrieval.GRAPH},
    )
    assert held_against(found, graph).agrees


def test_who_waits_for_a_model_is_named_and_not_tried() -> None:
    waiting = [each for each in SHIPPED if each.waits]
    assert {each.name for each in waiting} == {"ActivationMemory", "ParameterMemory"}
    with pytest.raises(BadValue, match="waits"):
        waiting[0].check()
    with pytest.raises(BadValue, match="one of Memory"):
        shipped("Nobody")


def test_the_table_of_the_manual_is_that_of_the_code() -> None:
    pytest.importorskip("torch")
    from wayfare.memory.probes.table import table

    page = (Path(__file__).parents[3] / "docs" / "memory-cards.md").read_text()
    said = page.partition("<!-- cards -->\n")[2].partition("\n<!-- end of cards -->")[0]
    assert said == table({each.name: each.card() for each in SHIPPED})
    for number, title, field, _, _ in PROBES:
        assert f"| {number} {title} |" in page
        assert f"`{field}`" in page
