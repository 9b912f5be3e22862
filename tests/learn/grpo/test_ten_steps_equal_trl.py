"""Ten steps of the trainer end at the weights at which ten steps of TRL's end, on the same recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.learn.grpo.recorded import (
    ALLOWED,
    EACH,
    PROMPTS,
    TEMPERATURE,
    RecordedRollout,
    brief,
    loaded,
    right,
    saved,
    tokenizer,
    trl_trainer,
)
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.trainer import GRPO

pytest.importorskip("trl")
pytestmark = pytest.mark.xdist_group("trl")  # one worker, so that TRL is loaded once

STEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it comes": ({}, {}),
    "four passes": (
        {"loss_type": "grpo", "num_iterations": 4, "max_grad_norm": 0.1},
        {"loss_type": "grpo", "num_iterations": 4, "max_grad_norm": 0.1},
    ),
    "a reference": ({"beta": 0.1}, {"beta": 0.1}),
    "micro-batches": (
        {"loss_type": "dr_grpo", "per_device_train_batch_size": 6, "gradient_accumulation_steps": 2,
         "steps_per_generation": 2, "warmup_steps": 3, "lr_scheduler_type": "cosine"},
        {"loss_type": "dr_grpo", "per_device_train_batch_size": 6, "warmup_steps": 3,
         "lr_scheduler_type": "cosine"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_ten_steps_of_both_trainers_end_at_the_same_weights(name: str, tmp_path: Path) -> None:
    """The order of prompts, rewards, advantages, losses, clipping, AdamW and the schedule of its rate, together."""
    their, our = STEPS[name]
    shared = {"max_steps": 10, "learning_rate": 3e-3}
    whole = {"per_device_train_batch_size": 12, "steps_per_generation": 1}
    folder = saved(tmp_path / "model")
    trainer = trl_trainer(folder, tmp_path / "theirs", **{**shared, **whole, **their})
    trainer.train()
    ours = GRPO(
        loaded(folder), [right, brief], [{"prompt": prompt} for prompt in PROMPTS[:3]],
        GRPOConfig(
            num_generations=EACH, generation_batch_size=12, max_completion_length=ALLOWED, temperature=TEMPERATURE,
            loss_temperature="sampling", shuffle_dataset=False, reward_weights=(1.0, 0.125), report_to=(),
            **{**shared, **our},
        ),
        tokenizer=tokenizer(), rollout=RecordedRollout(TEMPERATURE),
        ref_model=loaded(folder) if "beta" in our else None,
    )  # fmt: skip
    ours.train()
    assert ours.updater.done == trainer.state.global_step == 10
    start, wanted = loaded(folder).state_dict(), trainer.model.state_dict()
    for key, found in ours.model.module.state_dict().items():
        torch.testing.assert_close(found, wanted[key], rtol=1e-4, atol=1e-4)
    assert max(float((wanted[key] - start[key]).abs().max()) for key in wanted) > 1e-2
