"""Game of 24: the parser against Python's own on safe input, the solver against brute force, exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds.game24 import check, evaluate, line, moves, play_move, puzzles, solve, start

TREES = st.recursive(
    st.integers(0, 20).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)


@given(TREES)
def test_the_parser_agrees_with_python_on_fractions(text: str) -> None:
    exact = "".join(
        f"Fraction({token})" if token.isdigit() else token
        for token in text.replace("(", "( ").replace(")", " )").split()
    )
    try:
        expected = Fraction(eval(exact, {"Fraction": Fraction}))  # the oracle, on text made above
    except ZeroDivisionError:
        with pytest.raises(BadValue, match="division by zero"):
            evaluate(text)
    else:
        assert evaluate(text) == expected


def test_precedence_signs_and_what_is_no_expression() -> None:
    assert evaluate("2 + 3 * 4 - 6 / 4") == Fraction(25, 2) and evaluate("-3 * -(2 - 5)") == -9
    assert evaluate("8 / (3 - 8 / 3)") == 24 and evaluate("7 - 2 - 1") == 4 and evaluate("8/4/2") == 1
    for text in ("", "2 +", "(2", "2)", "2 3", "__import__('os')", "2 ** 3", "x", "1.5", "()", "1" * 300):
        with pytest.raises(BadValue, match="expression"):
            evaluate(text)


def _brute(numbers: tuple[int, ...]) -> bool:
    """All orders, operators and bracketings of four numbers."""
    forms = (
        "(({}{}{}){}{}){}{}",
        "({}{}({}{}{})){}{}",
        "({}{}{}){}({}{}{})",
        "{}{}(({}{}{}){}{})",
        "{}{}({}{}({}{}{}))",
    )
    for a, b, c, d in permutations(numbers):
        for o in product("+-*/", repeat=3):
            for form in forms:
                try:
                    if evaluate(form.format(a, o[0], b, o[1], c, o[2], d)) == 24:
                        return True
                except BadValue:
                    pass
    return False


@pytest.mark.parametrize(
    "numbers", [(1, 1, 1, 1), (3, 3, 8, 8), (1, 5, 5, 5), (4, 9, 10, 13), (1, 1, 1, 8), (6, 6, 6, 7)]
)
def test_the_solver_solves_what_brute_force_does(numbers: tuple[int, ...]) -> None:
    found = solve(numbers)
    assert (found is not None) == _brute(numbers)
    if found is not None:
        assert check(found, numbers)


def test_moves_are_legal_and_eights_and_threes_need_a_fraction() -> None:
    state = start((3, 3, 8, 8))
    for move in moves(state):
        assert len(play_move(state, move)) == 3
    found = line(state)
    assert found is not None and any("8/3" in move for move in found)
    assert play_move(start((8, 3)), "8 / 3 = 8/3") == (Fraction(8, 3),)
    assert "0 / 0" not in " ".join(moves(start((0, 0))))


@pytest.mark.parametrize("move", ["3 + 3 = 7", "3 + 4", "8 / 0", "eight", "3 + 3 + 8", "3 * 3 = 1/0"])
def test_wrong_moves_are_refused(move: str) -> None:
    with pytest.raises(BadValue, match="move"):
        play_move(start((3, 3, 8, 0)), move)


def test_each_number_must_be_used_exactly_once() -> None:
    assert check("(10 - 4) * (13 - 9)", (4, 9, 10, 13)) and not check("10 + 14", (4, 9, 10, 13))
    assert not check("6 * 4", (6, 4, 1, 1)) and not check("6 * 4 * 1 * 1 * 1", (6, 4, 1, 1)) and not check("?", (24,))


def test_puzzles_are_different_solvable_and_the_same_by_seed() -> None:
    found = puzzles(40, seed=2)
    assert len(set(found)) == 40 and found == puzzles(40, seed=2) and found != puzzles(40, seed=3)
    assert all(solve(numbers) is not None for numbers in found)
    with pytest.raises(BadValue, match="count"):
        puzzles(0)
