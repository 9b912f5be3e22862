"""The posterior against Bayes' rule in a loop, and the switching conditions by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.posterior import DirichletCounts, HypothesisPosterior, entropy


@given(st.lists(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), min_size=1, max_size=6))
def test_updates_are_bayes_rule(likelihoods: list[list[float]]) -> None:
    posterior = HypothesisPosterior(torch.tensor([[0.5, 0.3, 0.2]]))
    plain = [0.5, 0.3, 0.2]
    for row in likelihoods:
        posterior.update(torch.tensor([row], dtype=torch.float64))
        plain = [w * p for w, p in zip(plain, row, strict=True)]
        plain = [w / sum(plain) for w in plain]
    assert posterior.weights[0].tolist() == pytest.approx(plain)


def test_an_impossible_transition_is_named_and_changes_nothing() -> None:
    posterior = HypothesisPosterior(torch.ones(2, 2))
    posterior.update(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    before = posterior.weights.clone()
    with pytest.raises(BadValue, match="run 0: left -> right"):
        posterior.update(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), lambda run: f"run {run}: left -> right")
    assert torch.equal(before, posterior.weights)


def test_the_entropy_rule_asks_for_more_than_one_bit_and_is_blind_to_the_last() -> None:
    posterior = HypothesisPosterior(torch.ones(1, 5))
    posterior.update(torch.tensor([[1.0, 1, 1, 0, 0]]))  # log 5 - log 3 < log 2
    assert not posterior.moved().item()
    posterior.update(torch.tensor([[1.0, 1, 0, 0, 0]]))
    assert posterior.moved().item()
    posterior.refresh(torch.tensor([0]))
    assert entropy(posterior.held).item() == pytest.approx(math.log(2)) and not posterior.moved().item()
    posterior.update(torch.tensor([[0.0, 1, 0, 0, 0]]))  # the other of two: exactly one bit, not more
    assert not posterior.moved().item() and posterior.held[0, 0] == 0.5


def test_samples_follow_the_snapshot_not_the_present() -> None:
    posterior = HypothesisPosterior(torch.tensor([[0.25, 0.75]]).expand(4000, -1))
    posterior.update(torch.tensor([[1.0, 0.0]]).expand(4000, -1))
    drawn = posterior.sample(torch.arange(4000), (torch.arange(4000) + 0.5) / 4000)
    assert drawn.double().mean().item() == pytest.approx(0.75)


def test_counts_move_when_one_has_doubled() -> None:
    counts = DirichletCounts(2, 3, 2)
    one = torch.zeros(2, dtype=torch.int64)
    moved = []
    for _ in range(8):
        counts.observe(one, one, torch.tensor([1, 2]))
        moved.append(bool(counts.moved()[0]))
        counts.refresh(counts.moved().nonzero().squeeze(1))
    assert moved == [True, True, False, True, False, False, False, True]  # at 1, 2, 4 and 8 visits
    assert counts.mean(torch.tensor([1]))[0, 0, 0].tolist() == pytest.approx([1 / 11, 1 / 11, 9 / 11])


def test_posterior_draws_have_the_dirichlet_mean_and_do_not_depend_on_the_company() -> None:
    runs = 3000
    counts = DirichletCounts(runs, 2, 1, prior=0.5)
    zero = torch.zeros(runs, dtype=torch.int64)
    for _ in range(3):
        counts.observe(zero, zero, zero + 1)
    counts.refresh(torch.arange(runs))
    seeds = torch.arange(runs)
    drawn = counts.sample(torch.arange(runs), seeds, 7)
    assert torch.allclose(drawn.sum(-1), torch.ones(runs, 2, 1, dtype=torch.float64))
    assert drawn[:, 0, 0, 1].mean().item() == pytest.approx(3.5 / 4, abs=0.01)
    assert drawn[:, 0, 0, 1].var().item() == pytest.approx(3.5 * 0.5 / (16 * 5), rel=0.1)
    assert torch.allclose(counts.sample(torch.tensor([17]), seeds[[17]], 7)[0], drawn[17])


@pytest.mark.parametrize("prior", [torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]), torch.ones(3)])
def test_a_prior_that_is_none_is_refused(prior: torch.Tensor) -> None:
    with pytest.raises(BadValue, match="prior"):
        HypothesisPosterior(prior)
    with pytest.raises(BadValue, match="prior"):
        DirichletCounts(1, 2, 2, prior=0.0)


def test_divergence_notices_what_entropy_is_blind_to() -> None:
    posterior = HypothesisPosterior(torch.tensor([[0.55, 0.45]]))
    posterior.update(torch.tensor([[0.0, 1.0]]))
    assert not posterior.moved().item() and posterior.diverged(1.0).item()  # log(1 / 0.45) is 1.15 bits
    assert not posterior.diverged(1.2).item()
