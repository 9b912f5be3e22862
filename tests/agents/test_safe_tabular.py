"""StepMix and EpsMix as whole agents: what is certified is true, and bold play grows from it."""

from __future__ import annotations

import pytest
import torch

from wayfare.agents import SafePlan, SafeTabular
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.tabular import Confidence
from wayfare.worlds import RandomMDP
from wayfare.worlds.planning import optimal_values, softmax_policy

RUNS = 8


class Play:
    """Processes, their baseline, and an agent that plays in them."""

    def __init__(self, form: str, floor: float = 0.85, scale: float = 1e-4, horizon: int = 3, **more: object) -> None:
        self.world = RandomMDP(RUNS, 3, 2, horizon, 100_000)
        self.world.reset(seed=1)
        self.baseline = softmax_policy(optimal_values(self.world.transitions, self.world.rewards)[0], 0.3)
        self.value = self.world.value_of(self.baseline)
        self.floor = floor * self.value
        known = more or {"baseline_value": self.value}
        self.agent = SafeTabular(
            self.world.rewards, self.baseline, self.floor, form=form, confidence=Confidence(0.05, scale), **known
        )
        self.draws, self.k = Stream(0, "test"), 0

    def episode(self, coin: float = 0.5) -> torch.Tensor:
        """Play one; [B] value of the policy."""
        plan = self.agent.plan(torch.full((RUNS,), coin))
        states, actions = [self.world.state], []
        for h in range(self.world.horizon):
            rows = plan.policy[torch.arange(RUNS), h, states[-1]]
            actions.append(self.draws.categorical(rows, torch.arange(RUNS), self.k))
            self.k += 1
            states.append(self.world.step(actions[-1])[-1]["state"])
        self.agent.observe(torch.stack(states, 1), torch.stack(actions, 1))
        return self.world.value_of(plan.policy)


def handing_over() -> tuple[Play, SafePlan, torch.Tensor]:
    """StepMix half-way: some runs mix two candidates, neither of which is the baseline. Which ones: [B] bool."""
    play = Play("step", floor=0.7, horizon=4)
    for _ in range(400):
        play.episode()
        plan = play.agent.plan()
        between = (plan.mixture.rho > 0) & (plan.mixture.rho < 1) & (plan.mixture.safe < play.world.horizon)
        if between.any():
            return play, plan, between
    raise AssertionError("never between")


def test_stepmix_mixes_at_one_step_and_its_value_is_linear_in_the_weight() -> None:
    play, plan, between = handing_over()
    mix, rows = plan.mixture, torch.arange(RUNS)
    safe, bold = (plan.bounds.policies[rows, ..., at] for at in (mix.safe, mix.bold))
    differ = (safe != bold).flatten(2).any(-1).sum(-1)
    assert (differ[between] <= 1).all()
    ends = [play.world.value_of(p) for p in (safe, bold)]
    assert torch.allclose(play.world.value_of(plan.policy), mix.rho * ends[0] + (1 - mix.rho) * ends[1], atol=1e-12)
    lower = torch.gather(plan.lower, 1, torch.stack([mix.safe, mix.bold], 1))
    assert torch.allclose((mix.rho * lower[:, 0] + (1 - mix.rho) * lower[:, 1])[between], play.floor[between])


@pytest.mark.parametrize("form", ["step", "eps"])
def test_no_episode_is_worth_less_than_the_floor_and_the_end_is_bold(form: str) -> None:
    play = Play(form)
    first = play.agent.plan(torch.full((RUNS,), 0.5)).mixture
    assert (first.safe == (1 if form == "eps" else play.world.horizon)).all()
    assert first.rho.tolist() == pytest.approx([0.85] * RUNS) and first.certified.all()
    for _ in range(400):
        if form == "step":
            assert (play.episode() >= play.floor - 1e-9).all()
        else:
            mix = play.agent.plan(torch.full((RUNS,), 0.5)).mixture
            ends = [play.world.value_of(play.agent.plan(torch.full((RUNS,), c)).policy) for c in (1e-9, 1 - 1e-9)]
            assert (mix.rho * ends[0] + (1 - mix.rho) * ends[1] >= play.floor - 1e-9).all()
            play.episode(float(play.draws.uniform(10_000, play.k)))
    last = play.agent.plan(torch.full((RUNS,), 0.5))
    assert last.mixture.rho.mean() < 0.5 * first.rho.mean() or (last.mixture.bold < first.bold).any()


def test_without_a_floor_it_is_the_optimistic_method_and_without_slack_it_never_explores() -> None:
    free, tight = Play("step", floor=0.0), Play("eps", floor=1.0)
    for _ in range(30):
        free.episode(), tight.episode()
    plan = free.agent.plan()
    assert (plan.mixture.rho == 0).all() and torch.equal(plan.policy, plan.bounds.policies[..., 0])
    assert torch.equal(tight.agent.plan(torch.full((RUNS,), 1e-3)).policy, tight.baseline)


def test_a_baseline_of_unknown_value_is_played_until_its_own_counts_certify_the_floor() -> None:
    play = Play("step", floor=0.5, baseline_bound=None)
    assert not play.agent.plan().mixture.certified.any()
    assert torch.equal(play.agent.plan().policy, play.baseline)
    for _ in range(300):
        play.episode()
    assert play.agent.plan().mixture.certified.all()


def test_a_bound_of_the_baseline_that_falls_short_certifies_nothing() -> None:
    low = Play("step", baseline_bound=torch.full((RUNS,), 0.01, dtype=torch.float64))
    assert not low.agent.plan().mixture.certified.any()


def test_with_one_step_both_forms_promise_the_same_mixture() -> None:
    step, eps = Play("step", horizon=1), Play("eps", horizon=1)
    for _ in range(20):
        states, actions = torch.zeros(RUNS, 2, dtype=torch.int64), torch.randint(2, (RUNS, 1))
        step.agent.observe(states, actions), eps.agent.observe(states, actions)
    one, other = step.agent.plan().mixture, eps.agent.plan(torch.full((RUNS,), 0.5)).mixture
    assert torch.equal(one.rho, other.rho)


def test_nonsense_is_refused_by_name() -> None:
    play = Play("step")
    r, b, v = play.world.rewards, play.baseline, play.value
    with pytest.raises(BadValue, match=r"floor\[0\] must be at most the baseline's value"):
        SafeTabular(r, b, v * 1.01, baseline_value=v)
    with pytest.raises(BadValue, match="between 0 and 1"):
        SafeTabular(r * 3, b, 0.5)
    with pytest.raises(BadValue, match="no distribution"):
        SafeTabular(r, b * 0.5, 0.5)
    with pytest.raises(BadValue, match="coin"):
        SafeTabular(r, b, 0.5, form="eps").plan()
