"""Action rules: from evidence on each action to the next action and its propensity, in NumPy and torch alike.

    rule = UCB1(alpha=0.2)
    decision = rule.decide(table, mask, Stream(seed, "policy").at(copy, step))
    decision.action, decision.propensity, decision.scores

`evidence` says what rules see and answer; `play` runs a rule on a bandit, many copies at once.
"""

from __future__ import annotations

from wayfare.explore.rules.choice import BestScore
from wayfare.explore.rules.divergence import Family
from wayfare.explore.rules.epsilon_greedy import EpsilonGreedy
from wayfare.explore.rules.evidence import (
    ActionRule,
    ArmTable,
    Decision,
    Evidence,
    LinearTable,
    PropensityMethod,
    Scores,
    WeightedRewards,
    is_anytime,
)
from wayfare.explore.rules.exp3 import Exp3
from wayfare.explore.rules.greedy import Greedy
from wayfare.explore.rules.index import FiniteHorizonIndex, Gittins
from wayfare.explore.rules.inverse_gap import FastCB, SquareCB, gamma_at
from wayfare.explore.rules.kl_ucb import IMED, KLUCB
from wayfare.explore.rules.linear import LinearThompson, LinUCB
from wayfare.explore.rules.moss import MOSS
from wayfare.explore.rules.myopic_bayes import MyopicBayes
from wayfare.explore.rules.play import Play, play
from wayfare.explore.rules.priors import BernoulliArms, GaussianArms, Prior
from wayfare.explore.rules.safe_mix import Mixture, SafeMix
from wayfare.explore.rules.schedules import Decreasing, LinearDecay, Schedule
from wayfare.explore.rules.softmax import Softmax
from wayfare.explore.rules.thompson import BetaThompson, GaussianThompson
from wayfare.explore.rules.ucb import UCB1
from wayfare.explore.rules.uniform import Uniform

__all__ = [
    "IMED",
    "KLUCB",
    "MOSS",
    "UCB1",
    "ActionRule",
    "ArmTable",
    "BernoulliArms",
    "BestScore",
    "BetaThompson",
    "Decision",
    "Decreasing",
    "EpsilonGreedy",
    "Evidence",
    "Exp3",
    "Family",
    "FastCB",
    "FiniteHorizonIndex",
    "GaussianArms",
    "GaussianThompson",
    "Gittins",
    "Greedy",
    "LinUCB",
    "LinearDecay",
    "LinearTable",
    "LinearThompson",
    "Mixture",
    "MyopicBayes",
    "Play",
    "Prior",
    "PropensityMethod",
    "SafeMix",
    "Schedule",
    "Scores",
    "Softmax",
    "SquareCB",
    "Uniform",
    "WeightedRewards",
    "gamma_at",
    "is_anytime",
    "play",
]
