from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.policy_network import PolicyNetwork, pick_copies, pick_memory
from wayfare.learn.tokens import Tokens
from wayfare.networks import memory_network

COPIES = 5


def network(kind="gru", seeds=(3, 4), **options):
    tokens = Tokens(2, 3, (False,) * len(seeds))
    memory = memory_network(kind, tokens.width, 8, seeds, **({"context": 16} | options))
    return PolicyNetwork(tokens, memory, 8, seeds)


def sequence(net, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    token = torch.randn(2, steps, COPIES, net.tokens.width, generator=generator)
    return token, torch.rand(2, steps, COPIES, generator=generator) < 0.2


def test_log_probabilities_are_normalised_and_near_uniform_at_first():
    net = network()
    token, start = sequence(net, 6, 0)
    logs, value, _ = net(token, net.initial_state(COPIES), start)
    assert logs.shape == (2, 6, COPIES, 3) and value.shape == (2, 6, COPIES)
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(2, 6, COPIES))
    assert (logs.exp() - 1 / 3).abs().max() < 0.01
    assert value.std() > 0.01


def test_copies_are_picked_row_by_row():
    x = torch.arange(2 * 3 * 4).view(2, 3, 4)
    got = pick_copies(x, torch.tensor([[2, 0], [3, 1]]))
    assert got.tolist() == [[[2, 0], [6, 4], [10, 8]], [[15, 13], [19, 17], [23, 21]]]
    assert torch.equal(pick_copies(x.unsqueeze(-1), torch.tensor([[2, 0], [3, 1]])).squeeze(-1), got)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("none", {}),
        ("gru", {"layers": 2}),
        ("lstm", {}),
        ("transformer", {}),
        ("transformer", {"memory": (2, None)}),
        ("transformer", {"layers": 2, "context": 32}),
        ("transformer", {"layers": 2, "memory": 4}),
        ("gru", {"memory": 3}),
    ],
)
def test_picked_copies_go_on_from_their_own_memory(kind, options):
    net = network(kind, **options)
    with torch.no_grad():
        token, start = sequence(net, 7, 1)
        state = net(token, net.initial_state(COPIES), start)[2]
        token, start = sequence(net, 4, 2)
        whole = net(token, state, start)[1]
        pick = torch.tensor([[4, 0, 2], [1, 4, 3]])
        some = net(pick_copies(token, pick), pick_memory(state, pick), pick_copies(start, pick))[1]
    torch.testing.assert_close(some, pick_copies(whole, pick), rtol=0, atol=1e-6)


def test_a_state_of_no_memory_network_is_refused():
    with pytest.raises(BadValue, match="state"):
        pick_memory({"hidden": torch.zeros(1)}, torch.tensor([[0]]))
