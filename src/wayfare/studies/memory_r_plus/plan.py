"""What the study runs, as cells: the base first, then the tuning, then the arms.

An arm is GRPO with another bonus, other rows beside its own, or other rewards; settings are chosen by pass@1 when the
tokens are spent, on selection prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.memory_r_plus import Config

__all__ = [
    "FINE_TUNING",
    "MEMORY",
    "MEMORY_FAST",
    "R1_FAST",
    "SEAMS",
    "SHUFFLED",
    "Tuned",
    "arm_cells_of",
    "base_of",
    "chosen",
    "common",
    "fine_tuning",
    "first_cells",
    "how_of",
    "like",
    "memory",
    "others",
    "r1",
    "tuning_cells",
]

SEAMS = ("bonus",)
"""Of the trainer, filled by Memory-R+; fine-tuning on successes, which it is compared to, is an auxiliary source."""
R1_FAST, MEMORY_FAST = "R1 at the highest rate", "Memory-R+ at the highest rate"
MEMORY, SHUFFLED, FINE_TUNING = "Memory-R+", "Memory-R+, answers filed at random", "R1 and fine-tuning on successes"
BONUS = "wayfare.learn.grpo.episodic_bonus:EpisodicBonus"
SUCCESSES = "wayfare.learn.grpo.replay:SuccessFineTuning"
BY_LENGTH = "wayfare.learn.grpo.length_rewards:CosineOfLength"
RIGHT = 1.5
"""Reward above which an answer is right: such a one earns 3, any other 1 at most."""


class Tuned(NamedTuple):
    """What other seeds have settled. baseline, method, fine_tuning: arms, the last two under the study's names"""

    baseline: Arm
    method: Arm
    fine_tuning: Arm

    @property
    def rate(self) -> float:
        """Learning rate of Memory-R+."""
        return float(self.method.trainer["learning_rate"])


def base_of(config: Config) -> Base:
    """Rarely right, and without an answer every other time."""
    return Base("countdown3-tags", {"hint_rate": config.hint_rate}, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=config.ks,
    )  # fmt: skip


def common(config: Config) -> dict[str, Any]:
    """Settings of the published script, in the trainer's names; its mean is over answers of means over tokens."""
    return {
        "generation_batch_size": 16 * config.answers, "num_generations": config.answers, "loss_type": "grpo",
        "adam_beta2": 0.99, "weight_decay": 0.1, "max_grad_norm": 0.1,
    }  # fmt: skip


def memory(config: Config, name: str = MEMORY, **told: Any) -> Arm:
    """The method, or the method with other settings of its memories."""
    usual = {
        "exploit": config.exploit, "explore": config.explore, "k": config.k, "warm_up": config.warm_up,
        "threshold": RIGHT, "reason": ">",
    }  # fmt: skip
    return Arm(name, common(config), {"bonus": (BONUS, {**usual, **told})})


def like(
    method: Arm, name: str, rate: float | None = None, trainer: Mapping[str, Any] | None = None, **told: Any
) -> Arm:
    """The chosen method with other settings of its memories or its trainer, or at another rate."""
    address, chosen_by = method.parts["bonus"]
    rate = method.trainer["learning_rate"] if rate is None else rate
    return Arm(
        name, {**method.trainer, "learning_rate": rate, **(trainer or {})}, {"bonus": (address, {**chosen_by, **told})}
    )


def fine_tuning(config: Config) -> Arm:
    """R1, and every few steps an update on what was right."""
    told = {"threshold": RIGHT, "every": config.every, "tolerance": config.every}
    return Arm(FINE_TUNING, common(config), {"auxiliary": [(SUCCESSES, told)]})


def r1(config: Config, rate: float, name: str = "R1", **trainer: Any) -> Arm:
    """Form and outcome alone."""
    return Arm(name, {**common(config), "learning_rate": rate, **trainer})


def others(config: Config, tuned: Tuned) -> tuple[Arm, ...]:
    """Arms that are shown without a verdict: at Memory-R+'s learning rate, and Memory-R at the highest as well."""
    method, rate, fast = tuned.method, tuned.rate, max(config.rates)
    _, told = method.parts["bonus"]
    other = {"after": "before", "before": "after"}[told.get("order", "after")]
    return (
        like(method, "Memory-R", explore=0.0),
        like(method, "Memory-R at the highest rate", fast, explore=0.0),
        like(method, f"Memory-R+, written {other} it is read", order=other),
        like(method, f"Memory-R+, {config.fewer} task read", k=config.fewer),
        like(
            method,
            "Memory-R+, a tenth of both weights, scaled by the batch",
            trainer={"scale_rewards": "batch"},
            exploit=config.exploit / 10,
            explore=config.explore / 10,
        ),
        r1(config, rate, "outcome alone", reward_weights=(2.0, 0.0, 0.0)),
        r1(config, rate, "outcome times 4", reward_weights=(8.0, 0.5, 0.5)),
        Arm("reward by length", r1(config, rate).trainer, {"reward_funcs": [(BY_LENGTH, {})]}),
    )


def first_cells(config: Config) -> list[Cell]:
    """The base."""
    return [base_cell(base_of(config), how_of(config))]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls, Memory-R+ in both orders and fine-tuning at each rate, on other seeds and on selection prompts."""
    arms = [*_controls(config).values(), *_methods(config), *grid(fine_tuning(config), config.rates)]
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control, order and rate of Memory-R+, and rate of fine-tuning, by pass@1 when the tokens are spent."""
    runs = runs_of(tuning)

    def best(arms: Mapping[str, Arm]) -> Arm:
        return arms[deciding({name: runs[name] for name in arms}, _pass1)]

    method = best({arm.name: arm for arm in _methods(config)})
    tuning_on = best({arm.name: arm for arm in grid(fine_tuning(config), config.rates)})
    return Tuned(best(_controls(config)), method.but(MEMORY), tuning_on.but(FINE_TUNING))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Arms that checks ask about on all seeds, the others on a few."""
    base, how = base_of(config), how_of(config)
    seeds = [config.seed + each for each in range(config.seeds)]
    method, fast = tuned.method, max(config.rates)
    asked = [
        r1(config, fast, R1_FAST), like(method, MEMORY_FAST, fast),
        tuned.baseline, method, like(method, SHUFFLED, shuffled=True), tuned.fine_tuning,
    ]  # fmt: skip
    return [
        *arm_cells(base, asked, how, seeds),
        *arm_cells(base, others(config, tuned), how, seeds[: config.other_seeds]),
    ]


def _methods(config: Config) -> tuple[Arm, ...]:
    released = memory(config, f"{MEMORY} as released", order="before")
    return *grid(memory(config), config.rates), *grid(released, config.rates)


def _controls(config: Config) -> dict[str, Arm]:
    told: Any = controls(config.rates, beta=config.beta, entropy=config.entropy, **common(config))
    return {arm.name: arm for arm in told}


def _pass1(run: Run) -> float:
    return run.end("pass@1")
