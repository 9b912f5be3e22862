"""Plans of the two beliefs: the mean model is the average of the worlds it averages, a sample is one of them."""

from __future__ import annotations

import pytest
import torch

from wayfare.agents.beliefs import CountBelief, RuleBelief
from wayfare.errors import BadValue
from wayfare.learn.lookahead import lookahead
from wayfare.worlds.hidden_rules import HiddenRules
from wayfare.worlds.riverswim import riverswim_tables


def _world(copies: int = 3) -> HiddenRules:
    world = HiddenRules(copies, 4, 5, doors=0.6, slip=0.2)
    world.reset(seed=4)
    return world


def _belief(world: HiddenRules, scale: float = 0.1) -> RuleBelief:
    return RuleBelief(world.next_cell, world.goals, world.slip, torch.arange(world.num_envs), scale=scale)


def test_the_mean_model_is_the_average_of_the_hypotheses_and_a_sample_is_one() -> None:
    world = _world()
    belief, rows = _belief(world), torch.arange(3)
    worlds, paid = [], []
    for h in range(5):
        world.truth = torch.full((3,), h)
        p, r = world.tables()
        worlds.append(p)
        paid.append(r)
    mean_p, mean_r = torch.stack(worlds).mean(0), torch.stack(paid).mean(0)
    q, model = belief.plan(rows, "mean", 6, 0)
    assert torch.allclose(model, mean_p) and torch.allclose(q, lookahead(mean_p, mean_r, 6, 0.95))
    q, model = belief.plan(rows, "sampled", 6, 0)
    for n in range(3):
        same = [h for h in range(5) if torch.allclose(model[n], worlds[h][n])]
        assert same and torch.allclose(q[n], lookahead(worlds[same[0]][[n]], paid[same[0]][[n]], 6, 0.95)[0])
    assert (belief.plan(rows, "optimistic", 6, 0)[0] >= belief.plan(rows, "mean", 6, 0)[0] - 1e-12).all()


def test_the_extended_plan_is_that_of_the_best_plausible_hypothesis() -> None:
    world = _world()
    belief, rows = _belief(world), torch.arange(3)
    values = []
    for h in range(5):
        world.truth = torch.full((3,), h)
        values.append(lookahead(*world.tables(), 120, 0.95).amax(-1)[:, 0])
    best = torch.stack(values).amax(0)
    assert torch.allclose(belief.plan(rows, "extended", 120, 0)[0][:, 0].amax(-1), best)


def test_real_transitions_never_rule_out_the_truth_and_false_ones_are_named() -> None:
    world = _world()
    belief = _belief(world)
    walk = torch.Generator().manual_seed(5)
    for _ in range(200):
        state, actions = world.state, torch.randint(0, 4, (3,), generator=walk)
        _, reward, *_, info = world.step(actions)
        belief.observe(state, actions, info["reached"], reward)
    true = belief.posterior.weights[torch.arange(3), world.truth]
    assert (true > 0.9).all()
    state = world.state
    with pytest.raises(BadValue, match="run 0: cell"):
        belief.observe(state, torch.zeros(3, dtype=torch.int64), (state + 6) % 16, torch.zeros(3))


def test_counts_plan_in_their_mean_and_the_bonus_shrinks() -> None:
    p, r = riverswim_tables()
    belief, rows = CountBelief(r, torch.arange(2), scale=0.5), torch.arange(2)
    plain = belief.plan(rows, "mean", 5, 0)[0]
    first = (belief.plan(rows, "optimistic", 5, 0)[0] - plain).abs().max()
    state, chance = torch.zeros(2, dtype=torch.int64), torch.Generator().manual_seed(5)
    for _ in range(400):
        for s in range(6):
            for a in range(2):
                at = torch.full((2,), s)
                reached = p[s, a].multinomial(2, replacement=True, generator=chance)
                belief.observe(at, torch.full((2,), a), reached, r[s, a].expand(2))
    belief.refresh(rows)
    q, model = belief.plan(rows, "mean", 5, 0)
    assert (model - p).abs().max() < 0.1 and state.sum() == 0
    assert (belief.plan(rows, "optimistic", 5, 0)[0] - q).abs().max() < 0.1 * first
    assert (belief.plan(rows, "extended", 5, 9)[0] >= q - 1e-2).all()


def test_a_scale_below_zero_is_refused() -> None:
    with pytest.raises(BadValue, match="scale"):
        CountBelief(torch.zeros(2, 2), torch.arange(1), scale=-1.0)
    with pytest.raises(BadValue, match="scale"):
        _belief(_world(), scale=-1.0)
