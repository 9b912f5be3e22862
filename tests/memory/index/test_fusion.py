from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory.index.fusion import expanded, fused, personalised_pagerank

from .conftest import Shelf

Make = Callable[..., Shelf]
Ranking = st.lists(st.integers(0, 30), unique=True, max_size=12)


def test_the_weighted_sum_by_hand() -> None:
    found = fused({"words": ([1, 2], [1.0, 0.5]), "vectors": ([2, 3], [0.8, -0.2])}, {"words": 1.0, "vectors": 3.0})
    assert found.records.tolist() == [2, 1, 3]
    np.testing.assert_allclose(found.relevance, [0.25 * 0.5 + 0.75 * 0.8, 0.25, 0.0])
    np.testing.assert_allclose(found.by["words"], [0.5, 1.0, 0.0])
    np.testing.assert_allclose(found.by["vectors"], [0.8, 0.0, 0.0])


def test_a_search_that_was_not_made_takes_no_part() -> None:
    found = fused({"words": ([1], [0.6])}, {"words": 1.0, "vectors": 3.0})
    assert found.relevance.tolist() == [0.6]
    assert len(fused({}, {"words": 1.0}).records) == 0
    assert fused({"words": ([1], [0.6])}, {}).relevance.tolist() == [0.0]


def test_reciprocal_rank_by_hand() -> None:
    found = fused({"a": ([7, 8], [9.0, 1.0]), "b": ([8, 9], [0.2, 0.1])}, {"a": 1.0, "b": 1.0}, rule="rank")
    assert found.records.tolist() == [8, 7, 9]
    np.testing.assert_allclose(found.relevance, [(61 / 62 + 1) / 2, 0.5, 61 / 62 / 2])


@given(
    st.dictionaries(st.sampled_from("abc"), Ranking, max_size=3), st.sampled_from(["sum", "rank"]), st.integers(0, 9)
)
def test_relevance_is_in_0_1_sorted_and_of_all_that_was_found(
    rankings: dict[str, list[int]], rule: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    channels = {name: (numbers, np.sort(rng.random(len(numbers)))[::-1]) for name, numbers in rankings.items()}
    found = fused(channels, dict.fromkeys("abc", 0.7), rule=rule)
    assert set(found.records.tolist()) == set().union(*map(set, rankings.values()))
    assert np.all((found.relevance >= 0) & (found.relevance <= 1 + 1e-12))
    order = list(zip(-found.relevance, found.records, strict=True))
    assert order == sorted(order)


def test_unknown_rules_and_negative_weights_are_refused() -> None:
    with pytest.raises(BadValue, match="rule"):
        fused({}, {}, rule="max")
    for weight in (-1.0, float("nan")):
        with pytest.raises(BadValue, match="weights"):
            fused({"a": ([1], [1.0])}, {"a": weight})


def link(tx: Any, ns: int, source: str, target: str, type: str = "causes", weight: float = 1.0, **time: float) -> None:
    tx.execute(
        "INSERT INTO links VALUES (?, ?, ?, ?, ?, '', ?, ?, 0, 0)",
        (ns, source, target, type, weight, time.get("begin"), time.get("end")),
    )


def test_paths_multiply_and_the_best_counts(shelf: Make) -> None:
    made, other = shelf(), shelf("other")
    ns = made.ns
    with other.database.write() as tx:
        link(tx, other.ns, "a", "z")
    with made.database.write() as tx:
        link(tx, ns, "a", "b", weight=0.5)
        link(tx, ns, "b", "c")
        link(tx, ns, "d", "a", "about")
        link(tx, ns, "d", "c", "about", weight=9.0)
        link(tx, ns, "c", "x", "other")
        types = {"causes": 0.8, "about": 0.5}
        assert expanded(tx, ns, {"a": 1.0}, types) == {"b": 0.4, "d": 0.5}
        two = expanded(tx, ns, {"a": 1.0}, types, depth=2)
        assert two == pytest.approx({"b": 0.4, "d": 0.5, "c": max(0.4 * 0.8, 0.5 * 0.5)})
        assert expanded(tx, ns, {"a": 1.0}, {}, depth=2) == {}
        assert expanded(tx, ns, {}, types) == {}
        assert expanded(tx, ns, {"a": 1.0, "b": 1.0}, {"causes": 1.0}) == {"c": 1.0}
        assert expanded(tx, ns, {"a": 1.0}, types, depth=0) == {}


def test_a_link_counts_while_it_holds(shelf: Make) -> None:
    made = shelf()
    ns = made.ns
    with made.database.write() as tx:
        link(tx, ns, "a", "b", begin=10.0, end=20.0)
        for at, there in ((9.9, False), (10.0, True), (19.9, True), (20.0, False), (None, True)):
            assert bool(expanded(tx, ns, {"a": 1.0}, {"causes": 1.0}, at=at)) is there


def test_a_hub_is_not_followed_without_end(shelf: Make) -> None:
    made = shelf()
    ns = made.ns
    with made.database.write() as tx:
        for i in range(300):
            link(tx, ns, "hub", f"n{i:03}", weight=1 - i / 1000)
            link(tx, ns, f"n{i:03}", f"m{i:03}")
        found = expanded(tx, ns, {"hub": 1.0}, {"causes": 1.0}, depth=3, most=50)
        assert found["n000"] == 1.0 and found["n299"] == pytest.approx(1 - 0.299)
        assert len(found) <= 300 + 50 + 50


def test_pagerank_is_the_stationary_share_of_a_walk_that_begins_anew(shelf: Make) -> None:
    rng = np.random.default_rng(0)
    ids = [f"n{i}" for i in range(8)]
    made = shelf()
    ns = made.ns
    with made.database.write() as tx:
        walk = np.zeros((8, 8))
        for _ in range(14):
            i, j = rng.choice(8, 2, replace=False)
            weight = float(rng.random())
            if walk[i, j] == 0:
                link(tx, ns, ids[i], ids[j], weight=weight)
                walk[i, j] = walk[j, i] = weight
        link(tx, ns, "far", "away")
        found = personalised_pagerank(tx, ns, {"n0": 1.0, "n3": 3.0}, {"causes": 1.0}, depth=8, rounds=400)
        with pytest.raises(BadValue):
            personalised_pagerank(tx, ns, {}, {"causes": 1.0})
        with pytest.raises(BadValue):
            personalised_pagerank(tx, ns, {"n0": 0.0}, {"causes": 1.0})
        assert personalised_pagerank(tx, ns, {"alone": 2.0}, {"causes": 1.0}) == pytest.approx({"alone": 1.0})
    begin = np.zeros(8)
    begin[[0, 3]] = 0.25, 0.75
    out = walk.sum(axis=1, keepdims=True)
    steps = np.where(out > 0, walk / np.where(out > 0, out, 1), begin)
    exact = np.linalg.solve(np.eye(8) - 0.85 * steps.T, 0.15 * begin)
    assert sum(found.values()) == pytest.approx(1.0)
    assert "far" not in found
    np.testing.assert_allclose([found.get(id, 0.0) for id in ids], exact, atol=1e-9)
