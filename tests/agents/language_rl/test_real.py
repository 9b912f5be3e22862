"""Arms from a published model and data set: columns are found or refused, and the same parts train it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.language_rl import Arm, train_arm
from wayfare.agents.language_rl.arms import config_of, trainer_of
from wayfare.agents.language_rl.questions import Questions
from wayfare.agents.language_rl.real import RealModel
from wayfare.errors import BadValue
from wayfare.language.models import load_causal_model

GSM8K = [{"question": f"{n} + {n}?", "answer": f"{n} + {n} = {2 * n}\n#### {2 * n}"} for n in range(6)]


class Report:
    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    made, tokenizer = load_causal_model("tiny-random")
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def written(folder: Path, rows: list[dict[str, Any]], name: str = "train.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


@pytest.mark.parametrize(
    ("row", "prompt", "answer"),
    [
        (GSM8K[3], "3 + 3?", "3 + 3 = 6\n#### 6"),
        ({"problem": "x?", "solution": r"\boxed{1}", "source": "amc"}, "x?", r"\boxed{1}"),
        (
            {"prompt": [{"role": "user", "content": "y?"}], "reward_model": {"ground_truth": "2"}, "data_source": "d"},
            "y?", "2",
        ),
    ],
)  # fmt: skip
def test_columns_of_published_data_sets_are_found(tmp_path: Path, row: Any, prompt: str, answer: str) -> None:
    file, other = written(tmp_path, [row, row]), written(tmp_path, GSM8K[:1], "held.jsonl")
    with pytest.raises(BadValue, match="more than are held out"):
        Questions(file, held_out=1).read()  # both rows are one question
    train, held = Questions(file, held=other).read()
    assert train == [{"prompt": prompt, "answer": answer, "index": 0}] and held[0]["prompt"] == "0 + 0?"
    (asked,), _ = Questions(file, held=other, instruction="Think. {}", chat=True).read()
    told = prompt if isinstance(row.get("prompt"), list) else f"Think. {prompt}"
    assert asked["prompt"] == [{"role": "user", "content": told}]


def test_held_out_questions_are_the_same_ones_each_time_and_never_trained_on(tmp_path: Path) -> None:
    told = Questions(written(tmp_path, GSM8K), held_out=2)
    train, held = told.read()
    assert len(train) == 4 and len(held) == 2 and told.read() == (train, held)
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in held}


@pytest.mark.parametrize(
    ("rows", "told", "said"),
    [
        ([{"text": "x"}], {}, "it has text"),
        (GSM8K, {"answer": "target"}, "answer_column must be a column"),
        ([{"question": "x", "answer": ""}], {}, "row 0"),
        ([], {}, "no row"),
    ],
)
def test_data_without_its_columns_is_refused_in_a_line(tmp_path: Path, rows: Any, told: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said) as error:
        Questions(written(tmp_path, rows), **told).check()
    assert "\n" not in str(error.value)
    with pytest.raises(BadValue, match="that exists"):
        Questions("missing.jsonl").check()


def test_an_arm_trains_adapters_and_is_measured_on_held_out_questions(tmp_path: Path, model: str) -> None:
    real = RealModel(model, Questions(written(tmp_path, GSM8K), held_out=2), answer_tokens=4, lora_rank=2, form=0.5)
    arm = Arm("GRPO", {"generation_batch_size": 4, "num_generations": 2})
    told: dict[str, Any] = {"steps": 1, "eval_prompts": 2, "eval_answers": 2, "ks": (1, 2)}
    (tmp_path / "a").mkdir()
    found = train_arm(Report(tmp_path / "a"), base=real, arm=arm, seed=0, **told)
    assert found["pass"].shape == (2, 2) and found["tokens"].tolist() == [0, 16] and not found["cached"][0]
    assert {"train/rewards/right/mean", "train/rewards/formed/mean"} <= set(found)
    trainer = trainer_of(real, arm, 0, settings={"max_steps": 1})
    learned = [name for name, each in trainer.model.module.named_parameters() if each.requires_grad]
    assert learned and all("lora_" in name for name in learned)
    again = trainer_of(real, arm, 0, settings={"max_steps": 1})
    for one, other in zip(trainer.model.module.parameters(), again.model.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_without_adapters_all_weights_learn_beside_a_frozen_copy(tmp_path: Path, model: str) -> None:
    real = RealModel(model, Questions(written(tmp_path, GSM8K), held_out=2), answer_tokens=4, lora_rank=0)
    policy = real.start(0)
    reference = real.reference(policy)
    assert all(each.requires_grad for each in policy.module.parameters())
    assert reference is not None and not any(each.requires_grad for each in reference.module.parameters())


def test_reading_worked_answers_first_moves_the_start_by_its_loss(tmp_path: Path, model: str) -> None:
    data = Questions(written(tmp_path, GSM8K), held_out=2)
    loss = "wayfare.learn.shaped_loss:ShapedTokenLoss"
    starts = [
        RealModel(model, data, lora_rank=0, prior_steps=steps, prior_rate=1e-3, loss=loss, loss_knobs={"beta": beta})
        for steps, beta in ((0, 0.0), (2, 0.0), (2, -0.25))
    ]
    weights = [np.concatenate([w.detach().numpy().ravel() for w in each.start(0).module.parameters()])
               for each in starts]  # fmt: skip
    assert len({each.tobytes() for each in weights}) == 3


def test_a_server_draws_for_adapters_and_for_the_usual_sampler_alone(tmp_path: Path, model: str) -> None:
    data = Questions(written(tmp_path, GSM8K), held_out=2)
    with pytest.raises(BadValue, match="lora_rank"):
        RealModel(model, data, lora_rank=0, server="http://localhost:1/v1")
    real = RealModel(model, data, server="http://localhost:1/v1")
    config = config_of(real, Arm("GRPO"), 0)
    assert type(real.drawing({}, config)["rollout"]).__name__ == "ServerRollout"
    with pytest.raises(BadValue, match="server"):
        real.drawing({"sampler": object()}, config)
