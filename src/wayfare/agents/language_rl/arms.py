"""An arm of an experiment: the trainer's settings and the parts that a method puts in, as plain data.

    Arm("plain")
    Arm("reverse KL", {"beta": 0.1})
    Arm("elliptical", {}, {"features": ("wayfare.learn...:BaseStates", {}), "bonus": ("wayfare...:Elliptical", {})})

Keys of `parts` are the trainer's own names (`SEAMS`), each with the address of a class or function and its arguments;
`regularisers`, `auxiliary`, `callbacks` and `reward_funcs` take a list of such pairs. A part that declares one of these
parameters and is not given it is told

    seed        of the arm's run                task        the verifiable task
    reader      words <-> ids                   rows        those of the training split
    reference   a frozen copy of the base       model       the policy, which the trainer changes

(None for the reference where the policy is adapters beside a frozen model: with them off it is its own.)

Every arm starts from a fresh copy of the same base, and is asked the same prompts where seeds are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wayfare.agents.language_rl.addresses import made
from wayfare.agents.language_rl.base import Base, Report, base_model, task_of
from wayfare.agents.language_rl.real import RealModel
from wayfare.errors import BadValue
from wayfare.language.policies import copy_frozen
from wayfare.learn.grpo import GRPO, Callback, GRPOConfig

__all__ = ["DEFAULTS", "SEAMS", "SEVERAL", "Arm", "config_of", "task_at", "trainer_of"]

SEAMS = ("budget", "transform", "features", "bonus", "shaper", "row_filter", "advantage", "sampler", "rollout")
"""Parts of which there is one."""
SEVERAL = ("regularisers", "auxiliary", "callbacks", "reward_funcs")
"""Parts of which there are several."""

DEFAULTS: Mapping[str, Any] = {
    "generation_batch_size": 256, "num_generations": 16, "learning_rate": 1e-4, "lr_scheduler_type": "constant",
    "report_to": ("jsonl",),
}  # fmt: skip
"""Of the trainer, where an arm says nothing: 16 prompts with 16 answers each, one update."""

Address = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Arm:
    """name: in tables; not part of what is computed        trainer: fields of `GRPOConfig`        parts: see above

    Raises: BadValue for an unknown part, or one that is no address with arguments.
    """

    name: str
    trainer: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trainer", dict(self.trainer))
        checked: dict[str, Any] = {}
        for seam, told in self.parts.items():
            if seam in SEAMS:
                checked[seam] = _pair(seam, told)
            elif seam in SEVERAL:
                checked[seam] = [_pair(seam, each) for each in told]
            else:
                raise BadValue("part", seam, f"one of {', '.join((*SEAMS, *SEVERAL))}")
        object.__setattr__(self, "parts", checked)

    def but(self, name: str, **trainer: Any) -> Arm:
        """Another arm of the same parts, with other settings of the trainer."""
        return Arm(name, {**self.trainer, **trainer}, self.parts)

    @property
    def addresses(self) -> list[str]:
        """Of all its parts."""
        return [each[0] for seam, told in self.parts.items() for each in (told if seam in SEVERAL else [told])]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        trainer = {name: list(value) if isinstance(value, tuple) else value for name, value in self.trainer.items()}
        parts = {
            seam: [list(each) for each in told] if seam in SEVERAL else list(told) for seam, told in self.parts.items()
        }
        return {"name": self.name, "trainer": trainer, "parts": parts}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Arm:
        """What `to_json` gave."""
        return cls(**stored)


def trainer_of(
    base: Base | RealModel,
    arm: Arm,
    seed: int,
    *,
    settings: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    auxiliary: Sequence[Any] = (),
    report: Report | None = None,
    train_prompts: int | None = None,
) -> GRPO:
    """The trainer of an arm, at its start.

    settings: of the trainer, over the arm's own: how long, and how it is evaluated
    folder: of checkpoints and metrics        callbacks, auxiliary: beside the arm's own
    train_prompts: the first so many rows of the training split are asked, again and again; None: all

    The first reward function is always the task's, so that what is right is the same in every arm; it has no weight
    where an arm brings its own.

    Raises: BadValue for a setting or part that does not go.
    """
    task, config = task_at(base), config_of(base, arm, seed, settings=settings, folder=folder)
    model = base.start(seed, report) if isinstance(base, RealModel) else base_model(base, report)
    reference = base.reference(model) if isinstance(base, RealModel) else copy_frozen(model)
    rows = task.rows("train")[:train_prompts]
    known = {
        "seed": seed, "task": task, "reader": getattr(model, "reader", None), "rows": rows, "reference": reference,
        "model": model,
    }  # fmt: skip
    own: dict[str, Any] = {
        seam: [made(each[0], each[1], known) for each in told] if seam in SEVERAL else made(told[0], told[1], known)
        for seam, told in arm.parts.items()
    }
    rewards, _ = _rewards(task, own.pop("reward_funcs", None), None)
    if isinstance(base, RealModel):
        own = base.drawing(own, config)
    return GRPO(
        model, rewards, rows, config, ref_model=reference,
        callbacks=[*own.pop("callbacks", ()), *callbacks], auxiliary=[*own.pop("auxiliary", ()), *auxiliary], **own,
    )  # fmt: skip


def config_of(
    base: Base | RealModel,
    arm: Arm,
    seed: int,
    *,
    settings: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> GRPOConfig:
    """The trainer's settings of an arm. Raises: BadValue for one that does not go."""
    task = task_at(base)
    _, weights = _rewards(task, arm.parts.get("reward_funcs"), arm.trainer.get("reward_weights"))
    return GRPOConfig.from_json(
        {
            **DEFAULTS, "max_completion_length": task.max_completion, **arm.trainer, **(settings or {}),
            "reward_weights": weights, "seed": seed, "output_dir": None if folder is None else str(folder),
        }
    )  # fmt: skip


def task_at(base: Base | RealModel) -> Any:
    """What is asked and paid there."""
    return base.task if isinstance(base, RealModel) else task_of(base)


def _rewards(task: Any, own: Sequence[Any] | None, weights: Any) -> tuple[list[Any], tuple[float, ...]]:
    """Reward functions and their weights; `weights` are the arm's, of its own functions or of the task's."""
    if own:
        return [task.reward, *own], (0.0, *(weights or [1.0] * len(own)))
    functions = list(getattr(task, "reward_functions", (task.reward,)))
    return functions, tuple(weights or getattr(task, "reward_weights", [1.0] * len(functions)))


def _pair(seam: str, told: Any) -> Address:
    if not isinstance(told, (tuple, list)) or len(told) != 2 or not isinstance(told[0], str):
        raise BadValue(f"part {seam}", told, "a pair of an address and its arguments")
    return told[0], dict(told[1])
