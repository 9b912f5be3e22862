import pytest
import torch
from torch import nn

from wayfare.errors import BadValue
from wayfare.learn.optimiser import FlatParameters, StackedAdamW, one_cycle


class Stack(nn.Module):
    def __init__(self, rows):
        super().__init__()
        g = torch.Generator().manual_seed(3)
        self.a = nn.Parameter(torch.randn(rows, 4, 2, generator=g))
        self.b = nn.Parameter(torch.randn(rows, 4, generator=g))

    def loss(self, x):
        return (torch.einsum("soi,si->so", self.a, x) * self.b).square().sum(dim=1)


def run(module, inputs, alive=None):
    flat = FlatParameters(module)
    optimiser = StackedAdamW(flat, 0.05, clip=1.0, weight_decay=0.1)
    for done, x in enumerate(inputs):
        gradient = flat.gradient(module.loss(x).sum())
        rows = torch.ones(len(x), dtype=torch.bool) if alive is None else alive
        optimiser.step(gradient, gradient.norm(dim=1), rows, one_cycle(done, len(inputs)))
    return flat.values


def test_each_row_follows_torch_adamw_with_one_cycle_and_clipping():
    inputs = torch.randn(30, 2, 2, generator=torch.Generator().manual_seed(1))
    ours = run(Stack(2), inputs)
    for row in range(2):
        module = Stack(2)
        parameters = [nn.Parameter(each[row : row + 1].detach()) for each in (module.a, module.b)]
        module.a, module.b = parameters
        peer = torch.optim.AdamW(parameters, 0.05, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(peer, 0.05, total_steps=30, cycle_momentum=False)
        for x in inputs:
            peer.zero_grad()
            module.loss(x[row : row + 1]).sum().backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            peer.step()
            schedule.step()
        torch.testing.assert_close(ours[row], torch.cat([each.flatten() for each in parameters]), rtol=1e-4, atol=1e-5)


def test_a_stopped_row_does_not_move_and_disturbs_none():
    inputs = torch.randn(10, 2, 2, generator=torch.Generator().manual_seed(1))
    free = run(Stack(2), inputs)
    inputs[:, 0] = float("nan")
    stopped = run(Stack(2), inputs, alive=torch.tensor([False, True]))
    assert torch.equal(stopped[0], FlatParameters(Stack(2)).values[0])
    assert torch.equal(stopped[1], free[1])


def test_the_module_reads_from_the_matrix():
    module = Stack(2)
    flat = FlatParameters(module)
    flat.values.fill_(2.0)
    assert module.a.eq(2).all() and module.b.eq(2).all()


def test_a_module_that_is_not_stacked_is_refused():
    with pytest.raises(BadValue, match="led by the same S"):
        FlatParameters(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)))
