"""Drawing a token: against hand-worked distributions, and frequencies against what was said of them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.language.sampler import Sampler

CHANCES = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
LOGITS = CHANCES.log().float().unsqueeze(0) + 3


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    told = Sampler(top_p=0.7).restricted(LOGITS).exp()[0]
    assert told.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert Sampler(top_p=0.01).restricted(LOGITS).exp()[0].tolist() == pytest.approx([1, 0, 0, 0])


def test_min_p_is_measured_against_the_likeliest() -> None:
    told = Sampler(min_p=0.29).restricted(LOGITS).exp()[0]
    assert told.tolist() == pytest.approx([0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0])


def test_min_p_comes_before_top_p() -> None:
    # left by min-p: 5/9, 5/18, 1/6; the first two reach 0.82
    told = Sampler(top_p=0.82, min_p=0.29).restricted(LOGITS).exp()[0]
    assert told.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=1e-6)


def test_temperature_zero_takes_the_likeliest_and_says_it_was_certain() -> None:
    drawn = Sampler(0.0).sample(LOGITS, 0, 0, torch.tensor([0.99]))
    assert drawn.token.tolist() == [0] and drawn.logp.tolist() == [0]
    assert drawn.logp_at_one.item() == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("sampler", [Sampler(), Sampler(0.5), Sampler(2.0, top_p=0.8), Sampler(min_p=0.4)])
def test_tokens_come_as_often_as_their_log_probability_says(sampler: Sampler) -> None:
    even = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    drawn = sampler.sample(LOGITS.expand(4000, -1), 0, 0, even)
    for token in range(4):
        mine = drawn.token == token
        share = mine.double().mean().item()
        if share:
            assert share == pytest.approx(drawn.logp[mine][0].exp().item(), abs=1 / 2000)
            assert drawn.logp_at_one[mine][0].exp().item() == pytest.approx(CHANCES[token].item(), abs=1e-6)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(0, 1000))
def test_a_token_left_out_is_never_drawn(u: float, seed: int) -> None:
    logits = torch.randn(1, 9, generator=torch.Generator().manual_seed(seed)) * 5
    drawn = Sampler(0.7, top_p=0.6, min_p=0.1).sample(logits, 0, 0, torch.tensor([u], dtype=torch.float64))
    assert math.isfinite(drawn.logp.item())


def test_a_temperature_may_depend_on_the_position_and_the_step() -> None:
    sampler = Sampler(lambda positions, step: 1.0 + positions.float() + 10 * step)
    drawn = sampler.sample(LOGITS, 2, 1, torch.tensor([0.1], dtype=torch.float64))
    assert drawn.logp.item() == pytest.approx((LOGITS / 13).log_softmax(-1)[0, 0].item())
    with pytest.raises(BadValue):
        Sampler(lambda positions, step: -positions - 1.0).sample(LOGITS, 0, 0, torch.tensor([0.1]))


def test_a_sampler_out_of_range_is_refused() -> None:
    for kwargs in ({"temperature": -1.0}, {"top_p": 0.0}, {"min_p": 2.0}):
        with pytest.raises(BadValue):
            Sampler(**kwargs)
