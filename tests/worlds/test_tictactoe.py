"""Tic-Tac-Toe: positions counted, exact values, opponents that err as often as said."""

from __future__ import annotations

import pytest

from wayfare.errors import BadValue
from wayfare.worlds.tictactoe import EMPTY, Opponent, best_moves, moves, over, play_move, text, value, winner


def _positions() -> set[str]:
    found, waiting = {EMPTY}, [EMPTY]
    while waiting:
        position = waiting.pop()
        for move in moves(position):
            after = play_move(position, move)
            if after not in found:
                found.add(after)
                waiting.append(after)
    return found


def test_all_positions_are_reached_and_the_empty_board_is_a_draw() -> None:
    positions = _positions()
    assert len(positions) == 5478 and sum(over(p) for p in positions) == 958
    assert value(EMPTY) == 0 and value("X...O...X") == 0 and value("XX.OO....") == 1


def test_best_moves_win_at_once_or_block() -> None:
    assert best_moves("XX.OO....") == (2,)
    assert best_moves("XX..O....") == (2,) and winner("XXX.OO...") == "X"
    assert best_moves("X........") == (4,)  # the corner opening is answered in the centre alone


def test_a_perfect_opponent_never_loses_and_a_random_one_errs_as_said() -> None:
    for game in range(60):
        position = EMPTY
        while not over(position):
            at = len(moves(position))
            move = moves(position)[(game * 7 + at) % at] if at % 2 else Opponent(0.0).move(position, game)
            position = play_move(position, move)
        assert winner(position) != "X"
    drawn = [Opponent(0.4, seed=1).move("X........", game) for game in range(3000)]
    assert sum(move != 4 for move in drawn) / 3000 == pytest.approx(0.4 * 7 / 8, abs=0.03)
    assert drawn == [Opponent(0.4, seed=1).move("X........", game) for game in range(3000)]


def test_bad_input_is_refused() -> None:
    for call, field in (
        (lambda: play_move("X........", 0), "move"),
        (lambda: play_move("XXX.OO...", 3), "move"),
        (lambda: play_move("XX.......", 4), "position"),
        (lambda: play_move("abc", 1), "position"),
        (lambda: Opponent(1.5), "errors"),
        (lambda: Opponent().move("XXX.OO..."), "position"),
    ):
        with pytest.raises(BadValue) as refused:
            call()
        assert refused.value.field == field


def test_the_text_numbers_what_is_empty() -> None:
    assert text("X...O....") == "X 1 2\n3 O 5\n6 7 8"
