"""Schedules and filters: what reward becomes, and which rows are learned from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.learn.grpo.small import END, batch_of, drawn_rows, experience, model
from wayfare.errors import BadValue
from wayfare.explore.annealing import CosineFall
from wayfare.learn.grpo.rewards import TrainerState
from wayfare.learn.grpo.shaping import AllOf, Readable, ScheduledBonus, WidestGroups
from wayfare.learn.rollouts import RolloutBatch

NAN = float("nan")


def grouped(rewards: list[float], groups: list[int], step: int = 0) -> RolloutBatch:
    batch = drawn_rows(model(), len(rewards))
    born = torch.full((len(rewards),), step)
    return replace(batch, reward=torch.tensor(rewards), group_id=torch.tensor(groups), born_step=born)


def test_a_bonus_fades_and_what_has_no_reward_stays_without() -> None:
    shaper = ScheduledBonus(CosineFall(10))
    reward, bonus, group = torch.tensor([1.0, NAN]), torch.tensor([0.5, 0.5]), torch.zeros(2, dtype=torch.int64)
    told = [shaper.combine(reward, bonus, group, step)[0].item() for step in (0, 5, 10, 99)]
    assert told == pytest.approx([1.5, 1.25, 1.0, 1.0])
    assert shaper.combine(reward, bonus, group, 0).isnan().tolist() == [False, True]


def test_groups_of_the_widest_rewards_are_kept_in_any_order_of_rows() -> None:
    rewards, groups = [0.0, 1.0, 5.0, 5.0, NAN, 2.0, 0.0, 0.5, 0.1, 0.1], [0, 0, 1, 1, 2, 2, 3, 3, 1, 3]
    keep = WidestGroups(0.5).keep(grouped(rewards, groups))
    # deviations .71, 2.8, 0 of one reward, .26: by hand
    assert keep.tolist() == [g in (0, 1) for g in groups]
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(WidestGroups(0.5).keep(grouped(rewards, groups).rows(order)), keep[order])


def test_ties_are_drawn_anew_each_step_and_rounding_is_no_spread() -> None:
    noise = [1.0 - 1e-7 * (row % 2) * (row // 2) for row in range(16)]
    groups = [row // 2 for row in range(16)]
    kept = {tuple(WidestGroups(0.25).keep(grouped(noise, groups, step)).tolist()) for step in range(6)}
    assert len(kept) > 2 and all(sum(each) == 4 for each in kept)
    again = [WidestGroups(0.25, seed=1).keep(grouped(noise, groups, 3)) for _ in range(2)]
    assert torch.equal(*again)


def test_groups_of_which_no_row_is_left_take_no_place() -> None:
    keep = WidestGroups(0.5).keep(grouped([0.0, 1.0, 0.0, 0.5, 0.0, 0.7, 0.0, 0.2], [3, 3, 7, 7, 8, 8, 9, 9]))
    assert keep.tolist() == [True, True, False, False, True, True, False, False]


def test_a_groups_spread_is_that_of_a_sample() -> None:
    # 0.707 of two rewards, 0.693 of four; as if they were all there are, 0.5 and 0.6
    keep = WidestGroups(0.5).keep(grouped([0.0, 1.0, 0.0, 0.0, 1.2, 1.2], [0, 0, 1, 1, 1, 1]))
    assert keep.tolist() == [True, True, False, False, False, False]


def test_an_answer_that_repeats_itself_or_has_no_end_is_dropped() -> None:
    policy = model()
    told = [([3], [4, 5] * 3 + [END]), ([3], [4, 5, 4, 5, 6, 7, END]), ([3], [4, 5, 4]), ([3], [END])]
    batch = batch_of(policy, told, [1.0] * 4, truncated=torch.tensor([False, False, True, False]))
    assert Readable(2, 3).keep(batch).tolist() == [False, True, False, True]
    assert Readable(2, 3, cut=False).keep(batch).tolist() == [False, True, True, True]
    assert Readable(2, 2, cut=False).keep(batch).tolist() == [False, False, True, True]
    assert Readable().keep(batch).tolist() == [True, True, False, True]


def test_a_row_is_kept_that_all_filters_keep() -> None:
    batch = grouped([0.0, 1.0, 1.0, 1.0], [0, 0, 1, 1])
    batch = replace(batch, truncated=torch.tensor([True, False, False, False]))
    assert AllOf([WidestGroups(0.5), Readable()]).keep(batch).tolist() == [False, True, False, False]
    assert AllOf([]).keep(batch).tolist() == [True] * 4


def test_the_reward_of_a_dropped_row_stays_in_its_groups_mean() -> None:
    """Never to answer still costs."""
    state = TrainerState(global_step=0, max_steps=3, epoch=0.0, num_input_tokens_seen=0, is_world_process_zero=True)
    plain = experience().make(0, state).batch
    dropped = experience(row_filter=Readable()).make(0, state).batch
    assert plain.advantages is not None and dropped.advantages is not None
    assert bool(plain.truncated.any()) and torch.equal(plain.advantages, dropped.advantages)
    assert torch.equal(dropped.loss_mask > 0, plain.completion_mask & ~plain.truncated.unsqueeze(1))


def test_bad_settings_are_refused() -> None:
    for share in (0.0, 1.5):
        with pytest.raises(BadValue):
            WidestGroups(share)
    for grams, times in ((0, 2), (1, 1)):
        with pytest.raises(BadValue):
            Readable(grams, times)
