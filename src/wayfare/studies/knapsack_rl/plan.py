"""What the study runs, as cells: base and allocation first, then the tuning, then the arms.

An arm is GRPO with another budget and nothing else: all have the trainer's settings of `common`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.allocation import allocate
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls, grid, two_rollouts
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import Run, runs_of

__all__ = [
    "SEAMS",
    "Tuned",
    "arm_cells_of",
    "base_of",
    "chosen",
    "common",
    "first_cells",
    "first_epoch",
    "how_of",
    "knapsack",
    "others",
    "tuning_cells",
    "variance",
]

SEAMS = ("budget",)
"""Of the trainer, filled by the study's arms."""
BUDGETS = "wayfare.learn.grpo.budgets:"


class Tuned(NamedTuple):
    """What other seeds have settled. baseline, method: arms of the study, the method under its own name"""

    baseline: Arm
    method: Arm

    @property
    def rate(self) -> float:
        """Learning rate of the method."""
        return float(self.method.trainer["learning_rate"])


def base_of(config: Config) -> Base:
    """Broad, and right about once in ten."""
    return Base("countdown3", {"hint_rate": config.hint_rate}, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=(1, 4, 16), train_prompts=config.train_prompts,
    )  # fmt: skip


def common(config: Config) -> dict[str, Any]:
    """Settings of the published script, in the trainer's names."""
    return {
        "generation_batch_size": config.prompts * config.answers, "num_generations": config.answers, "mini_batches": 2,
        "epsilon_high": 0.28, "delta": 10.0, "importance_sampling_cap": 2.0, "advantage_clip": 5.0,
    }  # fmt: skip


def first_epoch(config: Config) -> int:
    """Steps until every prompt was asked once: until then nothing is known and all budgets are equal."""
    return -(-config.train_prompts // config.prompts)


def knapsack(config: Config) -> Arm:
    """The method."""
    limits = {"n_low": config.n_low, "n_up": config.n_up}
    return Arm("knapsack", common(config), {"budget": (f"{BUDGETS}KnapsackBudget", limits)})


def variance(config: Config, rate: float) -> Arm:
    """The simple rule: n in proportion to p (1 - p)."""
    limits = {"n_low": config.n_low, "n_up": config.n_up}
    settings = {**common(config), "learning_rate": rate}
    return Arm("proportional to p (1 - p)", settings, {"budget": (f"{BUDGETS}VarianceBudget", limits)})


def others(config: Config, tuned: Tuned) -> tuple[Arm, ...]:
    """Arms that are reported, at the knapsack's learning rate, without a verdict."""
    settings = {**common(config), "learning_rate": tuned.rate}
    return (
        Arm("dynamic sampling", {**settings, "dynamic_sampling": True}),
        Arm("only 0.1 < p < 0.9", settings, {"budget": (f"{BUDGETS}SolvableBudget", {})}),
    )


def first_cells(config: Config) -> list[Cell]:
    """The base, and the allocation without a model."""
    return [
        base_cell(base_of(config), how_of(config)),
        Cell("allocation", allocate, {"repeats": config.repeats, "seed": config.seed}, 0.02 * config.repeats),
    ]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls and the knapsack at each rate, on other seeds and on selection prompts."""
    arms = (*_controls(config), *grid(knapsack(config), config.rates))
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control and the knapsack's best rate by pass@1 when the tokens are spent."""
    runs = runs_of(tuning)
    names = {arm.name: arm for arm in _controls(config)}
    methods = {arm.name: arm for arm in grid(knapsack(config), config.rates)}
    best = names[deciding({name: runs[name] for name in names}, _pass1)]
    rate = methods[deciding({name: runs[name] for name in methods}, _pass1)].trainer["learning_rate"]
    return Tuned(best, knapsack(config).but("knapsack", learning_rate=rate))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Baseline, knapsack and the simple rule on all seeds; the others on a few; twice the answers at twice the cost."""
    base, how = base_of(config), how_of(config)
    seeds = [config.seed + each for each in range(config.seeds)]
    few = seeds[: config.other_seeds]
    double = How(**{**how.__dict__, "token_budget": 2 * config.token_budget})
    return [
        *arm_cells(base, [tuned.baseline, tuned.method, variance(config, tuned.rate)], how, seeds),
        *arm_cells(base, others(config, tuned), how, few),
        *arm_cells(base, [two_rollouts(tuned.baseline)], double, few),
    ]


def _controls(config: Config) -> tuple[Arm, ...]:
    """Equal groups at each rate, and at the middle one with a reverse KL and with an entropy bonus."""
    middle = sorted(config.rates)[len(config.rates) // 2]
    told = {"beta": config.beta, "entropy": config.entropy, **common(config)}
    return (*controls(config.rates, **told)[: len(config.rates)], *controls((middle,), **told)[1:])


def _pass1(run: Run) -> float:
    return run.end("pass@1")
