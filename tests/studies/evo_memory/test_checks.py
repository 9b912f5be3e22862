"""Thresholds are the card's, scripted players decide each check both ways, and rank correlation is SciPy's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.studies.evo_memory import STUDY
from wayfare.studies.evo_memory.checks import refuse_wrong_checks, rules, spearman, under
from wayfare.studies.evo_memory.outcome import check_of
from wayfare.studies.evo_memory.plan import base, memory_cells, parts, prior_cells, solver_cell
from wayfare.studies.evo_memory.scripted import RUNGS
from wayfare.studies.evo_memory.streams import STREAMS

LAPTOP = STUDY.scales["laptop"]
SEEDS = 5


@pytest.fixture(scope="module")
def scripted() -> dict[tuple[str, str], np.ndarray]:
    """What the cells of scripted players would say, if none reached .3 and the oracle .9."""
    spread = 0.01 * np.arange(SEEDS)
    found = {("reads", "shown 0"): 0.25 + spread, ("reads", "shown 4"): 0.9 + spread**2}
    found |= {("deaf", "shown 0"): 0.25 + spread, ("deaf", "shown 4"): 0.25 + spread**2, ("level", "area"): 0 * spread}
    for stream in STREAMS:
        for name, area, steps in (("none", 0.3, 50.0), ("oracle", 0.9, 28.0), ("random", 0.32, 49.0)):
            player = under(name, base(LAPTOP, stream))
            found |= {(player, "area"): area + spread * (name == "none"), (player, "steps"): steps + spread}
    for rung in range(RUNGS):
        for way, sign in (("up", 1), ("down", -1)):
            found[f"rung {way} {rung}", "area"] = 0.1 * sign * rung + 0 * spread
            found[f"rung {way} {rung}", "similarity"] = 0.1 * rung + 0 * spread
    return found


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_players(scripted) -> None:
    for rule in rules(LAPTOP):
        for cast, state in ((rule.best, "holds"), (rule.worst, "fails")):
            played = {
                (who, what): array for who, name in cast.items() for (n, what), array in scripted.items() if n == name
            }
            assert check_of(LAPTOP, rule, {**scripted, **played}).state == state, (rule.name, state)
    refuse_wrong_checks(rules(LAPTOP), lambda *name: scripted[name])


@pytest.mark.parametrize(("threshold", "how"), [(-1.0, "failed by its worst"), (2.0, "passed by its best")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    claim = next(rule for rule in rules(LAPTOP) if rule.kind == "claim")
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((replace(claim, threshold=threshold),), lambda *name: scripted[name])


def test_the_first_check_is_whether_the_solver_reads_and_thresholds_are_those_written_before() -> None:
    asked = rules(LAPTOP)
    assert asked[0].kind == "instrument" and asked[0].threshold == 0.3
    assert [rule.threshold for rule in asked if rule.kind == "instrument"] == [0.3, 0.02, 0.02]
    each = [0.1, 0.0, -0.02, -0.02]
    assert [rule.threshold for rule in asked if rule.kind == "claim"] == [*each, *each, 0.25, 0.6, 0.6]
    assert {rule.rule for rule in asked if rule.threshold == 0.02} == {"below"}


def test_whatever_is_asked_about_is_played() -> None:
    for scale in ("smoke", "quick", "laptop"):
        config = STUDY.scales[scale]
        played = {under(name, part.condition) for part in parts(config) for name in part.names}
        wanted: list[str] = []

        def look(player: str, measure: str, wanted: list[str] = wanted) -> np.ndarray:
            wanted.append(player)
            return np.ones(2)

        for rule in rules(config):
            rule.measure(look)
        assert {*wanted} - played == {"solver"} and len({*wanted}) > 10
        cells = [solver_cell(config), *prior_cells(config, {}), *memory_cells(config, {})]
        assert len({cell.name for cell in cells}) == len(cells)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=8))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, float).T
    if np.ptp(x) and np.ptp(y):
        assert spearman(x[None], y[None])[0] == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    else:
        assert spearman(x[None], y[None])[0] == 0
