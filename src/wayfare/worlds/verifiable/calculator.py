"""A calculator that a language model may call in the middle of an answer.

    policy:  Each of 12 boxes holds 7, so <call>12 * 7</call>      a turn ends with the call
    world:   84
    policy:  they hold 84 in all. #### 84                          a turn without a call ends the conversation

    state = calculator.start(row)
    calculator.respond_all([state], ["... <call>12 * 7</call>"])   -> ["84"]

It reads whole numbers and decimals, + - * / and brackets, by a reader of its own: nothing is evaluated. Results are
exact; one that is no decimal of twelve places is told as a fraction, and what cannot be read as "error". Useless are
calls that cannot be read, and those that were made before in the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

__all__ = ["CLOSE", "OPEN", "Calculator", "CalculatorState", "calculated"]

OPEN, CLOSE = "<call>", "</call>"
ERROR = "error"
LONGEST, DEEPEST, DIGITS = 200, 16, 40
"""Characters of an expression, brackets within each other, digits of a result."""
_TOKEN = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?|[-+*/()]", re.ASCII)


@dataclass
class CalculatorState:
    """One conversation. asked: expressions so far        useless: see the module"""

    asked: list[str] = field(default_factory=list)
    useless: int = 0


class Calculator:
    """See the module; an environment of `wayfare.learn.grpo.tools.ToolRollout`, whose turns end at `CLOSE`."""

    def start(self, row: Mapping[str, Any]) -> CalculatorState:
        """A conversation about a question."""
        return CalculatorState()

    def respond_all(self, states: Sequence[CalculatorState], texts: Sequence[str]) -> list[str | None]:
        """A result for each turn that ends with a call, None for the others."""
        return [self._respond(state, text) for state, text in zip(states, texts, strict=True)]

    def _respond(self, state: CalculatorState, text: str) -> str | None:
        said, close, behind = text.rpartition(CLOSE)
        at = said.rfind(OPEN)
        if not close or behind.strip() or at < 0:
            return None
        expression = " ".join(said[at + len(OPEN) :].split())
        found = calculated(expression)
        state.useless += found is None or expression in state.asked
        state.asked.append(expression)
        return ERROR if found is None else _shown(found)


def calculated(expression: str) -> Fraction | None:
    """Its value; None for what cannot be read, division by zero, and what is too long or too deep."""
    tokens = _TOKEN.findall(expression) if len(expression) <= LONGEST else []
    if not tokens or "".join(tokens) != "".join(expression.split()):
        return None
    try:
        value, rest = _sum(tokens, 0)
    except (ValueError, ZeroDivisionError):
        return None
    return None if rest else value


def _sum(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    value, rest = _product(tokens, depth)
    while rest and rest[0] in "+-":
        sign = rest[0]
        other, rest = _product(rest[1:], depth)
        value = value + other if sign == "+" else value - other
    return value, rest


def _product(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    value, rest = _factor(tokens, depth)
    while rest and rest[0] in "*/":
        sign = rest[0]
        other, rest = _factor(rest[1:], depth)
        value = value * other if sign == "*" else value / other
    return value, rest


def _factor(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    if not tokens or depth > DEEPEST:
        raise ValueError
    first, rest = tokens[0], tokens[1:]
    if first in "+-":
        value, rest = _factor(rest, depth + 1)
        return (-value if first == "-" else value), rest
    if first == "(":
        value, rest = _sum(rest, depth + 1)
        if not rest or rest[0] != ")":
            raise ValueError
        return value, rest[1:]
    if not first[0].isdigit():
        raise ValueError
    return Fraction(first), rest


def _shown(value: Fraction) -> str:
    scaled = value * 10**12
    if scaled.denominator > 1:
        told = f"{value.numerator}/{value.denominator}"
    else:
        whole, part = divmod(abs(int(scaled)), 10**12)
        decimals = f"{part:012d}".rstrip("0")
        told = f"{'-' if value < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
    return told if len(told) <= 2 * DIGITS else ERROR
