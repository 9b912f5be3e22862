"""The success buffer: what is kept, when it fires, what it re-judges, and its state."""

from __future__ import annotations

import io

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.success_buffer import SuccessBuffer


def rows(count, start=0):
    return {"ids": torch.arange(start, start + count)[:, None].repeat(1, 3), "logp": torch.randn(count, 3)}


def filled(count, step=0, reward=1.0, **settings):
    buffer = SuccessBuffer(**settings)
    buffer.observe(torch.zeros(4))
    buffer.add(rows(count), torch.full((count,), reward), torch.ones(count), step)
    return buffer


def names(burst):
    return [int(row["ids"][0]) for row in burst.rows]


def test_only_advantages_above_zero_are_kept_and_as_copies():
    buffer, batch = SuccessBuffer(size=4), rows(4)
    assert buffer.add(batch, torch.tensor([1.0, 1.0, 0.0, 1.0]), torch.tensor([0.5, 0.0, -0.5, 0.1]), 0) == 2
    batch["ids"].fill_(-1)
    assert names(buffer.burst(0)) == [0, 3]


def test_a_burst_is_due_past_one_and_a_half_sizes_of_rows_that_beat_the_median():
    assert not filled(12, size=8).ready(0)
    assert filled(13, size=8).ready(0)
    usual = filled(13, size=8)
    usual.observe(torch.ones(5))
    assert not usual.ready(0)


def test_with_rare_successes_it_fires_every_so_many_steps():
    buffer = filled(1, size=8, every=10)
    assert not buffer.ready(9)
    assert buffer.ready(10)
    buffer.burst(10)
    assert not buffer.ready(30)
    buffer.add(rows(1), torch.ones(1), torch.ones(1), 12)
    assert not buffer.ready(19)
    assert buffer.ready(20)


def test_what_has_become_usual_is_left_out_and_the_rest_is_judged_anew():
    buffer = SuccessBuffer(size=8, baseline=4)
    buffer.add(rows(4), torch.tensor([0.25, 0.5, 0.75, 1.0]), torch.full((4,), 3.0), 0)
    buffer.observe(torch.tensor([0.0, 0.0, 0.0, 0.0]))
    buffer.observe(torch.tensor([0.5, 0.5, 0.5, 0.5]))
    burst = buffer.burst(2)
    assert names(burst) == [2, 3]
    assert burst.advantage.tolist() == [0.25, 0.5]
    assert burst.reward.tolist() == [0.75, 1.0]
    assert burst.age.tolist() == [2, 2]


def test_a_decayed_advantage_stands_in_for_the_median():
    buffer = SuccessBuffer(decay=0.5)
    buffer.observe(torch.ones(3))
    buffer.add(rows(2), torch.ones(2), torch.tensor([2.0, 4.0]), 0)
    assert buffer.burst(1).advantage.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("held", "taken"), [(0, 0), (1, 1), (3, 2), (15, 8), (40, 8)])
def test_a_burst_is_a_power_of_two_and_empties_the_buffer(held, taken):
    buffer = filled(held, size=13)
    assert len(buffer.burst(0).rows) == taken
    assert len(buffer) == 0


def test_the_choice_is_even_and_depends_on_the_step():
    counts = torch.zeros(12)
    for step in range(300):
        counts[names(filled(12, size=4).burst(step))] += 1
    assert counts.min() > 70
    assert counts.max() < 130


def test_rows_past_their_age_are_dropped():
    buffer = filled(3, step=0, tolerance=5)
    buffer.add(rows(2, 3), torch.ones(2), torch.ones(2), 4)
    assert buffer.expire(5) == 0
    assert buffer.expire(6) == 3
    assert names(buffer.burst(6)) == [3, 4]


def test_rows_of_different_lengths_live_together():
    buffer = SuccessBuffer(size=4)
    buffer.add({"ids": torch.zeros(1, 3)}, torch.ones(1), torch.ones(1), 0)
    buffer.add({"ids": torch.zeros(1, 7)}, torch.ones(1), torch.ones(1), 1)
    assert [len(row["ids"]) for row in buffer.burst(1).rows] == [3, 7]


def test_state_travels_as_plain_tensors_and_goes_on_the_same():
    one, two, kept = filled(6, size=4, every=3), SuccessBuffer(4, every=3), io.BytesIO()
    one.burst(1)
    one.add(rows(5), torch.ones(5), torch.ones(5), 2)
    torch.save(one.state_dict(), kept)
    kept.seek(0)
    two.load_state_dict(torch.load(kept, weights_only=True))
    for buffer in (one, two):
        buffer.add(rows(2, 9), torch.ones(2), torch.ones(2), 3)
    assert [buffer.ready(4) for buffer in (one, two)] == [True, True]
    first, second = one.burst(4), two.burst(4)
    assert names(first) == names(second)
    assert torch.equal(first.advantage, second.advantage)


def test_rows_that_do_not_fit_are_refused_whole():
    buffer = SuccessBuffer()
    with pytest.raises(BadValue, match="ids"):
        buffer.add({"ids": torch.zeros(2, 3)}, torch.ones(3), torch.ones(3), 0)
    with pytest.raises(BadValue, match="finite"):
        buffer.add({"ids": torch.zeros(1, 3)}, torch.tensor([float("nan")]), torch.ones(1), 0)
    assert len(buffer) == 0
    for wrong in ({"size": 0}, {"tolerance": 0}, {"every": 0}, {"decay": 0.0}, {"ratio": -1.0}, {"baseline": 0}):
        with pytest.raises(BadValue):
            SuccessBuffer(**wrong)
