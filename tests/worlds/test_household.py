"""A house: shortest ways, habits as often as told, and errands whose steps add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds.household import KINDS, TARGETS, House, Visit


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_ways_are_a_metric_plus_the_look(seed: int) -> None:
    house = House(seed, 4, places=8)
    points = ("door", *house.places, *TARGETS)
    way = np.array([[house.steps(a, b) - 1 for b in points] for a in points])
    assert (way == way.T).all() and (np.diag(way) == 0).all() and (way >= 0).all()
    assert (way[:, None, :] <= way[:, :, None] + way[None, :, :]).all()


def test_things_lie_in_their_places_as_often_as_habit_says() -> None:
    house = House(3, 10, habit=0.7)
    lies = [(name, place) for i in range(600) for name, place in house.errand(i).lies.items()]
    at_home = np.mean([house.homes[name] == place for name, place in lies])
    assert abs(at_home - (0.7 + 0.3 / 24)) < 0.05
    astray = House(3, 0, habit=1.0)
    lies = [(name, place) for i in range(600) for name, place in astray.errand(i).lies.items()]
    assert np.mean([astray.homes[name] == place for name, place in lies]) < 0.1


def test_an_errand_is_by_its_number_alone_and_says_what_is_wanted() -> None:
    house = House(1, 6)
    for i in range(60):
        errand = house.errand(i)
        assert errand == House(1, 6).errand(i) and errand.thing in house.things and len(house.things) == 6
        assert set(errand.lies) == set(errand.wanted) == {errand.thing, KINDS[errand.kind]} - {""}
        assert errand.thing in errand.text and errand.target in errand.text
        assert all(place not in errand.text for place in house.places)


def test_who_knows_where_things_lie_takes_the_shortest_steps_and_the_lines_tell_what_was_done() -> None:
    house = House(2, 5)
    errand = next(house.errand(i) for i in range(50) if len(set(house.errand(i).lies.values())) == 2)
    visit = Visit(house, errand, 200)
    first, second = (errand.lies[name] for name in errand.wanted)
    visit.go(first)
    assert visit.missing == (errand.tool,) and visit.progress == pytest.approx(1 / 3)
    with pytest.raises(BadValue, match="found"):
        visit.finish()
    visit.go(second)
    visit.finish()
    assert visit.success and visit.over and visit.progress == 1.0
    by_hand = house.steps("door", first) + house.steps(first, second) + 1 + house.steps(second, errand.target)
    assert visit.steps == by_hand == house.shortest(errand)
    assert visit.lines == [
        f"go to {first}", f"found {errand.thing} in {first}", f"go to {second}", f"found {errand.tool} in {second}",
        f"{errand.kind} {errand.thing} with {errand.tool}", f"put {errand.thing} on {errand.target}",
    ]  # fmt: skip


def test_a_cap_that_does_not_reach_is_used_up_and_nothing_is_seen_there() -> None:
    house = House(2, 5)
    errand = house.errand(0)
    place = errand.lies[errand.thing]
    visit = Visit(house, errand, house.steps("door", place) - 1)
    visit.go(place)
    assert visit.over and not visit.success and visit.steps == visit.cap and visit.progress == 0.0 and not visit.seen


@pytest.mark.parametrize(("field", "value"), [("families", 41), ("places", 1), ("habit", 1.5)])
def test_houses_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(BadValue) as refused:
        House(0, **{"families": 2, field: value})  # type: ignore[arg-type]
    assert refused.value.field == field
    with pytest.raises(BadValue, match="one of cabinet 1"):
        Visit(House(0, 2), House(0, 2).errand(0), 5).go("attic")
