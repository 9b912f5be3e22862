"""Topics and cues, the frozen policy by hand, and the arrays against a Memory in a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.memory.policy import BASELINE, Policy
from wayfare.studies.agentfly import STUDY
from wayfare.studies.agentfly.arms import Arm, best_of_k, players, soft, top
from wayfare.studies.agentfly.bank import Bank
from wayfare.studies.agentfly.cells import Player, play, play_online
from wayfare.studies.agentfly.plan import setting_of
from wayfare.studies.agentfly.sequential import BACKUPS, exact, follow, problem
from wayfare.studies.agentfly.through_memory import compare
from wayfare.studies.agentfly.topics import Topics

LAPTOP = STUDY.scales["laptop"]
SETTING = replace(setting_of(LAPTOP), cases=20, tasks=40)


def quiet(*_: float, **__: float) -> None:
    pass


@pytest.mark.parametrize(
    "arm",
    [
        Arm(soft("net", 0.1), "net", rate=1e-2),
        Arm(soft("net", 0.3), "net", 4, rate=1e-2),
        Arm(top("net"), "net", 3, rate=1e-2),
        Arm(BASELINE, successes=True, k=2),
        Arm(Policy("memrl", epsilon=0.2), k=2),
        Arm(Policy("thompson"), k=2),
    ],
    ids=["soft", "soft of several", "top", "success only", "MemRL", "Thompson"],
)
def test_arrays_are_the_memory_choice_by_choice(arm: Arm) -> None:
    found = compare(quiet, arms={"x": arm}, setting=SETTING, seeds=[1, 2], tasks=40)
    assert found["memory|agreement"].tolist() == [1.0, 1.0]


def test_a_net_that_learned_otherwise_would_not_agree(monkeypatch) -> None:
    learned = Player.learn

    def spoiled(self: Player, *given: object) -> None:
        learned(self, *given)  # type: ignore[arg-type]
        self.net = None if self.net is None else type(self.net)([9], self.net.net.width, rate=1e-2)

    monkeypatch.setattr(Player, "learn", spoiled)
    arm = Arm(soft("net", 0.05), "net", 3, rate=1e-2)
    assert compare(quiet, arms={"x": arm}, setting=SETTING, seeds=[1], tasks=40)["memory|agreement"][0] < 1


def test_similarity_sees_the_topic_and_a_whole_bank_is_within_reach() -> None:
    topics = Topics(setting_of(LAPTOP), 0, other=20)
    assert topics.vectors.shape == (3070, 23) and np.linalg.norm(topics.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert len(Bank(topics).seen(60)) == 50
    cosines = topics.vectors[:500] @ topics.vectors[:500].T
    alike = topics.answer[:500, None] == topics.answer[None, :500]
    assert 0 < cosines[alike].mean() - cosines[~alike].mean() < 0.3 * cosines.std()
    assert 0.15 < np.mean([Topics(setting_of(LAPTOP), s).success.mean() for s in range(20)]) < 0.3
    variance = topics.features.var(axis=0)
    assert (variance > 0.3).all() and (variance < 3).all()


def test_the_frozen_policy_by_hand() -> None:
    topics = Topics(SETTING, 0)
    others = np.full(6, 0.2)
    others[2] = 0
    residual = 0.8 * others + 0.2 / 6
    assert topics.acts([]) == pytest.approx(np.full(6, 1 / 6))
    assert topics.acts([(2, False)]) == pytest.approx(residual)
    copied = 0.9 * np.eye(6)[4] + 0.1 / 6
    assert topics.acts([(4, True)]) == pytest.approx(copied) == topics.acts([(4, True), (4, True)])
    assert topics.acts([(4, True), (2, False), (2, False)]) == pytest.approx(0.9 * np.eye(6)[4] + 0.1 * residual)
    assert topics.acts([(4, True), (1, True)])[[1, 4]] == pytest.approx([0.45 + 0.1 / 6] * 2)
    assert topics.acts([(4, True), (4, False)])[4] > 0.9  # a failure elsewhere does not stand against a success ...
    assert topics.acts([(4, True), (4, False)], against=True)[4] < 0.1  # ... but for a policy that weighs them
    assert topics.acts([(i, False) for i in range(6)]) == pytest.approx(np.full(6, 1 / 6))
    assert topics.worth(0, []) == pytest.approx(SETTING.chance)
    assert topics.worth(0, [(int(topics.answer[0]), True)]) == pytest.approx(SETTING.ceiling)


def test_success_is_the_mean_of_the_rewards_that_the_policy_would_get() -> None:
    topics = Topics(SETTING, 2)
    shown = [(int(topics.answer[0]), True), (1, False)]
    rewards = [topics.reward(0, turn, topics.act(0, turn, shown)) for turn in range(6000)]
    assert np.mean(rewards) == pytest.approx(topics.worth(0, shown), abs=0.02)


def test_the_same_strategy_at_the_same_task_is_one_case_that_counts() -> None:
    bank = Bank(Topics(SETTING, 0), logged=False)
    assert [bank.write(3, 1, 1.0), bank.write(3, 2, 0.0), bank.write(3, 1, 0.0), bank.write(3, 1, 0.0)] == [0, 1, 0, 0]
    assert bank.tries == [3, 1] and not bank.succeeded(0) and bank.features(0)[-1] == pytest.approx(2 / 3 - 1)
    assert bank.features(0)[-7:-1].tolist() == [0, 2, 0, 0, 0, 0] and len(bank.question(3)) == len(bank.features(0))


def test_an_empty_bank_shows_nothing_and_learning_waits() -> None:
    for arm in (Arm(top("net"), "net", 4), Arm(BASELINE, k=4), Arm(soft("net", 0.1), "net", 2)):
        player = Player(arm, [Topics(SETTING, 0)], logged=False)
        shown, chances = player.recall([25], "task")
        assert shown == [[]] == chances
        player.learn([25], shown, chances, [1.0], 64)


def test_seeds_side_by_side_are_what_each_is_alone() -> None:
    setting = replace(SETTING, tasks=60)
    arms = {**players(0.1, 3e-3, 0.6), **best_of_k(0.1, 3e-3, (1, 2), 2)}
    for name in ("MemRL", "kernel", "kernel (learned)", "soft-Q", "soft-Q K=2 (inverse propensity)"):
        together, alone = (
            play(quiet, name="p", arm=arms[name], setting=setting, seeds=seeds, late=20) for seeds in ([5, 6], [6])
        )
        for measure, array in alone.items():
            assert array[0] == pytest.approx(together[measure][1], abs=1e-5), (name, measure)


def test_the_truth_is_the_ceiling_where_every_strategy_has_a_success() -> None:
    setting = replace(SETTING, cases=50, tasks=40)
    seed = next(s for s in range(50) if len({*Topics(setting, s).played[Topics(setting, s).success]}) == 6)
    told = play(quiet, name="p", arm=players(0.1, 1e-3, 1.0)["oracle"], setting=setting, seeds=[seed], late=40)
    assert told["p|late"][0] == pytest.approx(setting.ceiling)


def test_own_cases_can_be_barred_and_flatter_similarity() -> None:
    few = replace(SETTING, cases=0, tasks=30)
    own, barred = (
        play_online(
            quiet, name="p", arm=Arm(BASELINE, k=4, own=allowed), setting=few, seeds=[1, 2], passes=4, other=10
        )["p|passes"][:, -1].mean()
        for allowed in (True, False)
    )
    assert own > barred + 0.1


def test_soft_backups_find_soft_values_and_hard_ones_do_not() -> None:
    errors = {
        name: follow(quiet, name="x", seeds=[3], updates=updates, discount=discount, temperature=temperature)[
            "x|error"
        ][0]
        for (name, (discount, temperature)), updates in zip(BACKUPS.items(), (300, 100, 60), strict=True)
    }
    assert errors["soft backup"] < 0.05 < 0.2 < errors["max backup"] < errors["no backup"]


def test_a_problem_is_one_whose_first_choice_decides_what_can_be_chosen_next() -> None:
    of = problem([0, 1])
    assert {int(x) for x in of.leads[0, 0]} == {1, 2, 3} and of.allowed[:, 0].all()
    assert not torch.equal(of.allowed[0, 1], of.allowed[0, 2]) and (of.leads[:, 4:] == -1).all()
    assert (exact(of)[:, 4:] == of.reward[:, 4:]).all() and (exact(of)[:, 0] > of.reward[:, 0] + 0.5).all()


def test_an_impossible_arm_is_refused() -> None:
    for given in ({"k": 0}, {"source": "net"}):
        with pytest.raises(BadValue):
            Arm(BASELINE, **given)  # type: ignore[arg-type]
    with pytest.raises(BadValue):
        Arm(top("net"))
