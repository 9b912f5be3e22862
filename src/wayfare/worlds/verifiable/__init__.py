"""Verifiable tasks of language reinforcement learning: a data set, a verifier and a corpus for a base each.

task              `VerifiableTask`: what each of them offers
countdown         `Countdown`, `TaggedCountdown`: reach a goal with each of a few numbers once
countdown_traces  all their traces, and the reader that verifies one
second_thoughts   `SecondThoughts`: Countdown in attempts with WAIT between them
icons             `IconGrounding`: which of six icons is meant, decoys among them
efficiency        `rank_efficiency`, `aer_score`: pay a list of answers by the rank of its first hit
strategies        `HiddenStrategy`: one word counts, ten are filler
numeric           `exact`: is the final answer the right number, on real data
calculator        `Calculator`: a tool on real data
lookup            `LookupArithmetic`: a tool tells what the question hides
addition          `Addition`: with carries; nothing to choose
modular           `ModularArithmetic`: one word

task("countdown3", hint_rate=0.05)        by the names of `TASKS`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from wayfare.errors import BadValue

if TYPE_CHECKING:
    from wayfare.worlds.verifiable.addition import Addition
    from wayfare.worlds.verifiable.contract import VerifiableTask
    from wayfare.worlds.verifiable.countdown import Countdown, TaggedCountdown
    from wayfare.worlds.verifiable.efficiency import aer_score, parse_points, rank_efficiency
    from wayfare.worlds.verifiable.icons import IconGrounding
    from wayfare.worlds.verifiable.lookup import LookupArithmetic, LookupState
    from wayfare.worlds.verifiable.modular import ModularArithmetic
    from wayfare.worlds.verifiable.second_thoughts import SecondThoughts
    from wayfare.worlds.verifiable.strategies import HiddenStrategy

__all__ = [
    "TASKS",
    "Addition",
    "Countdown",
    "HiddenStrategy",
    "IconGrounding",
    "LookupArithmetic",
    "LookupState",
    "ModularArithmetic",
    "SecondThoughts",
    "TaggedCountdown",
    "VerifiableTask",
    "aer_score",
    "parse_points",
    "rank_efficiency",
    "task",
]

_HOMES = {
    "Addition": "addition",
    "Countdown": "countdown",
    "HiddenStrategy": "strategies",
    "IconGrounding": "icons",
    "LookupArithmetic": "lookup",
    "LookupState": "lookup",
    "ModularArithmetic": "modular",
    "SecondThoughts": "second_thoughts",
    "TaggedCountdown": "countdown",
    "VerifiableTask": "contract",
    "aer_score": "efficiency",
    "parse_points": "efficiency",
    "rank_efficiency": "efficiency",
}


def _made(kind: str, defaults: Mapping[str, Any], **knobs: Any) -> VerifiableTask:
    """Raises: BadValue for a knob that the task has not."""
    cls = getattr(import_module(f"{__name__}.{_HOMES[kind]}"), kind)
    for knob in knobs:
        if knob not in cls.__dataclass_fields__:
            raise BadValue("knob", knob, f"one of {', '.join(cls.__dataclass_fields__)}")
    return cast("VerifiableTask", cls(**{**defaults, **knobs}))


TASKS: Mapping[str, Callable[..., VerifiableTask]] = MappingProxyType(
    {
        "countdown3": partial(_made, "Countdown", {}),
        "countdown4": partial(_made, "Countdown", {"numbers": 4}),
        "countdown3-hole": partial(_made, "Countdown", {"operators": (1.0, 1.0, 1e-5), "balanced": True}),
        "countdown3-tags": partial(_made, "TaggedCountdown", {}),
        "second-thoughts": partial(_made, "SecondThoughts", {}),
        "icons": partial(_made, "IconGrounding", {}),
        "hidden-strategy": partial(_made, "HiddenStrategy", {}),
        "lookup": partial(_made, "LookupArithmetic", {}),
        "addition": partial(_made, "Addition", {}),
        "modular": partial(_made, "ModularArithmetic", {}),
    }
)
"""Tasks by name; each takes the knobs of its class."""


def task(name: str, **knobs: Any) -> VerifiableTask:
    """A task by its name, with its knobs. Raises: BadValue for an unknown name or knob, or a bad value of one."""
    if name not in TASKS:
        raise BadValue("task", name, f"one of {', '.join(TASKS)}")
    return TASKS[name](**knobs)


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
