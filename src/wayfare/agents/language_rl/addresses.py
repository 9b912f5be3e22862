"""Parts by address, 'module:Name' or 'file.py:Name', with their arguments: an arm is plain data, imported when it runs.

What a part declares and its arguments leave out is told to it, where it is known: a seed, the task, a frozen copy of
the base. So a part says what it needs by the names of its parameters.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue
from wayfare.named import named

__all__ = ["contents", "found", "made"]


def found(address: str) -> Callable[..., Any]:
    """What an address names. Raises: BadValue where that is nothing, or nothing to be called."""
    part = named("address", address)
    if not callable(part):
        raise BadValue("address", address, "the name of a class or a function")
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


def contents(addresses: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file that is named as 'file.py:Name': what is kept for one of its states serves no other.

    Raises: BadValue for a file that is not there.
    """
    told = {}
    for address in addresses:
        file = Path(address.rpartition(":")[0])
        if file.suffix == ".py":
            if not file.is_file():
                raise BadValue("address", address, f"in a Python file that is there; {file} is none")
            told[address] = hashlib.sha256(file.read_bytes()).hexdigest()
    return told
