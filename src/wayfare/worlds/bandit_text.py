"""A bandit in words: what a language model is told of its task and history, and what its answer means.

    Scenario      task text, names of actions, unit and query; `SCENARIOS`: buttons, ads, videos, clothes
    raw           RH: one line a pull
    summary       SH: pulls and mean of each arm
    guided        AG: the same, with the exploitation value and the exploration bonus of a rule
    raw_in_context, guided_in_context   the same two for contextual bandits
    read_answer   a name, in whatever case and spacing, is its arm; anything else is a random arm, and flagged

Histories are pure functions of tables and of what happened; numbers are rounded as they are printed and nowhere else.
An arm that was never pulled has "never" where its mean would be: 0.00 would be a claim.

Source: Nie et al. 2024 (arXiv 2410.06238), sections on the verbal bandit and on history; all texts are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue

__all__ = [
    "SCENARIOS",
    "Answer",
    "Scenario",
    "decimal",
    "guided",
    "guided_in_context",
    "newest",
    "raw",
    "raw_in_context",
    "read_answer",
    "require_names",
    "summary",
]

HISTORY_LENGTH = 1000
"""Pulls that a raw history shows at most, as published."""
NEVER = "never"


@dataclass(frozen=True)
class Scenario:
    """One dress of the same task.

    task: what it is about; may hold {arms}, {horizon}, {names}, {unit} and {close}, how to answer
    detail: what more is told, or nothing
    names: at least as many as any bandit has arms        unit: of the reward        query: what is asked each time
    """

    name: str
    task: str
    detail: str
    names: tuple[str, ...]
    unit: str
    query: str

    def named(self, arms: int) -> tuple[str, ...]:
        """The first `arms` names. Raises: BadValue where there are fewer."""
        if not 1 <= arms <= len(self.names):
            raise BadValue("arms", arms, f"between 1 and {len(self.names)}, the names of '{self.name}'")
        return self.names[:arms]

    def instruction(self, names: Sequence[str], horizon: int, *, detailed: bool = False, aloud: bool = False) -> str:
        """The task text of a bandit of these arms. aloud: asks for a name after any text, not for a name alone.

        Raises: BadValue as `require_names` does.
        """
        require_names(names)
        text = self.task + (" " + self.detail if detailed else "")
        close = ALOUD if aloud else CLOSE
        return text.format(arms=len(names), horizon=horizon, names=", ".join(names), unit=self.unit, close=close)

    def prompt(self, instruction: str, history: str, examples: Sequence[tuple[str, str, str]] = ()) -> str:
        """Task, worked examples, history and query, in this order.

        examples: (history, query, answer) of each, from a teacher; the block is left out where there are none
        """
        parts = [instruction]
        if examples:
            parts.append("Here are decisions that an expert made in other rounds of this task.")
            parts += [f"History:\n{past}\n{query}\nAnswer: {answer}" for past, query, answer in examples]
            parts.append("Now your own round.")
        parts.append(f"History:\n{history}")
        parts.append(f"{self.query}\nAnswer:")
        return "\n\n".join(parts)


def _numbered(stem: str, words: str) -> tuple[str, ...]:
    return tuple(f"{word} {stem}" for word in words.split())


CLOSE = "Only rewards teach you which one is best. Answer with one of the names and nothing else."
ALOUD = "Only rewards teach you which one is best. Think before you choose; the last name in your answer counts."
SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        Scenario(
            "buttons",
            "You stand before {arms} buttons: {names}. You press one at a time, {horizon} times in all, and want as "
            "many {unit} in total as you can get. {close}",
            "Each button pays by a law of its own that does not change. Try each of them often enough to know it, and "
            "press the best one as often as you can.",
            _numbered(
                "button",
                "Red Blue Green Yellow White Black Orange Purple Brown Pink Grey Gold Silver Teal Coral Indigo Olive "
                "Violet Amber Beige",
            ),
            "points",
            "Which button do you press next?",
        ),
        Scenario(
            "ads",
            "You choose which of {arms} advertisements a visitor sees: {names}. There are {horizon} visitors, one "
            "after another, and you want as many {unit} in total as you can get. {close}",
            "Each advertisement appeals to visitors to a degree that does not change. Show each often enough to know "
            "it, and the best one as often as you can.",
            tuple(f"Ad {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"),
            "clicks",
            "Which advertisement does the next visitor see?",
        ),
        Scenario(
            "videos",
            "You recommend one of {arms} videos at a time: {names}. There are {horizon} recommendations, and you want "
            "as much {unit} in total as you can get. {close}",
            "How much each video is liked on average does not change. Recommend each often enough to know it, and the "
            "best one as often as you can.",
            tuple(f"Video {letter}{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"),
            "watching time",
            "Which video do you recommend next?",
        ),
        Scenario(
            "clothes",
            "You suggest one of {arms} pieces of clothing to each of {horizon} customers: {names}. You want as many "
            "{unit} in total as you can get. {close}",
            "How well each piece sells does not change. Suggest each often enough to know it, and the best one as "
            "often as you can.",
            (
                "Linen Shirt",
                "Wool Coat",
                "Silk Scarf",
                "Denim Jacket",
                "Rain Boots",
                "Straw Hat",
                "Velvet Dress",
                "Knit Sweater",
                "Leather Belt",
                "Canvas Shoes",
                "Flannel Pyjamas",
                "Cotton Socks",
                "Tweed Vest",
                "Satin Gloves",
                "Corduroy Trousers",
                "Fleece Hoodie",
                "Pleated Skirt",
                "Cargo Shorts",
                "Felt Slippers",
                "Mohair Cardigan",
            ),
            "sales",
            "Which piece do you suggest next?",
        ),
    )
}


class Answer(NamedTuple):
    """arm: what is pulled        matched: whether the answer named it; if not, it was drawn at random"""

    arm: int
    matched: bool


def require_names(names: Sequence[str]) -> dict[str, int]:
    """Arms by their names in the form that answers are compared in.

    Raises: BadValue for none, a name of no letters, or two that differ in case and spacing only.
    """
    if not names:
        raise BadValue("names", list(names), "at least one")
    found: dict[str, int] = {}
    for arm, name in enumerate(names):
        key = _plain(name)
        if not key:
            raise BadValue(f"names[{arm}]", name, "not empty")
        if key in found:
            raise BadValue(f"names[{arm}]", name, f"another name than names[{found[key]}], {names[found[key]]!r}")
        found[key] = arm
    return found


def read_answer(answer: str | None, names: Sequence[str], uniform: float) -> Answer:
    """The arm that an answer names, in whole: a name that is the beginning of another is not that other.

    uniform: in [0, 1), draws the arm where the answer names none
    Raises: BadValue as `require_names` does, or for a draw out of range.
    """
    arms = require_names(names)
    if not 0 <= uniform < 1:
        raise BadValue("uniform", uniform, "at least 0 and below 1")
    arm = arms.get(_plain(answer or ""))
    return Answer(int(uniform * len(names)), False) if arm is None else Answer(arm, True)


def decimal(x: float, places: int = 2) -> str:
    """As it is printed: rounded half to even as Python does, never "-0.00"; infinity is "inf".

    Raises: BadValue for NaN.
    """
    if math.isnan(x):
        raise BadValue("number", x, "a number: what is not known is not printed as one")
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    text = f"{x:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text


def newest(lines: Sequence[str], most: int, cost: Callable[[str], int] = lambda line: 1) -> tuple[list[str], bool]:
    """The newest lines whose costs sum to at most `most`, in order, and whether older ones were left out.

    cost: of a line, such as its tokens; 1 each counts lines
    Raises: BadValue for most below 1.
    """
    if most < 1:
        raise BadValue("most", most, "at least 1")
    kept, spent = [], 0
    for line in reversed(lines):
        spent += cost(line)
        if spent > most:
            break
        kept.append(line)
    return kept[::-1], len(kept) < len(lines)


def raw(names: Sequence[str], actions: ArrayLike, rewards: ArrayLike, unit: str, most: int = HISTORY_LENGTH) -> str:
    """RH: one line a pull, the newest `most` of them.

    actions: [t] int        rewards: [t]        Raises: BadValue for unequal lengths or an arm without a name.
    """
    taken, paid = _pulls(names, actions, rewards)
    lines = [f"{names[a]}, {decimal(r)} {unit}" for a, r in zip(taken, paid, strict=True)]
    kept, _ = newest(lines, most)
    return "\n".join(kept) if kept else "nothing yet"


def summary(
    names: Sequence[str], counts: ArrayLike, sums: ArrayLike, unit: str, order: Sequence[int] | None = None
) -> str:
    """SH: pulls and mean reward of each arm, to two decimals.

    counts, sums: [A]        order: in which the arms are listed; None: as they are numbered
    Raises: BadValue for tables that do not fit the names, or an order that does not list each arm once.
    """
    n, total = _table("counts", counts, names), _table("sums", sums, names)
    lines = []
    for a in _order(order, names):
        mean = f"mean {decimal(total[a] / n[a])} {unit}" if n[a] else f"mean {NEVER}"
        lines.append(f"{names[a]}: pulled {_times(n[a])}, {mean}")
    return "\n".join(lines)


def guided(
    names: Sequence[str],
    counts: ArrayLike,
    sums: ArrayLike,
    value: ArrayLike,
    bonus: ArrayLike,
    unit: str,
    order: Sequence[int] | None = None,
) -> str:
    """AG: SH, and of each arm the value and the bonus that a rule gives it *before* the pull that is asked for.

    value, bonus: [A]; an arm never pulled has value 0 and bonus infinity under UCB
    Raises: BadValue as `summary` does.
    """
    v, b = _table("value", value, names), _table("bonus", bonus, names)
    lines = summary(names, counts, sums, unit, order).split("\n")
    return "\n".join(
        f"{line}, exploration bonus {decimal(b[a])}, exploitation value {decimal(v[a])}"
        for line, a in zip(lines, _order(order, names), strict=True)
    )


def raw_in_context(
    names: Sequence[str],
    contexts: Sequence[str],
    actions: ArrayLike,
    rewards: ArrayLike,
    unit: str,
    most: int = HISTORY_LENGTH,
    guides: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
) -> str:
    """RH of a contextual bandit: who asked, what was chosen, what it paid.

    contexts: [t] as text        guides: [t] (value [A], bonus [A]) as they were shown at each pull; None: not shown
    Raises: BadValue for unequal lengths, or guides that do not fit the names.
    """
    taken, paid = _pulls(names, actions, rewards)
    for field, given in (("contexts", contexts), ("guides", guides)):
        if given is not None and len(given) != len(taken):
            raise BadValue(field, len(given), f"{len(taken)}, one a pull")
    lines = []
    for t, (a, r) in enumerate(zip(taken, paid, strict=True)):
        shown = f"{_side(names, *guides[t])} -> " if guides is not None else ""
        lines.append(f"{contexts[t]} -> {shown}{names[a]}, {decimal(r)} {unit}")
    kept, _ = newest(lines, most)
    return "\n".join(kept) if kept else "nothing yet"


def guided_in_context(
    names: Sequence[str],
    contexts: Sequence[str],
    actions: ArrayLike,
    rewards: ArrayLike,
    guides: Sequence[tuple[ArrayLike, ArrayLike]],
    context: str,
    value: ArrayLike,
    bonus: ArrayLike,
    unit: str,
    most: int = HISTORY_LENGTH,
) -> str:
    """AG of a contextual bandit: the raw history with the guide of each pull, then each arm's two numbers for *this*
    context.

    Raises: BadValue as `raw_in_context` does.
    """
    past = raw_in_context(names, contexts, actions, rewards, unit, most, guides)
    return f"{past}\nNow: {context} -> {_side(names, value, bonus)}"


def _side(names: Sequence[str], value: ArrayLike, bonus: ArrayLike) -> str:
    v, b = _table("value", value, names), _table("bonus", bonus, names)
    each = ", ".join(
        f'"{name}": {{"exploration bonus": {decimal(b[a])}, "exploitation value": {decimal(v[a])}}}'
        for a, name in enumerate(names)
    )
    return "{" + each + "}"


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _times(n: float) -> str:
    return NEVER if n == 0 else "1 time" if n == 1 else f"{int(n)} times"


def _pulls(names: Sequence[str], actions: ArrayLike, rewards: ArrayLike) -> tuple[list[int], list[float]]:
    taken, paid = np.asarray(actions), np.asarray(rewards, dtype=np.float64)
    if taken.ndim != 1 or paid.shape != taken.shape:
        raise BadValue("rewards", list(paid.shape), f"as many as actions, {list(taken.shape)}")
    if len(taken) and (taken.dtype.kind not in "iu" or taken.min() < 0 or taken.max() >= len(names)):
        raise BadValue("actions", taken.tolist()[:5], f"integers between 0 and {len(names) - 1}")
    return [int(a) for a in taken], [float(r) for r in paid]


def _table(field: str, table: ArrayLike, names: Sequence[str]) -> NDArray[Any]:
    found = np.asarray(table, dtype=np.float64)
    if found.shape != (len(names),):
        raise BadValue(field, list(found.shape), f"[{len(names)}], one number a name")
    return found


def _order(order: Sequence[int] | None, names: Sequence[str]) -> Sequence[int]:
    if order is None:
        return range(len(names))
    if sorted(order) != list(range(len(names))):
        raise BadValue("order", list(order), f"each of 0 to {len(names) - 1} once")
    return order
