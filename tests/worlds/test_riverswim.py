"""The river: its probabilities, its exact gain, and that a copy is the same in any company."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.check import check_world
from wayfare.worlds.riverswim import RiverSwim, riverswim_tables


def test_rows_are_distributions_and_left_always_succeeds() -> None:
    p, r = riverswim_tables(6)
    assert torch.allclose(p.sum(-1), torch.ones(6, 2, dtype=torch.float64))
    assert p[3, 0, 2] == 1 and p[3, 1].tolist() == pytest.approx([0, 0, 0.05, 0.6, 0.35, 0])
    assert r.sum().item() == pytest.approx(1.005)


def test_the_gain_is_that_of_swimming_right_everywhere() -> None:
    """The stationary distribution of swimming right by detailed balance: no policy earns more."""
    world = RiverSwim(1)
    weight = [1.0]
    up, down = [0.6, 0.35, 0.35, 0.35, 0.35], [0.05, 0.05, 0.05, 0.05, 0.4]
    for u, d in zip(up, down, strict=True):
        weight.append(weight[-1] * u / d)
    assert world.gain.item() == pytest.approx(weight[-1] / sum(weight))
    assert (world.gap[:, 1] == 0).all() and (world.gap[:, 0] > 0.01).all()


def test_frequencies_match_and_a_swimmer_is_the_same_alone() -> None:
    many, one = RiverSwim(512, steps=60), RiverSwim(1, steps=60)
    many.reset(seed=3)
    one.reset(seed=3, options={"copy": [17]})
    moved = tried = 0
    for _ in range(50):
        before = many.state
        many.step(torch.ones(512, dtype=torch.int64))
        one.step(torch.ones(1, dtype=torch.int64))
        assert one.state.item() == many.state[17].item()
        middle = (before > 0) & (before < 5)
        tried += int(middle.sum())
        moved += int((many.state[middle] > before[middle]).sum())
    assert moved / tried == pytest.approx(0.35, abs=0.02)


def test_it_keeps_the_contract() -> None:
    check_world(RiverSwim(3, steps=7))


def test_another_action_is_refused() -> None:
    world = RiverSwim(2)
    world.reset(seed=0)
    with pytest.raises(BadValue, match="between 0 and 1"):
        world.step(torch.tensor([0, 2]))
