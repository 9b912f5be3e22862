"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, family, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded
run, and have not moved since. Before any agent is trained, `refuse_wrong_checks` puts simple players in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["RULES", "Look", "Rule", "refuse_wrong_checks"]

Floats = NDArray[np.float64]
Look = Callable[[str, str, str], Floats]
"""(player, family, measure) -> [seeds]."""

REINFORCED = ("RL-original", "RL-strategic", "RL-algorithmic")
FAR_SIGHTED = ("RL-original", "RL-strategic")


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts."""

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast


def _ratio(player: str, other: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, "gaussian", measure) / look(other, "gaussian", measure)


def _best_ratio(other: str, measure: str) -> Callable[[Look], Floats]:
    """Of the reinforced agent with the least mean regret over all seeds."""

    def value(look: Look) -> Floats:
        ratios = [look(player, "gaussian", measure) / look(other, "gaussian", measure) for player in REINFORCED]
        return min(ratios, key=lambda one: float(one.mean()))

    return value


def _closed(player: str) -> Callable[[Look], Floats]:
    def value(look: Look) -> Floats:
        low, high = look("uniform", "bernoulli", "regret"), look("UCB", "bernoulli", "regret")
        return (low - look(player, "bernoulli", "regret")) / (low - high)

    return value


def _minus(player: str, other: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, "gaussian", measure) - look(other, "gaussian", measure)


def _most_stuck(other: str) -> Callable[[Look], Floats]:
    """Suffix failures beyond another's, of the agent with gamma = 1 that has more of them."""

    def value(look: Look) -> Floats:
        each = [look(player, "gaussian", "suffix failure") for player in FAR_SIGHTED]
        return max(each, key=lambda one: float(one.mean())) - look(other, "gaussian", "suffix failure")

    return value


ALL_UCB = dict.fromkeys(("SFT-UCB", *REINFORCED), "UCB")
ALL_UNIFORM = dict.fromkeys(("SFT-UCB", *REINFORCED), "uniform")
ALL_GREEDY = dict.fromkeys(REINFORCED, "greedy")
ALL_THOMPSON = dict.fromkeys(REINFORCED, "Thompson")

RULES: tuple[Rule, ...] = (
    Rule(
        "SFT-UCB near UCB", "At the training length SFT-UCB has less than 1.15 times the regret of the tuned UCB",
        "claim", "below", 1.15, "share of UCB's regret", _ratio("SFT-UCB", "UCB", "regret"), ALL_UCB, ALL_UNIFORM,
    ),
    Rule(
        "best RL near UCB", "At the training length the best reinforced agent has less than 1.15 times UCB's regret",
        "claim", "below", 1.15, "share of UCB's regret", _best_ratio("UCB", "regret"), ALL_UCB, ALL_UNIFORM,
    ),
    Rule(
        "SFT-UCB against the generalist", "SFT-UCB has less than 0.7 times the regret of the generalist",
        "claim", "below", 0.7, "share of the generalist's regret", _ratio("SFT-UCB", "generalist", "regret"),
        {**ALL_UCB, "generalist": "mediocre"}, {**ALL_UNIFORM, "generalist": "mediocre"},
    ),
    Rule(
        "best RL against the generalist", "The best reinforced agent has less than 0.7 times the generalist's regret",
        "claim", "below", 0.7, "share of the generalist's regret", _best_ratio("generalist", "regret"),
        {**ALL_UCB, "generalist": "mediocre"}, {**ALL_UNIFORM, "generalist": "mediocre"},
    ),
    *(
        Rule(
            f"{player}: six times the horizon", f"At the long horizon {player} has less than twice UCB's regret",
            "claim", "below", 2.0, "share of UCB's regret", _ratio(player, "UCB", "long regret"), ALL_UCB, ALL_UNIFORM,
        )
        for player in ("SFT-UCB", "RL-algorithmic")
    ),
    *(
        Rule(
            f"{player}: another family",
            f"On Bernoulli arms {player} closes more than 70 % of the span from uniform to UCB",
            "claim", "above", 0.7, "share of the span", _closed(player), ALL_UCB, ALL_UNIFORM,
        )
        for player in ("SFT-UCB", "RL-algorithmic")
    ),
    Rule(
        "RL: more suffix failures than UCB",
        "Of RL-original and RL-strategic, both at gamma 1, the one with more suffix failures has more than UCB",
        "claim", "above", 0.0, "share of tasks", _most_stuck("UCB"), ALL_GREEDY, ALL_THOMPSON,
    ),
    Rule(
        "RL: more suffix failures than the generalist",
        "The same against the generalist", "claim", "above", 0.0, "share of tasks", _most_stuck("generalist"),
        {**ALL_GREEDY, "generalist": "mediocre"}, {**dict.fromkeys(REINFORCED, "uniform"), "generalist": "mediocre"},
    ),
    Rule(
        "RL-algorithmic greedier than its teacher", "RL-algorithmic takes the best mean so far more often than UCB",
        "claim", "above", 0.0, "share of pulls", _minus("RL-algorithmic", "UCB", "greedy"), ALL_GREEDY, ALL_THOMPSON,
    ),
    Rule(
        "RL-algorithmic departs by greed",
        "Where RL-algorithmic departs from UCB it takes the best mean so far in more than 60 % of the cases",
        "claim", "above", 0.6, "share of departures",
        lambda look: look("RL-algorithmic", "gaussian", "lazy"), ALL_GREEDY, ALL_UNIFORM,
    ),
    Rule(
        "strategic reward is less noisy",
        "The gradient of the strategic reward varies less than that of the original one, of the same policy",
        "claim", "below", 1.0, "share of the original's variance",
        _ratio("RL-strategic", "RL-original", "variance"), {}, {},
    ),
    Rule(
        "UCB retuned: suffix failures", "The same excess over a UCB that is tuned at the long horizon",
        "ours", "above", 0.0, "share of tasks", _most_stuck("UCB retuned"), ALL_GREEDY, ALL_THOMPSON,
    ),
    Rule(
        "no foresight makes greed",
        "Trained with gamma 0 the strategic reward gives more suffix failures than with gamma 1: the instrument sees "
        "greed", "instrument", "above", 0.0, "share of tasks",
        _minus("RL-strategic, gamma 0", "RL-strategic", "suffix failure"),
        {"RL-strategic, gamma 0": "greedy", "RL-strategic": "Thompson"},
        {"RL-strategic, gamma 0": "Thompson", "RL-strategic": "greedy"},
    ),
)  # fmt: skip


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put simple players in the agents' places; what compares gradients has no such players and is left out.

    Raises: BadValue as `stated.refuse_wrong_checks` does.
    """

    def value(rule: Rule, cast: Cast) -> float:
        return float(np.nanmean(rule.measure(lambda p, family, measure: look(cast.get(p, p), family, measure))))

    stated.refuse_wrong_checks([rule for rule in checked if rule.best], value)
