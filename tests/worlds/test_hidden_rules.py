"""The grid of hidden rules: passages, slips, episodes, the exact gain, and that a copy is the same in any company."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.check import check_world
from wayfare.worlds.hidden_rules import HiddenRules
from wayfare.worlds.paths import move_table


def test_it_keeps_the_contract() -> None:
    check_world(HiddenRules(3, 4, 8, steps=7, episodes=3))


def test_each_passage_is_open_at_least_one_way_and_the_stated_share_is_one_way() -> None:
    world = HiddenRules(16, doors=0.3)
    world.reset(seed=1)
    free = move_table(6)
    shut = (world.next_cell != free).any(dim=(2, 3))  # the others were opened so that the goal can be reached
    assert 0.7 < shut.double().mean() < 0.95
    one_way = total = 0
    for cell in range(36):
        for way in (1, 2):
            there = int(free[cell, way])
            if there == cell:
                continue
            out = world.next_cell[:, :, cell, way] == there
            back = world.next_cell[:, :, there, (way + 2) % 4] == cell
            assert (out | back).all()
            one_way += int((out ^ back)[shut].sum())
            total += int(shut.sum())
    assert one_way / total == pytest.approx(0.3, abs=0.03)


def test_goals_are_far_and_can_be_reached_from_everywhere() -> None:
    world = HiddenRules(4, doors=1.0)
    world.reset(seed=2)
    goals = world.goals
    assert (goals // 6 + goals % 6 >= 5).all()
    for n in range(4):
        for h in range(64):
            reached = {int(goals[n, h])}
            for _ in range(36):
                reached |= {c for c in range(36) if set(world.next_cell[n, h, c].tolist()) & reached}
            assert len(reached) == 36


def test_the_gain_without_slips_or_doors_is_one_over_the_distance() -> None:
    world = HiddenRules(5, doors=0.0, slip=0.0)
    world.reset(seed=3)
    goal = world.goals[torch.arange(5), world.truth]
    away = (goal // 6 + goal % 6).double()
    gain, bias, gap = world.optimum()
    assert gain.tolist() == pytest.approx((1 / away).tolist())
    assert (gap.amin(-1) < 1e-9).all() and (bias.argmax(1) != 0).all()


def test_moves_follow_the_stated_law_and_the_goal_ends_the_episode() -> None:
    world = HiddenRules(4000, 4, 1, doors=0.5, slip=0.2, steps=6, episodes=50)
    world.reset(seed=[5] * 4000, options={"copy": list(range(4000))})
    p, enters = world.tables()
    hit, expected = 0.0, 0.0
    for _ in range(12):
        actions = torch.randint(0, 4, (4000,))
        rows = torch.arange(4000)
        expected += float(enters[rows, world.state, actions].sum())
        before = world.state
        _, reward, *_, info = world.step(actions)
        hit += float(reward.sum())
        assert ((info["boundary"] == 1) == (reward == 1)).all()
        assert (info["state"][info["boundary"] > 0] == 0).all()
        assert (p[rows, before, actions, info["reached"]] + reward > 0).all()
    assert hit == pytest.approx(expected, abs=4 * expected**0.5)


@pytest.mark.parametrize(("field", "value"), [("slip", 1.0), ("doors", 1.2), ("hypotheses", 0), ("steps", 3)])
def test_impossible_values_are_refused(field: str, value: float) -> None:
    with pytest.raises(BadValue) as refused:
        HiddenRules(1, **{field: value})
    assert refused.value.field == field
