"""Asking of a memory says what the walk would have said, and questions do not see each other."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.in_context_model import Memory, Policy, WorldModel


def _walk(n: int = 3, steps: int = 7) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    cells = [torch.randint(0, 9, (n, steps)) for _ in range(2)]
    return cells[0], torch.randint(0, 4, (n, steps)), cells[1], (torch.rand(n, steps) < 0.3).float()


def test_asking_is_what_a_cut_walk_was_trained_on() -> None:
    walk = _walk()
    model = WorldModel(9, 4, 24, 2, 2)
    plain = model.walk(*walk, asked=True)
    for cut in (0, 3):
        asked = model.walk(*walk, asked=True, cut=cut)
        assert torch.allclose(asked[:, :cut], plain[:, :cut], atol=1e-5)
        for longer in (0, 2):  # what stands behind `size` is not there
            memory = Memory(*(x[:, : cut + longer] for x in walk), size=torch.full((3,), cut))  # type: ignore[arg-type]
            later = model.ask(memory, walk[0][:, cut + 1 :], walk[1][:, cut + 1 :], asked=True)
            assert torch.allclose(asked[:, cut + 1 :], later, atol=1e-5)
        where, paid, worth = model.tables(memory)
        rows, s, a, out = torch.arange(3), walk[0][:, 5], walk[1][:, 5], model.head(asked[:, 5])
        assert torch.allclose(where[rows, s, a], out[:, :9].softmax(-1), atol=1e-5)
        assert torch.allclose(paid[rows, s, a], out[:, 9].sigmoid(), atol=1e-5)
        assert torch.allclose(worth[rows, s, a], out[:, 10].sigmoid(), atol=1e-5)


def test_the_policy_reads_no_action_of_now_and_its_memory_is_the_walk_so_far() -> None:
    walk = _walk()
    policy = Policy(9, 4, 24, 2, 2)
    whole = policy.head(policy.walk(*walk, asked=False))
    other = policy.head(policy.walk(walk[0], (walk[1] + 1) % 4, walk[2], walk[3], asked=False))
    assert torch.equal(whole[:, 0], other[:, 0]) and not torch.allclose(whole[:, 1], other[:, 1])
    for size in (0, 4):
        memory = Memory(*(x[:, :5] for x in walk), size=torch.full((3,), size))  # type: ignore[arg-type]
        assert torch.allclose(policy.logits(memory, walk[0][:, size]), whole[:, size], atol=1e-5)


def test_it_learns_to_look_up_what_it_has_seen() -> None:
    """Six cells whose two moves lead anywhere, drawn anew for each walk: what was tried before is known."""
    torch.manual_seed(1)
    model = WorldModel(6, 2, 24, 2, 2)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)

    def batch() -> tuple[torch.Tensor, ...]:
        moves = torch.randint(0, 6, (64, 6, 2))
        s, a = torch.randint(0, 6, (64, 40)), torch.randint(0, 2, (64, 40))
        return s, a, moves[torch.arange(64).unsqueeze(1), s, a], torch.zeros(64, 40), torch.full((64, 40), 0.5)

    for _ in range(250):
        optimiser.zero_grad()
        model.loss(*batch()).backward()
        optimiser.step()
    s, a, reached, reward, _ = batch()
    guess = model.head(model.walk(s, a, reached, reward, asked=True))[..., :6].argmax(-1)
    right = (guess == reached).float()
    assert right[:, -8:].mean() > 0.6 and right[:, 0].mean() < 0.4


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(BadValue, match="width"):
        WorldModel(9, 4, 30, 2, 3)
