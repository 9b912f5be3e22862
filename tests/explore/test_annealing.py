"""Weights over training and temperatures over an answer: their worked points and their misfits."""

from __future__ import annotations

import math

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore import annealing as a
from wayfare.language.sampler import Sampler

T = torch.arange(2000)


def test_cosines_rise_and_fall_to_their_ends_and_stay():
    rise, fall = a.CosineRise(100), a.CosineFall(200)
    assert [rise(s) for s in (0, 50, 100, 500)] == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert [fall(s) for s in (0, 100, 200, 900)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert [a.LinearChange(2.0, 1.0, 4)(s) for s in (0, 1, 4, 9)] == pytest.approx([2.0, 1.75, 1.0, 1.0])


def test_annealing_starts_hot_crosses_one_and_reaches_its_floor_where_the_formula_says():
    tau = a.Annealed(d_0=500, tau_max=1.2, tau_min=0.1)
    assert tau.crossing() / 500 == pytest.approx(0.18, abs=0.005)
    assert tau.floor() / 500 == pytest.approx(0.74, abs=0.005)
    got = tau(T, 0)
    assert got[0] == pytest.approx(1.2)
    assert got[math.floor(tau.crossing())] >= 1 >= got[math.ceil(tau.crossing())]
    assert got[math.floor(tau.floor())] > 0.1
    assert (got[math.ceil(tau.floor()) :] == torch.tensor(0.1)).all()
    assert (got.diff() <= 0).all()
    assert got[200] == pytest.approx(2.2 - math.exp(0.4))


def test_the_schedule_stretches_with_training_up_to_its_longest():
    tau = a.Annealed(d_0=500, growth=100, d_max=900)
    assert [tau.stretch(s) for s in (0, 2, 4, 50)] == [500, 700, 900, 900]
    torch.testing.assert_close(tau(T, 2), a.Annealed(d_0=700)(T, 0))


def test_tokens_before_the_cut_in_stay_at_one():
    got = a.Annealed(d_0=500, cut_in=10)(T, 0)
    assert (got[:10] == 1).all()
    assert got[10] == pytest.approx(2.2 - math.exp(10 / 500))


def test_far_positions_do_not_overflow():
    assert a.Annealed(d_0=0.5)(torch.tensor([10**6]), 0).tolist() == pytest.approx([0.1])


def test_a_schedule_that_does_not_fit_the_answers_says_so():
    assert "no cooling" in a.Annealed(d_0=500).misfits(12)[0]
    assert "cold" in a.Annealed(d_0=1).misfits(12)[0]
    assert "stay at 1" in a.Annealed(d_0=10, cut_in=12).misfits(12)[0]
    assert a.Annealed.fitted(12).misfits(12) == []
    assert a.Annealed.fitted(12, tau_max=1.5, crossing=0.25).crossing() == pytest.approx(3.0)


def test_backwards_is_cool_first_and_hot_last():
    tau = a.Annealed(d_0=10)
    torch.testing.assert_close(a.Backwards(tau, 12)(T[:12], 0), tau(T[:12], 0).flip(0))
    assert a.Backwards(tau, 12)(T[40:41], 0) == pytest.approx(1.2)


def test_other_shapes_move_with_tokens_with_steps_or_with_both():
    assert torch.equal(a.Decaying(1.2, 1.2)(T, 9), torch.full((2000,), 1.2))
    by_tokens, by_both = a.Decaying(1.5, 0.5, tokens=10), a.Decaying(1.5, 0.5, tokens=10, steps=5)
    assert by_tokens(T, 7)[10] == pytest.approx(0.5 + math.exp(-1))
    assert by_both(T, 5)[10] == pytest.approx(0.5 + math.exp(-2))
    assert a.Stepwise(a.LinearChange(0.8, 1.2, 100))(T[:3], 50).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(
    "temperature", [a.Annealed(d_0=10), a.Backwards(a.Annealed(d_0=10), 5), a.Decaying(1.2, 0.4, 3)]
)
def test_the_sampler_takes_the_same_temperature_that_scores(temperature):
    sampler = Sampler(temperature)
    assert [sampler.at(t, 3) for t in range(8)] == temperature(T[:8], 3).tolist()
    assert temperature(T[:8], 3).dtype == torch.float32


@pytest.mark.parametrize("wrong", [{"d_0": 0.0}, {"tau_max": 0.9}, {"tau_min": 0.0}, {"growth": -1.0}, {"cut_in": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BadValue, match=next(iter(wrong))):
        a.Annealed(**{"d_0": 10.0, **wrong})
