"""Puzzles: what counts stands behind a key, rules of streams are never trained on, and a puzzle is its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds.puzzles import LENGTHS, LOWEST, NUMBERS, POOL, Puzzles, examples, key_pairs


@settings(max_examples=40, deadline=None)
@given(families=st.integers(0, 40), seed=st.integers(0, 2**20), i=st.integers(0, 500))
def test_what_counts_stands_right_behind_one_of_the_familys_keys(families: int, seed: int, i: int) -> None:
    made = Puzzles(families, seed)
    puzzle, family = made.puzzle(i), made.family(made.puzzle(i).family)
    row = [int(number) - LOWEST for number in puzzle.row]
    assert row[puzzle.place - 1] in family.keys and puzzle.answer == puzzle.row[puzzle.place]
    assert sum(number in family.keys for number in row) == 1 and len(set(row)) == len(row) in LENGTHS
    assert set(row) <= {*family.keys, *family.others} and len(family.others) == POOL - 2
    assert f"{' '.join(family.name)}, row {' '.join(puzzle.row)}." in puzzle.text
    assert puzzle == Puzzles(families, seed).puzzle(i)


def test_rules_of_streams_are_never_trained_on_but_every_number_is_a_key_in_training() -> None:
    held, trained = ({tuple(pair) for pair in key_pairs(which).tolist()} for which in (True, False))
    assert not held & trained and len(held | trained) == NUMBERS * (NUMBERS - 1) // 2
    assert {number for pair in trained for number in pair} == set(range(NUMBERS)) and len(held) >= 40
    assert {tuple(sorted(Puzzles(40, 3).family(i).keys)) for i in range(40)} <= held


def test_where_nothing_is_to_be_carried_over_every_puzzle_has_a_name_and_a_rule_of_its_own() -> None:
    alone = Puzzles(0, 5)
    families = [alone.family(alone.puzzle(i).family) for i in range(300)]
    assert len({family.name for family in families}) == len({family.keys for family in families}) == 300


@pytest.mark.parametrize("held_out", [False, True])
def test_examples_follow_their_rule_and_err_as_often_as_they_are_told_to(held_out: bool) -> None:
    rows = 400
    right, noise = np.full(rows, 0.6), np.full(rows, 0.2)
    found = examples(1, 2, rows, 5, 6, families=np.full(rows, 3), right=right, noise=noise, held_out=held_out)
    pairs = {tuple(pair) for pair in key_pairs(held_out).tolist()}
    before = np.take_along_axis(found.row, found.place[..., None] - 1, axis=2)[..., 0]
    for b in range(50):
        for family in range(3):
            keys = sorted(set(before[b, found.family[b] == family].tolist()))
            assert len(keys) < 2 or tuple(keys) in pairs
    assert ((found.shown >= 1) & (found.shown < 5)).all() and set(np.unique(found.family)) == {0, 1, 2}
    hit = found.shown == found.place
    assert abs(hit.mean() - 0.6) < 0.04 and abs((hit != found.told).mean() - 0.2) < 0.04
    again = examples(1, 2, 7, 5, 6, families=np.full(7, 3), right=right[:7], noise=noise[:7], held_out=held_out)
    assert all((a[:7] == b).all() for a, b in zip(found, again, strict=True))  # a sequence depends on its number alone


@pytest.mark.parametrize("families", [-1, 10_000, 2.0, True])
def test_families_that_cannot_be_are_refused(families: object) -> None:
    with pytest.raises(BadValue, match="whole number from 0") as refused:
        Puzzles(families, 0)  # type: ignore[arg-type]
    assert refused.value.field == "families"
