"""Two-sided bounds against the equations in plain Python, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.tabular import Confidence, TransitionCounts, optimistic, pessimistic, policy_bounds
from wayfare.worlds import RandomMDP
from wayfare.worlds.planning import optimal_values, policy_values

RUNS, HORIZON, STATES, ACTIONS = 3, 3, 4, 2


def sampled(episodes: int, seed: int = 0) -> tuple[TransitionCounts, RandomMDP]:
    """Counts of a uniform player, in three random processes."""
    world = RandomMDP(RUNS, STATES, ACTIONS, HORIZON, episodes + 1)
    world.reset(seed=seed)
    seen = TransitionCounts(RUNS, HORIZON, STATES, ACTIONS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(episodes):
        states, actions = [world.state], []
        for _ in range(HORIZON):
            actions.append(torch.randint(ACTIONS, (RUNS,), generator=generator))
            states.append(world.step(actions[-1])[-1]["state"])
        seen.observe(torch.stack(states, 1), torch.stack(actions, 1))
    return seen, world


def textbook(
    seen: TransitionCounts, rewards: torch.Tensor, policy: torch.Tensor, run: int, delta: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Equations (1) to (5) for one run and one policy [H, S, A], in loops."""
    upper, lower = np.zeros((HORIZON + 1, STATES)), np.zeros((HORIZON + 1, STATES))
    for h in reversed(range(HORIZON)):
        for s in range(STATES):
            for a in range(ACTIONS):
                n = float(seen.visits[run, h, s, a])
                r = float(rewards[run, h, s, a])
                high, low = float(HORIZON - h), 0.0
                if n > 0:
                    p = seen.counts[run, h, s, a].numpy() / n
                    log_n = math.log(8 * math.e * (n + 1))
                    fixed = math.log(STATES * ACTIONS * HORIZON / delta)
                    e = scale * (fixed + STATES * log_n) / n
                    mean = p @ upper[h + 1]
                    variance = p @ (upper[h + 1] - mean) ** 2
                    b = 3 * math.sqrt(variance * scale * (fixed + log_n) / n)
                    gap = p @ (upper[h + 1] - lower[h + 1])
                    high = min(high, r + b + 14 * HORIZON**2 * e + gap / HORIZON + mean)
                    low = max(0.0, r - b - 22 * HORIZON**2 * e - 2 * gap / HORIZON + p @ lower[h + 1])
                upper[h, s] += float(policy[h, s, a]) * high
                lower[h, s] += float(policy[h, s, a]) * low
    return upper, lower


@pytest.mark.parametrize(("episodes", "scale"), [(0, 1.0), (40, 1e-3), (300, 1e-3), (300, 1e-2)])
def test_bounds_are_those_of_the_equations(episodes: int, scale: float) -> None:
    seen, world = sampled(episodes)
    policies = torch.softmax(torch.rand(RUNS, HORIZON, STATES, ACTIONS, 2, dtype=torch.float64), dim=3)
    found = policy_bounds(seen, world.rewards, Confidence(0.05, scale), policies)
    for run in range(RUNS):
        for m in range(2):
            upper, lower = textbook(seen, world.rewards, policies[run, ..., m], run, 0.05, scale)
            assert found.upper[run, :, m].numpy() == pytest.approx(upper[0], abs=1e-9)
            assert found.lower[run, :, m].numpy() == pytest.approx(lower[0], abs=1e-9)


def test_one_visit_by_hand() -> None:
    """H = 1, n = 1: beta = c (log(1 * 2 * 1 / 0.5) + log(16 e)), U = r + 14 beta, L = r - 22 beta."""
    seen = TransitionCounts(1, 1, 1, 2)
    seen.observe(torch.tensor([[0, 0]]), torch.tensor([[1]]))
    rewards = torch.tensor([[[[0.9, 0.4]]]], dtype=torch.float64)
    beta = 1e-3 * (math.log(4) + math.log(16 * math.e))
    found = optimistic(seen, rewards, Confidence(0.5, 1e-3))
    assert found.policies[0, 0, 0, :, 0].tolist() == [1.0, 0.0]  # never tried: Uq = 1
    assert float(found.upper) == 1.0 and float(found.lower) == 0.0
    sure = pessimistic(seen, rewards, Confidence(0.5, 1e-3))
    assert sure.policies[0, 0, 0, :, 0].tolist() == [0.0, 1.0]
    assert float(sure.lower) == pytest.approx(0.4 - 22 * beta) and float(sure.upper) == pytest.approx(0.4 + 14 * beta)


def test_candidates_share_the_optimistic_policy_and_have_the_bounds_of_their_own() -> None:
    seen, world = sampled(200)
    how = Confidence(0.05, 1e-3)
    baseline = torch.softmax(torch.rand(RUNS, HORIZON, STATES, ACTIONS, dtype=torch.float64), dim=-1)
    found = optimistic(seen, world.rewards, how, baseline, range(HORIZON + 1))
    bold = optimistic(seen, world.rewards, how)
    assert torch.equal(found.policies[..., 0], bold.policies[..., 0])
    assert torch.allclose(found.upper[..., 0], bold.upper[..., 0], atol=1e-12, rtol=0)
    for j in range(HORIZON + 1):
        assert torch.equal(found.policies[:, :j, ..., j], baseline[:, :j])
        assert torch.equal(found.policies[:, j:, ..., j], bold.policies[:, j:, ..., 0])
    alone = policy_bounds(seen, world.rewards, how, found.policies)
    assert torch.allclose(alone.lower, found.lower, atol=1e-12, rtol=0)
    assert torch.allclose(alone.upper, found.upper, atol=1e-12, rtol=0)


def test_the_bound_of_a_mixture_at_one_step_is_the_mixture_of_bounds_only_if_that_step_is_the_first() -> None:
    """Before the step at which they differ the bonus, a root of a variance of U, bends in the weight."""
    seen, world = sampled(400, seed=6)
    how = Confidence(0.05, 1e-4)
    baseline = torch.softmax(torch.rand(RUNS, HORIZON, STATES, ACTIONS, dtype=torch.float64), dim=-1)
    found = optimistic(seen, world.rewards, how, baseline, range(HORIZON + 1))
    halves = (found.policies[..., 1:] + found.policies[..., :-1]) / 2
    own = policy_bounds(seen, world.rewards, how, halves).lower[:, 0]
    between = ((found.lower[..., 1:] + found.lower[..., :-1]) / 2)[:, 0]
    exact = policy_values(world.transitions.unsqueeze(1), world.rewards.unsqueeze(1), halves.movedim(-1, 1))[:, :, 0, 0]
    assert torch.allclose(own[:, 0], between[:, 0], atol=1e-12, rtol=0)
    assert (own - between)[:, 1:].abs().max() > 1e-5
    assert (between <= exact).all() and (own <= exact).all()


def test_bounds_hold_the_value_of_every_policy_and_close_with_data() -> None:
    widths = []
    for episodes in (50, 1500):
        seen, world = sampled(episodes, seed=2)
        policies = torch.softmax(3 * torch.randn(RUNS, HORIZON, STATES, ACTIONS, 50, dtype=torch.float64), dim=3)
        found = policy_bounds(seen, world.rewards, Confidence(0.05, 1e-3), policies)
        exact = policy_values(
            world.transitions.unsqueeze(1), world.rewards.unsqueeze(1), policies.movedim(-1, 1)
        )[:, :, 0].mT  # fmt: skip
        assert (found.lower <= exact + 1e-9).all() and (exact <= found.upper + 1e-9).all()
        widths.append(float((found.upper - found.lower)[:, 0].mean()))
    assert widths[1] < 0.5 * widths[0]


def test_the_optimistic_value_is_above_the_optimum_and_the_pessimistic_below_its_own_policys() -> None:
    seen, world = sampled(400, seed=3)
    how = Confidence(0.05, 1e-3)
    best = optimal_values(world.transitions, world.rewards)[1][:, 0, 0]
    assert (optimistic(seen, world.rewards, how).upper[:, 0, 0] >= best - 1e-9).all()
    sure = pessimistic(seen, world.rewards, how)
    value = world.value_of(sure.policies[..., 0])
    assert (sure.lower[:, 0, 0] <= value + 1e-9).all() and (value <= best + 1e-9).all()


def test_runs_side_by_side_are_what_each_is_alone() -> None:
    seen, world = sampled(120, seed=4)
    how = Confidence(0.05, 1e-3)
    whole = optimistic(seen, world.rewards, how)
    for run in range(RUNS):
        alone = TransitionCounts(1, HORIZON, STATES, ACTIONS)
        alone.counts, alone.visits = seen.counts[run : run + 1].clone(), seen.visits[run : run + 1].clone()
        one = optimistic(alone, world.rewards[run : run + 1], how)
        assert torch.equal(one.policies[0], whole.policies[run])
        assert torch.allclose(one.lower[0], whole.lower[run], atol=1e-12, rtol=0)


def test_what_was_never_seen_is_capped_and_ties_may_be_shared() -> None:
    empty = TransitionCounts(1, HORIZON, STATES, ACTIONS)
    rewards = torch.rand(1, HORIZON, STATES, ACTIONS, dtype=torch.float64)
    first = optimistic(empty, rewards, Confidence())
    assert first.upper.eq(HORIZON).all() and first.lower.eq(0).all()
    assert first.policies[..., 0, 0].eq(1).all()
    assert optimistic(empty, rewards, Confidence(), ties="shared").policies.eq(1 / ACTIONS).all()


def test_episodes_are_counted() -> None:
    seen = TransitionCounts(2, 2, 3, 2)
    seen.observe(torch.tensor([[0, 1, 2], [0, 2, 0]]), torch.tensor([[1, 0], [1, 1]]))
    seen.observe(torch.tensor([[0, 1, 1], [0, 0, 0]]), torch.tensor([[1, 0], [0, 0]]))
    assert seen.visits.sum() == 8 and seen.counts.sum() == 8
    assert seen.counts[0, 0, 0, 1, 1] == 2 and seen.visits[0, 1, 1, 0] == 2
    assert seen.transitions()[0, 1, 1, 0].tolist() == [0.0, 0.5, 0.5]
    assert seen.counts[1, 1, 2, 1, 0] == 1


def test_nonsense_is_refused() -> None:
    for wrong in ({"delta": 0.0}, {"delta": 1.0}, {"scale": 0.0}):
        with pytest.raises(BadValue):
            Confidence(**wrong)
    seen = TransitionCounts(1, 2, 2, 2)
    with pytest.raises(BadValue, match="states and actions"):
        seen.observe(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64))
    rewards = torch.zeros(1, 2, 2, 2)
    with pytest.raises(BadValue, match="0 first"):
        optimistic(seen, rewards, Confidence(), rewards, (1, 2))
    with pytest.raises(BadValue, match="baseline"):
        optimistic(seen, rewards, Confidence(), None, (0, 2))
