"""Dynamic programming against policies enumerated one by one, and cases worked by hand."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.planning import greedy_policy, optimal_values, policy_values, softmax_policy


def drawn(*shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    transitions = torch.rand(*shape, shape[-2], generator=generator, dtype=torch.float64) ** 3
    return transitions / transitions.sum(-1, keepdim=True), torch.rand(*shape, generator=generator, dtype=torch.float64)


def walked(transitions: torch.Tensor, rewards: torch.Tensor, policy: torch.Tensor, h: int, s: int) -> float:
    """Value by the sum over all paths, in plain Python."""
    horizon, states, actions = rewards.shape
    if h == horizon:
        return 0.0
    total = 0.0
    for a in range(actions):
        ahead = sum(
            float(transitions[h, s, a, t]) * walked(transitions, rewards, policy, h + 1, t) for t in range(states)
        )
        total += float(policy[h, s, a]) * (float(rewards[h, s, a]) + ahead)
    return total


def test_a_policys_value_is_the_sum_over_all_paths() -> None:
    transitions, rewards = drawn(3, 3, 2)
    policy = torch.softmax(torch.rand(3, 3, 2, dtype=torch.float64), -1)
    values = policy_values(transitions, rewards, policy)
    assert values.shape == (4, 3) and values[3].eq(0).all()
    for h, s in product(range(3), range(3)):
        assert float(values[h, s]) == pytest.approx(walked(transitions, rewards, policy, h, s), abs=1e-12)


def test_the_optimum_is_the_best_of_all_deterministic_policies() -> None:
    """2 states, 2 actions, 3 steps: 64 policies, in four processes at once."""
    transitions, rewards = drawn(4, 3, 2, 2)
    every = torch.tensor(list(product(range(2), repeat=6))).view(64, 1, 3, 2)
    policies = torch.nn.functional.one_hot(every, 2).double()
    best = policy_values(transitions, rewards, policies)[..., 0, :].amax(dim=0)
    q, values = optimal_values(transitions, rewards)
    assert torch.allclose(values[:, 0], best, atol=1e-12, rtol=0)
    assert torch.allclose(policy_values(transitions, rewards, greedy_policy(q)), values, atol=1e-12, rtol=0)


def test_two_steps_by_hand() -> None:
    """Step 0 from state 0: `stay` pays 0.1 and stays, `go` pays 0 and reaches state 1 with 3/4. Step 1: 0 pays 0.2, 1
    pays 1."""
    transitions = torch.eye(2, dtype=torch.float64).repeat(2, 2, 1, 1).transpose(1, 2).contiguous()
    transitions[0, 0, 1] = torch.tensor([0.25, 0.75])
    rewards = torch.zeros(2, 2, 2, dtype=torch.float64)
    rewards[0, 0, 0], rewards[1, 0], rewards[1, 1] = 0.1, 0.2, 1.0
    q, values = optimal_values(transitions, rewards)
    assert q[0, 0].tolist() == pytest.approx([0.3, 0.25 * 0.2 + 0.75])
    assert float(values[0, 0]) == pytest.approx(0.8)
    half = torch.full((2, 2, 2), 0.5, dtype=torch.float64)
    assert float(policy_values(transitions, rewards, half)[0, 0]) == pytest.approx(0.55)


def test_a_softmax_policy_turns_greedy_as_it_cools() -> None:
    q = torch.tensor([0.0, 0.3])
    assert softmax_policy(q, 0.3).tolist() == pytest.approx([1 / (1 + 2.718281828), 2.718281828 / 3.718281828])
    assert softmax_policy(q, 1e-3).tolist() == pytest.approx([0, 1], abs=1e-6)
    with pytest.raises(BadValue, match="above 0"):
        softmax_policy(q, 0.0)


def test_tables_that_do_not_fit_are_refused() -> None:
    transitions, rewards = drawn(3, 3, 2)
    with pytest.raises(BadValue, match=r"\[..., H, S, A, S\]"):
        optimal_values(transitions[..., :2], rewards)
    with pytest.raises(BadValue, match="policy"):
        policy_values(transitions, rewards, torch.ones(3, 3, 3))
