"""Gain, bias and gaps against a hand-worked process and against long simulation by powers."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.continuing import gaps, optimal_gain


def test_two_states_by_hand() -> None:
    """Stay in 0 for 0.2, or go to 1 for nothing and come back for 1: the round trip earns 0.5 a step."""
    p = torch.zeros(2, 2, 2, dtype=torch.float64)
    p[0, 0, 0] = p[0, 1, 1] = p[1, :, 0] = 1.0
    r = torch.tensor([[0.2, 0.0], [1.0, 1.0]], dtype=torch.float64)
    gain, bias = optimal_gain(p, r)
    assert gain.item() == pytest.approx(0.5) and bias.tolist() == pytest.approx([0.0, 0.5])
    assert gaps(p, r, gain, bias).tolist() == [pytest.approx([0.3, 0.0]), pytest.approx([0.0, 0.0])]


def test_many_random_processes_agree_with_long_value_iteration() -> None:
    torch.manual_seed(0)
    p = torch.rand(5, 4, 3, 4, dtype=torch.float64) ** 2
    p, r = p / p.sum(-1, keepdim=True), torch.rand(5, 4, 3, dtype=torch.float64)
    gain, bias = optimal_gain(p, r)
    value = torch.zeros(5, 4, dtype=torch.float64)
    for _ in range(400):
        before, value = value, (r + (p @ value[:, None, :, None]).squeeze(-1)).amax(-1)
    assert (value - before).mean(1).tolist() == pytest.approx(gain.tolist(), abs=1e-9)
    assert ((value - value[:, :1]) - bias).abs().max() < 1e-8
    assert gaps(p, r, gain, bias).amin(-1).abs().max() < 1e-9


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadValue, match="transitions"):
        optimal_gain(torch.zeros(2, 2, 3), torch.zeros(2, 2))
