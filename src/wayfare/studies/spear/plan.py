"""What the study runs, as cells: the base first, then the tuning, then the arms.

An arm is the same trainer, whose answers are conversations, with a bonus or without, and with other rows beside its own
or without. Settings are chosen by success when the tokens are spent, on selection questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base, train_arm
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import PRETRAINING, TUNING_SEEDS, How, arm_cells, controls, grid
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.spear import Config

__all__ = [
    "CONSTANT",
    "FADING",
    "SEAMS",
    "SPEAR",
    "Tuned",
    "arm_cells_of",
    "base_of",
    "chosen",
    "constant",
    "fading",
    "first_cells",
    "how_of",
    "others",
    "plain",
    "spear",
    "tuning_cells",
]

SEAMS = ("rollout", "row_filter", "bonus", "shaper", "auxiliary")
"""Of the trainer, filled by SPEAR; the clipping of tokens is a part of its auxiliary source."""
SPEAR, FADING, CONSTANT = "SPEAR", "bonus that fades", "bonus that stays"
PARTS = "wayfare.studies.spear.parts:"
BONUS = "wayfare.learn.grpo.tools:ToolBonus"
SUCCESSES = "wayfare.learn.grpo.replay:SuccessFineTuning"
TALK: tuple[str, dict[str, Any]] = (f"{PARTS}conversations", {})


class Tuned(NamedTuple):
    """What other seeds have settled: arms, the last three under the study's names."""

    baseline: Arm
    spear: Arm
    fading: Arm
    constant: Arm


def base_of(config: Config) -> Base:
    """Answers at once, and calls now and then."""
    knobs = {"tool_rate": config.tool_rate, "aimless": config.aimless}
    return Base("lookup", knobs, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=config.ks, probes=(f"{PARTS}calls",),
    )  # fmt: skip


def plain(config: Config, name: str = "GRPO") -> Arm:
    """Dr.BoT: what all arms have in common."""
    trainer = {
        "generation_batch_size": 16 * config.answers, "num_generations": config.answers, "epsilon_high": 0.28,
        "delta": 10.0, "scale_rewards": "none", "loss_type": "seq-mean-token-sum-norm",
    }  # fmt: skip
    return Arm(name, trainer, {"rollout": TALK, "row_filter": (f"{PARTS}filters", {"share": config.widest})})


def fading(config: Config) -> Arm:
    """(1) alone."""
    return _with(plain(config), FADING, **_bonus(config, "fading", {"steps": config.fade}))


def constant(config: Config) -> Arm:
    """(1) with mu = 1."""
    return _with(plain(config), CONSTANT, **_bonus(config, "constant", {}))


def spear(config: Config, name: str = SPEAR, **told: Any) -> Arm:
    """(1) and (2), or with other settings of the imitation."""
    return _with(fading(config), name, auxiliary=[_imitation(config, **told)])


def others(config: Config, rate: float) -> tuple[Arm, ...]:
    """Arms that are shown at SPEAR's learning rate, without a verdict."""
    successes = {"size": config.buffer, "tolerance": config.tolerance, "every": config.every}
    bare = Arm("GRPO without Dr.BoT", {name: plain(config).trainer[name] for name in ("generation_batch_size",
               "num_generations")}, {"rollout": TALK})  # fmt: skip
    arms = (
        _with(plain(config), "imitation alone", auxiliary=[_imitation(config)]),
        spear(config, "SPEAR, advantages as stored", decay=1.0),
        spear(config, "SPEAR, no token clipped", clip=None),
        _with(plain(config), "fine-tuning on successes", auxiliary=[(SUCCESSES, successes)]),
        bare,
    )
    return tuple(arm.but(arm.name, learning_rate=rate) for arm in arms)


def first_cells(config: Config) -> list[Cell]:
    """The base, in conversations as the arms are."""
    told = asdict(replace(how_of(config), steps=0, token_budget=None))
    kwargs = {"base": base_of(config), "arm": Arm("base", {}, {"rollout": TALK}), "seed": 0, **told}
    return [Cell("base", train_arm, kwargs, PRETRAINING["xs"] * config.base_steps)]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls, and SPEAR and both bonuses at each rate, on other seeds and on selection questions."""
    arms = [*_controls(config).values(), *(arm for each in _methods(config) for arm in grid(each, config.rates))]
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control, and the best rate of each method, by success when the tokens are spent."""
    runs = runs_of(tuning)

    def best(arms: Mapping[str, Arm]) -> Arm:
        return arms[deciding({name: runs[name] for name in arms}, _success)]

    rated = [best({arm.name: arm for arm in grid(each, config.rates)}).but(each.name) for each in _methods(config)]
    return Tuned(best(_controls(config)), *rated)


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Arms that checks ask about on all seeds, the others on a few."""
    base, how = base_of(config), how_of(config)
    seeds = [config.seed + each for each in range(config.seeds)]
    rate = float(tuned.spear.trainer["learning_rate"])
    return [
        *arm_cells(base, tuned, how, seeds),
        *arm_cells(base, others(config, rate), how, seeds[: config.other_seeds]),
    ]


def _methods(config: Config) -> tuple[Arm, Arm, Arm]:
    return spear(config), fading(config), constant(config)


def _controls(config: Config) -> dict[str, Arm]:
    common = plain(config)
    told: Any = controls(config.rates, beta=config.beta, entropy=config.entropy, **common.trainer)
    return {arm.name: Arm(arm.name, arm.trainer, common.parts) for arm in told}


def _bonus(config: Config, shaper: str, told: Mapping[str, Any]) -> dict[str, Any]:
    return {"bonus": (BONUS, {"amount": config.bonus, "cap": 1.0}), "shaper": (f"{PARTS}{shaper}", told)}


def _imitation(config: Config, **told: Any) -> tuple[str, dict[str, Any]]:
    usual = {
        "steps": config.rise, "size": config.buffer, "baseline": config.medians, "tolerance": config.tolerance,
        "every": config.every, "clip": list(config.covariance),
    }  # fmt: skip
    return f"{PARTS}imitation", {**usual, **told}


def _with(arm: Arm, name: str, **parts: Any) -> Arm:
    return Arm(name, arm.trainer, {**arm.parts, **parts})


def _success(run: Run) -> float:
    return run.end("pass@1")
