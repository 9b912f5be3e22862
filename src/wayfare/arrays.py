"""Which array library an array belongs to, and how tables of many rows with few actions each should lie in memory.

The library is the answer of array-api-compat, remembered by type: a rule asks ten times a decision, and a decision of
one row takes less than 100 microseconds: asked each time, the question alone would be a fifth of it.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import numpy as np

__all__ = ["actions_first", "actions_last", "array_namespace"]

_KNOWN: dict[type, Any] = {}
if hasattr(np, "cumulative_sum"):  # from 2.1 NumPy has what the standard asks for, and its own functions are quicker
    _KNOWN.update(dict.fromkeys((np.ndarray, np.float64, np.int64, np.bool_), np))


def array_namespace(*arrays: Any) -> Any:
    """The library of the arrays, as `array_api_compat.array_namespace` gives it, or NumPy itself where it is as good.

    Raises: TypeError for what is no array, or for arrays of different libraries.
    """
    if len(arrays) == 1:
        kind = type(arrays[0])
        found = _KNOWN.get(kind)
        if found is None:
            found = _KNOWN[kind] = array_api_compat.array_namespace(arrays[0])
        return found
    return array_api_compat.array_namespace(*arrays)


def actions_first(x: Any) -> Any:
    """[..., A] -> [A, N], N the product of the others, each action's row in one piece; no copy where they lie so.

    A pass along ten actions costs NumPy ten times what it costs along a thousand rows. Tables that lie actions first
    behind a shape of [..., A] keep that through arithmetic, in NumPy and in torch.
    """
    if x.ndim != 2:
        xp = array_namespace(x)
        x = xp.reshape(xp.moveaxis(x, -1, 0), (x.shape[-1], math.prod(x.shape[:-1])))
    else:
        x = x.T
    return np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x.contiguous()


def actions_last(x: Any, rows: tuple[int, ...]) -> Any:
    """[A, N] -> [*rows, A], a view."""
    if len(rows) == 1:
        return x.T
    xp = array_namespace(x)
    return xp.moveaxis(xp.reshape(x, (x.shape[0], *rows)), 0, -1)
