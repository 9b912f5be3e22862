"""Cards: what they refuse, how they join, and how they are read by other versions than wrote them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory.cards import AXES, EXPERIENCES, FLAGS, MemoryCard, Retrieval, Topology, registered
from wayfare.memory.modules.stored import CASES


def axis(name: str) -> st.SearchStrategy[frozenset[Any]]:
    leaves = [leaf for leaf in AXES[name] if leaf.value != "none"]
    return st.frozensets(st.sampled_from(leaves), min_size=1, max_size=3)


CARDS = st.builds(
    MemoryCard,
    **{name: axis(name) for name in AXES},
    **{name: st.booleans() for name in FLAGS},
    deletable=st.sampled_from(["item", "approximate", "no"]),
)


@given(CARDS, CARDS)
def test_what_goes_to_json_comes_back_also_as_a_part(one: MemoryCard, other: MemoryCard) -> None:
    for card in (one, MemoryCard.union({"a": one, "b": other})):
        assert MemoryCard.from_json(json.loads(json.dumps(card.to_json()))) == card


@given(CARDS, CARDS)
def test_a_union_has_each_place_of_a_part_and_tells_whose_it_is(one: MemoryCard, other: MemoryCard) -> None:
    both = MemoryCard.union({"a": one, "b": other})
    for name in AXES:
        assert getattr(both, name) == getattr(one, name) | getattr(other, name)
        for leaf, parts in both.provenance(name).items():
            holders = [part for part, card in both.parts if any(each.value == leaf for each in getattr(card, name))]
            assert list(parts) == holders != []
    assert both.learns_from_outcome == (one.learns_from_outcome or other.learns_from_outcome)
    assert both.auditable == (one.auditable and other.auditable)
    order = ["no", "approximate", "item"]
    assert order.index(both.deletable) == min(map(order.index, (one.deletable, other.deletable)))


def test_names_of_another_version_are_read_kept_and_not_registered() -> None:
    stored = CASES.to_json()
    stored["retrieval"] = ["Hybrid retrieval", "telepathic"]
    stored["mood"] = ["good"]
    card = MemoryCard.from_json(stored)
    assert card.retrieval == {Retrieval.LEXICAL, Retrieval.SEMANTIC}
    assert card.unknown == (("retrieval", "telepathic"),)
    assert MemoryCard.from_json(card.to_json()) == card
    with pytest.raises(BadValue, match=r"retrieval of the card of Mine.*telepathic"):
        registered("Mine", card)
    assert registered("Mine", CASES) is CASES
    with pytest.raises(BadValue, match=r"card of Mine.*class attribute"):
        registered("Mine", None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"topology": frozenset()}, "topology"),
        ({"topology": {"flat"}}, "topology"),
        ({"retrieval": {Retrieval.NONE, Retrieval.LEXICAL}}, "retrieval"),
        ({"deletable": "perhaps"}, "deletable"),
        ({"auditable": 1}, "auditable"),
        ({"parts": (("a", replace(CASES, topology={Topology.PLANAR})),)}, "topology"),
    ],
)
def test_a_card_that_says_nothing_or_two_things_at_once_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BadValue) as caught:
        replace(EXPERIENCES, **wrong)
    assert caught.value.field == field
