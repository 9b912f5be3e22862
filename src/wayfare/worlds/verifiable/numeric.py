r"""Right numbers: what an answer says in the end, and whether that is the number of the data set.

    final_answer("... so it is \boxed{\frac{1}{2}}.")  -> "\frac{1}{2}"        the last box
    final_answer("... 6 * 7 = 42\n#### 42")            -> "42"                 GSM8K's mark, the last one
    final_answer("... hence\nAnswer: 42")              -> "42"                 DAPO's last line

    same_answer("0.50", r"\frac12")                    -> True                 exact fractions, no rounding

`exact` and `formed` are reward functions as TRL calls them, over a column `answer`: 1 for the right final answer, and
1 for any. A column that has a mark itself (GSM8K's and NuminaMath's worked answers) is read by it, else it is the
answer. Numbers are whole ones, decimals and fractions, with or without thousands marked, a sign, a currency or a per
cent sign, which is left out on both sides; what is no number must be the same text, spaces and sizes of brackets apart.
Nothing is evaluated: `2+40` is not 42, nor is a text in which 42 stands somewhere. A box inside of a thought counts as
any other: the last one is what was said.

Sources: the marks are those of the data sets' own scorers (Cobbe et al. 2021, arXiv 2110.14168; Hendrycks et al. 2021,
arXiv 2103.03874; Yu et al. 2025, arXiv 2503.14476). `math_verify` decides more cases and is slower; any reward of a
user's own stands in this one's place by its address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from wayfare.worlds.verifiable.contract import scored

__all__ = ["LONGEST", "exact", "final_answer", "formed", "number_of_text", "same_answer", "truth_of"]

LONGEST = 100_000
"""Characters of a text that is read."""
LONGEST_ANSWER = 200
"""Of a final answer."""
BOXES = 32
"""That are tried, from the last one on, until one closes."""
_DIGITS = 64
"""Of a number, so that none takes long."""
_MARK = re.compile(r"####[ \t]*([^\n]*)")
_LINE = re.compile(r"^[ \t*]*(?:final )?answer[ \t*]*(?:is)?[ \t]*:[ \t*]*([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_WHOLE = re.compile(r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+", re.ASCII)
_FRACTION = re.compile(r"\\frac(?:\{([^{}]*)\}|([0-9]))(?:\{([^{}]*)\}|([0-9]))", re.ASCII)
_NO_MEANING = (
    "\\left",
    "\\right",
    "\\!",
    "\\,",
    "\\;",
    "\\ ",
    "\\$",
    "$",
    "\\%",
    "%",
    "^\\circ",
    "^{\\circ}",
    "€",
    "£",
)


def final_answer(text: str) -> str | None:
    """What it says in the end: of boxes, `####` and a line `Answer:`, the mark that stands last; None without one, or
    for an empty answer, or a long one."""
    found = [(at, said) for at, said in (_box(text), _last(_MARK, text), _last(_LINE, text)) if at >= 0]
    if not found:
        return None
    _, said = max(found)
    boxed = _box(said)[1] if "\\boxed" in said else ""
    said = (boxed or said).strip().strip("*").strip()
    return said if 0 < len(said) <= LONGEST_ANSWER else None


def number_of_text(text: str) -> Fraction | None:
    r"""-3, 1,234.50, 5/8, \frac{5}{8}, \dfrac58; None for anything else."""
    text = _bare(text)
    sign = -1 if text.startswith("-") else 1
    text = text[1:] if text[:1] in ("-", "+") else text
    told = _FRACTION.fullmatch(text)
    if told is not None:
        above, below = (told.group(a) or told.group(a + 1) for a in (1, 3))
    else:
        above, slash, below = text.partition("/")
        below = below if slash else "1"
    one, other = _decimal(above or ""), _decimal(below or "")
    return None if one is None or not other else sign * one / other


def same_answer(said: str, wanted: str) -> bool:
    """Whether both are one number; where neither is a number, one text."""
    one, other = number_of_text(said), number_of_text(wanted)
    if one is None and other is None:
        return bool(_bare(said)) and _bare(said) == _bare(wanted)
    return one is not None and one == other


def exact(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """1 where the final answer is the column's `answer`, else 0. Raises: BadValue without that column."""
    return scored(_right, completions, columns, ("answer",), longest=LONGEST)


def formed(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """1 where there is a final answer, right or wrong, else 0."""
    return scored(lambda text: float(final_answer(text) is not None), completions, columns, (), longest=LONGEST)


def truth_of(column: Any) -> str:
    """The answer of a data set's column, a worked one or the answer alone."""
    told = str(column).strip()
    return final_answer(told) or told


def _right(text: str, answer: Any) -> float:
    said = final_answer(text)
    return float(said is not None and same_answer(said, truth_of(answer)))


def _last(pattern: re.Pattern[str], text: str) -> tuple[int, str]:
    """(where, what) the last match says; -1 where there is none."""
    at, said = -1, ""
    for each in pattern.finditer(text):
        at, said = each.start(), each.group(1)
    return at, said


def _box(text: str) -> tuple[int, str]:
    r"""The last \boxed{...} whose braces close; -1 where there is none."""
    at = len(text)
    for _ in range(BOXES):
        at = text.rfind("\\boxed{", 0, at)
        if at < 0:
            break
        inside = _closed(text, at + len("\\boxed{"))
        if inside is not None:
            return at, inside
    return -1, ""


def _closed(text: str, first: int) -> str | None:
    """Up to the brace that closes, which stands within a final answer's length."""
    depth = 1
    for at in range(first, min(len(text), first + LONGEST_ANSWER + 1)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[first:at]
    return None


def _bare(text: str) -> str:
    """Without spaces, currencies, sizes of brackets, and a full stop behind."""
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cdot", "*").replace("\u2212", "-")
    for each in _NO_MEANING:
        text = text.replace(each, "")
    return "".join(text.split()).rstrip(".")


def _decimal(text: str) -> Fraction | None:
    """A decimal without a sign; None for anything else. Signs within fractions are left out: -1/2 has its in front."""
    if len(text) > _DIGITS:
        return None
    whole, point, part = text.partition(".")
    if point and not (part.isascii() and part.isdigit()):
        return None
    if not (_WHOLE.fullmatch(whole) or (point and not whole)):
        return None
    return Fraction(int(whole.replace(",", "") or "0")) + (Fraction(int(part), 10 ** len(part)) if point else 0)
