"""What each seam asks of the object that is put there, looked up before the model is loaded or anything is drawn.

`NEEDS` is the table: the methods that a seam calls, with what they are told, in order. `MAY` holds those that are
called where a part has them. What methods give can only be known once they are called, see `wayfare.learn.grpo.seams`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wayfare.errors import BadValue

__all__ = ["MAY", "NEEDS", "SOMETIMES", "check_parts", "takes"]

NEEDS: Mapping[str, Mapping[str, str]] = {
    "sampler": {"sample": "logits, position, step, uniform"},
    "rollout": {"collect": "model, asked"},
    "budget": {"allocate": "keys, total"},
    "transform": {"encode": "row", "parse": "text"},
    "features": {"features": "model, batch"},
    "bonus": {"score": "batch"},
    "shaper": {"combine": "extrinsic, bonus, group_id, step"},
    "row_filter": {"keep": "batch"},
    "advantage": {"advantage": "reward, group_id, groups"},
    "regularisers": {"prepare": "batch, forward", "apply": "loss, context"},
    "auxiliary": {"sample": "step"},
    "callbacks": {"on_train_begin": "trainer", "on_step_end": "trainer, step, metrics", "on_train_end": "trainer"},
}
MAY: Mapping[str, str] = {"update": "batch", "state_dict": "", "load_state_dict": "state"}
SOMETIMES: Mapping[str, str] = {"on_evaluate": "trainer, step, found", "on_save": "trainer, step, path"}
"""Of callbacks, in runs that evaluate or save."""
REQUIRED = frozenset({"reference", "entropy", "logprobs", "reference logprobs"})
"""What a regulariser may require."""


def check_parts(parts: Mapping[str, Any], called: Iterable[str] = ()) -> None:
    """parts: seam -> the part, None for none, or the list of them        called: of `SOMETIMES`, in this run

    Raises: BadValue that names the seam and what it needs, for the first part that has it not.
    """
    for seam, given in parts.items():
        several = seam in ("regularisers", "auxiliary", "callbacks")
        if several and not isinstance(given, Sequence):
            raise BadValue(seam, type(given).__name__, "a list of parts")
        methods, may = NEEDS[seam], MAY
        if seam == "callbacks":
            methods, may = {**methods, **{name: SOMETIMES[name] for name in called}}, {}
        for number, part in enumerate(given if several else () if given is None else (given,)):
            _check(f"{seam}[{number}]" if several else seam, part, methods, may)
            if seam == "regularisers":
                _check_requires(f"{seam}[{number}]", part)


def takes(function: Any, *told: Any, **named: Any) -> str | None:
    """None where a function can be called so, or does not say what it takes; else what is wrong."""
    try:
        inspect.signature(function).bind(*told, **named)
    except TypeError as error:
        return str(error)
    except ValueError:  # written in another language
        return None
    return None


def _check(field: str, part: Any, methods: Mapping[str, str], may: Mapping[str, str]) -> None:
    allowed = f"an object with {', '.join(f'{name}({told})' for name, told in methods.items())}"
    if isinstance(part, type):
        raise BadValue(field, f"the class {part.__name__}", f"{allowed}: one that is made already")
    kind = type(part).__name__
    for name, told in {**methods, **may}.items():
        method = getattr(part, name, None)
        if method is None and name not in methods:
            continue
        if not callable(method):
            raise BadValue(field, f"{kind} without {name}", allowed)
        wrong = takes(method, *filter(None, told.split(", ")))
        if wrong is not None:
            raise BadValue(field, f"{kind}.{name}{inspect.signature(method)}", f"one with {name}({told}) ({wrong})")
    if may and hasattr(part, "state_dict") != hasattr(part, "load_state_dict"):
        raise BadValue(field, kind, "one with both state_dict and load_state_dict, or without both")


def _check_requires(field: str, part: Any) -> None:
    told = getattr(part, "requires", None)
    if not isinstance(told, (frozenset, set)) or not told <= REQUIRED:
        raise BadValue(f"{field}.requires", told, f"a frozenset of some of {', '.join(sorted(REQUIRED))}")
