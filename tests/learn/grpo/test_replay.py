"""Replay: what is kept of a step, what becomes of it, and what it does to the weights."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import SMALL, Gradients, drawn_rows, model, trainer, weights
from wayfare.errors import BadValue
from wayfare.explore.annealing import CosineRise
from wayfare.language.scoring import score
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.regularisers import ClipCovariance
from wayfare.learn.grpo.replay import SelfImitation, SuccessFineTuning
from wayfare.learn.grpo.update import Updater
from wayfare.learn.rollouts import RolloutBatch


def step_rows(rewards: list[float], seed: int = 0, **others: Any) -> RolloutBatch:
    """Groups of two; advantages are rewards less their group's mean."""
    batch = drawn_rows(model(), len(rewards), seed)
    reward = torch.tensor(rewards)
    mean = reward.nan_to_num(0.0).view(-1, 2).mean(dim=1).repeat_interleave(2)
    told = {"extrinsic": reward, "reward": reward, "advantages": (reward - mean).nan_to_num(0.0)}
    return replace(batch, **{**told, **others})


def now(**told: Any) -> SelfImitation:
    """One that fires in every step."""
    return SelfImitation(**{"size": 8, "every": 1, "weight": lambda step: 1.0, **told})


def auxiliary_gradient(found: tuple[RolloutBatch, float] | None, loss: Any = "policy", **told: Any) -> Tensor:
    assert found is not None
    seen = Gradients()
    config = GRPOConfig(**{**SMALL, "max_grad_norm": 1e9, **told})
    Updater(model(), config, seen, total=10).auxiliary(found[0], found[1], 0, loss)
    return seen.seen[0]


def close(one: Tensor, two: Tensor) -> bool:
    return float((one - two).norm()) <= 1e-4 * float(two.norm()) and float(two.norm()) > 1e-4


def test_only_rows_with_an_advantage_are_kept_as_they_were_produced() -> None:
    source = now()
    batch = step_rows([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])  # the second group is of one mind
    batch = replace(batch, old_logps=batch.old_logps - 0.5 * batch.completion_mask)
    source.update(batch)
    found = source.sample(1)
    assert found is not None and found[1] == 1.0
    told = found[0]
    length, width = told.completion_ids.shape[1], told.prompt_ids.shape[1]
    assert told.completion_ids.tolist() == batch.completion_ids[[0, 5], :length].tolist()
    assert torch.equal(told.old_logps, batch.old_logps[[0, 5], :length])
    assert torch.equal(told.prompt_ids, batch.prompt_ids[[0, 5], -width:])
    # medians of 1/2, 1 and 1/2
    assert told.advantages is not None and told.advantages.tolist() == pytest.approx([0.5, 0.5])
    assert source.sample(2) is None and (source.bursts, source.replayed) == (1, 2)


def test_what_has_become_usual_is_not_replayed() -> None:
    source = now(every=2)
    source.update(step_rows([1.0, 0.0]))
    for step in (1, 2, 3):
        source.update(step_rows([1.0, 1.0, 1.0, 1.0]))
        assert source.sample(step) is None
    assert len(source.buffer) == 1


def test_rows_that_are_masked_or_have_no_reward_are_not_kept() -> None:
    source = now()
    batch = step_rows([1.0, 0.0, 1.0, 0.0, float("nan"), 1.0])
    batch = replace(batch, loss_mask=batch.loss_mask * torch.tensor([0.0, 1, 1, 1, 1, 1]).unsqueeze(1))
    source.update(replace(batch, advantages=torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, 0.0])))
    assert len(source.buffer) == 1


def test_judging_is_by_the_tasks_own_reward_unless_told_otherwise() -> None:
    batch = step_rows([1.0, 0.0, 0.0, 0.0])
    batch = replace(batch, reward=batch.extrinsic + torch.tensor([0.0, 0.0, 0.9, 0.0]))  # type: ignore[operator]
    batch = replace(batch, advantages=torch.tensor([0.5, -0.5, 0.45, -0.45]))
    for of, wanted in (("extrinsic", [1.0]), ("reward", [1.0, 0.9])):
        source = now(of=of)
        source.update(batch)
        found = source.sample(1)
        assert found is not None and found[0].reward is not None and found[0].extrinsic is not None
        assert getattr(found[0], of).tolist() == pytest.approx(wanted)


def test_a_burst_is_due_when_successes_are_many_or_the_time_has_come_and_old_ones_expire() -> None:
    many = SelfImitation(2, every=None, weight=lambda step: 1.0)
    many.update(step_rows([1.0, 0.0] * 3))
    assert many.sample(1) is None  # three do not pass 1.5 times two
    many.update(step_rows([1.0, 0.0], seed=1))
    found = many.sample(2)
    assert found is not None and len(found[0]) == 2
    assert len(many.buffer) == 0
    few = SelfImitation(64, every=4, tolerance=3, weight=lambda step: 1.0)
    few.update(step_rows([1.0, 0.0]))
    assert few.sample(3) is None
    few.update(step_rows([1.0, 0.0], seed=1))  # in step 3
    found = few.sample(4)
    assert found is not None and len(found[0]) == 1, "the one of step 0 is too old"


def test_a_weight_rises_from_zero_and_nothing_is_spent_before() -> None:
    source = SelfImitation(8, ratio=0.0, tolerance=100, weight=CosineRise(10), coefficient=0.5)
    source.update(step_rows([1.0, 0.0]))
    assert source.sample(0) is None and len(source.buffer) == 1
    found = source.sample(5)
    assert found is not None and found[1] == pytest.approx(0.25)


def test_the_gradient_is_that_of_the_stored_rows_and_of_their_own_ratio() -> None:
    """One published fork trains on the rows of the step instead."""
    policy = model()
    shift = 0.1
    first, second = now(), now()
    batch = step_rows([1.0, 0.0, 1.0, 0.0])
    batch = replace(batch, old_logps=batch.old_logps - shift * batch.completion_mask)
    first.update(batch)
    second.update(replace(step_rows([1.0, 0.0, 1.0, 0.0], seed=5)))
    told = first.sample(1)
    mine, others = auxiliary_gradient(told), auxiliary_gradient(second.sample(1))
    assert float((mine - others).norm()) > 0.1 * float(mine.norm())
    assert told is not None
    ids, valid = told[0].sequences()
    logp = score(policy, ids, valid, told[0].completion_ids.shape[1]).logps
    ratio = (logp - told[0].old_logps).exp()
    assert torch.allclose(ratio[told[0].loss_mask > 0], torch.tensor(2.718281828**shift), atol=1e-3)
    loss = -(0.5 * ratio * told[0].loss_mask).sum() / told[0].loss_mask.sum()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(policy.module.parameters()))])
    assert close(mine, wanted)


def test_a_row_that_has_drifted_too_far_is_clipped() -> None:
    source = now()
    batch = step_rows([1.0, 0.0])
    source.update(replace(batch, old_logps=batch.old_logps - 0.5 * batch.completion_mask))
    assert float(auxiliary_gradient(source.sample(1)).norm()) == 0.0


def test_fine_tuning_is_the_likelihood_of_rows_above_the_threshold_whoever_drew_them() -> None:
    policy, source = model(), SuccessFineTuning(8, 0.6, every=1)
    batch = step_rows([0.7, 0.6, 0.6, 0.0])
    source.update(replace(batch, old_logps=batch.old_logps - 2.0))
    found = source.sample(1)
    assert source.loss == "nll" and found is not None and len(found[0]) == 1
    ids, valid = found[0].sequences()
    logp = score(policy, ids, valid, found[0].completion_ids.shape[1]).logps
    loss = -(logp * found[0].loss_mask).sum() / found[0].loss_mask.sum()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(policy.module.parameters()))])
    assert close(auxiliary_gradient(found, "nll", importance_sampling_cap=2.0), wanted)


def test_clipped_tokens_have_no_advantage_and_leave_the_others_their_weight() -> None:
    clip = ClipCovariance(-100.0, 100.0, 0.3)
    batch = step_rows([1.0, 0.0] * 4)
    plain, clipped = now(), now(clip=clip)
    plain.update(batch)
    clipped.update(batch)
    one, two = plain.sample(1), clipped.sample(1)
    assert one is not None and two is not None and two[0].advantages is not None
    out = (two[0].advantages == 0) & (two[0].loss_mask > 0)
    assert int(out.sum()) == int(0.3 * two[0].loss_mask.sum())
    assert torch.equal(one[0].loss_mask, two[0].loss_mask)
    # as if the others were all that is summed, divided by as many as before
    share = 1.0 - float(out.sum()) / float(two[0].loss_mask.sum())
    rest = replace(one[0], loss_mask=one[0].loss_mask * ~out)
    assert close(auxiliary_gradient(two), share * auxiliary_gradient((rest, 1.0)))
    assert clip.steps == 1


@pytest.mark.parametrize("kind", ["imitation", "fine-tuning"])
def test_a_source_goes_on_from_its_state(kind: str) -> None:
    def made() -> Any:
        if kind == "fine-tuning":
            return SuccessFineTuning(2, ratio=9.0, every=3)
        return SelfImitation(2, ratio=9.0, every=3, weight=lambda step: 1.0, clip=ClipCovariance(-9.0, 9.0, 0.4))

    whole, half = made(), made()
    for step in range(3):
        whole.sample(step)
        whole.update(step_rows([1.0, 0.0] * 3, seed=step))
        if step == 1:
            stored = BytesIO()
            torch.save(whole.state_dict(), stored)
            stored.seek(0)
            half.load_state_dict(torch.load(stored, weights_only=True))
        if step == 2:
            half.sample(step)
            half.update(step_rows([1.0, 0.0] * 3, seed=step))
    one, two = whole.sample(3), half.sample(3)
    assert one is not None and two is not None
    assert torch.equal(one[0].completion_ids, two[0].completion_ids)
    assert one[0].advantages is not None and two[0].advantages is not None
    assert torch.equal(one[0].advantages, two[0].advantages) and whole.replayed == half.replayed


@pytest.mark.parametrize("source", [SelfImitation, SuccessFineTuning])
def test_a_trainer_takes_a_further_step_on_them(source: Any) -> None:
    parts = [source(8, every=1, weight=lambda step: 1.0)]
    made = trainer(auxiliary=parts, max_steps=2)
    plain = trainer(max_steps=2)
    told = made.train()
    plain.train()
    assert "auxiliary/loss" not in told[0] and "auxiliary/loss" in told[1]
    assert ("auxiliary/nll" in told[1]) == (source is SuccessFineTuning)
    assert not torch.equal(weights(made.model), weights(plain.model)) and len(parts[0].buffer) > 0


def test_bad_settings_are_refused() -> None:
    for told in ({"of": "bonus"}, {"coefficient": -1.0}, {"size": 0}, {"decay": 0.0}):
        with pytest.raises(BadValue):
            SelfImitation(**told)
    with pytest.raises(BadValue, match="rewards"):
        now().update(drawn_rows(model()))
    with pytest.raises(BadValue, match="rewards"):
        SuccessFineTuning().update(drawn_rows(model()))
