"""Which documents a filter lets pass, and which tuples of names a pattern: as LangGraph documents both.

A filter names fields of a document: {"status": "active"}, {"score": {"$gte": 3, "$lt": 5}}, {"by": {"name": "Ann"}}.
$eq and $ne compare as JSON does; $gt, $gte, $lt and $lte compare numbers, or texts that are numbers, as numbers, other
texts by their characters, and let nothing else pass.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wayfare.errors import BadValue

__all__ = ["checked_filter", "matches", "passes"]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le
}  # fmt: skip
OPERATORS = ("$eq", "$ne", *_ORDERS)


def checked_filter(wanted: object) -> Mapping[str, Any]:
    """Raises: BadValue for what is no mapping, or names another operator."""
    if wanted is None:
        return {}
    if not isinstance(wanted, Mapping):
        raise BadValue("filter", wanted, "a mapping of fields to values")
    _known(wanted, top=True)
    return wanted


def _known(wanted: Any, top: bool = False) -> None:
    if isinstance(wanted, Mapping):
        for name, value in wanted.items():
            if not isinstance(name, str):
                raise BadValue("filter", name, "a mapping of fields to values")
            if name.startswith("$") and not top and name not in OPERATORS:
                raise BadValue("filter", name, f"of fields and the operators {', '.join(OPERATORS)}")
            _known(value)


def passes(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a document fits every field of a filter; a field that it lacks is null."""
    return all(_fits(value.get(name), each) for name, each in wanted.items())


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(name.startswith("$") for name in wanted):
            return all(_compared(value, name, each) for name, each in wanted.items())
        return isinstance(value, Mapping) and passes(value, wanted)
    if isinstance(wanted, (list, tuple)):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_fits, value, wanted))
    return bool(value == wanted)


def _compared(value: Any, name: str, wanted: Any) -> bool:
    if name == "$eq":
        return bool(value == wanted)
    if name == "$ne":
        return bool(value != wanted)
    if value is None or wanted is None:
        return False
    try:
        return bool(_ORDERS[name](float(value), float(wanted)))
    except (TypeError, ValueError, OverflowError):
        pass
    return isinstance(value, str) and isinstance(wanted, str) and bool(_ORDERS[name](value, wanted))


def matches(namespace: Sequence[str], path: Sequence[str], where: str) -> bool:
    """Whether a tuple begins (`where` is prefix) or ends (suffix) with a path, in which * stands for any one name.

    Raises: BadValue for another `where`.
    """
    if where not in ("prefix", "suffix"):
        raise BadValue("match_type", where, "prefix or suffix")
    if len(path) > len(namespace):
        return False
    part = namespace[: len(path)] if where == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", name) for name, wanted in zip(part, path, strict=True))
