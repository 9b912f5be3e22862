"""The loss, all of its gradients and the advantages are those of TRL's own trainer on the same recorded answers.

Both are given weights that have moved since the answers were drawn, so that ratios are not 1 and every clip has work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.recorded import (
    ALLOWED,
    EACH,
    PROMPTS,
    TEMPERATURE,
    answer,
    loaded,
    passed,
    recorded,
    rewards_per_func,
    saved,
    trl_trainer,
)
from wayfare.learn.credit import group_advantages, normalise_then_sum
from wayfare.learn.policy_gradient import PolicyGradient, means, token_weights

pytest.importorskip("trl")
pytestmark = pytest.mark.xdist_group("trl")  # one worker, so that TRL is loaded once

ROWS = [prompt for prompt in PROMPTS[:3] for _ in range(EACH)]
HALVES = (slice(0, 6), slice(6, 12))
WEIGHTS = torch.tensor([1.0, 0.125])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("recorded"))


def moved(module: Any) -> Any:
    draws = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for each in module.parameters():
            each.add_(0.05 * torch.randn(each.shape, generator=draws))
    return module


def gradients(loss: Tensor, module: Any) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))])


def theirs(folder: Path, tmp_path: Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    trainer = trl_trainer(folder, tmp_path, **options)
    inputs = trainer._generate_and_score_completions([{"prompt": prompt} for prompt in ROWS])
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps  # as `train` does
    moved(trainer.model)
    return trainer, inputs


def half(inputs: dict[str, Any], rows: slice) -> dict[str, Any]:
    return {name: value[rows] if value.ndim else value for name, value in inputs.items()}


def compared(folder: Path, trainer: Any, inputs: dict[str, Any], rule: PolicyGradient, **weighing: Any) -> None:
    """Both mini-batches: loss, gradients and metrics."""
    batch, module = recorded(0, ROWS, torch.arange(12)), loaded(folder)
    with torch.no_grad():
        start, _ = passed(module, batch, TEMPERATURE)
    moved(module)
    whole = token_weights(batch.loss_mask, rule.aggregation, rule.length, **weighing) * 2
    seen: dict[str, float] = {}
    for rows in HALVES:
        wanted = trainer._compute_loss(trainer.model, half(inputs, rows))
        part = batch.rows(torch.arange(12)[rows])
        logp, entropy = passed(module, part, TEMPERATURE)
        found, metrics = rule.loss(
            logp, inputs["advantages"][rows], part.loss_mask, old_logp=start[rows], ref_logp=start[rows],
            behaviour_logp=start[rows] - 0.5, entropy=entropy, weights=whole[rows],
        )  # fmt: skip
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradients(found, module), gradients(wanted, trainer.model), rtol=1e-5, atol=1e-5)
        told = means(metrics)
        for name in told.keys() & trainer._metrics["train"].keys():
            assert told[name] == pytest.approx(trainer._metrics["train"][name][-1], abs=1e-5), name
            seen[name] = seen.get(name, 0.0) + told[name]
    clips = [value for name, value in seen.items() if "clip" in name]
    assert clips and all(value > 0 for value in clips), seen  # else clipping was not compared
    assert seen["entropy"] > 0


CASES: dict[str, tuple[dict[str, Any], PolicyGradient]] = {
    "grpo": ({"loss_type": "grpo"}, PolicyGradient(aggregation="grpo")),
    "dapo": ({"loss_type": "dapo"}, PolicyGradient(aggregation="dapo")),
    "dr_grpo": ({"loss_type": "dr_grpo"}, PolicyGradient(aggregation="dr_grpo", length=ALLOWED)),
    "bnpo": ({"loss_type": "bnpo"}, PolicyGradient(aggregation="bnpo")),
    "clip-higher": ({"epsilon_high": 0.5}, PolicyGradient(aggregation="dapo", eps_high=0.5)),
    "delta": ({"loss_type": "grpo", "delta": 1.3}, PolicyGradient(aggregation="grpo", dual_clip=1.3)),
    "cispo": (
        {"loss_type": "cispo", "epsilon_high": 1.1},
        PolicyGradient(aggregation="dapo", surrogate="cispo", eps_high=1.1),
    ),
    "sequence": (
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.05},
        PolicyGradient(aggregation="grpo", importance_sampling_level="sequence", eps_low=0.05, eps_high=0.05),
    ),
    "k3": ({"beta": 0.3, "use_bias_correction_kl": False}, PolicyGradient(aggregation="dapo", kl_weight=0.3)),
    "k3 and rho": ({"beta": 0.3}, PolicyGradient(aggregation="dapo", kl_weight=0.3, use_bias_correction_kl=True)),
    "entropy": (
        {"loss_type": "bnpo", "entropy_coef": 0.2},
        PolicyGradient(aggregation="bnpo", entropy_weight=0.2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_are_those_of_trl(name: str, folder: Path, tmp_path: Path) -> None:
    options, rule = CASES[name]
    trainer, inputs = theirs(folder, tmp_path, **options)
    compared(folder, trainer, inputs, rule, **({"rows": 6} if rule.aggregation == "bnpo" else {}))


def test_two_micro_batches_of_one_step_add_up_to_the_gradient_of_trl(folder: Path, tmp_path: Path) -> None:
    """One optimiser step over all rows: nothing but bnpo and the entropy bonus depends on how they are divided."""
    batch = recorded(0, ROWS, torch.arange(12))
    for how in ("grpo", "dapo", "dr_grpo", "bnpo"):
        options = {"loss_type": how, "gradient_accumulation_steps": 2, "entropy_coef": 0.2}
        trainer, inputs = theirs(folder, tmp_path, **options)
        assert "old_per_token_logps" not in inputs
        module = moved(loaded(folder))
        logp, entropy = passed(module, batch, TEMPERATURE)
        rule = PolicyGradient(aggregation=how, length=ALLOWED)  # type: ignore[arg-type]
        weights = token_weights(batch.loss_mask, rule.aggregation, rule.length, rows=6)
        found, _ = rule.loss(logp, inputs["advantages"], batch.loss_mask, weights=weights)
        found = found - 0.2 * (entropy * token_weights(batch.loss_mask, "bnpo", rows=6)).sum()
        wanted = sum(trainer._compute_loss(trainer.model, half(inputs, rows)) for rows in HALVES)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradients(found, module), gradients(wanted, trainer.model), rtol=1e-5, atol=1e-5)


def test_the_weight_between_sampler_and_trainer_is_the_truncated_one_of_trl(folder: Path, tmp_path: Path) -> None:
    trainer = trl_trainer(folder, tmp_path, loss_type="dapo", vllm_importance_sampling_mode="token_truncate",
                          vllm_importance_sampling_clip_max=1.5)  # fmt: skip
    batch, module = recorded(0, ROWS, torch.arange(12)), loaded(folder)
    with torch.no_grad():
        start, _ = passed(module, batch, TEMPERATURE)
    behaviour = start + 0.6 * torch.randn(start.shape, generator=torch.Generator().manual_seed(3))
    trainer.use_vllm, trainer.vllm_importance_sampling_correction = True, True  # as if a server had drawn
    trainer.told_logps = [row[there].tolist() for row, there in zip(behaviour, batch.completion_mask, strict=True)]
    inputs = trainer._generate_and_score_completions([{"prompt": prompt} for prompt in ROWS])
    trainer.current_gradient_accumulation_steps = 1
    moved(trainer.model), moved(module)
    rule = PolicyGradient(aggregation="dapo", importance_sampling_cap=1.5)
    logp, _ = passed(module, batch, TEMPERATURE)
    found, metrics = rule.loss(
        logp, inputs["advantages"], batch.loss_mask, old_logp=start, behaviour_logp=behaviour,
        weights=2 * token_weights(batch.loss_mask, "dapo"),
    )  # fmt: skip
    wanted = trainer._compute_loss(trainer.model, inputs)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients(found, module), gradients(wanted, trainer.model), rtol=1e-5, atol=1e-5)
    name = "sampling/importance_sampling_ratio/mean"
    assert means(metrics)[name] == pytest.approx(trainer._metrics["train"][name][-1], abs=1e-5)


def test_rows_without_tokens_count_in_trls_means_and_not_in_ours(folder: Path, tmp_path: Path) -> None:
    batch = recorded(0, ROWS, torch.arange(12))
    mask = batch.loss_mask * ~batch.truncated.unsqueeze(1)
    empty = int(batch.truncated.sum())
    assert empty > 0
    for how, share in (("dapo", 1.0), ("grpo", (12 - empty) / 12)):
        trainer, inputs = theirs(
            folder, tmp_path, loss_type=how, mask_truncated_completions=True, per_device_train_batch_size=12,
            steps_per_generation=1,
        )  # fmt: skip
        module = moved(loaded(folder))
        rule = PolicyGradient(aggregation=how)  # type: ignore[arg-type]
        found, _ = rule.loss(passed(module, batch, TEMPERATURE)[0], inputs["advantages"], mask)
        wanted = gradients(trainer._compute_loss(trainer.model, inputs), trainer.model)
        torch.testing.assert_close(share * gradients(found, module), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scaling", ["group", "batch", "none"])
def test_advantages_are_those_of_trl(scaling: Any, folder: Path, tmp_path: Path) -> None:
    _, inputs = theirs(folder, tmp_path, scale_rewards=scaling)
    each = rewards_per_func([answer(0, number) for number in range(12)])
    unscored = each.isnan().all(dim=1)
    assert unscored.any() and (each.isnan().any(dim=1) & ~unscored).any()
    reward = torch.where(unscored, torch.nan, (each * WEIGHTS).nansum(dim=1))
    found = group_advantages(reward, torch.arange(12) // EACH, scaling)
    torch.testing.assert_close(found, inputs["advantages"], rtol=1e-5, atol=1e-5)
    assert (found[unscored] == 0).all() and (found[EACH : 2 * EACH] == 0).all() and found.count_nonzero() >= 4


def test_rewards_normalised_before_they_are_added_are_those_of_trl(folder: Path, tmp_path: Path) -> None:
    _, inputs = theirs(folder, tmp_path, multi_objective_aggregation="normalize_then_sum")
    each = rewards_per_func([answer(0, number) for number in range(12)])
    found = normalise_then_sum(each, WEIGHTS, torch.arange(12) // EACH)
    torch.testing.assert_close(found, inputs["advantages"], rtol=1e-5, atol=1e-5)
    assert (found[EACH : 2 * EACH] == 0).all() and found.count_nonzero() >= 4
