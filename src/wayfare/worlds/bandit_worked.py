"""A decision worked out in words: the value of every arm, then the arm; and how an answer that thinks first is read.

    Red button: mean 0.25, bonus 0.83, value 1.08
    Blue button: never tried, value inf
    Blue button

This is what a model is taught to say when it learns an index rule by its calculation and not by its choices alone.
Numbers are computed here and rounded to two decimals as they are printed, never before: the value printed of the arm
that is taken is at least that of every other.

Source: Chen et al. 2025 (arXiv 2509.24923), whose targets work out each arm's UCB value step by step; the layout is
ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from wayfare.errors import BadValue
from wayfare.worlds.bandit_text import Answer, decimal, require_names

__all__ = ["read_last_name", "worked"]


def worked(names: Sequence[str], counts: ArrayLike, value: ArrayLike, bonus: ArrayLike, arm: int) -> str:
    """The answer of a rule that takes the arm of the highest value + bonus, with its calculation before it.

    counts: [A] pulls so far        value, bonus: [A] before the pull        arm: what the rule takes

    Raises: BadValue for tables that do not fit the names, or an arm that is not one of the best.
    """
    require_names(names)
    tables = [np.asarray(table, dtype=np.float64) for table in (counts, value, bonus)]
    for field, table in zip(("counts", "value", "bonus"), tables, strict=True):
        if table.shape != (len(names),):
            raise BadValue(field, list(table.shape), f"[{len(names)}], one number a name")
    n, v, b = tables
    index = np.where(n > 0, v + b, math.inf)
    if not 0 <= arm < len(names) or index[arm] < index.max():
        raise BadValue("arm", arm, f"one of the highest index, {np.flatnonzero(index == index.max()).tolist()}")
    lines = [
        f"{name}: mean {decimal(v[a])}, bonus {decimal(b[a])}, value {decimal(index[a])}"
        if n[a]
        else f"{name}: never tried, value inf"
        for a, name in enumerate(names)
    ]
    return "\n".join([*lines, names[arm]])


def read_last_name(answer: str | None, names: Sequence[str], uniform: float) -> Answer:
    """The arm that an answer names last, as whole words in whatever case and spacing; of names that overlap the longer.

    uniform: in [0, 1), draws the arm where the answer names none
    Raises: BadValue as `wayfare.worlds.bandit_text.require_names` does, or for a draw out of range.
    """
    require_names(names)
    if not 0 <= uniform < 1:
        raise BadValue("uniform", uniform, "at least 0 and below 1")
    found = [
        (match.end(), match.end() - match.start(), arm)
        for arm, name in enumerate(names)
        for match in re.finditer(_whole(name), answer or "", re.IGNORECASE)
    ]
    return Answer(max(found)[2], True) if found else Answer(int(uniform * len(names)), False)


def _whole(name: str) -> str:
    return r"(?<!\w)" + r"\s+".join(re.escape(word) for word in name.split()) + r"(?!\w)"
