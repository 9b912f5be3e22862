"""The generation loop: what is known when, frozen policies, logged propensities, and that seeds know no neighbour."""

from __future__ import annotations

import pytest
import torch

from wayfare.agents import generations as module
from wayfare.agents.generations import How, generations, rule_for
from wayfare.errors import BadValue
from wayfare.explore.rules import EpsilonGreedy, FastCB, Greedy, Scores, SquareCB, Uniform
from wayfare.learn.success import SuccessModel
from wayfare.worlds.success import SuccessBandit

THERE = [1.0, 0.6, 0.6]
FIT = {"updates": 10, "batch": 64}


def run(how: How, seeds: list[int], **more: object) -> list[module.Generation]:
    world = SuccessBandit(len(seeds), 3, 4)
    world.reset(seed=seeds, options={"copy": [0] * len(seeds)})
    sizes = {"waves": 4, "requests": 100, "judged": 300, "fit": FIT, **more}
    return generations(world, how, seeds, there=THERE, **sizes)


@pytest.mark.parametrize("how", [How("SquareCB"), How("FastCB", 0.5, 2), How("epsilon", 0.1, None), How("greedy")])
def test_each_seed_plays_the_same_in_any_company(how: How) -> None:
    together, alone = run(how, [5, 6, 7]), run(how, [6])
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a.actions[1], b.actions[0]) and torch.equal(a.successes[1], b.successes[0])
        assert a.propensities[1].numpy() == pytest.approx(b.propensities[0].numpy(), rel=1e-3)
        assert float(a.served[1]) == pytest.approx(float(b.served[0]), abs=1e-4)


def test_propensities_are_those_of_the_frozen_rule_with_its_gamma() -> None:
    found = run(How("SquareCB", 2.0, 2), [0, 1])
    for g, one in enumerate(found):
        rows = 100 * min(g, 2)
        rule = SquareCB(2.0 * (3 * rows) ** 0.5) if rows else Uniform()
        scores = torch.zeros_like(one.wave.chances) if one.scores is None else one.scores
        shares = rule.propensities(Scores(scores), one.wave.allowed)
        assert torch.allclose(shares.gather(2, one.actions.unsqueeze(2)).squeeze(2), one.propensities)
        assert one.wave.allowed.gather(2, one.actions.unsqueeze(2)).all()
        assert torch.equal(one.successes, one.wave.outcomes(one.actions))


def test_actions_are_as_frequent_as_their_propensities_say() -> None:
    found = run(How("SquareCB"), [0, 1], requests=4000)[2]
    inverse = (1.0 / found.propensities).mean(dim=1)
    assert inverse == pytest.approx(found.wave.allowed.double().sum(dim=2).mean(dim=1), abs=0.15)


@pytest.mark.parametrize(("memory", "delay"), [(1, 0), (2, 0), (None, 0), (1, 30), (None, 130)])
def test_a_model_is_fitted_to_the_last_rows_whose_reward_is_known(
    memory: int | None, delay: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, int]] = []
    true = SuccessModel.fit

    def spy(self: SuccessModel, x: torch.Tensor, a: torch.Tensor, y: torch.Tensor, generation: int = 0) -> float:
        seen.append((x, generation))
        return true(self, x, a, y, generation)

    monkeypatch.setattr(SuccessModel, "fit", spy)
    found = run(How("SquareCB", memory=memory), [0], delay=delay)
    every = torch.cat([one.wave.contexts for one in found], dim=1)
    assert [g for _, g in seen] == [g for g in range(4) if 100 * g > delay]
    for x, g in seen:
        known = 100 * g - delay
        first = 0 if memory is None else max(0, known - 100 * memory)
        assert torch.equal(x, every[:, first:known])


def test_what_a_policy_is_worth_is_exact() -> None:
    """A policy of one action earns that action's mean chance; uniform earns the mean of those allowed."""
    found = run(How("uniform"), [0, 1])
    world = SuccessBandit(2, 3, 4)
    world.reset(seed=[0, 1], options={"copy": [0, 0]})
    exam = world.wave(400, 300, THERE)
    share = exam.allowed.double() / exam.allowed.sum(dim=2, keepdim=True)
    expected = (share * exam.chances).sum(dim=2).mean(dim=1)
    for one in found:
        assert one.served.numpy() == pytest.approx(expected.numpy())
        assert float(one.entropy[0]) == pytest.approx(float(-(share * share.clamp(min=1e-9).log()).sum(2)[0].mean()))
    assert found[0].greedy.isnan().all() and not found[1].greedy.isnan().any()
    best = exam.chances.masked_fill(~exam.allowed, 0).max(dim=2)[0].mean(dim=1)
    assert (found[1].greedy < best).all()


def test_rules_by_name() -> None:
    assert rule_for(How("SquareCB", 2.0), 6, 150) == SquareCB(2.0 * 30.0)
    assert rule_for(How("FastCB", 2.0), 6, 150) == FastCB(2.0 * 30.0)
    assert rule_for(How("epsilon", 0.1), 6, 150) == EpsilonGreedy(0.1)
    assert rule_for(How("greedy"), 6, 150) == Greedy() and rule_for(How("greedy"), 6, 0) == Uniform()


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("rule", lambda: How("LinUCB")),  # type: ignore[arg-type]
        ("strength", lambda: How("SquareCB", -1.0)),
        ("memory", lambda: How("SquareCB", memory=0)),
        ("waves", lambda: run(How("uniform"), [0], waves=0)),
        ("requests", lambda: run(How("uniform"), [0], requests=0)),
        ("delay", lambda: run(How("uniform"), [0], delay=-1)),
    ],
)
def test_impossible_numbers_are_refused_by_name(field: str, call: object) -> None:
    with pytest.raises(BadValue) as refused:
        call()  # type: ignore[operator]
    assert refused.value.field == field
