"""What a live bandit is made of, checked before anything is written: actions, range of rewards, rule and model."""

from __future__ import annotations

import math
from dataclasses import asdict, is_dataclass
from typing import Any, cast

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.live.models import Model, WeightedModel
from wayfare.explore.rules.choice import look
from wayfare.explore.rules.evidence import ActionRule, ArmTable

__all__ = ["Action", "in_order", "named", "parameters_of", "refuse_misfits"]

Action = str | int


def named(actions: Any) -> tuple[Action, ...]:
    """Names of actions, from how many or which. Raises: BadValue for none, or a name that stands twice."""
    listed = () if isinstance(actions, (str, bool)) else range(actions) if isinstance(actions, int) else actions
    try:
        told = tuple(listed)
        good = bool(told) and len(set(told)) == len(told) and all(isinstance(each, (str, int)) for each in told)
    except TypeError:
        good = False
    if not good:
        raise BadValue("actions", actions, "how many, or a list of at least one name, each named once")
    return told


def in_order(bounds: Any) -> bool:
    """Whether these are two finite numbers, the lower one first."""
    try:
        low, high = bounds
        return bool(-math.inf < low < high < math.inf)
    except (TypeError, ValueError):
        return False


def refuse_misfits(
    rule: ActionRule,
    model: Model | WeightedModel,
    actions: int,
    reward_range: tuple[float, float] | None,
    stream: Stream,
) -> None:
    """Raises: BadValue where rule, model and actions do not belong together: before anything is written."""
    evidence = model.evidence(np.zeros(model.dimension))
    found, wanted = look(evidence).shape[-1], actions
    if found != wanted:
        raise BadValue("model", f"{type(model).__name__} of {found} actions", f"one of {wanted} actions")
    try:
        rule.decide(evidence, None, stream.at(0))
    except BadValue as error:
        if error.field != "evidence":
            raise
        given = f"{type(model).__name__}, which gives a {error.value}"
        raise BadValue("model", given, f"one that gives {error.allowed}: see wayfare.explore.live.models") from None
    if not isinstance(evidence, ArmTable):
        return
    for reward in reward_range or (-1.0, 2.0):  # a rule for rewards from 0 to 1 refuses one of the latter
        try:
            rule.decide(evidence.updated(np.array(0), np.array(reward)), None, stream.at(0))
        except BadValue as error:
            allowed = f"one that {type(rule).__name__} can use: a reward of {reward:g} makes {error}"
            raise BadValue("reward_range", reward_range, allowed) from None


def parameters_of(rule: ActionRule) -> dict[str, Any]:
    """As the log shows them."""
    return cast(dict[str, Any], _plain(asdict(rule))) if is_dataclass(rule) else {}


def _plain(value: Any) -> Any:
    """The same as JSON knows it."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
