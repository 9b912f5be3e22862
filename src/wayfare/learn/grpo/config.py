"""What the group-relative trainer can be told: TRL's names where the meaning is TRL's.

A step asks M = generation_batch_size / num_generations prompts and draws generation_batch_size answers, over all
processes. Its answers are learned from num_iterations times, each time in mini_batches optimiser steps; the optimiser's
steps are what `max_steps` counts. The manual's table 'TRL, verl, ours' says which name is whose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from wayfare.errors import BadValue
from wayfare.language.sampler import Sampler
from wayfare.learn.policy_gradient import PolicyGradient

__all__ = ["GRPOConfig"]

LossType = Literal[
    "grpo", "dapo", "bnpo", "dr_grpo", "cispo", "token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"
]  # fmt: skip
Scaling = Literal["group", "batch", "none"]
Schedule = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class GRPOConfig:
    """Raises: BadValue for the first field out of range, or two that do not go together."""

    output_dir: str | None = None
    """Where metrics, completions, checkpoints and the trained model go; None: nowhere."""
    seed: int = 0
    """Of prompts' order, answers and mini-batches."""

    num_generations: int = 8
    """G, answers to each prompt, where no budget says otherwise."""
    generation_batch_size: int = 64
    """B, answers of a step over all processes."""
    max_completion_length: int = 256
    """Most tokens of an answer."""
    shuffle_dataset: bool = True
    """Whether each epoch has an order of its own."""
    temperature: float = 1.0
    """Of the sampler; a schedule over positions is given as `sampler`."""
    top_p: float = 1.0
    min_p: float = 0.0
    dynamic_sampling: bool = False
    """Whether groups of equal rewards are asked anew, other prompts in their place (DAPO)."""
    max_generation_batches: int = 10
    """Batches drawn in one step at most where groups are asked anew."""

    learning_rate: float = 1e-6
    lr_scheduler_type: Schedule = "linear"
    """How it comes down to 0 (linear, cosine), or that it does not."""
    warmup_steps: int = 0
    """Optimiser steps over which it rises."""
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_steps: int = -1
    """Optimiser steps in all; -1: as many as the epochs take."""
    num_train_epochs: float = 1.0
    token_budget: int | None = None
    """The run also ends once so many tokens were drawn, discarded ones counted."""
    num_iterations: int = 1
    mini_batches: int = 1
    """Optimiser steps for one pass over a step's answers (TRL: steps_per_generation / gradient_accumulation_steps)."""
    per_device_train_batch_size: int | None = None
    """Rows passed through the model at once, gradients accumulated; None: a whole mini-batch."""
    gradient_checkpointing: bool = False
    bf16: bool = False
    """Whether passes run in bfloat16, over weights in float32."""
    torch_compile: bool = False
    """Whether passes of a `Nano` are compiled: a minute at the start, then faster steps, equal up to rounding."""

    loss_type: LossType = "dapo"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    epsilon: float = 0.2
    epsilon_high: float | None = None
    """None: as epsilon. With `cispo` the largest weight itself."""
    delta: float | None = None
    """Upper bound of the ratio where the advantage is negative (dual clip)."""
    beta: float = 0.0
    """Weight of the divergence from the reference."""
    kl: Literal["k1", "k2", "k3"] = "k3"
    use_bias_correction_kl: bool = True
    """Whether the divergence of a token is multiplied by its ratio, which on the first update is 1."""
    entropy_coef: float = 0.0
    scale_rewards: Scaling = "group"
    """What advantages are divided by: the group's deviation, the batch's, nothing."""
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    reward_weights: tuple[float, ...] | None = None
    advantage_clip: float | None = None
    mask_truncated_completions: bool = False
    loss_temperature: float | Literal["sampling"] = 1.0
    """Temperature of the log-probabilities that are trained; 'sampling' is the sampler's, as in TRL."""
    importance_sampling_cap: float | None = None
    """C of the truncated weight min(pi_old / mu, C) between sampler and trainer; None: no weight."""
    recompute_old_logps: bool = False
    """Whether old log-probabilities are of a pass of the trainer before the first update, not the sampler's; those of
    answers that a server draws always are."""
    max_staleness: int = 0
    """Steps that a row may be older than the one that learns from it, for rollouts drawn elsewhere."""

    logging_steps: int = 1
    report_to: tuple[str, ...] = ("jsonl",)
    """Of jsonl, tensorboard."""
    log_completions: bool = False
    """Whether every answer goes into completions.jsonl, with reward and bonus."""
    save_steps: int = 100
    """Steps between checkpoints."""
    save_total_limit: int = 2
    eval_steps: int | None = None
    """Steps between evaluations; None: at the end only, where there is an eval_dataset."""
    num_generations_eval: int = 8
    eval_ks: tuple[int, ...] = (1, 8)
    """k of each pass@k; at most num_generations_eval."""
    eval_temperature: float = 1.0
    eval_seed: int = 0
    """Of the answers in evaluation, the same each time, so that arms are compared on the same draws."""
    pass_threshold: float = 1.0
    """Least reward of the first reward function that counts as solved."""
    metric_for_best_model: str | None = None
    """The checkpoint of its highest value is kept, and loaded at the end."""

    def __post_init__(self) -> None:
        self._check_kinds()
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise BadValue(name, value, f"finite and at least {least}")
        for name in ("learning_rate", "max_grad_norm", "num_train_epochs", "adam_epsilon", "importance_sampling_cap",
                     "advantage_clip"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise BadValue(name, value, "finite and above 0")
        for name, kind in _ONE_OF.items():
            if getattr(self, name) not in get_args(kind):
                raise BadValue(name, getattr(self, name), f"one of {', '.join(get_args(kind))}")
        if self.num_generations < 2:
            raise BadValue("num_generations", self.num_generations, "at least 2: one answer has no group to compare to")
        if self.generation_batch_size % self.num_generations:
            raise BadValue(
                "generation_batch_size",
                self.generation_batch_size,
                f"a multiple of num_generations, {self.num_generations}",
            )
        if self.max_steps < 1 and self.max_steps != -1:
            raise BadValue("max_steps", self.max_steps, "at least 1, or -1")
        if self.mini_batches > self.generation_batch_size:
            raise BadValue(
                "mini_batches", self.mini_batches, f"at most generation_batch_size, {self.generation_batch_size}"
            )
        if self.loss_temperature != "sampling" and not 0 < float(self.loss_temperature) < math.inf:
            raise BadValue("loss_temperature", self.loss_temperature, "finite and above 0, or 'sampling'")
        if self.loss_temperature == "sampling" and (self.top_p < 1 or self.min_p > 0 or self.temperature == 0):
            raise BadValue("loss_temperature", "sampling", "a number where the sampler cuts its distribution off")
        for k in self.eval_ks:
            if not 1 <= k <= self.num_generations_eval:
                raise BadValue(
                    "eval_ks", list(self.eval_ks), f"between 1 and num_generations_eval, {self.num_generations_eval}"
                )
        for each in self.report_to:
            if each not in ("jsonl", "tensorboard"):
                raise BadValue("report_to", each, "of jsonl, tensorboard")
        for name in ("adam_beta1", "adam_beta2"):
            if getattr(self, name) >= 1:
                raise BadValue(name, getattr(self, name), "below 1")
        _ = self.objective, Sampler(self.temperature, self.top_p, self.min_p)

    def _check_kinds(self) -> None:
        for each in fields(self):
            value, (kind, *others) = getattr(self, each.name), str(each.type).split(" | ")
            if (value is None and "None" in others) or (isinstance(value, str) and others and "Literal" in others[0]):
                continue
            if kind == "bool" and not isinstance(value, bool):
                raise BadValue(each.name, value, "true or false")
            if kind == "int" and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise BadValue(each.name, value, "a whole number")
            if kind == "float" and (isinstance(value, bool) or not isinstance(value, Real)):
                raise BadValue(each.name, value, "a number")

    @property
    def objective(self) -> PolicyGradient:
        """The loss of these settings."""
        cispo = self.loss_type == "cispo"
        aggregation: Any = "dapo" if cispo else self.loss_type
        return PolicyGradient(
            eps_low=self.epsilon,
            eps_high=self.epsilon if self.epsilon_high is None else self.epsilon_high,
            dual_clip=self.delta,
            aggregation=aggregation,
            kl_weight=self.beta,
            kl=self.kl,
            entropy_weight=self.entropy_coef,
            use_bias_correction_kl=self.use_bias_correction_kl,
            importance_sampling_level=self.importance_sampling_level,
            surrogate="cispo" if cispo else "clip",
            importance_sampling_cap=self.importance_sampling_cap,
        )

    @property
    def prompts_per_step(self) -> int:
        """M."""
        return self.generation_batch_size // self.num_generations

    @property
    def updates_per_step(self) -> int:
        """Optimiser steps for the answers of one step."""
        return self.num_iterations * self.mini_batches

    def updates(self, prompts: int) -> int:
        """Optimiser steps in all, over a data set of so many prompts."""
        if self.max_steps > 0:
            return self.max_steps
        return max(1, math.ceil(self.num_train_epochs * prompts / self.prompts_per_step)) * self.updates_per_step

    def rate(self, done: int, total: int) -> float:
        """Learning rate of the optimiser step after `done` others of `total`."""
        if done < self.warmup_steps:
            return self.learning_rate * done / max(1, self.warmup_steps)
        if self.lr_scheduler_type == "constant":
            return self.learning_rate
        share = (done - self.warmup_steps) / max(1, total - self.warmup_steps)
        if self.lr_scheduler_type == "linear":
            return self.learning_rate * max(0.0, 1.0 - share)
        return self.learning_rate * max(0.0, 0.5 * (1.0 + math.cos(math.pi * share)))

    @property
    def folder(self) -> Path | None:
        """output_dir."""
        return None if self.output_dir is None else Path(self.output_dir)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> GRPOConfig:
        """What `to_json` gave, or a part of it. Raises: BadValue for a field that there is not."""
        known = [each.name for each in fields(cls)]
        for name in stored:
            if name not in known:
                raise BadValue("config field", name, f"one of {', '.join(known)}")
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        return cls(**given)


_LEAST: Mapping[str, float] = {
    "seed": 0, "generation_batch_size": 2, "max_completion_length": 1, "temperature": 0, "max_generation_batches": 1,
    "warmup_steps": 0, "adam_beta1": 0, "adam_beta2": 0, "weight_decay": 0, "token_budget": 1, "num_iterations": 1,
    "mini_batches": 1, "per_device_train_batch_size": 1, "beta": 0, "entropy_coef": 0, "max_staleness": 0,
    "logging_steps": 1, "save_steps": 1, "save_total_limit": 1, "eval_steps": 1, "num_generations_eval": 1,
    "eval_temperature": 0, "eval_seed": 0,
}  # fmt: skip
_ONE_OF: Mapping[str, Any] = {
    "lr_scheduler_type": Schedule, "loss_type": LossType, "scale_rewards": Scaling, "kl": Literal["k1", "k2", "k3"],
    "importance_sampling_level": Literal["token", "sequence"],
    "multi_objective_aggregation": Literal["sum_then_normalize", "normalize_then_sum"],
}  # fmt: skip
