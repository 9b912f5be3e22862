"""`wayfare memory check`: a memory class is tried, and its card held against what was seen.

    wayfare memory check my_memory.py:MyMemory
    wayfare memory check my.package:MyMemory --json
    wayfare memory check Memory

No memory of yours is opened or changed: the class is made anew in a folder of its own. The exit status is 1 where the
card says otherwise than what was seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import tyro

from wayfare.errors import BadValue, MissingExtra
from wayfare.memory.modules import MODULES
from wayfare.memory.modules.checking import class_named
from wayfare.memory.probes import CardReport, check_card
from wayfare.memory.probes.shipped import SHIPPED, shipped

__all__ = ["VERBS"]


@dataclass(frozen=True)
class Check:
    """Try a memory class by ten probes: is it what its card says that it is?"""

    memory: tyro.conf.Positional[str] = ""
    """FILE.py:CLASS, MODULE:CLASS, or the name of a shipped one."""
    probes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="P1 .. P10")] = ()
    """Some of them; none given: all."""
    seed: int = 0
    """Of the words and the draws."""
    seconds: float = 60.0
    """For all probes together; what is not done then has failed."""
    json: bool = False
    """Answer as JSON."""


def _check(options: Check) -> int:
    report = _reported(options)
    if options.json:
        print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        print(report.text)
    return 0 if report.agrees else 1


def _reported(options: Check) -> CardReport:
    how: dict[str, Any] = {"seed": options.seed, "seconds": options.seconds, "probes": options.probes or None}
    names = [each.name for each in SHIPPED]
    if options.memory in names:
        known = shipped(options.memory)
        if known.torch and find_spec("torch") is None:
            raise MissingExtra(f"wayfare memory check {known.name} needs torch, which", "lab")
        return known.check(**how)
    if ":" not in options.memory and options.memory not in MODULES:
        raise BadValue("memory", options.memory, f"FILE.py:CLASS, MODULE:CLASS, or one of {', '.join(names)}")
    return check_card(class_named(options.memory), **how)


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"check": (Check, _check)}
"""Verb -> what it takes, and what it does."""
