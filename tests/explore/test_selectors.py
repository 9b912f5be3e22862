"""Token selectors: shares over the whole batch, ties, ranges and order."""

from __future__ import annotations

import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.selectors import between, covariance, highest, lowest, top_quantile

MASK = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], dtype=torch.float32)
VALUES = torch.tensor([[5.0, 1.0, 4.0, 2.0, -9.0], [3.0, 0.0, 6.0, -9.0, -9.0]])


def places(chosen):
    return [tuple(place) for place in chosen.nonzero().tolist()]


def test_the_lowest_share_is_of_the_candidates_over_the_whole_batch():
    assert places(lowest(VALUES, MASK, None, 2 / 7)) == [(0, 1), (1, 1)]
    assert places(highest(VALUES, MASK, None, 2 / 7)) == [(0, 0), (1, 2)]
    assert places(lowest(VALUES, MASK, VALUES > 1.5, 0.4)) == [(0, 3), (1, 0)]


def test_a_small_share_of_a_small_batch_is_one_token_and_none_only_of_nothing():
    assert places(lowest(VALUES, MASK, None, 0.005)) == [(1, 1)]
    assert not lowest(VALUES, MASK, None, 0.0).any()
    assert not lowest(VALUES, MASK, VALUES > 99, 0.5).any()
    assert torch.equal(lowest(VALUES, MASK, None, 1.0), MASK.bool())


def test_a_share_that_is_whole_is_not_rounded_away():
    values = torch.arange(100.0).reshape(4, 25)
    for share in (0.07, 0.1, 0.29, 0.57):
        assert lowest(values, torch.ones(4, 25), None, share).sum() == round(100 * share)


def test_exact_ties_go_to_the_earlier_token():
    same = torch.zeros(2, 5)
    assert places(lowest(same, MASK, None, 3 / 7)) == [(0, 0), (0, 1), (0, 2)]
    assert places(highest(same, MASK, None, 3 / 7)) == [(0, 0), (0, 1), (0, 2)]
    assert torch.equal(top_quantile(same, MASK, 0.2), MASK.bool())


def test_the_top_quantile_keeps_a_fifth():
    values = torch.randperm(50, generator=torch.Generator().manual_seed(0)).reshape(5, 10).float()
    assert torch.equal(top_quantile(values, torch.ones(5, 10), 0.2), values >= 40)


def test_what_is_masked_is_never_selected_even_without_a_number():
    values = VALUES.masked_fill(MASK == 0, float("nan"))
    assert places(lowest(values, MASK, None, 0.1)) == [(1, 1)]
    with pytest.raises(BadValue, match="values"):
        lowest(torch.full_like(VALUES, float("nan")), MASK, None, 0.1)
    with pytest.raises(BadValue, match="mask"):
        lowest(VALUES, MASK[:1], None, 0.1)
    with pytest.raises(BadValue, match="share"):
        lowest(VALUES, MASK, None, 2.0)


def test_a_random_share_within_a_range_counts_from_the_mask_and_moves_with_its_rows():
    values = torch.linspace(0, 1, 200).reshape(10, 20)
    mask, rows, stream = torch.ones(10, 20), torch.arange(10), Stream(0, "clip")
    chosen = between(values, mask, 0.25, 0.75, 0.1, stream.at(rows, 3))
    assert chosen.sum() == 20
    assert ((values > 0.25) & (values < 0.75))[chosen].all()
    order = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    again = between(values[order], mask, 0.25, 0.75, 0.1, stream.at(rows[order], 3))
    assert torch.equal(again, chosen[order])
    assert not torch.equal(between(values, mask, 0.25, 0.75, 0.1, stream.at(rows, 4)), chosen)
    assert between(values, mask, 0.49, 0.51, 0.5, stream.at(rows, 3)).sum() == ((values - 0.5).abs() < 0.01).sum()
    assert not between(values, mask, 2.0, 3.0, 0.5, stream.at(rows, 3)).any()


def test_parts_of_the_covariance_sum_to_it():
    draw = torch.Generator().manual_seed(1)
    gain, logp = torch.randn(2, generator=draw), torch.randn(2, 5, generator=draw)
    part = covariance(gain, logp, MASK)
    kept = MASK.bool()
    pair = torch.stack([gain.unsqueeze(1).expand(2, 5)[kept], logp[kept]])
    assert part.sum() / kept.sum() == pytest.approx(float(torch.cov(pair, correction=0)[0, 1]), abs=1e-6)
    assert (part[~kept] == 0).all()
