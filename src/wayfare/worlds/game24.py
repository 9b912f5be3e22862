"""Game of 24: four numbers, each used once, joined by + - * / to make 24; exact throughout.

    puzzle = (4, 9, 10, 13)
    moves(state)                every way to join two numbers, as text `10 - 4 = 6`
    solve(puzzle)               an expression, or None where there is none
    check("(10 - 4) * (13 - 9)", puzzle)
    evaluate("8 / (3 - 8/3)")   a fraction

A state is the sorted tuple of the numbers that are left, as fractions: 8/3 stays 8/3, which printed decimals would
lose. Expressions are read by a small parser that knows integers, + - * / and
parentheses and nothing else.

Source: the puzzle as in Yao et al. 2023 (arXiv 2305.10601).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["TARGET", "check", "evaluate", "join", "moves", "play_move", "puzzles", "solve", "start"]

TARGET = 24
State = tuple[Fraction, ...]
_TOKEN = re.compile(r"\s*(?:(\d+)|([-+*/()]))")
_MOVE = re.compile(r"\s*(-?\d+(?:/\d+)?)\s*([-+*/])\s*(-?\d+(?:/\d+)?)\s*(?:=\s*(-?\d+(?:/\d+)?)\s*)?")
LONGEST = 200


def start(numbers: Iterable[int | Fraction]) -> State:
    """The state of a puzzle. Raises: BadValue for no numbers, or more than six."""
    state = tuple(sorted(Fraction(number) for number in numbers))
    if not 1 <= len(state) <= 6:
        raise BadValue("numbers", len(state), "between 1 and 6")
    return state


def join(a: Fraction, operator: str, b: Fraction) -> Fraction | None:
    """a operator b; None for a division by zero."""
    if operator == "+":
        return a + b
    if operator == "-":
        return a - b
    if operator == "*":
        return a * b
    return None if b == 0 else a / b


def moves(state: State) -> tuple[str, ...]:
    """Every different move of a state, as text; none of them divides by zero."""
    found: dict[str, None] = {}
    for i, j in combinations(range(len(state)), 2):
        low, high = state[i], state[j]
        for a, operator, b in ((low, "+", high), (low, "*", high), (high, "-", low), (low, "-", high), (high, "/", low),
                               (low, "/", high)):  # fmt: skip
            result = join(a, operator, b)
            if result is not None:
                found[f"{a} {operator} {b} = {result}"] = None
    return tuple(found)


def play_move(state: State, move: str) -> State:
    """The numbers left after `10 - 4 = 6`; the result may be left out, and is checked where it is not.

    Raises: BadValue for what is no move, uses a number that is not there, or has a wrong result.
    """
    read = _MOVE.fullmatch(move)
    if read is None:
        raise BadValue("move", move, "like '10 - 4 = 6', fractions as 8/3")
    try:
        a, b = Fraction(read[1]), Fraction(read[3])
        said = None if read[4] is None else Fraction(read[4])
    except ZeroDivisionError:
        raise BadValue("move", move, "without a zero below a fraction line") from None
    left = list(state)
    for number in (a, b):
        if number not in left:
            raise BadValue("move", move, f"made of two of the numbers left ({', '.join(map(str, state))})")
        left.remove(number)
    result = join(a, read[2], b)
    if result is None or (said is not None and said != result):
        raise BadValue("move", move, f"right: {a} {read[2]} {b} is {'not defined' if result is None else result}")
    return tuple(sorted([*left, result]))


@lru_cache(maxsize=1 << 17)
def _solved(state: State) -> tuple[str, ...] | None:
    if len(state) == 1:
        return () if state[0] == TARGET else None
    for move in moves(state):
        rest = _solved(play_move(state, move))
        if rest is not None:
            return (move, *rest)
    return None


def line(state: State) -> tuple[str, ...] | None:
    """Moves that make 24 from a state; None where no moves do."""
    return _solved(tuple(sorted(state)))


def solve(numbers: Iterable[int | Fraction]) -> str | None:
    """An expression of the numbers, each used once, that makes 24; None where there is none."""
    state = start(numbers)
    found = line(state)
    if found is None:
        return None
    parts = [(number, str(number)) for number in state]
    for move in found:
        read = _MOVE.fullmatch(move)
        assert read is not None
        texts = []
        for number in (Fraction(read[1]), Fraction(read[3])):
            place = next(i for i, (value, _) in enumerate(parts) if value == number)
            texts.append(parts.pop(place)[1])
        result = join(Fraction(read[1]), read[2], Fraction(read[3]))
        assert result is not None
        parts.append((result, f"({texts[0]} {read[2]} {texts[1]})"))
    text = parts[0][1]
    return text[1:-1] if text.startswith("(") else text


def evaluate(expression: str) -> Fraction:
    """The value of + - * / and parentheses over integers, exactly.

    Raises: BadValue for anything else, a division by zero, or more than 200 characters.
    """
    value, at, tokens = *_sum(_tokens(expression), 0, expression), _tokens(expression)
    if at != len(tokens):
        raise BadValue("expression", expression, f"at its end before '{tokens[at]}'")
    return value


def check(expression: str, numbers: Iterable[int]) -> bool:
    """Whether the expression uses each number exactly once and makes 24; what cannot be read does not."""
    try:
        value = evaluate(expression)
    except BadValue:
        return False
    used = sorted(int(token) for token in _tokens(expression) if token.isdigit())
    return value == TARGET and used == sorted(numbers)


def puzzles(count: int, seed: int = 0, *, solvable: bool = True) -> list[tuple[int, ...]]:
    """Four numbers from 1 to 13 each, sorted, all different puzzles.

    Raises: BadValue for more than there are (1,362 that can be solved).
    """
    if not 1 <= count <= 1000:
        raise BadValue("count", count, "between 1 and 1000")
    stream, found, turn = Stream(seed, "puzzle"), dict[tuple[int, ...], None](), 0
    while len(found) < count:
        drawn = tuple(sorted(int(x) + 1 for x in stream.integers(13, np.arange(4), turn)))
        turn += 1
        if not solvable or line(start(drawn)) is not None:
            found[drawn] = None
    return list(found)


def _tokens(expression: str) -> list[str]:
    if len(expression) > LONGEST:
        raise BadValue("expression", f"{len(expression)} characters", f"at most {LONGEST}")
    tokens, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        read = _TOKEN.match(text, at)
        if read is None:
            raise BadValue("expression", expression, "made of integers, + - * / and parentheses")
        tokens.append(read[1] or read[2])
        at = read.end()
    return tokens


def _sum(tokens: list[str], at: int, told: str) -> tuple[Fraction, int]:
    value, at = _product(tokens, at, told)
    while at < len(tokens) and tokens[at] in "+-":
        right, after = _product(tokens, at + 1, told)
        value, at = (value + right if tokens[at] == "+" else value - right), after
    return value, at


def _product(tokens: list[str], at: int, told: str) -> tuple[Fraction, int]:
    value, at = _atom(tokens, at, told)
    while at < len(tokens) and tokens[at] in "*/":
        right, after = _atom(tokens, at + 1, told)
        if tokens[at] == "/" and right == 0:
            raise BadValue("expression", told, "without a division by zero")
        value, at = (value * right if tokens[at] == "*" else value / right), after
    return value, at


def _atom(tokens: list[str], at: int, told: str) -> tuple[Fraction, int]:
    if at >= len(tokens):
        raise BadValue("expression", told, "complete")
    if tokens[at] == "-":
        value, at = _atom(tokens, at + 1, told)
        return -value, at
    if tokens[at] == "(":
        value, at = _sum(tokens, at + 1, told)
        if at >= len(tokens) or tokens[at] != ")":
            raise BadValue("expression", told, "closed by as many parentheses as it opens")
        return value, at + 1
    if not tokens[at].isdigit():
        raise BadValue("expression", told, f"a number where '{tokens[at]}' stands")
    return Fraction(int(tokens[at])), at + 1
