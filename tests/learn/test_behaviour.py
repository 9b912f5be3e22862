import pytest
import torch

from wayfare.learn.behaviour import Script, epsilon


def test_epsilon_is_uniform_early_and_mostly_small_late():
    u = torch.linspace(0, 1, 1001)
    assert torch.equal(epsilon(u, 0.0), u)
    assert torch.allclose(epsilon(u, 1.0), 0.5 * u**3)
    assert epsilon(u, 0.25).mean() > epsilon(u, 0.5).mean()


def draws(copies, actions, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.rand(copies, 2, generator=g), torch.randn(copies, actions, generator=g)


@pytest.mark.parametrize(("kind", "repeats"), [(0.1, 1 / 3), (0.3, 0.75 + 0.25 / 3)])
def test_sticky_players_repeat_and_uniform_ones_do_not(kind, repeats):
    copies = 4000
    script = Script(torch.full((copies,), kind), torch.full((copies,), 0.5), actions=3)
    action = script.act(torch.ones(copies, dtype=torch.int64), *draws(copies, 3))
    assert action.eq(1).float().mean().item() == pytest.approx(repeats, abs=0.03)


def test_myopic_players_follow_the_mean_reward_and_forget_it_with_the_task():
    script = Script(torch.full((2,), 0.6), torch.zeros(2), actions=3)
    never = torch.zeros(2, dtype=torch.bool)
    script.observe(torch.tensor([2, 2]), torch.tensor([1.0, 1.0]), never)
    assert script.act(torch.tensor([2, 2]), *draws(2, 3)).tolist() == [2, 2]
    script.observe(torch.tensor([1, 1]), torch.tensor([4.0, 4.0]), torch.tensor([False, True]))
    assert script.act(torch.tensor([1, 1]), *draws(2, 3)).tolist() == [1, 0]


def test_repeating_players_do_again_what_paid_best_and_forget_it_with_the_task():
    script = Script(torch.tensor([0.9]), torch.ones(1), actions=4, longest=3)
    no, yes = torch.tensor([False]), torch.tensor([True])
    last = torch.tensor([0])
    for episode, paid in (([3, 1, 2], 1.0), ([0, 0, 0], 0.0), ([2, 2], 0.5)):
        for place, action in enumerate(episode):
            ends = place == len(episode) - 1
            script.observe(torch.tensor([action]), torch.tensor([paid * ends]), no, yes if ends else no)
    for action in (3, 1, 2):
        assert script.act(last, *draws(1, 4)).item() == action
        script.observe(torch.tensor([action]), torch.tensor([0.0]), no, no)
    assert script.act(last, *draws(1, 4)).item() == 0  # the walk is over and nothing is known from here: sticky
    script.observe(last, torch.tensor([0.0]), yes, yes)
    assert script.act(last, *draws(1, 4)).item() == 0
