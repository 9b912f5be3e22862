"""What a run is of, beside its settings: told in its checkpoints, so that another experiment does not go on from them.

    refused    other data (by content), reward functions or parts (by name), frozen weights (by sum), and other numbers
               that a part was made with
    told       other words that a part was made with, and other code of the user's in functions and parts

What a part was made with are the arguments of its class that it keeps under their own names, as they are when the
trainer is made; so for what its attributes are of, where their classes are Wayfare's or the user's. Nothing counts that
stands in a part's state, which changes, or that it names in `free`, as what only says how fast it is or where things
lie; texts count that are one word, and so no paths, addresses or keys. An argument that only one of both has is passed
over: code that has grown one has not changed what it was given.

Code is told and not refused: a run that a reward function ended is taken up again once that function is mended.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

from torch import nn

from wayfare.errors import ResumeRefused
from wayfare.learn.grpo.dataset import PromptSet
from wayfare.learn.grpo.user_code import of_user, source_of

__all__ = ["differences", "identity", "made_of"]

MOST = 10_000
"""Rows of a data set that are read for it, evenly over all."""
DEEP, MANY, WORD = 3, 16, 24
"""Objects within objects, parts of a list and letters of a word that are looked at."""

Told = dict[str, Any]


def identity(prompts: PromptSet, rewards: Sequence[str], parts: Mapping[str, Any], module: nn.Module) -> Told:
    """What to compare -> a short text."""
    frozen = [each for each in module.parameters() if not each.requires_grad]
    return {
        "data": f"{len(prompts)} rows, {_digest(prompts)}",
        "reward functions": ", ".join(rewards),
        "parts": ", ".join(f"{name} {_kind(part)}" for name, part in parts.items() if part not in (None, [])),
        "frozen weights": f"{len(frozen)}, sum {sum(float(each.detach().double().sum()) for each in frozen):.9g}",
    }


def made_of(functions: Mapping[str, Any], parts: Mapping[str, Any]) -> Told:
    """{"numbers", "words": argument -> what it is; "code": what, of which file -> digest}, before anything is used."""
    told: dict[str, dict[str, str]] = {"numbers": {}, "words": {}, "code": {}}
    for place, part in _each(parts):
        for name, value in _arguments(part, place, DEEP):
            told["words" if _worded(value) else "numbers"][name] = _text(value)
    named = [*((f"reward function {name}", each) for name, each in functions.items()), *_each(parts)]
    for name, each in named:
        source = source_of(each)
        if source is not None:
            told["code"][f"{name} of {source[0]}"] = source[1]
    return told


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs and a run may go on with, as sentences. Raises: ResumeRefused for the first thing it may not."""
    for name, value in now.items():
        if isinstance(value, str) and was.get(name) != value:
            raise ResumeRefused(f"{name} of the run to be resumed: {was.get(name)}; now: {value}")
    for name, before, value in _changed(was, now, "numbers"):
        raise ResumeRefused(f"argument {name} was {before} in the run to be resumed, now {value}")
    words = _changed(was, now, "words")
    told = [f"argument {name} was {before} in the run that goes on, now {value}" for name, before, value in words]
    code = _changed(was, now, "code")
    return [*told, *(f"{name} has changed since the run that goes on was saved" for name, _, _ in code)]


def _changed(was: Mapping[str, Any], now: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str, str]]:
    before = was.get(kind, {})
    for name, value in now.get(kind, {}).items():
        if name in before and before[name] != value:
            yield name, before[name], value


def _each(parts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for seam, given in parts.items():
        if isinstance(given, list):
            yield from ((f"{seam}[{number}]", part) for number, part in enumerate(given))
        elif given is not None:
            yield seam, given


def _arguments(part: Any, place: str, deep: int) -> Iterator[tuple[str, Any]]:
    """(place.name, value) of plain arguments that are kept, here and in what the attributes are."""
    own = dict(getattr(part, "__dict__", {}))
    free, state = _free(part), _state(part)
    asked: Mapping[str, Any] = {}
    with suppress(TypeError, ValueError):
        asked = inspect.signature(type(part)).parameters
    for name, value in own.items():
        if name.startswith("_") or name in free:
            continue
        if _plain(value):
            if name in asked and name not in state:
                yield f"{place}.{name}", value
            continue
        several = isinstance(value, (list, tuple))
        for number, each in enumerate(value[:MANY] if several else (value,)):
            if deep and _ours(each):
                yield from _arguments(each, f"{place}.{name}[{number}]" if several else f"{place}.{name}", deep - 1)


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return 0 < len(value) <= MANY and all(_plain(each) and not isinstance(each, (list, tuple)) for each in value)
    if isinstance(value, str):
        return value.isidentifier() and len(value) <= WORD
    return value is None or isinstance(value, Real)


def _worded(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and any(map(_worded, value)))


def _text(value: Any) -> str:
    """1 and 1.0 are one number, of whatever library."""
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(_text, value))})"
    return repr(float(value)) if isinstance(value, Real) and not isinstance(value, bool) else repr(value)


def _ours(value: Any) -> bool:
    kind = type(value)
    if kind.__module__.startswith("wayfare."):
        return not isinstance(value, nn.Module)
    with suppress(OSError, TypeError):
        file = inspect.getsourcefile(kind)
        return file is not None and of_user(file) and not isinstance(value, nn.Module)
    return False


def _free(part: Any) -> Sequence[str]:
    told = getattr(part, "free", ())
    return [each for each in told if isinstance(each, str)] if isinstance(told, (tuple, list, frozenset, set)) else []


def _state(part: Any) -> Sequence[str]:
    with suppress(Exception):  # what cannot be saved yet is said when it is saved
        return [each for each in part.state_dict() if isinstance(each, str)]
    return []


def _digest(prompts: PromptSet) -> str:
    told = hashlib.sha256()
    for key in range(0, len(prompts), max(1, -(-len(prompts) // MOST))):
        told.update(json.dumps(prompts.row(key), sort_keys=True, default=str).encode())
    return told.hexdigest()[:16]


def _kind(part: Any) -> str:
    return "+".join(type(each).__name__ for each in part) if isinstance(part, list) else type(part).__name__
