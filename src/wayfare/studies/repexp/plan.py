"""What the study runs, as cells: bases and selection first, then the tuning, then the arms.

An arm is GRPO with another bonus and nothing else: all have the trainer's settings of `common`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import PRETRAINING, TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import runs_of
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.selection import select

__all__ = [
    "SEAMS",
    "Tuned",
    "arm_cells_of",
    "base_of",
    "bonuses",
    "chosen",
    "common",
    "first_cells",
    "how_of",
    "others",
    "plain",
    "repexp",
    "strategy_base",
    "tuning_cells",
]

SEAMS = ("features", "bonus")
"""Of the trainer, filled by the study's arms."""
FEATURES: tuple[str, dict[str, Any]] = ("wayfare.learn.grpo.features:MeanStates", {})
BONUSES = "wayfare.learn.grpo.bonuses:"
SHARED = 0.25
"""c of a ridge at the features' own scale."""
RANKED = 0.25
"""Weight of Unlikeliness."""
POOL_SECONDS = 0.25
"""Of one core, for one prompt's pool and all choices from it."""


class Tuned(NamedTuple):
    """What other seeds have settled. baseline, method: arms of the study, the method under its own name
    start: name of plain GRPO at the method's rate; '': that is the baseline
    """

    baseline: Arm
    method: Arm
    start: str = ""

    @property
    def rate(self) -> float:
        """Learning rate of the method."""
        return float(self.method.trainer["learning_rate"])


def base_of(config: Config) -> Base:
    """Countdown's: broad, weak, and right about once in ten."""
    return Base("countdown3", {"hint_rate": config.hint_rate}, steps=config.base_steps, rate=config.base_rate)


def strategy_base(config: Config, seed: int) -> Base:
    """The hidden strategy's; ways, corpus and weights are the seed's."""
    return Base(
        "hidden-strategy", {"right_rate": config.right_rate, "prompts": config.strategy_prompts, "seed": seed},
        steps=config.strategy_steps, seed=seed,
    )  # fmt: skip


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, train_prompts=config.train_prompts,
    )  # fmt: skip


def common(config: Config) -> dict[str, Any]:
    """Settings of all arms, in the trainer's names: mean over tokens, no divergence."""
    return {"generation_batch_size": config.batch, "num_generations": config.answers, "mini_batches": 4}


def repexp(config: Config) -> Arm:
    """The method, as published."""
    return _elliptical("repexp", config)


def bonuses(config: Config, rate: float) -> tuple[Arm, ...]:
    """Those that a check asks about, at the method's learning rate: novelty with a scaled ridge, and copies."""
    settings = {**common(config), "learning_rate": rate}
    return (
        _elliptical("repexp, scaled ridge", config, ridge=SHARED, adaptive=True).but(
            "repexp, scaled ridge", learning_rate=rate
        ),
        Arm("bonus 1/m for copies", settings, {"bonus": (f"{BONUSES}CopyBonus", {"beta": config.bonus})}),
    )


def plain(config: Config, rate: float) -> Arm:
    """What the method adds its bonus to."""
    return Arm(f"GRPO lr {rate:g}", {**common(config), "learning_rate": rate})


def others(config: Config, rate: float) -> tuple[Arm, ...]:
    """Arms without a verdict: advantages not divided by the deviation, bonus on unsolved prompts too, Unlikeliness."""
    settings = {**common(config), "learning_rate": rate}
    return (
        repexp(config).but("repexp, no deviation", learning_rate=rate, scale_rewards="none"),
        _elliptical("repexp, open gate", config, closed=[]).but("repexp, open gate", learning_rate=rate),
        Arm("unlikeliness", settings, {"bonus": (f"{BONUSES}RankBonus", {"beta": RANKED})}),
    )


def first_cells(config: Config) -> list[Cell]:
    """Countdown's base, and selection from pools of both bases, a cell a seed."""
    pretraining = PRETRAINING["xs"] * config.strategy_steps
    kwargs = {"pool": config.pool, "repeats": config.repeats}
    cells = [base_cell(base_of(config), how_of(config))]
    for seed in _seeds(config):
        cells += [
            Cell(
                f"selection seed {seed}", select,
                {"base": strategy_base(config, seed), "prompts": config.strategy_prompts, "seed": seed, **kwargs},
                pretraining + POOL_SECONDS * config.strategy_prompts,
            ),
            Cell(
                f"weak selection seed {seed}", select,
                {"base": base_of(config), "prompts": config.weak_prompts, "seed": seed, **kwargs},
                POOL_SECONDS * config.weak_prompts,
            ),
        ]  # fmt: skip
    return cells


def tuning_cells(config: Config) -> list[Cell]:
    """Controls and the method at each rate, on other seeds and on selection prompts."""
    arms = (*_controls(config), *grid(repexp(config), config.rates))
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control and the method's best rate, by pass@1 + pass@64 when the tokens are spent."""
    runs = runs_of(tuning)
    names = {arm.name: arm for arm in _controls(config)}
    methods = {arm.name: arm for arm in grid(repexp(config), config.rates)}
    best = names[deciding({name: runs[name] for name in names})]
    rate = methods[deciding({name: runs[name] for name in methods})].trainer["learning_rate"]
    return Tuned(best, repexp(config).but("repexp", learning_rate=rate), plain(config, rate).name)


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """What checks ask about on all seeds, the others on a few."""
    base, how, seeds = base_of(config), how_of(config), _seeds(config)
    same = [arm for arm in (plain(config, tuned.rate),) if arm.name != tuned.baseline.name]
    checked = [tuned.baseline, *same, tuned.method, *bonuses(config, tuned.rate)]
    return [
        *arm_cells(base, checked, how, seeds),
        *arm_cells(base, others(config, tuned.rate), how, seeds[: config.other_seeds]),
    ]


def _controls(config: Config) -> tuple[Arm, ...]:
    """GRPO at each rate, and at the middle one with a reverse KL and with an entropy bonus."""
    middle = sorted(config.rates)[len(config.rates) // 2]
    told = {"beta": config.beta, "entropy": config.entropy, **common(config)}
    return (*controls(config.rates, **told)[: len(config.rates)], *controls((middle,), **told)[1:])


def _elliptical(name: str, config: Config, **knobs: Any) -> Arm:
    told = {"beta": config.bonus, "ridge": config.ridge, "width": config.width, **knobs}
    return Arm(name, common(config), {"features": FEATURES, "bonus": (f"{BONUSES}EllipticalBonus", told)})


def _seeds(config: Config) -> list[int]:
    return [config.seed + each for each in range(config.seeds)]
