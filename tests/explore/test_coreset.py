"""The greedy coreset against explicit inverses."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.coreset import coreset
from wayfare.explore.elliptical import EllipticalMemory

X = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("centre", [False, True])
def test_each_pick_is_the_most_novel_to_a_memory_of_those_before(seed, centre):
    picks = coreset(X, 12, 0.05, seed=seed, centre=centre).tolist()
    memory, h = EllipticalMemory(5, 0.05), X - X.mean(dim=0) * centre
    for turn, pick in enumerate(picks):
        bonus = memory.bonus(h)
        bonus[picks[:turn]] = -1
        if turn or seed is None:
            assert bonus[pick] == pytest.approx(float(bonus.max()))
        memory.add(h[pick : pick + 1])
    assert len(set(picks)) == 12


def test_one_of_each_kind_is_taken_before_a_second_of_any():
    kinds = torch.eye(6).repeat(5, 1) + 0.01 * torch.randn(30, 6, generator=torch.Generator().manual_seed(2))
    assert sorted((coreset(kinds, 6, seed=0) % 6).tolist()) == [0, 1, 2, 3, 4, 5]


def test_copies_are_all_picked_in_the_end_lowest_first():
    assert coreset(torch.ones(4, 2), 4).tolist() == [0, 1, 2, 3]


def test_the_first_pick_is_drawn_by_the_seed_alone():
    firsts = {int(coreset(X, 1, seed=seed)[0]) for seed in range(20)}
    assert len(firsts) > 8
    assert coreset(X, 3, seed=7).tolist() == coreset(X, 3, seed=7).tolist()


def test_answers_of_low_quality_are_never_picked():
    quality = torch.arange(30.0)
    assert min(coreset(X, 24, seed=0, quality=quality, drop=0.2).tolist()) == 6
    with pytest.raises(BadValue, match="k must be between 1 and the 24"):
        coreset(X, 25, quality=quality, drop=0.2)
