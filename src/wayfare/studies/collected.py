"""What the cells of a run have found, by player and measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies.contract import Arrays

__all__ = ["collect", "joined"]


def joined(cells: Mapping[str, Arrays]) -> dict[str, NDArray[Any]]:
    """The arrays of all cells by their names; those of one name in several cells one behind the other."""
    found: dict[str, list[NDArray[Any]]] = {}
    for arrays in cells.values():
        for name, array in arrays.items():
            found.setdefault(name, []).append(array)
    return {name: each[0] if len(each) == 1 else np.concatenate(each) for name, each in found.items()}


def collect(cells: Mapping[str, Arrays], parts: int = 2) -> dict[Any, NDArray[Any]]:
    """As `joined`, by the parts of the names: "player|measure" is found under (player, measure). parts: how many"""
    return {tuple(name.rsplit("|", parts - 1)): array for name, array in joined(cells).items()}
