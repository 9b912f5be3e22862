"""The memory as arrays: its candidates by hand, and equal to a Memory in a file, choice by choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.memory.policy import BASELINE, LEARNED
from wayfare.studies.memrl import STUDY
from wayfare.studies.memrl.arms import FILTERS, GREEDY, MEMRL, UNIFORM, USED, filters, measured_scale, players
from wayfare.studies.memrl.bank import Arm, Bank
from wayfare.studies.memrl.cells import play, play_seed
from wayfare.studies.memrl.families import Families
from wayfare.studies.memrl.plan import setting_of
from wayfare.studies.memrl.through_memory import compare

QUICK = replace(STUDY.scales["quick"], families=4, per_family=4, held_out=2, passes=4)
SETTING = setting_of(QUICK, 0.25)
ROUNDS = Arm(MEMRL, USED, phase="rounds", k1=50)


def quiet(*_: float, **__: float) -> None:
    pass


def line(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane."""
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    "arm",
    [
        ROUNDS,
        replace(ROUNDS, credit=UNIFORM, k2=3),
        replace(ROUNDS, k1=5, k2=2),
        replace(ROUNDS, policy=MEMRL.with_(epsilon=0.3, relevance_scale=(0.2, 0.1)), k2=2),
        replace(ROUNDS, policy=LEARNED, k1=20),
        replace(ROUNDS, policy=GREEDY),
        replace(ROUNDS, policy=BASELINE, k1=10, label="written"),
    ],
    ids=["MemRL", "three at once", "few", "fixed scale and epsilon", "Thompson", "library's mean", "success filter"],
)
def test_arrays_are_the_memory_choice_by_choice(arm: Arm) -> None:
    found = compare(quiet, arms={"x": arm}, setting=SETTING, seeds=[1, 2], passes=4)
    assert found["memory|agreement"].tolist() == [1.0, 1.0] and found["memory|episodes"].tolist() == [64, 64]


def test_more_records_than_candidates_are_cut_as_the_memory_cuts_them() -> None:
    """30 tasks with up to 6 records each: the rule of intents decides."""
    setting = replace(SETTING, families=6, per_family=5)
    found = compare(quiet, arms={"x": replace(ROUNDS, k1=12)}, setting=setting, seeds=[3], passes=5)
    assert found["memory|agreement"].tolist() == [1.0]


def test_another_rule_would_not_agree() -> None:
    setting = replace(SETTING, families=6, per_family=5)
    found = compare(quiet, arms={"x": replace(ROUNDS, k1=12, each=1)}, setting=setting, seeds=[3], passes=5)
    assert found["memory|agreement"][0] < 1


def test_phase_a_takes_intents_with_all_that_is_filed_or_items_or_rounds() -> None:
    bank = Bank(line(0, 21, 40, 10))  # the last is the query
    for task, strategy in ((1, 0), (1, 1), (0, 0), (1, 2), (2, 0), (0, 3)):
        bank.write(task, strategy, success=False)
    arm = Arm(BASELINE)
    near = [(0, 0), (0, 3), (1, 0), (1, 1), (1, 2), (2, 0)]

    def named(arm: Arm) -> list[tuple[int, int]]:
        return [(bank.intent[r], bank.strategy[r]) for r in bank.candidates(3, arm)]

    def kept(*chosen: int) -> list[tuple[int, int]]:
        return [near[i] for i in chosen]

    assert named(replace(arm, k1=1)) == kept(0, 1)
    assert named(replace(arm, k1=2)) == kept(0, 1, 2, 3, 4)
    assert named(replace(arm, phase="items", k1=4)) == kept(0, 1, 2, 3)
    assert named(replace(arm, phase="rounds", k1=4, each=1)) == kept(0, 1, 2, 5)
    assert named(replace(arm, phase="rounds", k1=5, each=2)) == kept(0, 1, 2, 3, 5)


def test_what_is_less_similar_than_a_fifth_of_the_best_is_no_candidate() -> None:
    bank = Bank(line(0, 83, 0))
    bank.write(0, 0, success=True)
    bank.write(1, 1, success=True)
    assert [bank.strategy[r] for r in bank.candidates(2, Arm(BASELINE))] == [0]
    far = Bank(line(0, 89.5))
    far.write(0, 0, success=True)
    assert far.candidates(1, Arm(BASELINE)) == [] and far.recall(1, Arm(BASELINE), 0) == []


def test_an_empty_bank_recalls_nothing_and_one_candidate_is_shown() -> None:
    bank = Bank(line(0, 10))
    for policy in (BASELINE, MEMRL, GREEDY, LEARNED):
        assert bank.recall(0, Arm(policy, k2=3), 0) == []
    bank.write(1, 4, success=False)
    for policy in (BASELINE, MEMRL, GREEDY, LEARNED):
        assert bank.recall(0, Arm(policy, k2=3), 0) == [0]


def test_labels_of_success_differ_in_when_they_are_given() -> None:
    bank, arm = Bank(line(0)), filters(5)
    for success in (True, False):
        assert bank.write(0, 2, success) == 0
    assert [bank.recall(0, arm[name], 0) for name in FILTERS] == [[0], [], [0]]
    bank.write(0, 3, success=False)
    bank.write(0, 3, success=True)
    assert [bank.recall(0, replace(arm[name], k2=2), 0) for name in FILTERS] == [[0], [1], [0, 1]]


def test_credit_reaches_what_was_used_or_all_that_was_shown() -> None:
    for credit, q in ((USED, [0.65, 0.5]), (UNIFORM, [0.65, 0.65])):
        bank = Bank(line(0))
        records = [bank.write(0, strategy, success=False) for strategy in (0, 1)]
        arm = Arm(MEMRL, credit, k2=2)
        bank.credit(records, [records[0]], 1.0, arm)
        assert np.nan_to_num(bank._numbers[3, :2], nan=0.5).tolist() == pytest.approx(q)
        bank.credit(records, [], 0.0, arm)
        assert (bank._numbers[3, 1] < 0.5) is np.bool_(credit is UNIFORM)


def test_the_beta_mean_tries_what_is_untried_before_what_has_failed() -> None:
    bank = Bank(line(0))
    failed, _ = bank.write(0, 0, success=False), bank.write(0, 1, success=False)
    arm = Arm(GREEDY, USED, beta=True)
    assert bank.recall(0, arm, 0) == [failed]
    bank.credit([failed], [failed], 0.0, arm)
    assert bank.recall(0, arm, 0) == [1]


def test_lambda_0_is_similarity_and_lambda_1_is_not() -> None:
    def shown(weight: float | None) -> list[int]:
        policy = BASELINE if weight is None else MEMRL.with_(weight=weight)
        families = Families(SETTING, 5)
        return play_seed(families, Arm(policy, USED), Bank(families.vectors), 4).shown.ravel().tolist()

    assert shown(0.0) == shown(None) != shown(1.0)


def test_seeds_side_by_side_are_what_each_is_alone() -> None:
    for arm in (players(5)["MemRL"], Arm(LEARNED, USED)):
        together, alone = (
            play(quiet, name="p", arm=arm, setting=SETTING, seeds=seeds, late=2) for seeds in ([5, 6], [6])
        )
        for name, array in alone.items():
            assert array[0].tolist() == together[name][1].tolist(), name


def test_twins_look_alike_and_need_different_strategies() -> None:
    setting = setting_of(STUDY.scales["laptop"], 0.25)
    families = Families(setting, 0)
    assert families.vectors.shape == (400, 32) and families.tasks == 200
    answers = {int(f): int(a) for f, a in zip(families.family, families.answer, strict=True)}
    assert all(answers[f] != answers[f + 1] for f in range(0, 20, 2))
    cosines = families.vectors @ families.vectors.T
    own = families.family[:, None] == families.family
    twin = families.family[:, None] == (families.family ^ 1)
    assert cosines[own].mean() - cosines[twin].mean() < 0.1 < cosines[twin].mean() - cosines[~own & ~twin].mean()
    assert np.linalg.norm(families.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert sorted(families.order(3)) == list(range(200)) != families.order(3)


def test_success_is_the_mean_of_the_rewards_that_the_policy_would_get() -> None:
    families = Families(replace(SETTING, per_family=1), 2)
    shown = [int(families.answer[0]), (int(families.answer[0]) + 1) % 6]
    rewards = []
    for turn in range(8000):
        which = families.copied(0, turn, 2)
        strategy = families.own(0, turn) if which is None else shown[which]
        rewards.append(families.reward(0, turn, strategy))
    assert np.mean(rewards) == pytest.approx(families.success(0, shown), abs=0.02)
    assert families.copied(0, 0, 0) is None
    assert families.success(0, shown[:1]) == pytest.approx(SETTING.ceiling)
    assert families.success(0, []) == pytest.approx(SETTING.chance)


def test_a_measured_scale_is_that_of_two_different_tasks() -> None:
    mean, deviation = measured_scale(setting_of(STUDY.scales["laptop"], 0.25), 1)
    assert -0.1 < mean < 0.2 and 0.1 < deviation < 0.4


@pytest.mark.parametrize(("field", "given"), [("phase", "all"), ("label", "good"), ("k1, k2, each", 0)])
def test_an_impossible_arm_is_refused(field: str, given: object) -> None:
    with pytest.raises(BadValue) as refused:
        Arm(MEMRL, **({"k1": given} if field == "k1, k2, each" else {field: given}))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_measures_are_those_of_the_passes_that_they_name() -> None:
    told = play(quiet, name="p", arm=Arm(MEMRL, USED), setting=SETTING, seeds=[1], late=2)
    found = play_seed(families := Families(SETTING, 1), Arm(MEMRL, USED), Bank(families.vectors, seed=1), 4)
    assert told["p|late"].tolist() == [found.success[2:].mean()] != [found.success.mean()]
    assert told["p|curve"].tolist() == [found.success.mean(axis=1).tolist()]
    assert told["p|held"].tolist() == [found.held] and told["p|records"].tolist() == [found.records]
    assert told["p|cumulative"].tolist() == [found.solved.any(axis=0).mean()]
    assert SETTING.chance + told["p|span"][0] == pytest.approx(SETTING.ceiling)
