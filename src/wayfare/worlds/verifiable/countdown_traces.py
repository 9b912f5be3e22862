"""Every way to reckon with three or four numbers from left to right, listed once.

    3 * 2 = 6 , 6 + 7 = 1 3        a trace of 2, 3 and 7: each once, the result of a step is the next one's left

Numbers are 1 to 9, with repetition and without order; operators + - *; every result lies between 1 and 99. So there are
1,860 problems (numbers, goal) of three numbers with 2.43 traces each, and 18,857 of four with 5.32.

`read` is the verifier: an exact reader of such a text, which nothing but a right trace passes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import spelled

__all__ = ["HIGHEST", "OPERATORS", "Traces", "read", "traces"]

OPERATORS = "+-*"
HIGHEST = 99
_NUMBER = r"(0|[1-9][0-9]{0,2})"
_STEP = re.compile(rf"{_NUMBER}([-+*]){_NUMBER}={_NUMBER}")


class Traces(NamedTuple):
    """All traces, those of a problem side by side. N traces, P problems, M sets of numbers.

    numbers: the sets, each in rising order        texts: [N]        uses: [N, 3] how often each operator occurs
    problem: [N] of each trace        first: [P + 1] where a problem's traces begin
    goal, chosen: [P] of each problem: its goal, and the number of its set
    opens: [M + 1] where the traces of a set begin
    """

    numbers: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    uses: NDArray[np.int64]
    problem: NDArray[np.int64]
    first: NDArray[np.int64]
    goal: NDArray[np.int64]
    chosen: NDArray[np.int64]
    opens: NDArray[np.int64]


@lru_cache(maxsize=2)
def traces(count: int) -> Traces:
    """Of `count` numbers. Raises: BadValue unless it is 3 or 4."""
    if count not in (3, 4):
        raise BadValue("numbers", count, "3 or 4")
    sets = tuple(combinations_with_replacement(range(1, 10), count))
    found: list[tuple[int, int, str, tuple[int, ...]]] = []  # (set, goal, text, operators used)
    for number, members in enumerate(sets):
        for order in sorted(set(permutations(members))):
            for operators in product(OPERATORS, repeat=count - 1):
                steps, value = [], order[0]
                for operator, right in zip(operators, order[1:], strict=True):
                    result = _joined(value, operator, right)
                    if not 1 <= result <= HIGHEST:
                        break
                    steps.append(f"{spelled(value)} {operator} {right} = {spelled(result)}")
                    value = result
                else:
                    used = tuple(operators.count(operator) for operator in OPERATORS)
                    found.append((number, value, " , ".join(steps), used))
    found.sort(key=lambda each: each[:2])  # stable: the order within a problem stays
    keys = np.array([each[:2] for each in found], np.int64)
    new = np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])
    first = np.concatenate([np.flatnonzero(new), [len(found)]])
    return Traces(
        numbers=sets,
        texts=tuple(each[2] for each in found),
        uses=np.array([each[3] for each in found], np.int64),
        problem=np.cumsum(new) - 1,
        first=first,
        goal=keys[first[:-1], 1],
        chosen=keys[first[:-1], 0],
        opens=np.searchsorted(keys[:, 0], np.arange(len(sets) + 1)),
    )


def read(text: str, numbers: Sequence[int]) -> int | None:
    """The result of a right trace of these numbers; None for anything else.

    Spaces mean nothing, so that digits may stand apart; nothing else may be added or left out.
    """
    steps = text.replace(" ", "").split(",")
    if len(steps) != len(numbers) - 1:
        return None
    left, value = [int(number) for number in numbers], None
    for step in steps:
        found = _STEP.fullmatch(step)
        if found is None:
            return None
        a, b, result = int(found[1]), int(found[3]), int(found[4])
        if value is None and a in left:
            left.remove(a)
        elif a != value:
            return None
        if b not in left or result != _joined(a, found[2], b) or not 1 <= result <= HIGHEST:
            return None
        left.remove(b)
        value = result
    return value


def _joined(a: int, operator: str, b: int) -> int:
    return a + b if operator == "+" else a - b if operator == "-" else a * b
