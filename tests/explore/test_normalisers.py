"""Running scales: windows, flat streams, outliers and reading without writing."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.normalisers import RunningMedian, RunningMinMax


def test_values_are_scaled_by_the_extremes_of_the_window_and_their_own():
    scale = RunningMinMax(window=3)
    assert scale.normalise(torch.tensor([2.0, 4.0, 3.0])).tolist() == [0.0, 1.0, 0.5]
    scale.update(torch.tensor([100.0, 0.0, 5.0, 10.0]))
    assert len(scale) == 3
    assert scale.normalise(torch.tensor([4.0, 20.0])).tolist() == pytest.approx([0.2, 1.0])


def test_reading_changes_nothing_and_the_order_of_a_batch_does_not_matter():
    scale = RunningMinMax(window=2)
    scale.update(torch.tensor([1.0, 3.0]))
    values = torch.tensor([0.0, 9.0, 4.0, 2.0])
    first = scale.normalise(values)
    assert torch.equal(scale.normalise(values.flip(0)), first.flip(0))
    assert len(scale) == 2


def test_a_flat_stream_is_zero_and_not_its_distance_over_nothing():
    scale = RunningMinMax()
    scale.update(torch.full((5,), 0.3))
    assert scale.normalise(torch.full((4,), 0.3)).tolist() == [0.0] * 4
    assert scale.normalise(torch.tensor([0.3, 0.3 + 3e-8])).tolist() == [0.0] * 2


def test_unknown_values_are_zero_and_do_not_count():
    got = RunningMinMax().normalise(torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([True, False, True]))
    assert got.tolist() == [0.0, 0.0, 1.0]
    assert RunningMinMax().normalise(torch.ones(2), torch.zeros(2, dtype=torch.bool)).tolist() == [0.0, 0.0]


def test_clipped_quantiles_shrug_off_one_odd_value():
    values = torch.cat([torch.linspace(0, 1, 99), torch.tensor([1e6])])
    assert RunningMinMax().normalise(values)[:99].max() < 1e-5
    assert RunningMinMax(clip=0.02).normalise(values)[49] == pytest.approx(0.5, abs=0.02)


def test_the_median_is_of_the_window_and_even_windows_take_the_middle():
    middle = RunningMedian(window=4)
    assert middle.median() is None
    middle.update(torch.tensor([9.0, 9.0, 0.0, 1.0]))
    assert middle.median() == 5.0
    middle.update(torch.tensor([0.5, 0.6, 0.7]))
    assert middle.median() == pytest.approx(0.65)


@pytest.mark.parametrize("make", [RunningMinMax, RunningMedian])
def test_state_goes_round_and_bad_numbers_leave_it_alone(make):
    one, two = make(5), make(5)
    one.update(torch.tensor([1.0, 2.0, 4.0]))
    with pytest.raises(BadValue, match="values"):
        one.update(torch.tensor([float("inf")]))
    two.load_state_dict(one.state_dict())
    assert two.state_dict()["values"].tolist() == [1.0, 2.0, 4.0]
    two.update(torch.tensor([8.0]))
    assert len(one) == 3
    with pytest.raises(BadValue, match="window"):
        make(0)
