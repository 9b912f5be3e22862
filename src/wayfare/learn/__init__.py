"""How agents improve: learners, replay, and what they read of a world. Imports no torch until a name is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.learn.case_learner import CaseLearner
    from wayfare.learn.case_rows import CaseRows
    from wayfare.learn.case_scorer import CaseScorer
    from wayfare.learn.case_values import CaseValueNet, FeatureEncoder, TextEncoder
    from wayfare.learn.collect import Collector
    from wayfare.learn.discounts import DiscountTable
    from wayfare.learn.episodic_control import EpisodicControl
    from wayfare.learn.policy_gradient import PolicyGradient
    from wayfare.learn.rollouts import RolloutBatch
    from wayfare.learn.sequences import Replay, Sequences
    from wayfare.learn.shaped_loss import ShapedTokenLoss
    from wayfare.learn.success import SuccessModel
    from wayfare.learn.supervised import Supervised, SupervisedLoss, cross_entropy
    from wayfare.learn.tokens import Tokens
    from wayfare.learn.value_network import ValueNetwork
    from wayfare.learn.values import ValueLearner

__all__ = [
    "CaseLearner",
    "CaseRows",
    "CaseScorer",
    "CaseValueNet",
    "Collector",
    "DiscountTable",
    "EpisodicControl",
    "FeatureEncoder",
    "PolicyGradient",
    "Replay",
    "RolloutBatch",
    "Sequences",
    "ShapedTokenLoss",
    "SuccessModel",
    "Supervised",
    "SupervisedLoss",
    "TextEncoder",
    "Tokens",
    "ValueLearner",
    "ValueNetwork",
    "cross_entropy",
]

_HOMES = {
    "CaseLearner": "case_learner",
    "CaseRows": "case_rows",
    "CaseScorer": "case_scorer",
    "CaseValueNet": "case_values",
    "Collector": "collect",
    "DiscountTable": "discounts",
    "EpisodicControl": "episodic_control",
    "FeatureEncoder": "case_values",
    "PolicyGradient": "policy_gradient",
    "Replay": "sequences",
    "RolloutBatch": "rollouts",
    "Sequences": "sequences",
    "ShapedTokenLoss": "shaped_loss",
    "SuccessModel": "success",
    "Supervised": "supervised",
    "SupervisedLoss": "supervised",
    "TextEncoder": "case_values",
    "Tokens": "tokens",
    "ValueLearner": "values",
    "ValueNetwork": "value_network",
    "cross_entropy": "supervised",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
