"""A run as its user sees it: how long it goes, whom it tells, what it writes, what it leaves when a reward raises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import even, model, right, rows, trainer, weights
from wayfare.errors import Diverged, RewardFailed
from wayfare.learn.grpo.evaluating import Evaluated
from wayfare.learn.grpo.trainer import GRPO, Callback


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Told(Callback):
    """Everything that is told, in order. ends: step at which the run is ended"""

    def __init__(self, ends: int | None = None) -> None:
        self.ends, self.seen = ends, list[str]()

    def on_train_begin(self, trainer: GRPO) -> None:
        self.seen.append(f"begin {trainer.step}")

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> bool | None:
        self.seen.append(f"step {step}")
        assert "reward" in metrics and trainer.step == step
        return step == self.ends

    def on_evaluate(self, trainer: GRPO, step: int, found: Evaluated) -> None:
        self.seen.append(f"evaluate {step}")

    def on_save(self, trainer: GRPO, step: int, path: Path) -> None:
        self.seen.append(f"save {step}")
        assert path.exists()

    def on_train_end(self, trainer: GRPO) -> None:
        self.seen.append("end")


def test_it_learns_what_is_rewarded() -> None:
    sizes = {"generation_batch_size": 64, "num_generations": 8, "max_completion_length": 2}
    run = trainer(reward_funcs=right, max_steps=25, learning_rate=3e-3, **sizes)
    told = run.train()
    assert sum(step["reward"] for step in told[:4]) / 4 < 0.3 < 0.6 < sum(step["reward"] for step in told[-4:]) / 4


def test_the_same_seed_is_the_same_run_and_another_is_another() -> None:
    def run(seed: int) -> tuple[list[dict[str, float]], torch.Tensor]:
        made = trainer(seed=seed, num_iterations=2, mini_batches=2, max_steps=6)
        return made.train(), weights(made.model)

    one, again, other = run(0), run(0), run(1)
    assert one[0] == again[0] and torch.equal(one[1], again[1])
    assert not torch.equal(one[1], other[1])


def test_callbacks_are_told_in_order_and_may_end_the_run(tmp_path: Path) -> None:
    told = Told()
    trainer(tmp_path / "a", callbacks=[told], eval_dataset=rows(4), eval_steps=2, save_steps=2).train()
    assert told.seen == ["begin 0", "step 1", "step 2", "evaluate 2", "save 2", "step 3", "evaluate 3", "save 3", "end"]
    early = Told(ends=2)
    run = trainer(tmp_path / "b", callbacks=[Told(), early], max_steps=9, logging_steps=5)
    run.train()
    assert early.seen == ["begin 0", "step 1", "step 2", "end"] and run.step == 2
    assert [line["step"] for line in lines(tmp_path / "b" / "metrics.jsonl")] == [2]


def test_a_run_is_as_long_as_its_epochs_its_steps_or_its_tokens() -> None:
    epochs = trainer(max_steps=-1, num_train_epochs=1.5, num_iterations=2)  # 20 prompts, 3 a step
    assert epochs.total == 20 and len(epochs.train()) == 10 and epochs.updater.done == 20
    assert epochs.metrics[-1]["epoch"] == 1.5
    cut = trainer(max_steps=5, num_iterations=2, mini_batches=2)
    assert len(cut.train()) == 2 and cut.updater.done == 5
    bounded = trainer(max_steps=50, token_budget=100)
    told = bounded.train()
    assert told[-2]["num_tokens"] < 100 <= told[-1]["num_tokens"] == bounded.experience.tokens
    assert len(told) < 8 and bounded.done


def test_metrics_of_several_steps_are_one_line(tmp_path: Path) -> None:
    run = trainer(tmp_path, logging_steps=2, max_steps=5, warmup_steps=2)
    told = run.train()
    seen = lines(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in seen] == [2, 4, 5]
    assert seen[0]["reward"] == pytest.approx((told[0]["reward"] + told[1]["reward"]) / 2)
    assert seen[1]["num_tokens"] == told[3]["num_tokens"] and seen[1]["epoch"] == told[3]["epoch"]
    assert [step["learning_rate"] for step in told] == pytest.approx([0, 5e-4, 1e-3, 1e-3, 1e-3])
    assert [line["step"] for line in lines(tmp_path / "seconds.jsonl")] == [1, 2, 3, 4, 5]


def test_tensorboard_has_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trainer(tmp_path, report_to=("tensorboard", "jsonl"), max_steps=2)
    told = run.train()
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [event.step for event in found.Scalars("reward")] == [1, 2]
    assert [event.value for event in found.Scalars("reward")] == pytest.approx([step["reward"] for step in told])


def test_every_answer_stands_in_the_table_with_what_it_was_paid(tmp_path: Path) -> None:
    def even_and_logged(log_extra: Any, log_metric: Any, completion_ids: Any, **_: Any) -> list[float | None]:
        log_extra("tokens", [len(ids) for ids in completion_ids])
        log_metric("longest", max(map(len, completion_ids)))
        told: list[float | None] = list(even(completion_ids))
        return [None, *told[1:]]

    run = trainer(tmp_path, reward_funcs=[even_and_logged, even], reward_weights=(1.0, 0.5), log_completions=True)
    told = run.train()
    table = lines(tmp_path / "completions.jsonl")
    assert len(table) == 36 and [line["step"] for line in table] == [0] * 12 + [1] * 12 + [2] * 12
    assert told[0]["longest"] == max(line["tokens"] for line in table[:12])
    first, second = table[0], table[1]
    assert first["even_and_logged"] is None and first["reward"] == 0.5 * first["even"]
    assert second["reward"] == 1.5 * second["even"] and second["bonus"] == 0.0
    assert second["prompt"].startswith(str(second["key"] % 10)) and isinstance(second["completion"], str)
    assert sum(line["advantage"] for line in table[:4]) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("where", ("at once", "on the second step"))
def test_a_reward_that_raises_leaves_the_answers_and_the_weights(where: str, tmp_path: Path) -> None:
    calls: list[int] = []

    def broken(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        calls.append(1)
        if len(calls) == (1 if where == "at once" else 2):
            raise ConnectionError("the judge is down")
        return even(completion_ids)

    run = trainer(tmp_path, reward_funcs=broken, learning_rate=0.01)
    if where != "at once":
        run.advance()
    before, position = weights(run.model), run.experience.position
    with pytest.raises(RewardFailed, match="'broken' raised ConnectionError: the judge is down"):
        run.train()
    assert torch.equal(weights(run.model), before) and run.experience.position == position
    left = lines(tmp_path / "completions.jsonl")
    assert len(left) == 12 and all(line["reward"] is None and line["completion"] is not None for line in left)
    run.train()
    whole = trainer(reward_funcs=even, learning_rate=0.01)
    whole.train()
    assert run.step == 3 and torch.equal(weights(run.model), weights(whole.model)), "the step is taken again"


class Spoils(Callback):
    """At the end of the second step the model is one that gives no numbers."""

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> None:
        if step == 2:
            trainer.updater.parameters[0].data.fill_(float("inf"))


@pytest.mark.parametrize(("told", "said", "left"), [
    ({"learning_rate": 1e30}, r"after step 1, at learning_rate 1e\+30: gradient must be finite, got nan", 1),
    ({"callbacks": [Spoils()]}, "after step 2, .*: the model's answers have no chances that are numbers", 1),
    ({"callbacks": [Spoils()], "save_steps": 9}, "after step 2, .*are numbers", None),
    ({"callbacks": [Spoils()], "eval_dataset": rows(2), "max_steps": 2}, "after step 2, .*are numbers", 1),
])  # fmt: skip
def test_training_that_diverged_is_stopped_with_its_step_and_what_is_left_is_whole(
    told: dict[str, Any], said: str, left: int | None, tmp_path: Path
) -> None:
    last = "no checkpoint was written" if left is None else f"the last checkpoint is that of step {left}, in {tmp_path}"
    with pytest.raises(Diverged, match=f"{said}; {last}"):
        trainer(tmp_path, **{"max_steps": 4, "save_steps": 1, **told}).train()
    sound = trainer(tmp_path, **{"max_steps": 4, "save_steps": 1, **told})
    assert sound.restore() == (left is not None) and bool(torch.isfinite(weights(sound.model)).all())


def test_the_best_checkpoint_is_kept_and_loaded(tmp_path: Path) -> None:
    class Worse(Callback):
        """Notes weights at step 2, whose evaluation is made the best."""

        def __init__(self) -> None:
            self.noted = torch.zeros(0)

        def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> None:
            if step == 2:
                self.noted = weights(trainer.model)

    def falling(completions: Sequence[str], trainer_state: Any, **_: Any) -> list[float]:
        return [{2: 9.0}.get(trainer_state.global_step, 1.0) + 0.1 * (n % 2) for n in range(len(completions))]

    worse = Worse()
    run = trainer(tmp_path, reward_funcs=falling, max_steps=7, eval_dataset=rows(2), eval_steps=1, callbacks=[worse],
                  metric_for_best_model="reward", learning_rate=0.01, save_steps=3, save_total_limit=1)  # fmt: skip
    run.train()
    assert run.best is not None and run.best[1] == 2
    assert torch.equal(weights(run.model), worse.noted)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000002.pt",
        "step-00000007.pt",
    ]
    again = trainer(tmp_path, reward_funcs=falling, max_steps=7, eval_dataset=rows(2), eval_steps=1,
                    metric_for_best_model="reward", learning_rate=0.01, save_steps=3, save_total_limit=1)  # fmt: skip
    again.train()
    assert torch.equal(weights(again.model), worse.noted)


def test_what_was_trained_is_saved_as_transformers_reads_it(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = trainer(max_steps=1)
    run.train()
    run.save_pretrained(tmp_path / "out")
    read, reader = (
        AutoModelForCausalLM.from_pretrained(tmp_path / "out"),
        AutoTokenizer.from_pretrained(tmp_path / "out"),
    )
    ids = reader("3 4 7", return_tensors="pt")["input_ids"]
    torch.testing.assert_close(read(ids).logits, run.model.net(ids), rtol=0, atol=1e-4)  # type: ignore[attr-defined]
    assert not torch.equal(weights(run.model), weights(model()))
