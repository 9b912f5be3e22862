"""Off-policy evaluation of slates: expectations by enumeration, then how often the intervals hold the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation import SlateLog, SlateRecall, SlateTask, additivity, estimate_slates
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture, Top

N, K = 6, 3
SETS = list(combinations(range(N), K))
PARTS = np.array([0.05, 0.30, 0.10, 0.25, 0.02, 0.20])
RELEVANCE = (0.9, 0.2, 0.8, 0.1, 0.7, 0.3)
SHARES = {"baseline": 0.4, "incumbent": 0.6}
Reward = Callable[[Sequence[int]], float]


def _additive(slate: Sequence[int]) -> float:
    return float(PARTS[list(slate)].sum())


def _best(slate: Sequence[int]) -> float:
    """Best of slate: what a second good item adds is nothing."""
    return float(2 * PARTS[list(slate)].max())


def _poisson(*weights: float) -> ConditionalPoisson:
    return ConditionalPoisson(weights)


LOGGING = {
    "baseline": SlateMixture([(1.0, Top(RELEVANCE))], K),
    "incumbent": SlateMixture([(0.3, Top(PARTS)), (0.7, _poisson(1, 2, 1, 2, 1, 2))], K),
}
TARGET = {"target": SlateMixture([(0.6, Top(PARTS)), (0.4, _poisson(0.2, 3, 1, 2, 0.5, 1))], K)}


def _drawn(mixtures: Mapping[str, SlateMixture], shares: Mapping[str, float], slate: Sequence[int]) -> float:
    return sum(share * mixtures[side].probability(slate) for side, share in shares.items())


def _every_slate(of: Reward, logging: Mapping[str, SlateMixture] = LOGGING, **changes: object) -> SlateLog:
    """One task for every set that there is: sums with P for weights are expectations."""
    tasks = []
    for number, slate in enumerate(SETS):
        r = of(slate)
        credit = tuple(PARTS[list(slate)] / PARTS[list(slate)].sum())
        recall = SlateRecall(logging, TARGET, slate, credit, np.stack([PARTS, np.array(RELEVANCE)], axis=1))
        shares = {side: share for side, share in SHARES.items() if side in logging}
        whole = sum(shares.values())
        tasks.append(
            SlateTask(f"t{number}", r, "baseline", [recall], {side: share / whole for side, share in shares.items()})
        )
    return SlateLog([replace(task, **changes) for task in tasks])


P = np.array([_drawn(LOGGING, SHARES, slate) for slate in SETS])
P_TARGET = np.array([_drawn(TARGET, {"target": 1.0}, slate) for slate in SETS])


@pytest.mark.parametrize("reward", [_additive, _best])
def test_the_slate_estimate_is_unbiased_whatever_the_reward(reward: Reward) -> None:
    log = _every_slate(reward)
    assert P @ (log.slate_weights * log.rewards) == pytest.approx(P_TARGET @ log.rewards, abs=1e-14)
    assert P @ log.slate_weights == pytest.approx(1, abs=1e-14)


def test_the_additive_estimate_is_exact_on_an_additive_reward_and_biased_on_best_of_slate() -> None:
    log = _every_slate(_additive)
    assert P @ (log.additive_weights * log.rewards) == pytest.approx(P_TARGET @ log.rewards, abs=1e-12)
    assert P @ log.additive_weights == pytest.approx(1, abs=1e-12)
    best = _every_slate(_best)
    assert abs(P @ (best.additive_weights * best.rewards) - P_TARGET @ best.rewards) > 0.015


def test_the_weight_is_the_pseudo_inverse_of_gamma_by_enumeration() -> None:
    gamma, wanted = np.zeros((N, N)), np.zeros(N)
    for slate, p, target in zip(SETS, P, P_TARGET, strict=True):
        gamma[np.ix_(slate, slate)] += p
        wanted[list(slate)] += target
    inverse = np.linalg.pinv(gamma)
    by_hand = [wanted @ inverse[:, list(slate)].sum(axis=1) for slate in SETS]
    np.testing.assert_allclose(_every_slate(_additive).additive_weights, by_hand, rtol=1e-10)


@pytest.mark.parametrize("side", ["incumbent", "baseline"])
def test_gamma_of_one_side_alone_gives_a_wrong_value(side: str) -> None:
    """The slates were drawn from the mixture; to say that one side drew them all must be seen to fail."""
    wrong = _every_slate(_additive, {side: LOGGING[side]})
    value = P @ (wrong.additive_weights * wrong.rewards)
    assert abs(value - P_TARGET @ wrong.rewards) > 0.03


def test_the_item_estimate_is_exact_on_item_parts_that_sum_to_the_reward() -> None:
    log = _every_slate(_additive)
    assert P @ (log.item_weights * log.rewards) == pytest.approx(P_TARGET @ log.rewards, abs=1e-14)
    best = _every_slate(_best)  # here the shares do not say what an item is worth by itself
    assert abs(P @ (best.item_weights * best.rewards) - P_TARGET @ best.rewards) > 0.015


def test_what_fell_to_no_item_counts_as_it_is() -> None:
    log = _every_slate(_additive)
    none = SlateLog([replace(t, recalls=[replace(t.recalls[0], credit=())]) for t in log.tasks])
    assert none.item_weights.tolist() == [1.0] * len(SETS)


def test_the_model_of_the_doubly_robust_estimate_has_the_expectation_that_it_says() -> None:
    drawn, expected = _every_slate(_additive).model_rows
    np.testing.assert_allclose(expected - expected[0], 0, atol=1e-14)  # one situation
    np.testing.assert_allclose(P_TARGET @ drawn, expected[0], rtol=1e-12)
    by_additive = (P * _every_slate(_additive).additive_weights) @ drawn
    np.testing.assert_allclose(by_additive, expected[0], rtol=1e-10)  # so it leaves (2) exact


def _two_recalls(reward: Callable[[Sequence[int], Sequence[int]], float]) -> tuple[SlateLog, np.ndarray, np.ndarray]:
    """n = 4, k = 2, twice: 36 tasks, the side drawn once for both."""
    tops = [SlateMixture([(1.0, Top(scores))], 2) for scores in ([4, 3, 2, 1], [1, 4, 2, 3])]
    first = {"baseline": tops[0], "incumbent": SlateMixture([(1.0, _poisson(1, 2, 3, 4))], 2)}
    second = {"baseline": tops[1], "incumbent": SlateMixture([(1.0, _poisson(3, 1, 1, 2))], 2)}
    third = {"baseline": tops[0], "live": SlateMixture([(0.5, Top([1, 2, 3, 4])), (0.5, _poisson(1, 1, 2, 2))], 2)}
    fourth = {"baseline": tops[1], "live": SlateMixture([(1.0, _poisson(1, 1, 3, 3))], 2)}
    target_shares = {"baseline": 0.25, "live": 0.75}
    sets = list(combinations(range(4), 2))
    tasks, p, q = [], [], []
    for one, other in product(sets, sets):
        recalls = [
            SlateRecall(first, third, one, (0.25, 0.25)),
            SlateRecall(second, fourth, other, (0.5, 0.0)),
        ]
        tasks.append(SlateTask(f"{one}{other}", reward(one, other), "baseline", recalls, SHARES, target_shares))
        p.append(sum(a * first[c].probability(one) * second[c].probability(other) for c, a in SHARES.items()))
        q.append(sum(a * third[c].probability(one) * fourth[c].probability(other) for c, a in target_shares.items()))
    return SlateLog(tasks), np.array(p), np.array(q)


def test_a_task_of_two_recalls_has_one_coin() -> None:
    log, p, q = _two_recalls(lambda one, other: (one[0] + other[1] * one[1]) / 12)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(log.slate_weights, q / p, rtol=1e-12)
    assert p @ (log.slate_weights * log.rewards) == pytest.approx(q @ log.rewards)
    # A coin for each recall would be another policy: its products are not these.
    apart = [math.prod(_drawn(recall.sides, SHARES, recall.slate) for recall in task.recalls) for task in log.tasks]
    assert np.abs(np.array(apart) - p).max() > 0.1


def test_item_parts_of_two_recalls_are_exact_and_the_additive_estimate_leaves_them_out() -> None:
    parts, others = np.array([0.1, 0.05, 0.2, 0.15]), np.array([0.05, 0.2, 0.1, 0.3])
    log, p, q = _two_recalls(lambda one, other: float(parts[list(one)].sum() + others[list(other)].sum()))
    tasks = []
    for task in log.tasks:
        shares = [
            of[list(recall.slate)] / task.reward for recall, of in zip(task.recalls, (parts, others), strict=True)
        ]
        recalls = [replace(r, credit=tuple(u)) for r, u in zip(task.recalls, shares, strict=True)]
        tasks.append(replace(task, recalls=recalls))
    exact = SlateLog(tasks)
    assert p @ (exact.item_weights * exact.rewards) == pytest.approx(q @ exact.rewards)
    with pytest.raises(BadValue, match="one recall"):
        estimate_slates(exact, "additive")
    assert np.isnan(exact.additive_weights).all()


def test_two_sides_of_fixed_slates_support_each_its_own_pair_but_not_a_mixed_one() -> None:
    up, down = SlateMixture([(1.0, Top([3, 2, 1]))], 1), SlateMixture([(1.0, Top([1, 2, 3]))], 1)
    sides = {"baseline": up, "incumbent": down}

    def missing(*targets: SlateMixture) -> float:
        recalls = [SlateRecall(sides, {"target": target}, [0]) for target in targets]
        return float(SlateLog([SlateTask("t", 1.0, "baseline", recalls, SHARES)]).slate_missing[0])

    assert missing(up, up) == 0
    assert missing(down, down) == 0
    assert missing(up, down) == 1  # one coin a task: nobody ever shows this
    either = SlateMixture([(0.5, Top([3, 2, 1])), (0.5, Top([1, 2, 3]))], 1)
    assert missing(either, either) == pytest.approx(0.5)
    assert missing(SlateMixture([(1.0, _poisson(1, 1, 1))], 1)) == pytest.approx(1 / 3)
    sides["incumbent"] = up  # what both can show is not counted twice
    assert missing(either, either) == pytest.approx(0.75)


def test_a_target_that_the_log_never_shows_is_refused_with_what_to_do_instead() -> None:
    fixed = {"baseline": LOGGING["baseline"]}
    slate = tuple(sorted(Top(RELEVANCE).best(K)))
    task = SlateTask("t", 0.5, "baseline", [SlateRecall(fixed, TARGET, slate)], {"baseline": 1.0})
    log = SlateLog([task, replace(task, id="u")])
    for estimator in ("ips", "dr", "additive", "additive-dr", "item"):
        with pytest.raises(BadValue, match="where the log never goes") as refused:
            estimate_slates(log, estimator)  # type: ignore[arg-type]
        assert "show" in refused.value.allowed or "explor" in refused.value.allowed
    with pytest.raises(BadValue, match="never goes"):
        additivity(log)


def test_items_can_have_support_where_slates_have_none() -> None:
    sides = {"baseline": SlateMixture([(0.5, Top([2, 2, 1, 1])), (0.5, Top([1, 1, 2, 2]))], 2)}
    target = {"target": SlateMixture([(0.5, Top([2, 1, 2, 1])), (0.5, Top([1, 2, 1, 2]))], 2)}
    recalls = [SlateRecall(sides, target, slate, (0.5, 0.5)) for slate in ([0, 1], [2, 3])]
    log = SlateLog([SlateTask(f"t{i}", 0.5, "baseline", [r], {"baseline": 1.0}) for i, r in enumerate(recalls)])
    assert log.slate_missing.tolist() == [1, 1]
    assert log.item_missing.tolist() == [0, 0]
    assert log.additive_missing == pytest.approx([0, 0])  # half of each: (1, 1, 1, 1) / 2 is the mean of both
    assert estimate_slates(log, "item").value == pytest.approx(0.5)


def _simulated(
    copy: int,
    tasks: int,
    reward: Reward,
    *,
    known: Mapping[str, float] | None = None,
    logging: Mapping[str, SlateMixture] = LOGGING,
) -> tuple[SlateLog, float]:
    """Coins of chance `reward(slate)`. known: chance of an outcome by side."""
    stream, rows = Stream(11, "slates"), np.arange(tasks)
    sides = np.where(stream.uniform(copy, rows, 0) < SHARES["baseline"], "baseline", "incumbent")
    tables = {side: np.array([mixture.probability(slate) for slate in SETS]) for side, mixture in logging.items()}
    places = stream.categorical(np.stack([tables[side] for side in sides]), copy, rows, 1)
    chance = np.array([reward(slate) for slate in SETS])
    coins = (stream.uniform(copy, rows, 2) < chance[places]).astype(float)
    seen = stream.uniform(copy, rows, 3)
    features = np.stack([PARTS, np.array(RELEVANCE)], axis=1)
    found = []
    for row in range(tasks):
        slate, side = SETS[int(places[row])], str(sides[row])
        credit = tuple(PARTS[list(slate)] / PARTS[list(slate)].sum())
        r = coins[row] if known is None or seen[row] < known[side] else math.nan
        recall = SlateRecall(logging, TARGET, slate, credit, features)
        found.append(SlateTask(f"{copy}-{row}", float(r), side, [recall], SHARES))
    return SlateLog(found), float(P_TARGET @ chance)


@pytest.mark.parametrize(
    ("reward", "tasks", "logs", "asked"),
    [
        (_best, 300, 200, [("ips", "normal"), ("snips", "normal"), ("dr", "normal"), ("ips", "anytime")]),
        (
            _additive,
            200,
            120,
            [("dr", "normal"), ("additive", "normal"), ("additive-dr", "normal"), ("item", "normal")],
        ),
    ],
)
def test_intervals_hold_the_truth(reward: Reward, tasks: int, logs: int, asked: list[tuple[str, str]]) -> None:
    held = dict.fromkeys(asked, 0)
    for copy in range(logs):
        log, truth = _simulated(copy, tasks, reward)
        for estimator, interval in asked:
            told = estimate_slates(log, estimator, interval)  # type: ignore[arg-type]
            held[estimator, interval] += told.low <= truth <= told.high
    assert min(held.values()) / logs >= 0.93, held


def test_the_additive_interval_misses_on_best_of_slate_and_the_paired_test_says_why() -> None:
    log, truth = _simulated(0, 4_000, _best)
    told = estimate_slates(log, "additive")
    assert not told.low <= truth <= told.high
    assert additivity(log).p < 0.001
    fine = [additivity(_simulated(copy, 150, _additive)[0]).p for copy in range(40)]
    assert np.mean(np.array(fine) < 0.05) <= 0.12


def test_the_model_takes_noise_away() -> None:
    log, _ = _simulated(1, 1_000, _additive)
    ips, dr = estimate_slates(log, "ips"), estimate_slates(log, "dr")
    assert dr.high - dr.low < 0.85 * (ips.high - ips.low)
    plain, modelled = estimate_slates(log, "additive"), estimate_slates(log, "additive-dr")
    assert modelled.high - modelled.low < 0.85 * (plain.high - plain.low)


def test_other_intervals_are_those_of_single_actions() -> None:
    log, _ = _simulated(2, 400, _best)
    bound = float(np.abs(log.slate_weights).max()) + 1
    for estimator, interval, extra in (
        ("dr", "bootstrap", {}), ("ips", "bernstein", {"max_weight": bound}), ("item", "bootstrap", {}),
    ):  # fmt: skip
        told = estimate_slates(log, estimator, interval, **extra)  # type: ignore[arg-type]
        assert told.low <= told.value <= told.high
        assert told.choices["interval"] == interval
    for estimator, interval, extra, field in (
        ("dr", "anytime", {}, "estimator"), ("snips", "bernstein", {"max_weight": 9.0}, "estimator"),
        ("ips", "bernstein", {}, "max_weight"), ("ips", "bernstein", {"max_weight": 0.1}, "max_weight"),
        ("ips", "normal", {"max_weight": 9.0}, "max_weight"), ("best", "normal", {}, "estimator"),
        ("dr", "sure", {}, "interval"), ("dr", "normal", {"level": 1.0}, "level"),
    ):  # fmt: skip
        with pytest.raises(BadValue) as refused:
            estimate_slates(log, estimator, interval, **extra)  # type: ignore[arg-type]
        assert refused.value.field == field


def test_without_an_outcome_is_not_zero_and_the_worst_cases_are_told() -> None:
    log, truth = _simulated(3, 800, _best, known={"baseline": 0.9, "incumbent": 0.6})
    told = estimate_slates(log, "ips")
    known = log.credited
    assert told.n == known.sum()
    assert told.waiting == 800 - told.n
    assert told.value == pytest.approx((log.slate_weights * log.rewards)[known].mean())
    for end, filled in zip(told.worst, (0.0, 1.0), strict=True):
        rewards = np.where(known, log.rewards, filled)
        assert end == pytest.approx((log.slate_weights * rewards).mean())
    assert told.worst[0] < truth < told.worst[1]
    with_outcome, of_all = told.credited["incumbent"]
    assert with_outcome / of_all == pytest.approx(0.6, abs=0.06)
    assert any("reported more often for one side" in caution for caution in told.cautions)
    even = estimate_slates(_simulated(3, 800, _best, known={"baseline": 0.8, "incumbent": 0.8})[0], "ips")
    assert not any("more often for one side" in caution for caution in even.cautions)
    assert "if the others were worth 0 or 1" in str(told)


def test_effective_sample_size_and_largest_weight_are_those_of_the_weights() -> None:
    log, _ = _simulated(4, 300, _best)
    told = estimate_slates(log, "snips")
    w = log.slate_weights
    assert told.effective_sample_size == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert told.largest_weight == w.max()
    assert told.value == pytest.approx((w * log.rewards).sum() / w.sum())


def test_the_gain_is_paired_with_what_the_log_earned() -> None:
    log, _ = _simulated(4, 300, _best)
    told = estimate_slates(log, "ips")
    paired = (log.slate_weights - 1) * log.rewards
    error = 1.959963984540054 * paired.std(ddof=1) / math.sqrt(300)
    assert told.gain == pytest.approx((paired.mean(), paired.mean() - error, paired.mean() + error))
    same = SlateLog(
        [replace(t, recalls=[replace(t.recalls[0], target=LOGGING)], target_shares=SHARES) for t in log.tasks]
    )
    assert estimate_slates(same, "ips").gain == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_log_says_where_its_policy_had_no_choice() -> None:
    log = _every_slate(_best)
    assert not log.forced.any()
    fixed = {"baseline": LOGGING["baseline"]}
    top = replace(log.tasks[0].recalls[0], sides=fixed)
    both = replace(top, sides={"baseline": LOGGING["baseline"], "incumbent": LOGGING["baseline"]})
    apart = replace(top, sides={"baseline": LOGGING["baseline"], "incumbent": SlateMixture([(1.0, Top(PARTS))], K)})
    tasks = [
        replace(log.tasks[0], recalls=[top], shares={"baseline": 1.0}),
        replace(log.tasks[1], recalls=[both]),
        replace(log.tasks[2], recalls=[apart]),
    ]
    assert SlateLog(tasks).forced.tolist() == [True, True, False]


def test_wrong_propensities_are_noticed() -> None:
    log, _ = _simulated(5, 1_000, _best)
    wrong = {"baseline": LOGGING["baseline"], "incumbent": SlateMixture([(1.0, _poisson(9, 1, 9, 1, 9, 1))], K)}
    told = estimate_slates(
        SlateLog([replace(t, recalls=[replace(t.recalls[0], sides=wrong)]) for t in log.tasks]), "ips"
    )
    assert any("wrong propensities" in caution for caution in told.cautions)


def test_the_order_of_the_tasks_changes_nothing() -> None:
    log, _ = _simulated(6, 120, _best)
    turned = SlateLog(log.tasks[::-1])
    for estimator in ("dr", "additive", "additive-dr", "item"):
        one, other = estimate_slates(log, estimator), estimate_slates(turned, estimator)  # type: ignore[arg-type]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)


def test_a_recall_of_nothing_weighs_one() -> None:
    empty = {"baseline": SlateMixture([(1.0, Top([]))], 5)}
    recall = SlateRecall(empty, {"target": SlateMixture([(1.0, Top([]))], 5)}, [])
    log = SlateLog([SlateTask(f"t{i}", r, "baseline", [recall], {"baseline": 1.0}) for i, r in enumerate((0.0, 1.0))])
    for estimator in ("ips", "snips", "dr", "additive", "item"):
        assert estimate_slates(log, estimator).value == pytest.approx(0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reward": 1.5}, "reward"), ({"reward": -0.1}, "reward"), ({"reward": math.inf}, "reward"),
        ({"shares": {"baseline": 0.4}}, "shares"), ({"shares": {"baseline": 0.4, "nobody": 0.6}}, "sides"),
        ({"target_shares": {}}, "target_shares"), ({"recalls": []}, "recalls"),
    ],
)  # fmt: skip
def test_a_bad_task_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(BadValue) as refused:
        _every_slate(_best, LOGGING, **changes)
    assert field in refused.value.field
    assert "t0" in refused.value.field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slate": (0, 1)}, "slate"), ({"slate": (0, 0, 1)}, "slate"), ({"slate": (0, 1, 6)}, "slate"),
        ({"credit": (0.5, 0.5)}, "credit"), ({"credit": (0.5, 0.2, 0.2)}, "credit"),
        ({"credit": (1.5, -0.5, 0.0)}, "credit"), ({"features": np.zeros((5, 2))}, "features"),
        ({"features": np.full((6, 2), np.nan)}, "features"),
        ({"target": {"target": SlateMixture([(1.0, Top(PARTS))], 2)}}, "mixtures"),
    ],
)  # fmt: skip
def test_a_bad_recall_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    task = _every_slate(_best).tasks[0]
    with pytest.raises(BadValue) as refused:
        SlateLog([replace(task, recalls=[replace(task.recalls[0], **changes)])])  # type: ignore[arg-type]
    assert field in refused.value.field


def test_a_log_must_hold_different_tasks_that_its_policy_can_have_made() -> None:
    task = _every_slate(_best).tasks[0]
    with pytest.raises(BadValue, match="each once"):
        SlateLog([task, task])
    with pytest.raises(BadValue, match="one task at least"):
        SlateLog([])
    fixed = {"baseline": LOGGING["baseline"]}
    impossible = replace(
        task, recalls=[replace(task.recalls[0], sides=fixed, slate=(1, 3, 5))], shares={"baseline": 1.0}
    )
    with pytest.raises(BadValue, match="probability 0"):
        _ = SlateLog([impossible]).slate_weights
    with pytest.raises(BadValue, match="at least 2"):
        estimate_slates(SlateLog([task]), "ips")
