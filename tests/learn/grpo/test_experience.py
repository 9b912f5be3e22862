"""What a step learns from: its parts in their order, its draws, its groups, and what may be missing of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import END, READER, batch_of, even, experience, gradient, model, rows, trainer
from wayfare.errors import BadValue
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.experience import Experience, Made
from wayfare.learn.grpo.rewards import TrainerState
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch, joined


def made(of: Experience, step: int = 0) -> Made:
    return of.make(step, TrainerState())


class Shares:
    """Rows of each prompt as they are told."""

    def __init__(self, *counts: int) -> None:
        self.counts = torch.tensor(counts)

    def allocate(self, keys: Tensor, total: int) -> Tensor:
        return self.counts


def graded(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
    return [None if ids == [END] else len(ids) / 10 + ids[0] for ids in completion_ids]


def test_ragged_groups_have_the_advantages_of_a_loop_over_groups_and_a_lone_row_none() -> None:
    found = made(experience(graded, budget=Shares(1, 3, 8)))
    batch = found.batch
    assert batch.reward is not None and batch.advantages is not None
    assert torch.bincount(batch.group_id).tolist() == [1, 3, 8]
    for group in range(3):
        some = batch.group_id == group
        known = some & ~batch.reward.isnan()
        reward = batch.reward[known]
        wanted = (reward - reward.mean()) / (reward.std() + 1e-4) if len(reward) > 1 else torch.zeros(1)
        torch.testing.assert_close(batch.advantages[known], wanted)
        assert not batch.advantages[some & ~known].any()
    assert found.metrics["groups/lone"] == 1.0
    by_hand = [gradient(batch.rows((batch.group_id == group).nonzero().flatten()), loss_type="seq-mean-token-sum-norm")
               for group in range(3)]  # fmt: skip
    torch.testing.assert_close(gradient(batch, loss_type="seq-mean-token-sum-norm"), sum(by_hand), rtol=1e-4, atol=1e-6)


def test_a_prompt_without_rows_is_no_group_of_equal_rewards() -> None:
    found = made(experience(graded, budget=Shares(0, 6, 6)))
    assert found.metrics["frac_reward_zero_std"] == 0.0 and found.batch.groups == 3
    equal = made(experience(lambda completions, **_: [1.0] * len(completions), budget=Shares(0, 6, 6)))
    assert equal.metrics["frac_reward_zero_std"] == 1.0


def test_answers_in_groups_that_teach_are_counted_one_by_one_and_so_is_the_largest_group() -> None:
    def first_differs(completions: Sequence[str], prompts: Sequence[Any], **_: Any) -> list[float]:
        return [float(prompt == prompts[-1] and n == len(prompts) - 1) for n, prompt in enumerate(prompts)]

    metrics = made(experience(first_differs, budget=Shares(1, 3, 8))).metrics
    assert metrics["groups/taught"] == pytest.approx(8 / 12) and metrics["groups/largest"] == 8.0
    assert metrics["frac_reward_zero_std"] == pytest.approx(2 / 3)


def test_answers_without_a_reward_are_in_no_mean_and_learn_nothing() -> None:
    def some(completions: Sequence[str], **_: Any) -> list[float | None]:
        return [None if number % 4 == 0 else float(number % 3) for number in range(len(completions))]

    found = made(experience(some))
    batch = found.batch
    assert batch.reward is not None and batch.advantages is not None
    assert batch.reward.isnan().tolist() == [number % 4 == 0 for number in range(12)]
    assert not batch.advantages[::4].any() and bool(torch.isfinite(batch.advantages).all())
    first = torch.tensor([1.0, 2.0, 0.0])
    torch.testing.assert_close(batch.advantages[1:4], (first - first.mean()) / (first.std() + 1e-4))
    assert found.metrics["reward"] == pytest.approx(1.0)
    nobody = made(experience(lambda completions, **_: [None] * len(completions)))
    assert nobody.batch.advantages is not None and not nobody.batch.advantages.any()
    lone = made(experience(lambda completions, **_: [None if n % 4 else 1.0 for n in range(len(completions))]))
    assert lone.metrics["groups/lone"] == 3.0


def test_at_temperature_one_what_was_drawn_from_is_the_model() -> None:
    plain = made(experience()).batch
    assert torch.equal(plain.behaviour_logps, plain.old_logps) and bool(
        (plain.old_logps[plain.completion_mask] < 0).all()
    )
    cold = made(experience(rollout=SingleTurn(Sampler(0.5)))).batch
    assert not torch.allclose(cold.behaviour_logps, cold.old_logps)
    each = zip(cold.prompt_ids, cold.prompt_mask, cold.completion_ids, cold.completion_mask, strict=True)
    told = [(prompt[there].tolist(), answer[said].tolist()) for prompt, there, answer, said in each]
    again = batch_of(model(), told, [0.0] * 12)
    torch.testing.assert_close(cold.old_logps, again.old_logps, rtol=0, atol=1e-4)


def test_the_same_seed_draws_the_same_whatever_is_drawn_side_by_side() -> None:
    def tokens(step: int = 0, **told: Any) -> list[str]:
        texts = made(experience(**told), step).batch.texts
        assert texts is not None
        return list(texts)

    first = tokens()
    assert tokens() == first == tokens(rollout=SingleTurn(rows=5))
    assert len({tuple(first), tuple(tokens(seed=1)), tuple(tokens(step=1))}) == 3
    assert len(set(first)) > 6


class Ended:
    """Every answer is the end token, or in `nothing` not even that."""

    def __init__(self, nothing: int | None = None) -> None:
        self.nothing = nothing

    def collect(self, policy: Any, asked: Asked) -> RolloutBatch:
        told = [(policy.encode(prompt), [END]) for prompt in asked.prompts]
        batch = batch_of(policy, told, [0.0] * len(told), group_id=asked.group_id, prompt_key=asked.keys,
                         prompts=tuple(asked.prompts), texts=("",) * len(told))  # fmt: skip
        mask = batch.completion_mask.clone()
        if self.nothing is not None:
            mask[self.nothing] = False
        return replace(batch, advantages=None, completion_mask=mask)


def test_an_answer_that_ends_at_once_is_one_token_and_is_learned_from() -> None:
    def by_number(completions: Sequence[str], completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        assert set(completions) == {""} and all(ids == [END] for ids in completion_ids)
        return [float(number % 2) for number in range(len(completions))]

    found = made(experience(by_number, rollout=Ended()))
    assert found.metrics["completions/mean_length"] == 1.0 and found.metrics["completions/clipped_ratio"] == 0.0
    assert float(gradient(found.batch).norm()) > 0.0


def test_an_answer_without_any_token_is_refused_by_its_number() -> None:
    with pytest.raises(BadValue, match="answer 7 must be at least one"):
        made(experience(rollout=Ended(nothing=7)))


def by_prompt(prompts: Sequence[str], completions: Sequence[str], log_extra: Any, **_: Any) -> list[float]:
    """Answers to prompts that end on 7 are worth the same; of others, what they say."""
    log_extra("said", [f"{prompt}>{text}" for prompt, text in zip(prompts, completions, strict=True)])
    return [0.0 if prompt.endswith("7") else float(number) for number, prompt in enumerate(prompts)]


def test_groups_of_equal_rewards_are_asked_anew_and_all_that_was_drawn_counts(tmp_path: Path) -> None:
    run = trainer(tmp_path, reward_funcs=by_prompt, dynamic_sampling=True, log_completions=True, max_steps=1,
                  max_generation_batches=5)  # fmt: skip
    found = run.experience.make(0, TrainerState())
    kept = found.batch.prompts
    assert kept is not None and len(kept) == 12 and not any(prompt.endswith("7") for prompt in kept)
    assert torch.bincount(found.batch.group_id).tolist() == [4, 4, 4]
    attempts = len(found.drawn) // 12
    assert attempts > 1 and run.experience.position == 3 * attempts
    assert run.experience.tokens == int(found.drawn.completion_mask.sum()) > int(found.batch.completion_mask.sum())
    dull = {int(key) for key, prompt in zip(found.drawn.prompt_key, found.drawn.prompts, strict=True)  # type: ignore[arg-type]
            if prompt.endswith("7")}  # type: ignore[union-attr]  # fmt: skip
    assert found.metrics["groups/discarded"] == len(dull)
    assert found.metrics["num_tokens"] == run.experience.tokens
    assert len(set(found.drawn.trajectory.tolist())) == len(found.drawn)
    assert [f"{prompt}>{text}" for prompt, text in zip(found.drawn.prompts, found.drawn.texts, strict=True)] == (  # type: ignore[arg-type]
        found.logged["said"]
    )
    advantages = found.drawn.advantages
    learned = torch.isin(found.drawn.trajectory, found.batch.trajectory)
    assert advantages is not None and not advantages[~learned].any()
    assert torch.equal(advantages[learned], found.batch.advantages) and bool((advantages[learned] != 0).all())  # type: ignore[arg-type]


def test_where_nothing_is_worth_learning_from_the_step_learns_nothing() -> None:
    of = experience(lambda completions, **_: [0.5] * len(completions), dynamic_sampling=True, max_generation_batches=3)
    found = made(of)
    assert len(found.drawn) == 36 and len(found.batch) == 12 and found.metrics["groups/discarded"] == 9.0
    assert not gradient(found.batch).any()
    assert torch.equal(found.batch.trajectory, found.drawn.trajectory[24:])
    one = experience(lambda completions, **_: [0.5] * len(completions), [{"prompt": "3"}], dynamic_sampling=True)
    texts = made(one).drawn.texts
    assert texts is not None and len({texts[at : at + 12] for at in range(0, 120, 12)}) == 10, "asked anew, drawn anew"


def test_truncated_answers_can_be_left_out_of_the_loss_and_stay_in_their_groups() -> None:
    plain, masked = made(experience()).batch, made(experience(mask_truncated_completions=True)).batch
    assert torch.equal(plain.advantages, masked.advantages)  # type: ignore[arg-type]
    assert 0 < int(plain.truncated.sum()) < 12
    assert not masked.loss_mask[masked.truncated].any()
    assert torch.equal(masked.loss_mask[~masked.truncated], plain.loss_mask[~masked.truncated])


class TwoTurns(SingleTurn):
    """Each answer and, in rows of their own in front of all others, a second turn behind it."""

    def collect(self, policy: Any, asked: Asked) -> RolloutBatch:
        first = super().collect(policy, asked)
        second = replace(first, turn=first.turn + 1, texts=tuple(f"{text} 5" for text in first.texts or ()))
        return joined([second.rows(torch.arange(len(second)).flip(0)), first])


def test_a_trajectory_is_paid_once_by_its_last_row_and_its_own_columns() -> None:
    seen: dict[str, list[str]] = {}

    def told(prompts: Sequence[str], completions: Sequence[str], target: Sequence[str], **_: Any) -> list[float]:
        assert len(prompts) == 12 and all(text.endswith(" 5") for text in completions)
        assert [prompt[0] for prompt in prompts] == list(target)
        seen["prompts"] = list(prompts)
        return [float(number) for number in range(len(prompts))]

    batch = made(experience(told, rollout=TwoTurns())).batch
    assert len(batch) == 24 and batch.advantages is not None and batch.reward is not None
    assert torch.equal(batch.reward[:12], torch.arange(12.0)) and torch.equal(
        batch.reward[12:], batch.reward[:12].flip(0)
    )
    assert torch.equal(batch.advantages[12:], batch.advantages[:12].flip(0))
    last = batch.reward[:4]
    torch.testing.assert_close(batch.advantages[:4], (last - last.mean()) / (last.std() + 1e-4))
    again = made(experience(told, rollout=TwoTurns(), dynamic_sampling=True)).batch
    assert torch.equal(again.advantages, batch.advantages)  # type: ignore[arg-type]


class Everything:
    """All parts at once; `order` holds what was called."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.requires: frozenset[str] = frozenset()
        self.rollout = SingleTurn()

    def noted(self, name: str) -> None:
        if not self.order or self.order[-1] != name:
            self.order.append(name)

    def allocate(self, keys: Tensor, total: int) -> Tensor:
        self.noted("budget")
        return torch.tensor([2, 4, 6])

    def encode(self, row: Mapping[str, Any]) -> str:
        return f"9 {row['prompt']}"

    def parse(self, text: str) -> str:
        return f"said {text}"

    def collect(self, policy: Any, asked: Asked) -> RolloutBatch:
        self.noted("rollout")
        assert all(prompt.startswith("9 ") for prompt in asked.prompts)
        return self.rollout.collect(policy, asked)

    def __call__(self, completions: Sequence[str], **_: Any) -> list[float]:
        self.noted("rewards")
        assert all(text.startswith("said") for text in completions)
        return [float(number % 3) for number in range(len(completions))]

    def features(self, policy: Any, batch: RolloutBatch) -> Tensor:
        self.noted("features")
        return torch.ones(len(batch), 2)

    def score(self, batch: RolloutBatch) -> Tensor:
        self.noted("bonus")
        assert batch.features is not None and batch.extrinsic is not None and batch.reward is None
        return torch.full((len(batch),), 0.25)

    def combine(self, extrinsic: Tensor, bonus: Tensor, group_id: Tensor, step: int) -> Tensor:
        self.noted("shaper")
        return extrinsic + 2.0 * bonus

    def keep(self, batch: RolloutBatch) -> Tensor:
        self.noted("filter")
        assert batch.reward is not None and batch.advantages is None
        return torch.arange(len(batch)) > 0

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Tensor:
        self.noted("advantage")
        return reward - reward.mean()

    def prepare(self, batch: RolloutBatch, forward: Any) -> Mapping[str, Tensor]:
        self.noted("prepare")
        assert batch.advantages is not None
        return {}

    def apply(self, loss: Tensor, context: Any) -> Tensor:
        self.noted("apply")
        return loss

    def sample(self, step: int) -> None:
        self.noted("auxiliary")

    def update(self, batch: RolloutBatch) -> None:
        self.noted("memories")

    def on_step_end(self, *_: Any) -> None:
        self.noted("metrics")

    def on_train_begin(self, *_: Any) -> None: ...

    def on_train_end(self, *_: Any) -> None: ...


def test_a_step_calls_its_parts_in_the_order_that_is_told() -> None:
    one = Everything()
    names = ("rollout", "budget", "transform", "features", "bonus", "shaper", "row_filter", "advantage")
    run = trainer(
        reward_funcs=one, regularisers=[one], auxiliary=[one], callbacks=[one], max_steps=2,
        **dict.fromkeys(names, one),
    )  # fmt: skip
    run.train()
    step = ["budget", "rollout", "rewards", "features", "bonus", "shaper", "filter", "advantage", "prepare", "apply",
            "auxiliary", "memories", "metrics"]  # fmt: skip
    assert one.order == step * 2
    one.order.clear()
    run.evaluate(rows(4))
    assert one.order == ["rollout", "rewards"], "evaluation asks no bonus and writes no memory"
    assert run.metrics[0]["bonus/mean"] == 0.25


class Memory:
    """A bonus that pays by what it has been told, and counts how often."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def score(self, batch: RolloutBatch) -> list[float]:
        return [float(len(self.told))] * len(batch)

    def update(self, batch: RolloutBatch) -> None:
        self.told.append(len(batch))


def test_a_memory_is_written_once_a_step_with_all_that_was_drawn_and_never_in_evaluation() -> None:
    memory = Memory()
    run = trainer(bonus=memory, reward_funcs=by_prompt, dynamic_sampling=True, eval_dataset=rows(4), eval_steps=1)
    run.train()
    assert len(memory.told) == 3 and sum(memory.told) > 36
    assert [metrics["bonus/mean"] for metrics in run.metrics] == [0.0, 1.0, 2.0]


class Module(torch.nn.Linear):
    """A bonus that learns, or features that do not."""

    def score(self, batch: RolloutBatch) -> Tensor:
        return torch.zeros(len(batch))

    def features(self, policy: Any, batch: RolloutBatch) -> Tensor:
        return torch.zeros(len(batch), 2)


def test_a_module_that_is_trained_is_part_of_the_state_and_a_frozen_one_is_not() -> None:
    of = experience(bonus=Module(2, 2), features=Module(2, 2).requires_grad_(False))
    assert list(of.state_dict()["parts"]) == ["bonus"]
    other = experience(bonus=Module(2, 2), features=Module(2, 2).requires_grad_(False))
    other.load_state_dict(of.state_dict())
    assert torch.equal(of.parts.bonus.weight, other.parts.bonus.weight)  # type: ignore[union-attr]
    with pytest.raises(BadValue, match="state of parts must be of"):
        experience().load_state_dict(of.state_dict())


class Old(SingleTurn):
    """Answers that say they were drawn two steps ago."""

    def collect(self, policy: Any, asked: Asked) -> RolloutBatch:
        batch = super().collect(policy, asked)
        return replace(batch, born_step=torch.full_like(asked.keys, asked.step - 2))


def test_rows_drawn_elsewhere_may_be_so_old_and_no_older() -> None:
    with pytest.raises(BadValue, match="max_staleness"):
        made(experience(rollout=Old(), max_staleness=1), step=5)
    assert len(made(experience(rollout=Old(), max_staleness=2), step=5).batch) == 12


class Gives:
    """A part that gives what it must not."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def allocate(self, keys: Tensor, total: int) -> Any:
        return self.value

    def score(self, batch: RolloutBatch) -> Any:
        return self.value

    keep = score

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Any:
        return self.value


@pytest.mark.parametrize(("part", "value", "said"), [
    ("budget", [4, 4, 5], "budget's rows must be 3 numbers of at least 0 that sum to 12"),
    ("budget", [14, -2, 0], "budget's rows"),
    ("bonus", torch.zeros(3), "bonus must be"),
    ("bonus", torch.tensor([0.0] * 5 + [float("nan")] * 7), "bonus of row 5 must be finite"),
    ("row_filter", torch.ones(12), "row filter's rows"),
    ("advantage", torch.full((12,), float("inf")), "advantages must be finite"),
    ("advantage", torch.zeros(3), "advantages must be finite"),
])  # fmt: skip
def test_what_a_part_must_not_give_is_told_by_its_name(part: str, value: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        made(experience(**{part: Gives(value)}))


def test_metrics_are_those_of_the_answers() -> None:
    found = made(experience(even))
    batch = found.batch
    lengths = batch.completion_mask.sum(dim=1).float()
    assert batch.reward is not None
    told = found.metrics
    assert told["completions/mean_length"] == float(lengths.mean()) and told["completions/max_length"] == 4.0
    assert told["completions/clipped_ratio"] == float(batch.truncated.float().mean())
    ended = lengths[~batch.truncated]
    assert told["completions/mean_terminated_length"] == float(ended.mean())
    assert told["reward"] == told["rewards/even/mean"] == float(batch.reward.mean())
    assert told["num_tokens"] == float(lengths.sum())
    assert all(READER.decode(ids[there].tolist()) == text for ids, there, text in zip(
        batch.completion_ids, batch.completion_mask, batch.texts or (), strict=True))  # fmt: skip
