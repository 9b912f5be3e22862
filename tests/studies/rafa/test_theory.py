"""R1's cells: a run is the same in any company, regret is what the exact gaps say, tuning is on other seeds."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.agents.rafa import WAYS
from wayfare.studies.rafa import STUDY
from wayfare.studies.rafa.plan import TUNED, player_cells, prior_cells, tuned
from wayfare.studies.rafa.steps import curve_steps
from wayfare.studies.rafa.theory import SCALES, grid, river, tune


def quiet(*_: float, **__: float) -> None:
    pass


@pytest.mark.parametrize(("play", "name"), [(grid, "grid"), (river, "river")])
@pytest.mark.parametrize("way", ["RAFA mean", "RAFA sampled", "PSRL", "UCRL", "reactive"])
def test_runs_side_by_side_are_what_each_is_alone(play, name: str, way: str) -> None:
    together = play(quiet, name="x", way=way, seeds=[5, 6, 7], steps=60)
    alone = play(quiet, name="x", way=way, seeds=[6], steps=60)
    for measure in ("regret", "curve", "refreshes", "reward"):
        key = f"{name} x|{measure}"
        assert alone[key][0] == pytest.approx(together[key][1], abs=1e-9), measure


def test_regret_of_the_swimmer_who_stays_left_is_known() -> None:
    """Reactive in RiverSwim: after the first ties it earns 0.005 a step, and loses the gain less that."""
    found = river(quiet, name="x", way="reactive", seeds=range(4), steps=400)
    slope = (found["river x|curve"][:, -1] - found["river x|curve"][:, -6]) / np.diff(curve_steps(400)[[-6, -1]])
    assert slope == pytest.approx(found["river x|gain"] - 0.005, abs=1e-6)


def test_on_the_grid_regret_and_reward_tell_the_same() -> None:
    """T g* minus the rewards is the sum of gaps up to noise of mean zero and a bounded end."""
    found = grid(quiet, name="x", way="no memory", seeds=range(24), steps=600)
    plain = 600 * found["grid x|gain"] - found["grid x|reward"]
    assert abs((plain - found["grid x|regret"]).mean()) < 4 * (plain - found["grid x|regret"]).std() / 24**0.5 + 1.0


def test_the_entropy_rule_alone_can_be_stuck_where_every_step_is_not() -> None:
    alone = grid(quiet, name="x", way="entropy rule alone", seeds=range(24), steps=300)
    steady = grid(quiet, name="x", way="every step", seeds=range(24), steps=300)
    assert alone["grid x|regret"].mean() > 1.5 * steady["grid x|regret"].mean()
    assert alone["grid x|refreshes"].mean() < steady["grid x|refreshes"].mean()


def test_tuning_uses_other_seeds_and_takes_the_least_regret() -> None:
    found = tune(quiet, world="river", way="UCRL", seeds=[0, 1], steps=40)["tuning river UCRL|regret"]
    own = river(quiet, name="x", way="UCRL", seeds=[0, 1], steps=40, scale=SCALES[0])["river x|regret"]
    assert found.shape == (len(SCALES), 2) and found[0] != pytest.approx(own)
    cells = {}
    for i, (world, way) in enumerate(TUNED):
        regret = np.ones((len(SCALES), 2))
        regret[i] = 0.5
        cells[f"tune-{world}-{way}".replace(" ", "-")] = {f"tuning {world} {way}|regret": regret}
    assert list(tuned(cells).values()) == list(SCALES[:3])


def test_every_way_is_run_and_names_are_used_once() -> None:
    config = STUDY.scales["laptop"]
    names = [cell.name for cell in prior_cells(config) + player_cells(config, {})]
    assert len(set(names)) == len(names) and all(f"grid-{way}".replace(" ", "-") in names for way in WAYS)


def test_the_last_decade_has_eleven_points() -> None:
    steps = curve_steps(20_000)
    assert steps[-11] == 2000 and steps[-1] == 20_000 and (np.diff(steps) > 0).all() and steps[0] == 1
