"""The streams and their arms: the same for all, exact, and of the memory's own code.

Two of these tests fail when what they are named by is taken away: utilities, and the floor.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.explore.rules.floor import Floor, FloorSettings
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture, Top
from wayfare.memory.policy import LEARNED, Policy
from wayfare.studies.recall_bandit import arms
from wayfare.studies.recall_bandit.arms import Seen, play_stream
from wayfare.studies.recall_bandit.cells import measured, play, tune
from wayfare.studies.recall_bandit.desk import Problems, serve
from wayfare.studies.recall_bandit.plan import tuned
from wayfare.studies.recall_bandit.stage import FAILS, HELPS, Own, Setting, Stage, expected_reward

HALF = Setting(400, 5, 6, 3, 0.5)


def quiet(*_: float, **__: float) -> None:
    pass


@pytest.mark.parametrize("reward", ["additive", "best"])
def test_an_expected_reward_is_the_sum_over_all_slates(reward: str) -> None:
    worth = np.array([0.7, 0.1, 0.4, 0.4, 0.9, 0.2])
    weights = np.exp(Stream(3, "weights").normal(0, np.arange(6)))
    mixture = SlateMixture([(0.3, Top(worth[::-1])), (0.7, ConditionalPoisson(weights))], 3)
    of_slate = np.mean if reward == "additive" else np.max
    whole = sum(mixture.probability(slate) * of_slate(worth[list(slate)]) for slate in combinations(range(6), 3))
    assert expected_reward(mixture, worth, reward) == pytest.approx(whole, abs=1e-12)


def test_a_near_duplicate_is_more_relevant_than_any_original_and_fails_until_the_drift() -> None:
    stage = Stage(Setting(400, 20, 6, 3, 0.5, drift=True), 1)
    original, twin = slice(0, 120), slice(120, None)
    assert stage.relevance[twin].min() > stage.relevance[original].max()
    assert stage.value[0, twin].max() <= FAILS[1] and stage.value[1, twin].min() >= HELPS[0]
    assert 40 < len(stage) - 120 < 80
    assert stage.phase(199) == 0 and stage.phase(200) == 1
    places, relevance, worth = stage.candidates(399)
    assert (np.diff(relevance) <= 0).all() and len(set(places.tolist())) == len(places) == len(worth)
    assert (stage.born[places] <= 399).all() and (relevance >= 0.2 * relevance[0]).all()
    assert len(Stage(Setting(400, 20, 6, 3, 0.0), 1)) == 120


def test_arms_meet_the_same_tasks_and_a_stream_is_the_same_in_any_company() -> None:
    played = {arm: play_stream(Stage(HALF, 5), arm) for arm in ("baseline", "oracle", "safe mixture", "recency")}
    for other in played.values():
        assert (other.baseline == played["baseline"].value).all() and (other.oracle == played["oracle"].value).all()
        assert (other.value <= other.oracle + 1e-12).all()
    together = play(quiet, name="p", arm="safe mixture", setting=HALF, seeds=[4, 5])
    assert (together["p|curve"][1] == measured(played["safe mixture"], HALF)["curve"]).all()


def test_without_utilities_nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    late = slice(300, None)
    learned = play_stream(Stage(HALF, 0), "policy", LEARNED)
    assert learned.value[late].mean() > learned.baseline[late].mean() + 0.2
    monkeypatch.setattr(arms, "credited", lambda utility, *_: utility)
    blind = play_stream(Stage(HALF, 0), "policy", LEARNED)
    assert blind.value[late].mean() < learned.value[late].mean() - 0.1


def test_without_a_floor_the_baselines_value_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that never learns and does not heed relevance is put on the side of the learned one."""
    setting, careless = Setting(400, 5, 6, 3, 0.0), Policy("thompson", slope=0.0, kappa=1e6)
    kept = measured(play_stream(Stage(setting, 0), "safe mixture", careless), setting)
    assert kept["broken before"] == 0 and kept["share"] > 0.5
    monkeypatch.setattr(Floor, "shares", lambda _: {"baseline": 0.0, "incumbent": 1.0, "challenger": 0.0})
    lost = measured(play_stream(Stage(setting, 0), "safe mixture", careless), setting)
    assert lost["broken before"] == 8 and lost["value"] < 0.7 * kept["value"]


def test_the_floor_hears_of_every_task_once_with_the_shares_that_its_coin_had(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, seen = [], []
    update = Floor.update
    monkeypatch.setattr(Floor, "update", lambda floor, *said: heard.append(said) or update(floor, *said))
    play_stream(Stage(HALF, 3), "safe mixture", see=lambda _, task: seen.append(task))
    assert len(heard) == len(seen) == 400
    for (reward, chances, shares), task in zip(heard, seen, strict=True):
        assert (reward, shares) == (task.reward, task.shares)
        assert chances == {side: mixture.probability(task.slate) for side, mixture in task.mixtures.items()}


def test_the_safe_mixture_is_the_default_of_a_memory() -> None:
    seen: list[Seen] = []
    play_stream(Stage(HALF, 3), "safe mixture", see=lambda _, task: seen.append(task))
    assert seen[0].shares == {"baseline": pytest.approx(1 - FloorSettings().alpha), "incumbent": pytest.approx(0.2)}
    sides = Counter(task.side for task in seen[:60])
    assert 0 < sides["incumbent"] < 30
    draws = Stream(3, "recall").at(0)
    ((share, part),) = LEARNED.parts(seen[0].candidates, 3, draws)
    logged = seen[0].mixtures["incumbent"].parts[0][1]
    assert share == 1.0 and isinstance(part, ConditionalPoisson) and isinstance(logged, ConditionalPoisson)
    assert (part.weights == logged.weights).all()


def test_an_arm_that_writes_its_outcomes_writes_at_the_same_tasks_as_any_other() -> None:
    stage = Stage(HALF, 2)
    glad, sad = Own(stage), Own(stage)
    written = [(glad.see(t, 1.0), sad.see(t, 0.0)) for t in range(400)]
    assert all(a == b for a, b in written) and 20 < len(glad.value) < 60
    assert min(glad.value) >= HELPS[0] and max(sad.value) <= FAILS[1]
    t = next(t for t in range(399, 0, -1) if stage.asked[t] in glad.family)
    assert max(glad.candidates(t)[0]) >= len(stage)


def test_memrl_is_tuned_to_what_earns_most() -> None:
    found = tune(quiet, name="m=0.5", setting=Setting(100, 3, 4, 2, 0.5), seeds=[0, 1])
    assert found["m=0.5|tuning"].shape == (4, 2, 2)
    rewards = np.zeros((4, 2, 2))
    rewards[2, 1] = 1.0
    assert tuned({"m=0.5|tuning": rewards, "scripted|value": np.zeros(2)}) == {"m=0.5": (0.75, 0.1)}


def test_a_desk_is_worked_through_the_public_api_and_looked_at_without_a_trace(tmp_path) -> None:
    problems = Problems(1, 1.0)
    assert len(problems.notes) == 120 and len({note.text for note in problems.notes}) == 120
    path = tmp_path / "desk.db"
    found = serve(problems, path, "similarity", [3, 6], 5, False, lambda _: None)
    assert found[0] == found[1] < problems.best(5) and problems.best(5) > 0.75
    from wayfare.memory import Memory

    with Memory(path) as memory:
        assert memory.stats()["recalls"] == 6
