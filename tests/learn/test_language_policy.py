"""The policy gradient on a causal model: one token by hand, parts as the whole, adapters, a reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.language.adapters import add_adapters
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.language_policy import LanguagePolicy
from wayfare.learn.policy_gradient import Aggregation, PolicyGradient
from wayfare.learn.rollouts import RolloutBatch, joined, rollout_of

PROMPTS = ["ab", "abcdef", "ab", "xy"]
ADVANTAGES = torch.tensor([1.0, -0.5, 0.25, -2.0])


def made(**options: Any) -> LanguagePolicy:
    return LanguagePolicy(add_adapters(TransformersModel("tiny-random"), rank=2), 1e-2, **options)


def answers(learner: LanguagePolicy, stop: tuple[str, ...] = (), tokens: int = 4) -> RolloutBatch:
    told = learner.model.generate(PROMPTS, Sampling(max_tokens=tokens, stop=stop))
    group = torch.tensor([0, 1, 0, 1])
    return replace(rollout_of(learner.model, PROMPTS, told, group_id=group), advantages=ADVANTAGES)


def test_the_gradient_of_an_answer_is_its_advantage_times_the_score() -> None:
    learner = made(loss=PolicyGradient(aggregation="seq-mean-token-sum"))
    batch = answers(learner).rows(torch.tensor([1]))
    found, told = learner.gradient(batch)
    causal = learner.model.causal
    ids = torch.cat([batch.prompt_ids[batch.prompt_mask], batch.completion_ids[0]])[None]
    logps = causal(input_ids=ids).logits.log_softmax(dim=-1)[0]
    first = int(batch.prompt_mask.sum())
    said = sum(logps[first - 1 + t, ids[0, first + t]] for t in range(batch.completion_ids.shape[1]))
    scores = torch.autograd.grad(said, learner.parameters)
    torch.testing.assert_close(found, 0.5 * torch.cat([s.flatten() for s in scores]), rtol=1e-4, atol=1e-6)
    assert told["loss"] == pytest.approx(0.5 * 4)  # the ratio is 1: -A a token


@pytest.mark.parametrize("how", [how for how in get_args(Aggregation) if how != "bnpo"])
def test_rows_at_once_do_not_matter(how: Any) -> None:
    found = []
    for rows in (1, 3, 8):
        learner = made(rows=rows, loss=PolicyGradient(aggregation=how))
        batch = answers(learner, stop=("e", " 1", "a"))
        batch = replace(batch, loss_mask=batch.loss_mask * torch.tensor([[1.0], [1.0], [0.0], [1.0]]))
        found.append(learner.gradient(batch))
    for gradient, told in found[1:]:
        torch.testing.assert_close(gradient, found[0][0], rtol=1e-4, atol=1e-6)
        assert told["loss"] == pytest.approx(found[0][1]["loss"], abs=1e-6)


def test_a_trajectory_in_two_rows_has_the_gradient_of_one() -> None:
    learner = made(loss=PolicyGradient(aggregation="seq-mean-token-sum-norm"))
    whole = replace(answers(learner).rows(torch.tensor([1])), advantages=torch.tensor([1.5]))
    cut = 2
    first = replace(
        whole, completion_ids=whole.completion_ids[:, :cut], completion_mask=whole.completion_mask[:, :cut],
        loss_mask=whole.loss_mask[:, :cut], behaviour_logps=whole.behaviour_logps[:, :cut],
        old_logps=whole.old_logps[:, :cut],
    )  # fmt: skip
    rest = replace(
        whole, prompt_ids=torch.cat([whole.prompt_ids, whole.completion_ids[:, :cut]], dim=1),
        prompt_mask=torch.cat([whole.prompt_mask, whole.completion_mask[:, :cut]], dim=1),
        completion_ids=whole.completion_ids[:, cut:], completion_mask=whole.completion_mask[:, cut:],
        loss_mask=whole.loss_mask[:, cut:], behaviour_logps=whole.behaviour_logps[:, cut:],
        old_logps=whole.old_logps[:, cut:], turn=whole.turn + 1,
    )  # fmt: skip
    length = whole.completion_ids.shape[1]
    both = learner.gradient(joined([first, rest]))[0] * cut / length  # the norm is the length of a row
    torch.testing.assert_close(both, learner.gradient(whole)[0], rtol=1e-4, atol=1e-6)


def test_updates_make_what_was_good_likelier_and_leave_the_model_below_as_it_was() -> None:
    learner = made(mini_batches=2)
    frozen = {k: v.clone() for k, v in learner.model.causal.state_dict().items() if "lora" not in k}
    batch = answers(learner)
    before = learner.model.logprobs([(p, row.tolist()) for p, row in zip(PROMPTS, batch.completion_ids, strict=True)])
    assert learner.update(batch)["gradient"] > 0
    learner.update(batch)
    after = learner.model.logprobs([(p, row.tolist()) for p, row in zip(PROMPTS, batch.completion_ids, strict=True)])
    moved = (after.logprobs - before.logprobs).sum(axis=1)
    assert moved[0] > 0 and moved[3] < 0
    now = learner.model.causal.state_dict()
    assert all(torch.equal(now[k], v) for k, v in frozen.items())


def test_the_reference_is_the_model_without_its_adapters() -> None:
    learner = made(loss=PolicyGradient(kl_weight=0.1))
    batch = answers(learner)
    start = learner.with_reference(batch)
    assert start.ref_logps is not None
    torch.testing.assert_close(start.ref_logps, batch.old_logps, rtol=1e-4, atol=1e-5)
    assert learner.update(start)["kl"] == pytest.approx(0.0, abs=1e-9)
    again = learner.with_reference(batch)
    torch.testing.assert_close(again.ref_logps, start.ref_logps)
    assert learner.gradient(again)[1]["kl"] > 1e-6


def test_what_cannot_be_is_refused() -> None:
    plain = TransformersModel("tiny-random")
    for options, name in (
        ({"learning_rate": 0.0}, "learning_rate"), ({"mini_batches": 0}, "mini_batches"), ({"rows": 0}, "rows"),
        ({"loss": PolicyGradient(entropy_weight=0.1)}, "loss.entropy_weight"),
        ({"loss": PolicyGradient(kl_weight=0.1)}, "loss.kl_weight"), ({}, "model"),
    ):  # fmt: skip
        with pytest.raises(BadValue) as refused:
            LanguagePolicy(plain, **options)  # type: ignore[arg-type]
        assert refused.value.field == name
    learner = made(loss=PolicyGradient(kl_weight=0.1))
    batch = answers(learner)
    with pytest.raises(BadValue, match="ref_logps"):
        learner.update(batch)
    with pytest.raises(BadValue, match="advantages"):
        learner.update(replace(batch, advantages=None))
