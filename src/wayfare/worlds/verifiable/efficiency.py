"""Pay an ordered list of answers by how soon the right one comes, and how few were proposed.

    hit at rank k of n     1 / sqrt(n k)                                                             (1)
    no hit                 -1 / n                                                                    (2)

(1, 2) are utility over cost, the cost being the geometric mean of what proposing (n) and verifying (k, or n) takes. One
answer is paid +1 or -1. Where the first answer is likely, a list of one pays best; where none is, longer lists do, and
a group of failures still tells short lists from long ones.

    aer_score(text, bbox=(x1, y1, x2, y2))     the same for points on a real screen, `[{"point_2d": [x, y]}, ...]`
    aer_reward                                 that as a reward function of TRL, over a column `bbox`

Source: InfiGUI-G1 (AEPO), arXiv 2508.05731: the adaptive exploration reward and its two gates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any, TypedDict

from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import scored

__all__ = ["LONGEST", "MOST_POINTS", "Score", "aer_reward", "aer_score", "collinear", "parse_points", "rank_efficiency"]

Point = tuple[float, float]
LONGEST = 20_000
"""Characters of a response that is read."""
MOST_POINTS = 64
"""More are a failure of form: -1/n lets lists grow without end otherwise."""


class Score(TypedDict):
    """score: what is paid        format: 1 or 0        accuracy: (1), (2), or -1 behind a gate
    pred: the answers        num_pred: n        has_correct, first_correct: a hit at all, at rank 1
    only_correct: a hit, and nothing else proposed        is_collinear: the second gate
    """

    score: float
    format: float
    accuracy: float
    pred: list[Any]
    num_pred: int
    has_correct: bool
    first_correct: bool
    only_correct: bool
    is_collinear: bool


def rank_efficiency(n: int, k: int | None) -> float:
    """(1), or (2) where k is None: between -1 and 1, and never 0.

    n: answers proposed, at least 1        k: rank of the first hit, from 1
    Raises: BadValue.
    """
    if n < 1:
        raise BadValue("n", n, "at least 1")
    if k is None:
        return -1.0 / n
    if not 1 <= k <= n:
        raise BadValue("k", k, f"between 1 and {n}")
    return 1.0 / math.sqrt(n * k)


def list_score(pred: Sequence[Any], hits: Sequence[bool], *, gated: bool = False) -> Score:
    """The score of a list that can be read: 1 for form and the efficiency; -1 behind the second gate."""
    first = next((rank for rank, hit in enumerate(hits, 1) if hit), None)
    accuracy = -1.0 if gated else rank_efficiency(len(pred), first)
    return {
        "score": -1.0 if gated else 1.0 + accuracy,
        "format": 1.0,
        "accuracy": accuracy,
        "pred": list(pred),
        "num_pred": len(pred),
        "has_correct": first is not None,
        "first_correct": first == 1,
        "only_correct": first is not None and len(pred) == 1,
        "is_collinear": gated,
    }


def unreadable() -> Score:
    """The score of what cannot be read."""
    return {
        "score": -1.0, "format": 0.0, "accuracy": -1.0, "pred": [], "num_pred": 0, "has_correct": False,
        "first_correct": False, "only_correct": False, "is_collinear": False,
    }  # fmt: skip


def collinear(points: Sequence[Point], tolerance: float = 1e-6) -> bool:
    """Whether any three lie on a line: the double area of their triangle is at most the tolerance, in square pixels."""
    return any(
        abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) <= tolerance
        for a, b, c in combinations(points, 3)
    )


def parse_points(text: str, *, thinking: bool = True) -> list[Point] | None:
    """The points of `<think>...</think>[{"point_2d": [x, y]}, ...]`; None for anything else.

    thinking: whether the block is asked for; without, it may not be there
    Refused too: no point, more than `MOST_POINTS`, numbers that are not finite, truth values, other keys.
    """
    if len(text) > LONGEST:
        return None
    text = text.strip()
    if thinking:
        head, tag, text = text.partition("</think>")
        if not tag or not head.startswith("<think>"):
            return None
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # ValueError is also what integers of thousands of digits raise
        return None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_POINTS:
        return None
    points = []
    for each in found:
        pair = each.get("point_2d") if isinstance(each, dict) and len(each) == 1 else None
        if not isinstance(pair, list) or len(pair) != 2 or not all(_number(part) for part in pair):
            return None
        points.append((float(pair[0]), float(pair[1])))
    return points


def aer_score(text: str, bbox: Sequence[float], *, thinking: bool = True, distinct: bool = True) -> Score:
    """Points against a box (x1, y1, x2, y2), bounds inclusive, in pixels.

    distinct: gate equal points too; the published gate lets two equal points pass, being no three
    Raises: BadValue for a box without four finite numbers in order.
    """
    if len(bbox) != 4 or not all(_number(part) for part in bbox) or bbox[0] > bbox[2] or bbox[1] > bbox[3]:
        raise BadValue("bbox", bbox, "x1 <= x2 and y1 <= y2 as (x1, y1, x2, y2)")
    points = parse_points(text, thinking=thinking)
    if points is None:
        return unreadable()
    hits = [bbox[0] <= x <= bbox[2] and bbox[1] <= y <= bbox[3] for x, y in points]
    return list_score(points, hits, gated=collinear(points) or (distinct and len(set(points)) < len(points)))


def aer_reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """`aer_score` of each completion, against its row's `bbox`.

    completions: texts, or lists of messages        Raises: BadValue without that column, or for a box that is none.
    """
    return scored(lambda text, bbox: aer_score(text, bbox)["score"], completions, columns, ("bbox",),
                  longest=LONGEST, refused=unreadable()["score"])  # fmt: skip


def _number(part: Any) -> bool:
    if isinstance(part, bool) or not isinstance(part, (int, float)):
        return False
    return abs(part) < 1e9  # NaN and infinity are not, nor what overflows a float


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
