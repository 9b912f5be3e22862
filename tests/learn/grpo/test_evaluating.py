"""Held-out prompts are asked the same way each time, and being asked changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import rows, trainer, weights
from tests.learn.grpo.test_experience import TwoTurns
from wayfare.errors import BadValue
from wayfare.learn.grpo.evaluating import evaluate, pass_at_k
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch


def test_pass_at_k_is_the_share_of_choices_of_k_answers_with_a_right_one() -> None:
    for answers in (3, 6):
        for right in range(answers + 1):
            for k in range(1, answers + 1):
                chosen = list(combinations([True] * right + [False] * (answers - right), k))
                wanted = sum(map(any, chosen)) / len(chosen)
                assert float(pass_at_k(torch.tensor([right]), answers, k)) == pytest.approx(wanted, abs=1e-12)
    assert pass_at_k(torch.tensor([1]), 4096, 4096).tolist() == [1.0]
    with pytest.raises(BadValue, match="k must be between 1 and 3"):
        pass_at_k(torch.tensor([1]), 3, 4)


def judged(completion_ids: Sequence[Sequence[int]], completions: Sequence[str], **_: Any) -> list[float | None]:
    return [None if ids[0] == 4 else float(ids[0] % 2) for ids in completion_ids]


def kind(completions: Sequence[str], **_: Any) -> list[float]:
    """Weighs more than what is right, and yet says nothing of it."""
    return [1.0] * len(completions)


def test_what_is_told_of_an_evaluation_is_counted_from_its_answers() -> None:
    run = trainer(reward_funcs=[judged, kind], reward_weights=(1.0, 1.5), eval_dataset=rows(5), num_generations_eval=4,
                  eval_ks=(1, 2, 4))  # fmt: skip
    found = run.evaluate()
    assert found.right.shape == found.rewards.shape == (5, 4) and [len(each) for each in found.texts] == [4] * 5
    right = found.right.sum(dim=1)
    for k in (1, 2, 4):
        assert found.metrics[f"eval_pass@{k}"] == pytest.approx(float(pass_at_k(right, 4, k).mean()))
    assert 0 < found.metrics["eval_pass@1"] < found.metrics["eval_pass@4"]
    for row in range(5):
        said = {text for text, good in zip(found.texts[row], found.right[row], strict=True) if good}
        assert len(said) == int(found.distinct[row])
    assert found.metrics["eval_reward"] == pytest.approx(float(found.rewards[~found.rewards.isnan()].mean()))
    assert float(found.entropy.min()) > 1.0 and float(found.entropy.max()) < 2.6, "nats, of 13 words"


def test_evaluation_draws_the_same_each_time_whatever_goes_at_once_and_changes_no_training() -> None:
    run = trainer(eval_dataset=rows(6))
    first, again = run.evaluate(), run.evaluate()
    assert first.texts == again.texts and first.metrics == again.metrics
    few = evaluate(
        run.experience, run.updater, run.eval_prompts, run.state, answers=4, ks=(1, 4), threshold=1.0, rows=9
    )  # type: ignore[arg-type]
    assert few.texts == first.texts and few.metrics == pytest.approx(first.metrics, rel=1e-5)
    assert run.evaluate(rows(6)).texts == first.texts
    assert trainer(eval_dataset=rows(6), eval_seed=1).evaluate().texts != first.texts
    watched, alone = trainer(eval_dataset=rows(6), eval_steps=1), trainer()
    assert watched.train() == alone.train() and torch.equal(weights(watched.model), weights(alone.model))


def test_a_trajectory_of_two_rows_is_one_answer() -> None:
    def last_turn(completions: Sequence[str], **_: Any) -> list[float]:
        assert all(text.endswith(" 5") for text in completions)
        return [1.0] * len(completions)

    run = trainer(reward_funcs=last_turn, rollout=TwoTurns(), eval_dataset=rows(3))
    found, one = run.evaluate(), trainer(eval_dataset=rows(3)).evaluate()
    assert bool(found.right.all()) and found.right.shape == (3, 4)
    assert [[f"{text} 5" for text in told] for told in one.texts] == [list(told) for told in found.texts]
    assert found.metrics["eval_completions/mean_length"] == 2 * one.metrics["eval_completions/mean_length"]
    torch.testing.assert_close(found.entropy, one.entropy)


class Told(SingleTurn):
    """The first token of each answer was not drawn, but told."""

    def collect(self, model: Any, asked: Asked) -> RolloutBatch:
        batch = super().collect(model, asked)
        own = batch.loss_mask.clone()
        own[:, 0] = 0.0
        return replace(batch, loss_mask=own)


def test_what_an_answer_was_told_has_no_part_in_its_entropy() -> None:
    told, whole = (trainer(rollout=each, eval_dataset=rows(3)) for each in (Told(), SingleTurn()))
    found, batch = told.evaluate(), whole.experience.make(0, whole.state).batch
    each = whole.updater._read(batch, False)[1]
    own = batch.completion_mask.clone()
    own[:, 0] = False
    wanted = (each * own).sum(dim=1) / own.sum(dim=1).clamp(min=1)
    torch.testing.assert_close(told.updater.entropy(replace(batch, loss_mask=own.float())), wanted)
    assert found.texts == whole.evaluate().texts and not torch.equal(found.entropy, whole.evaluate().entropy)


class Forgetful(SingleTurn):
    """Loses an answer."""

    def collect(self, model: Any, asked: Asked) -> RolloutBatch:
        batch = super().collect(model, asked)
        return replace(batch.rows(torch.arange(len(batch) - 1)))


def test_an_answer_that_is_missing_is_refused_and_so_is_an_evaluation_without_prompts() -> None:
    with pytest.raises(BadValue, match="11 trajectories"):
        trainer(rollout=Forgetful(), eval_dataset=rows(3)).evaluate()
    with pytest.raises(BadValue, match="dataset must be given"):
        trainer().evaluate()
