"""Where an interval lies against its threshold: as a word, and as a place on a scale that a reader can compare.

A check holds when its whole 95 % interval lies on the claimed side, fails when the whole interval lies on the other,
and is undecided when the threshold is inside. Checks are read by attribute (`estimate`, `low`, `high`, `rule`,
`threshold`, `unit`, `kind`, `reason`): a study's object and a record read back from JSON look the same from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wayfare.errors import BadValue

__all__ = [
    "KINDS",
    "MINUS",
    "STATES",
    "Place",
    "claimed",
    "format_number",
    "interval_text",
    "lay_out",
    "state",
    "tally",
]

STATES = {"holds": "holds", "fails": "fails", "undecided": "undecided", "untested": "not tested"}
"""Each state with the word that readers see."""

KINDS = {"claim": "The paper's claim", "ours": "Our questions", "instrument": "The instrument"}

MINUS, NOTHING, THIN = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{NARROW NO-BREAK SPACE}"
REACH = 0.86
"""How far from the middle of its scale [-1, 1] the farthest interval end of a unit is drawn."""
BAND = 0.3
"""Half-width of a `within` band when its checks have nothing farther out."""


@dataclass(frozen=True)
class Place:
    """A check on the scale [-1, 1] that all checks of its unit share; the threshold (or a band's middle) is 0.

    low, estimate, high: None when not tested     claimed: the side (from, to) where the check holds
    marks: where the thresholds stand             state: one of STATES
    """

    low: float | None
    estimate: float | None
    high: float | None
    claimed: tuple[float, float]
    marks: tuple[float, ...]
    state: str


def state(check: Any) -> str:
    """One of STATES, from the interval alone; 'untested' where the check gives a reason or has no interval."""
    if getattr(check, "reason", None) or not _measured(check):
        return "untested"
    low, high = _side(check)
    if low <= check.low and check.high <= high and _strictly(check):
        return "holds"
    return "fails" if check.high <= low or check.low >= high else "undecided"


def _strictly(check: Any) -> bool:
    """`above` and `below` claim more than equality."""
    if check.rule == "within":
        return True
    return bool(check.low > check.threshold if check.rule == "above" else check.high < check.threshold)


def claimed(check: Any) -> str:
    """The claimed side in symbols: '> 0.65', '< 1.1', '0.48 to 0.52'."""
    if check.rule == "within":
        low, high = check.threshold
        return f"{format_number(low)} to {format_number(high)}"
    return f"{'>' if check.rule == 'above' else '<'} {format_number(check.threshold)}"


def interval_text(check: Any) -> str:
    """'0.709 [0.701, 0.717]' with as many decimals as tell the ends apart, or a dash when nothing was measured."""
    if not _measured(check):
        return NOTHING
    decimals = _decimals(check.high - check.low, max(abs(check.low), abs(check.high), abs(check.estimate)))
    estimate, low, high = (_fixed(float(v), decimals) for v in (check.estimate, check.low, check.high))
    return f"{estimate} [{low}, {high}]"


def format_number(value: object, digits: int = 3) -> str:
    """Numbers as people read them: `digits` significant ones, thousands apart from 10 000, a true minus."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    if math.isnan(number):
        return NOTHING
    if math.isinf(number):
        return "∞" if number > 0 else MINUS + "∞"
    if number == int(number) and abs(number) < 1e15:
        text = f"{int(number):,}".replace(",", THIN) if abs(number) >= 1e4 else str(int(number))
    elif 1e-4 <= abs(number) < 1e6:
        text = f"{number:.{max(0, digits - 1 - math.floor(math.log10(abs(number))))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{number:.{digits - 1}e}"
    return text.replace("-", MINUS)


def tally(checks: Sequence[Any], kind: str | None = None) -> dict[str, int]:
    """How many checks (of `kind`) are in each state."""
    counts = dict.fromkeys(STATES, 0)
    for check in checks:
        if kind is None or check.kind == kind:
            counts[state(check)] += 1
    return counts


def lay_out(checks: Sequence[Any]) -> list[Place]:
    """The place of each check; checks of one unit share one scale, so that their distances from thresholds compare.

    Raises: BadValue for a rule other than above, below, within.
    """
    reach: dict[str, float] = {}
    for check in checks:
        reach[check.unit] = max(reach.get(check.unit, 0.0), _distance(check))
    return [_place(check, reach[check.unit] or 1.0) for check in checks]


def _place(check: Any, reach: float) -> Place:
    side = _side(check)
    middle = _middle(check)

    def at(value: float) -> float:
        return max(-1.0, min(1.0, (value - middle) / reach * REACH))

    marks = tuple(at(v) for v in side if math.isfinite(v))
    ends = (-1.0 if math.isinf(side[0]) else at(side[0]), 1.0 if math.isinf(side[1]) else at(side[1]))
    if not _measured(check):
        return Place(None, None, None, ends, marks, state(check))
    return Place(at(check.low), at(check.estimate), at(check.high), ends, marks, state(check))


def _distance(check: Any) -> float:
    """The farthest that the interval or, for a band, its edges (with room around them) lie from the middle."""
    middle = _middle(check)
    ends = [abs(check.low - middle), abs(check.high - middle)] if _measured(check) else []
    band = [(check.threshold[1] - check.threshold[0]) / 2 * REACH / BAND] if check.rule == "within" else []
    return max(ends + band, default=0.0)


def _middle(check: Any) -> float:
    return sum(check.threshold) / 2 if check.rule == "within" else float(check.threshold)


def _side(check: Any) -> tuple[float, float]:
    if check.rule == "above":
        return float(check.threshold), math.inf
    if check.rule == "below":
        return -math.inf, float(check.threshold)
    if check.rule == "within":
        low, high = check.threshold
        return float(low), float(high)
    raise BadValue("rule", check.rule, "above, below or within")


def _measured(check: Any) -> bool:
    return all(v is not None and math.isfinite(v) for v in (check.estimate, check.low, check.high))


def _decimals(width: float, size: float) -> int:
    """Two digits of the interval's width, and never more than six in all."""
    if width > 0:
        return max(0, min(6, 1 - math.floor(math.log10(width))))
    return 0 if size == int(size) else 3


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)
