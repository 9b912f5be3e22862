"""What another policy would have earned, from a log of decisions already taken: off-policy evaluation.

    log = DecisionLog.from_csv("log.csv", context=["age", "hour"], action="offer", reward="bought", propensity="p")
    print(evaluate(log, target))                  # a policy that stays as it is
    print(replay(log, bandit))                    # one that learns

    print(estimate_slates(SlateLog(tasks)))       # of sets of k out of n, shown together and rewarded as one

`log` is what is read, `estimators` and `intervals` the mathematics, `diagnostics` what to doubt, `slates` and
`slate_estimates` the same for slates. NumPy alone.
"""

from __future__ import annotations

from wayfare.explore.evaluation.diagnostics import Calibration, calibration, effective_sample_size, no_overlap
from wayfare.explore.evaluation.evaluate import Estimate, evaluate
from wayfare.explore.evaluation.intervals import confidence_sequence, off_policy_sequence
from wayfare.explore.evaluation.log import DecisionLog
from wayfare.explore.evaluation.replay import LearningPolicy, Replay, replay
from wayfare.explore.evaluation.reward_models import Regressor, Ridge, cross_fitted
from wayfare.explore.evaluation.slate_estimates import Additivity, SlateEstimate, additivity, estimate_slates
from wayfare.explore.evaluation.slates import SlateLog, SlateRecall, SlateTask

__all__ = [
    "Additivity",
    "Calibration",
    "DecisionLog",
    "Estimate",
    "LearningPolicy",
    "Regressor",
    "Replay",
    "Ridge",
    "SlateEstimate",
    "SlateLog",
    "SlateRecall",
    "SlateTask",
    "additivity",
    "calibration",
    "confidence_sequence",
    "cross_fitted",
    "effective_sample_size",
    "estimate_slates",
    "evaluate",
    "no_overlap",
    "off_policy_sequence",
    "replay",
]
