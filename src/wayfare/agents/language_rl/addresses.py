"""Parts by address: 'module:Name' and its arguments, so that an arm is plain data and a study imports what it runs.

What a part declares and its arguments leave out is told to it, where it is known: a seed, the task, a frozen copy of
the base. So a part says what it needs by the names of its parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from wayfare.errors import BadValue

__all__ = ["found", "made"]


def found(address: str) -> Callable[..., Any]:
    """What an address names. Raises: BadValue where that is nothing, or nothing to be called."""
    module, colon, name = address.partition(":")
    if not colon:
        raise BadValue("address", address, "'module:name'")
    try:
        part = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        part = None
    if not callable(part):
        raise BadValue("address", address, "the name of a class or function of a module that there is")
    return part  # type: ignore[no-any-return]


def made(address: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """The part, called with `given`, and with what of `known` it declares and was not given.

    Raises: BadValue as `found`, or for an argument that it does not take.
    """
    part = found(address)
    takes = inspect.signature(part).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        for name in given:
            if name not in takes:
                raise BadValue(f"argument of {address}", name, f"one of {', '.join(takes)}")
    told = {name: value for name, value in known.items() if name in takes and name not in given}
    return part(**told, **given)
