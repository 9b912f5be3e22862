"""What the study runs, as cells: both bases first, then the tuning, then the arms.

An arm is GRPO with another regulariser and nothing else. Settings are chosen by pass@1 + pass@16 when the tokens are
spent, on other seeds and on selection prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding, pass_sum
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.lp_reg import Config

__all__ = [
    "AMPLIFIED",
    "BELOW",
    "LIFTING",
    "LP_REG",
    "PLAIN",
    "SEAMS",
    "Tuned",
    "amplified",
    "arm_cells_of",
    "base_of",
    "chosen",
    "common",
    "first_cells",
    "how_of",
    "lp_reg",
    "others",
    "score",
    "tuning_cells",
]

SEAMS = ("regularisers",)
"""Of the trainer, filled by the study's arms."""
LP_REG, AMPLIFIED, PLAIN = "Lp-Reg", "Lp-Reg amplified", "GRPO at Lp-Reg's rate"
LIFTING = "entropy bonus at Lp-Reg's rate"
BELOW = "below the filter: "
"""Begins the names of arms on the other base."""
PARTS = "wayfare.learn.grpo.regularisers:"


class Tuned(NamedTuple):
    """What other seeds have settled. baseline: an arm        rate: Lp-Reg's learning rate"""

    baseline: Arm
    rate: float


def base_of(config: Config, wait_rate: float | None = None) -> Base:
    """Broad, right about once in ten, and says WAIT behind one attempt in ten, or at another rate."""
    knobs = {
        "hint_rate": config.hint_rate, "junk_rate": config.junk_rate,
        "wait_rate": config.wait_rate if wait_rate is None else wait_rate,
    }  # fmt: skip
    return Base("second-thoughts", knobs, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=config.ks, probes=("wayfare.studies.lp_reg.probes:behind_attempts",),
    )  # fmt: skip


def common(config: Config) -> dict[str, Any]:
    """Settings of every arm, in the trainer's names."""
    return {"generation_batch_size": config.prompts * config.answers, "num_generations": config.answers}


def lp_reg(config: Config, name: str = LP_REG, **but: Any) -> Arm:
    """The method as published, or with other settings of `LowProbability`."""
    told = {"share": config.share, "kappa": config.kappa, "beta": config.beta, **but}
    return Arm(name, common(config), {"regularisers": [(f"{PARTS}LowProbability", told)]})


def amplified(config: Config) -> Arm:
    """More tokens, and the divergence as the paper writes it: over the vocabulary, beside the token's own loss."""
    return lp_reg(config, AMPLIFIED, share=config.amplified, mode="full")


def others(config: Config, rate: float) -> tuple[Arm, ...]:
    """Arms that are shown at Lp-Reg's learning rate, without a verdict."""
    arms = (
        lp_reg(config, "Lp-Reg without its filter", kappa=0.0),
        lp_reg(config, "Lp-Reg, ten times the weight", beta=10.0 * config.beta),
        Arm("clip-higher, two updates", {**common(config), "epsilon_high": 0.28, "mini_batches": 2}),
        Arm("Lp-Reg, two updates", {**common(config), "mini_batches": 2}, lp_reg(config).parts),
        Arm(
            "KL-Cov, two updates",
            {**common(config), "mini_batches": 2},
            {"regularisers": [(f"{PARTS}CovarianceDivergence", {})]},
        ),
        Arm("80/20 mask", common(config), {"regularisers": [(f"{PARTS}UncertainTokens", {})]}),
    )
    return tuple(arm.but(arm.name, learning_rate=rate) for arm in arms)


def first_cells(config: Config) -> list[Cell]:
    """Both bases."""
    how = how_of(config)
    return [
        base_cell(base_of(config), how),
        base_cell(base_of(config, config.low_wait_rate), how, "base below the filter"),
    ]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls and Lp-Reg at each rate, on other seeds and on selection prompts."""
    arms = (*_controls(config).values(), *grid(lp_reg(config), config.rates))
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control, and Lp-Reg's best rate."""
    runs, methods = runs_of(tuning), {arm.name: arm for arm in grid(lp_reg(config), config.rates)}
    by = partial(score, config)
    best = deciding({name: runs[name] for name in _controls(config)}, by)
    rate = methods[deciding({name: runs[name] for name in methods}, by)].trainer["learning_rate"]
    return Tuned(_controls(config)[best], float(rate))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Arms that checks ask about on all seeds; the others, and those on the other base, on a few."""
    how, low = how_of(config), base_of(config, config.low_wait_rate)
    seeds = [config.seed + each for each in range(config.seeds)]
    few = seeds[: config.other_seeds]
    at_rate = [
        Arm(PLAIN, common(config)), lp_reg(config), amplified(config),
        Arm(LIFTING, {**common(config), "entropy_coef": config.lifting}),
    ]  # fmt: skip
    asked = [arm.but(arm.name, learning_rate=tuned.rate) for arm in at_rate]
    below = [arm.but(f"{BELOW}{arm.name}") for arm in (asked[0], asked[2])]
    return [
        *arm_cells(base_of(config), [tuned.baseline, *asked], how, seeds),
        *arm_cells(base_of(config), others(config, tuned.rate), how, few),
        *arm_cells(low, below, how, few),
    ]


def score(config: Config, run: Run) -> float:
    """pass@1 and the highest pass@k."""
    return pass_sum(run, config.ks[-1])


def _controls(config: Config) -> dict[str, Arm]:
    arms = controls(config.rates, beta=config.reverse, entropy=config.entropy, **common(config))
    return {arm.name: arm for arm in arms}
