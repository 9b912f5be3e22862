"""The loop: who renews when, first actions only, ties, and that a run does not depend on its company."""

from __future__ import annotations

import pytest
import torch

from wayfare.agents.beliefs import CountBelief, RuleBelief
from wayfare.agents.rafa import WAYS, Rafa, Way
from wayfare.errors import BadValue
from wayfare.learn.lookahead import lookahead
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.hidden_rules import HiddenRules
from wayfare.worlds.riverswim import RiverSwim, riverswim_tables

COUNTED = [way for way in WAYS if not way.startswith("divergence")]


def _grid_run(way: str, seeds: list[int], steps: int = 150) -> tuple[Rafa, torch.Tensor, float]:
    world = HiddenRules(len(seeds), 4, 16, steps=12, episodes=steps)
    _, info = world.reset(seed=seeds, options={"copy": [0] * len(seeds)})
    belief = RuleBelief(world.next_cell, world.goals, world.slip, torch.tensor(seeds))
    agent, state = Rafa(belief, WAYS[way], seeds, depth=10), info["state"]
    kept, paid = [], 0.0
    for _ in range(steps):
        actions = agent.act(state)
        _, reward, *_, info = world.step(actions)
        failed = info["boundary"] == int(Boundary.EPISODE_TRUNCATED)
        agent.observe(state, actions, info["reached"], reward, over=info["boundary"] > 0, failed=failed)
        state = info["state"]
        kept.append(torch.stack([actions, state]))
        paid += float(reward.sum())
    return agent, torch.stack(kept), paid


def _river_run(way: str, seeds: list[int], steps: int = 150) -> tuple[Rafa, torch.Tensor]:
    world = RiverSwim(len(seeds), steps=steps + 1)
    _, info = world.reset(seed=seeds, options={"copy": [0] * len(seeds)})
    belief = CountBelief(world.rewards, torch.tensor(seeds))
    agent, state, never = (
        Rafa(belief, WAYS[way], seeds, depth=8, episodic=False),
        info["state"],
        torch.zeros(len(seeds)),
    )
    kept = []
    for _ in range(steps):
        actions = agent.act(state)
        _, reward, *_, info = world.step(actions)
        agent.observe(state, actions, info["state"], reward, over=never.bool(), failed=never.bool())
        state = info["state"]
        kept.append(torch.stack([actions, state]))
    return agent, torch.stack(kept)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_on_the_grid_is_the_same_alone(way: str) -> None:
    together, played, _ = _grid_run(way, [3, 4, 5])
    alone, single, _ = _grid_run(way, [4])
    assert torch.equal(played[:, :, 1], single[:, :, 0]) and together.refreshes[1] == alone.refreshes[0]


@pytest.mark.parametrize("way", COUNTED)
def test_a_run_in_the_river_is_the_same_alone(way: str) -> None:
    together, played = _river_run(way, [3, 4, 5])
    alone, single = _river_run(way, [4])
    assert torch.equal(played[:, :, 1], single[:, :, 0]) and together.refreshes[1] == alone.refreshes[0]


def test_who_never_renews_plans_with_the_prior_and_who_renews_each_step_most_often() -> None:
    counts = {
        way: float(_river_run(way, [1, 2])[0].refreshes.mean()) for way in ("no memory", "every step", "RAFA mean")
    }
    assert counts["no memory"] == 0 and counts["every step"] == 150 and 5 < counts["RAFA mean"] < 60


def test_the_first_action_is_the_best_of_a_full_plan_from_the_true_state() -> None:
    """At each step, against a fresh plan of the snapshot; a stale memory must not freeze the state."""
    torch.manual_seed(0)
    p, r = riverswim_tables()
    belief = CountBelief(r, torch.tensor([9]))
    agent, state, moved = Rafa(belief, WAYS["RAFA mean"], [9], depth=8, episodic=False), torch.tensor([0]), set()
    never = torch.zeros(1, dtype=torch.bool)
    for _ in range(150):
        q = lookahead(belief.counts.mean(torch.tensor([0])), r.unsqueeze(0), 8, 0.99)[0]
        action = agent.act(state)
        assert q[state, action].item() >= q[state].max().item() - 1e-9
        reached = p[state, action].multinomial(1).squeeze(1)
        agent.observe(state, action, reached, r[state, action], over=never, failed=never)
        moved.add(int(state))
        state = reached
    assert len(moved) > 2


def test_an_open_loop_carries_its_plan_out_whatever_happens() -> None:
    agent, _ = _river_run("open loop", [1])
    assert agent.refreshes.tolist() == [19]  # 150 steps in plans of 8: 18 whole ones and one begun


def test_equal_plans_are_drawn_evenly() -> None:
    belief = CountBelief(torch.zeros(2, 4), torch.arange(4000))
    agent = Rafa(belief, Way(renewal="never"), range(4000), depth=2, episodic=False)
    shares = torch.bincount(agent.act(torch.zeros(4000, dtype=torch.int64)), minlength=4) / 4000
    assert (shares - 0.25).abs().max() < 0.03


def test_memory_pays_on_the_grid() -> None:
    """Paid moves; without memory they are those of a walk to where most hypotheses have their goals."""
    earned = {way: _grid_run(way, list(range(12)), 300)[2] for way in ("RAFA mean", "no memory")}
    assert earned["RAFA mean"] > 2 * earned["no memory"]


@pytest.mark.parametrize(
    ("field", "value"), [("form", "best"), ("renewal", "often"), ("depth", 0), ("epsilon", 1.5), ("bits", -1.0)]
)
def test_a_way_that_is_none_is_refused(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        Way(**{field: value})
    assert refused.value.field == field


def test_divergence_is_refused_for_counts() -> None:
    with pytest.raises(BadValue, match="finite classes"):
        _river_run("divergence 1", [1], 3)
