"""The front door: what it takes for a target, what it refuses and what it says instead, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, Ridge, cross_fitted, evaluate, off_policy_sequence
from wayfare.explore.live import Bandit
from wayfare.explore.rules import EpsilonGreedy, Greedy, Scores, Softmax, Uniform


def test_the_log_s_own_policy_earns_what_the_log_earned(draw: Callable[..., Any]) -> None:
    drawn = draw()
    found = evaluate(drawn.log, drawn.behaviour, "ips")
    assert found.value == pytest.approx(drawn.log.rewards.mean()) == pytest.approx(found.logged)
    assert found.effective_sample_size == pytest.approx(400) and found.largest_weight == pytest.approx(1)
    assert found.cautions == ()


def test_an_action_rule_a_function_and_an_array_are_the_same_target(draw: Callable[..., Any]) -> None:
    log = draw().log
    scores = np.sin(np.arange(1200)).reshape(400, 3)
    rule = EpsilonGreedy(0.3)
    table = rule.propensities(Scores(scores), log.allowed)
    by_rule = evaluate(log, rule, scores=scores)
    assert str(by_rule) == str(evaluate(log, table)) == str(evaluate(log, lambda contexts: table))
    seen = []
    evaluate(log, lambda contexts: seen.append(contexts) or table)
    np.testing.assert_array_equal(seen[0], log.contexts)


def test_a_policy_that_learns_is_sent_to_replay(draw: Callable[..., Any]) -> None:
    with pytest.raises(BadValue, match=r"for one that learns use `replay\(log, policy\)`, got 'Bandit'"):
        evaluate(draw().log, Bandit(Uniform(), actions=3), "ips")


@dataclass
class _Rule:
    propensity_method: str

    def propensities(self, evidence: Any, mask: Any = None) -> np.ndarray:
        return Uniform().propensities(evidence, mask)


def test_propensities_must_be_exact_or_asked_for(draw: Callable[..., Any]) -> None:
    drawn = draw()
    log, scores = drawn.log, np.zeros((400, 3))
    kept = {"contexts": log.contexts, "allowed": log.allowed, "actions": log.actions, "rewards": log.rewards}
    guessed = DecisionLog(**kept, propensities=log.propensities, propensity_method=("estimated",))
    with pytest.raises(BadValue, match="or 'estimated' with estimated=True"):
        evaluate(guessed, drawn.target)
    allowed = evaluate(guessed, drawn.target, estimated=True)
    assert any("estimated from samples" in caution for caution in allowed.cautions)
    assert evaluate(guessed, drawn.target, "dm").value == evaluate(log, drawn.target, "dm").value
    none = DecisionLog(**kept, propensities=log.propensities, propensity_method=("none",))
    with pytest.raises(BadValue, match="estimator='dm', got 'none'"):
        evaluate(none, drawn.target, estimated=True)
    for method in ("closed form", "quadrature"):
        evaluate(log, _Rule(method), scores=scores)
    for method, options in (("estimated", {}), ("none", {}), ("none", {"estimated": True})):
        with pytest.raises(BadValue, match="propensity_method of the target"):
            evaluate(log, _Rule(method), scores=scores, **options)
    evaluate(log, _Rule("estimated"), scores=scores, estimated=True)


def test_a_log_without_propensities_leaves_the_direct_method_and_says_so(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=4000)
    log = drawn.log
    without = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards, None)
    for estimator in ("ips", "snips", "dr", "switch-dr"):
        with pytest.raises(BadValue, match="without them use estimator='dm'"):
            evaluate(without, drawn.target, estimator)
    found = evaluate(without, drawn.target, "dm")
    assert found.value == pytest.approx(drawn.value, abs=0.03)
    assert found.effective_sample_size is None and found.calibration is None and found.largest_weight is None
    assert "not the model's error" in str(found)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ([[0.5, 0.5, 0.0]], "target must be of shape [400, 3]"),
        ([[0.5, 0.5, 0.2]] * 400, "target[0] must be of sum 1"),
        ([[1.5, -0.5, 0.0]] * 400, "target[0] must be at least 0 and finite"),
        ([[1 / 3, 1 / 3, 1 / 3]] * 400, "must be 0 for actions not allowed in its row"),
        ("greedy", "target must be probabilities of shape [400, 3]"),
    ],
)
def test_what_are_no_probabilities_is_refused(draw: Callable[..., Any], target: Any, told: str) -> None:
    with pytest.raises(BadValue) as refused:
        evaluate(draw().log, target)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"estimator": "magic"}, "estimator must be one of ips, snips, dm, dr, switch-dr, got 'magic'"),
        ({"interval": "magic"}, "interval must be one of normal, bootstrap, bernstein, anytime"),
        ({"level": 95}, "level must be between 0 and 1"),
        ({"clip": 0.0}, "clip must be above 0"),
        ({"clip": 2.0, "estimator": "dm"}, "clip must be left out"),
        ({"switch": 2.0}, "switch must be left out: only estimator='switch-dr'"),
        ({"max_weight": 9.0}, "max_weight must be left out"),
        ({"interval": "anytime", "reward_range": (0, 1)}, "estimator must be 'ips' for interval='anytime'"),
        ({"interval": "anytime", "estimator": "ips"}, "reward_range must be (lowest, highest) reward that can come"),
        ({"interval": "bernstein", "estimator": "snips"}, "for interval='bernstein', which bounds a mean"),
        ({"interval": "bernstein", "estimator": "ips", "clip": 5.0}, "reward_range must be (lowest, highest)"),
        ({"interval": "bernstein", "reward_range": (0, 1)}, "max_weight must be a bound on the weights"),
        ({"interval": "bernstein", "reward_range": (0, 1), "max_weight": 1.0}, "max_weight must be at least"),
        (
            {"interval": "bernstein", "estimator": "switch-dr", "reward_range": (0, 1)},
            "switch must be given for interval='bernstein'",
        ),
        ({"reward_range": (0, 0.5)}, "in the reward_range, 0 to 0.5"),
        ({"reward_range": (1, 0)}, "reward_range must be (lowest, highest), finite and in this order"),
        ({"scores": np.zeros((400, 3))}, "scores must be left out: only an action rule"),
        ({"model": np.zeros((4, 3))}, "model must be finite predictions of shape [400, 3]"),
        ({"folds": 401}, "folds must be an integer from 2 to 400"),
    ],
)
def test_arguments_that_make_no_sense_together_are_refused(
    draw: Callable[..., Any], options: dict[str, Any], told: str
) -> None:
    drawn = draw()
    with pytest.raises(BadValue) as refused:
        evaluate(drawn.log, drawn.target, **options)
    assert told in str(refused.value)


def test_a_rule_needs_its_scores(draw: Callable[..., Any]) -> None:
    log = draw().log
    with pytest.raises(BadValue, match=r"scores must be an array of shape \[400, 3\] for the rule Softmax"):
        evaluate(log, Softmax(0.1))
    with pytest.raises(BadValue, match=r"scores must be of shape \[400, 3\]"):
        evaluate(log, Greedy(), scores=np.zeros((3, 400)))


def test_choices_say_how_to_do_it_again(draw: Callable[..., Any]) -> None:
    drawn = draw()
    found = evaluate(drawn.log, drawn.target, "switch-dr", folds=3, seed=5, model=Ridge(2.0))
    tau = found.choices["switch"]
    assert found.choices == {
        "estimator": "switch-dr", "interval": "normal", "model": "Ridge(2)", "folds": 3,
        "switch chosen": "from the log", "switch": tau, "seed": 5,
    }  # fmt: skip
    again = evaluate(drawn.log, drawn.target, "switch-dr", switch=tau, folds=3, seed=5, model=Ridge(2.0))
    assert (again.value, again.low, again.high) == (found.value, found.low, found.high)
    clipped = evaluate(drawn.log, drawn.target, "ips", clip=1.0)
    assert clipped.choices["clip"] == 1.0 and clipped.value < evaluate(drawn.log, drawn.target, "ips").value
    assert any("of the weights were clipped" in caution for caution in clipped.cautions)


def test_an_estimate_reads_as_what_to_know_and_what_to_doubt(draw: Callable[..., Any]) -> None:
    drawn = draw()
    told = str(evaluate(drawn.log, drawn.target, "dr"))
    for part in (
        "95 % interval", "doubly robust, normal", "400 decisions, 0 without a reward", "effective sample size",
        "largest weight", "contexts without overlap 0.0 %", "mean of 1/p", "folds 5", "seed 0",
    ):  # fmt: skip
        assert part in told
    assert "caution" not in told
    log = drawn.log
    wrong = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards, np.full(400, 0.9), waiting=3)
    doubts = " ".join(evaluate(wrong, drawn.target).cautions)
    assert "propensities do not fit" in doubts and "mean weight" in doubts and "3 decisions had no reward" in doubts
    rare = evaluate(log, np.where(np.arange(3) == 2, 1.0, 0.0) * log.allowed[:, 2:] + (~log.allowed[:, 2:]) / 2 *
                    np.array([1.0, 1.0, 0.0]), "ips")  # fmt: skip
    assert rare.largest_weight is not None and rare.largest_weight > 1


def test_a_model_of_one_s_own_serves_every_estimator_that_has_one(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=3000)
    tree = DecisionTreeRegressor(min_samples_leaf=20, random_state=0)
    for estimator in ("dm", "dr", "switch-dr"):
        found = evaluate(drawn.log, drawn.target, estimator, model=tree)
        assert found.value == pytest.approx(drawn.value, abs=0.05)
        assert "DecisionTreeRegressor" in found.choices["model"]


def test_doubly_robust_is_narrower_than_ips_where_its_model_is_good(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=3000)
    ips, robust = evaluate(drawn.log, drawn.target, "ips"), evaluate(drawn.log, drawn.target, "dr")
    assert robust.high - robust.low < 0.9 * (ips.high - ips.low)


def test_bounds_stay_within_the_range_of_the_rewards(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=50)
    found = evaluate(drawn.log, drawn.target, "ips", "bernstein", reward_range=(0, 1), max_weight=1000.0)
    assert (found.low, found.high) == (0, 1)


def test_bounds_stay_within_a_range_that_does_not_begin_at_0(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=50)
    log = drawn.log
    moved = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards + 1, log.propensities)
    found = evaluate(moved, drawn.target, "ips", "bernstein", reward_range=(1, 2), max_weight=1000.0)
    assert (found.low, found.high) == (1, 2)


def test_bernstein_pays_for_each_fold_of_a_model_fitted_here_and_not_for_predictions_given(
    draw: Callable[..., Any],
) -> None:
    drawn = draw(rows=3000)
    options: dict[str, Any] = {"reward_range": (0, 1), "max_weight": 6.0}
    predicted = cross_fitted(drawn.log)
    fitted = evaluate(drawn.log, drawn.target, "dr", "bernstein", **options)
    given = evaluate(drawn.log, drawn.target, "dr", "bernstein", model=predicted, **options)
    assert given.value == pytest.approx(fitted.value) and fitted.high - fitted.low > 1.5 * (given.high - given.low)


def test_a_clip_reaches_the_anytime_interval(draw: Callable[..., Any]) -> None:
    drawn = draw(rows=2000)
    log = drawn.log
    weights = drawn.target[np.arange(2000), log.actions] / log.propensities
    found = evaluate(log, drawn.target, "ips", "anytime", reward_range=(0, 1), clip=1.5)
    low, high = off_policy_sequence(np.minimum(weights, 1.5), log.rewards, (0.0, 1.0))
    assert (found.low, found.high) == (low[-1], high[-1])


def test_predictions_are_kept_in_the_range_of_the_rewards(draw: Callable[..., Any]) -> None:
    drawn = draw()
    wild = np.full((400, 3), 7.0)
    assert evaluate(drawn.log, drawn.target, "dm", model=wild).value == pytest.approx(7)
    assert evaluate(drawn.log, drawn.target, "dm", model=wild, reward_range=(0, 1)).value == pytest.approx(1)


def test_a_log_of_one_decision_is_refused_where_it_would_predict_itself() -> None:
    log = DecisionLog(
        contexts=None, actions=[0], rewards=[1.0], propensities=[0.5], allowed=np.ones((1, 2), dtype=bool)
    )
    with pytest.raises(BadValue, match="log must be at least 2"):
        evaluate(log, np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "switch-dr"])
def test_a_policy_that_the_log_says_nothing_of_is_refused_and_the_direct_method_is_named(estimator: str) -> None:
    log = DecisionLog(
        contexts=None, actions=np.zeros(50, dtype=int), rewards=np.linspace(0, 1, 50), propensities=np.full(50, 0.5),
        allowed=np.ones((50, 3), dtype=bool),
    )  # fmt: skip
    target = np.tile([0.0, 0.0, 1.0], (50, 1))
    with pytest.raises(BadValue, match="weight 0 in every row"):
        evaluate(log, target, estimator)  # type: ignore[arg-type]
    assert evaluate(log, target, "ips", "anytime", reward_range=(0, 1)).high > 0.3
