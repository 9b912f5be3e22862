"""What a user may get wrong is named before anything is drawn, written or learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import READER, SMALL, even, model, rows, trainer, weights
from wayfare.errors import BadValue, RewardFailed
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.bonuses import CopyBonus
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.needs import NEEDS
from wayfare.learn.grpo.rollout import SingleTurn, left_padded
from wayfare.learn.grpo.trainer import Callback

OTHER = WordReader([str(digit) for digit in range(9)])
SEVERAL = ("regularisers", "auxiliary", "callbacks")


@pytest.mark.parametrize(("told", "said"), [
    ({"train_dataset": [{"question": "3"}]}, r"data row 0, column 'prompt' must be a text"),
    ({"train_dataset": [{"prompt": "3"}, {"prompt": ""}]}, "data row 1, column 'prompt'"),
    ({"train_dataset": [{"prompt": "3", "images": []}]}, "data column 'images' must be left out: text only"),
    ({"train_dataset": []}, "at least one row"),
    ({"train_dataset": [*rows(), {"prompt": " ".join("7" * 61)}]}, "data row 20 must be at most 64 together"),
    ({"eval_dataset": [{"prompt": " ".join("7" * 61)}]}, "data row 0 must be at most 64 together"),
    ({"reward_funcs": []}, "at least one reward function"),
    ({"reward_funcs": [even, even], "reward_weights": (1.0,)}, "weights must be 2 numbers"),
    ({"ref_model": NanoModel(Nano(len(OTHER), "xs"), OTHER)}, "ref_model must be of the policy's vocabulary"),
    ({"sampler": Sampler(0.5), "rollout": SingleTurn()}, "sampler must be None where a rollout is given"),
    ({"metric_for_best_model": "reward"}, "metric_for_best_model must be None without eval_dataset and output_dir"),
    ({"model": 3}, "model must be a name or path"),
    ({"model": Nano(len(READER), "xs")}, "tokenizer must be the WordReader"),
])  # fmt: skip
def test_what_does_not_go_together_is_named_before_anything_is_written(
    told: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = None if "metric_for_best_model" in told else tmp_path / "run"
    with pytest.raises(BadValue, match=said):
        trainer(folder, **told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("field", "value", "said"), [
    ("num_generations", 1, "at least 2: one answer has no group"), ("generation_batch_size", 13, "a multiple of"),
    ("max_completion_length", 0, "at least 1"), ("temperature", -0.5, "at least 0"), ("learning_rate", 0.0, "above 0"),
    ("learning_rate", float("nan"), "above 0"), ("lr_scheduler_type", "steps", "one of linear, cosine, constant"),
    ("loss_type", "ppo", "one of grpo"), ("epsilon", 0.0, "above 0"), ("delta", 0.5, "above 1"),
    ("max_steps", 0, "at least 1"), ("mini_batches", 13, "at most"), ("token_budget", 0, "at least 1"),
    ("eval_ks", (8,), "between 1 and"), ("report_to", ("wandb",), "of jsonl, tensorboard"),
    ("scale_rewards", "row", "one of group"), ("seed", -1, "at least 0"), ("loss_temperature", 0.0, "above 0"),
    ("importance_sampling_cap", 0.0, "above 0"), ("save_steps", 0, "at least 1"), ("beta", float("inf"), "finite"),
    ("num_generations", True, "a whole number"), ("max_steps", 2.5, "a whole number"), ("beta", "0.1", "a number"),
    ("bf16", "yes", "true or false"), ("top_p", 0.0, "above 0"), ("min_p", 1.5, "between 0 and 1"),
    ("adam_beta2", 1.0, "below 1"),
])  # fmt: skip
def test_a_setting_out_of_range_is_named(field: str, value: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        GRPOConfig(**{**SMALL, field: value})


def test_settings_come_back_from_what_is_stored_and_unknown_ones_do_not() -> None:
    config = GRPOConfig(**{**SMALL, "reward_weights": (1.0, 2.0), "epsilon_high": 0.28, "report_to": ("tensorboard",)})
    assert GRPOConfig.from_json(config.to_json()) == config
    with pytest.raises(BadValue, match="config field must be one of"):
        GRPOConfig.from_json({"learning_rat": 1e-5})
    with pytest.raises(BadValue, match="loss_temperature"):
        GRPOConfig(loss_temperature="sampling", top_p=0.9)


def wrong(value: Any) -> Any:
    def judged(completions: Sequence[str], **_: Any) -> Any:
        return (
            [1.0] * (len(completions) - 1) if value == "short" else [0.0, 1.0, value, *[0.0] * (len(completions) - 3)]
        )

    return judged


@pytest.mark.parametrize(("value", "said"), [
    ("short", "'judged' gave 11 rewards for 12 answers"), (float("nan"), "'judged' gave nan at row 2"),
    (float("inf"), "'judged' gave inf at row 2"), ("good", "'judged' gave 'good' at row 2"),
])  # fmt: skip
def test_what_is_no_reward_ends_the_step_before_any_weight_moves(value: Any, said: str) -> None:
    run = trainer(reward_funcs=[even, wrong(value)])
    before = weights(run.model)
    with pytest.raises(RewardFailed, match=said):
        run.train()
    assert torch.equal(weights(run.model), before) and run.updater.done == 0 and not run.updater.optimiser.state
    assert len(trainer(reward_funcs=wrong(None), max_steps=1).train()) == 1


def test_a_model_without_anything_to_train_a_metric_that_is_none_and_an_empty_prompt_are_named(tmp_path: Path) -> None:
    run = trainer(tmp_path, eval_dataset=rows(2), eval_steps=1, metric_for_best_model="accuracy")
    with pytest.raises(BadValue, match="metric_for_best_model must be one of eval_reward"):
        run.train()
    with pytest.raises(BadValue, match="prompt 1 must be at least one token"):
        left_padded([[3], []], 0)
    with pytest.raises(BadValue, match="rows must be at least 1"):
        SingleTurn(rows=0)
    with pytest.raises(BadValue, match="output_dir must be given"):
        trainer().save()
    assert trainer(model=model()).updater.parameters


class Part:
    """Has the methods that it is told, each of them told what it says."""

    def __init__(self, **methods: Any) -> None:
        self.__dict__.update(methods)


def regulariser(**other: Any) -> Part:
    told = {"requires": frozenset(), "prepare": lambda batch, forward: {}, "apply": lambda loss, context: loss}
    return Part(**{**told, **other})


@pytest.mark.parametrize(("told", "said"), [
    *(({seam: Part()}, rf"^{seam} must be an object with {'.*'.join(needs)}.*, got 'Part without {next(iter(needs))}'$")
      for seam, needs in NEEDS.items() if seam not in SEVERAL),
    *(({seam: [Part()]}, rf"^{seam}\[0\] must be an object with .*got 'Part without {next(iter(NEEDS[seam]))}'$")
      for seam in SEVERAL if seam != "callbacks"),
    ({"bonus": Part(score=3)}, "got 'Part without score'"),
    ({"bonus": CopyBonus}, "bonus must be .*: one that is made already, got 'the class CopyBonus'"),
    ({"bonus": Part(score=lambda: [])}, r"bonus must be one with score\(batch\) .*, got 'Part.score\(\)'"),
    ({"bonus": Part(score=len, update=lambda batch, step: None)}, r"one with update\(batch\) \(missing.*'step'"),
    ({"bonus": Part(score=len, state_dict=dict)}, "bonus must be one with both state_dict and load_state_dict"),
    ({"regularisers": regulariser()}, "regularisers must be a list of parts, got 'Part'"),
    ({"regularisers": [regulariser(), regulariser(requires="entropy")]}, r"regularisers\[1\].requires must be"),
    ({"regularisers": [regulariser(requires={"entropies"})]}, r"some of entropy, logprobs.* got {'entropies'}"),
    ({"callbacks": [Callback(), Part()]}, r"callbacks\[1\] must be .*on_step_end\(trainer, step, metrics\)"),
    ({"reward_funcs": 3}, "functions"),
    ({"reward_funcs": Part}, r"functions\[0\] must be .*got 'the class Part'"),
    ({"reward_funcs": [even, lambda completions: []]}, r"'<lambda>' must be called by keywords with target, prompts.*"),
    ({"reward_funcs": lambda solution, **_: []}, r"missing .*argument: 'solution'\), got '\(solution, \*\*_\)'"),
])  # fmt: skip
def test_a_part_that_could_not_be_called_is_refused_before_a_model_is_loaded(told: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValue, match=said):
        trainer(**{"model": "no/model/there", **told})


def test_a_callback_needs_what_its_run_calls() -> None:
    told = {name: lambda *_: None for name in NEEDS["callbacks"]}
    trainer(callbacks=[Part(**told)], max_steps=1).train()
    with pytest.raises(BadValue, match="on_evaluate"):
        trainer(callbacks=[Part(**told)], eval_dataset=rows(2))


def test_a_bonus_that_gives_no_numbers_is_named() -> None:
    class Nothing:
        def score(self, batch: Any) -> Any:
            return None

    with pytest.raises(BadValue, match="bonus must be 12 numbers, one a row, got None"):
        trainer(bonus=Nothing()).train()
