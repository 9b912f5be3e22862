"""What the study runs, as cells: draws of untrained bases, the tuning on other seeds, then the arms.

An arm of training is GRPO with another sampler and, where tokens are not drawn at temperature 1, truncated weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.ead import Config
from wayfare.studies.ead.drawing import draw
from wayfare.studies.ead.schedules import Schedule
from wayfare.studies.language_cells import PRETRAINING, STEP, TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding, frontier, pass_sum
from wayfare.studies.language_runs import Run, runs_of

__all__ = [
    "ANNEALED",
    "BACKWARDS",
    "COOLED",
    "FIXED",
    "METHOD",
    "SEAMS",
    "K",
    "Shapes",
    "Tuned",
    "above",
    "annealed",
    "arm_cells_of",
    "base_of",
    "chosen",
    "common",
    "first_cells",
    "how_of",
    "inference_cells",
    "inference_runs",
    "others",
    "shapes",
    "shapes_chosen",
    "tuning_cells",
    "warm",
]

SEAMS = ("sampler",)
"""Of the trainer, filled by the study's arms."""
K = 16
"""Of pass@k and worst@k, as published."""
METHOD = "annealed"
FIXED, COOLED, BACKWARDS = "fixed temperatures, untrained", "annealed, untrained", "backwards, untrained"
"""Players of the inference part."""
ANNEALED = "wayfare.studies.ead.schedules:sampler"


class Tuned(NamedTuple):
    """What other seeds have settled in training. baseline, method: arms of the study"""

    baseline: Arm
    method: Arm


class Shapes(NamedTuple):
    """And at inference: the shape of (1), and of the same backwards."""

    cooled: Schedule
    backwards: Schedule


def base_of(config: Config, seed: int = 0) -> Base:
    """Broad, and right about once in ten. seed: of its weights and corpus"""
    knobs = {"hint_rate": config.hint_rate}
    return Base("countdown3", knobs, steps=config.base_steps, rate=config.base_rate, seed=seed)


def how_of(config: Config) -> How:
    """The same for all arms: evaluated at temperature 1, however they are trained."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=(1, 4, K),
    )  # fmt: skip


def common() -> dict[str, Any]:
    """Of all arms: four updates a step and the clip of the published script."""
    return {"mini_batches": 4, "epsilon_high": 0.28}


def shapes(config: Config) -> list[Schedule]:
    """Those of (1) that are tried at inference."""
    return [
        Schedule(first, config.tau_min, crossing, config.length)
        for first in config.tau_max
        for crossing in config.crossings
    ]


def annealed(config: Config, name: str = METHOD, *, backwards: bool = False, cap: bool = True) -> Arm:
    """The method, with its weights or without, or backwards."""
    shape = Schedule(config.train_tau_max, config.train_tau_min, 1 / 3, config.length, backwards)
    return _sampled(config, name, shape, cap)


def warm(config: Config, temperature: float) -> Arm:
    """One temperature, with the same weights."""
    return _sampled(config, f"temperature {temperature:g}", Schedule(temperature), True)


def others(config: Config) -> tuple[Arm, ...]:
    """Arms that no check asks about."""
    return (
        *(warm(config, each) for each in config.warm if each != 1.2),
        annealed(config, "annealed, no weights", cap=False),
        annealed(config, "backwards", backwards=True),
    )


def first_cells(config: Config) -> list[Cell]:
    """The base that is trained, and every shape on other bases and on selection problems."""
    tried = [*_fixed(config), *shapes(config), *(replace(each, backwards=True) for each in shapes(config))]
    return [
        base_cell(base_of(config), how_of(config)),
        *(_drawn(config, f"draws to choose by, base {seed}", seed, tried, "selection")
          for seed in TUNING_SEEDS[: config.tuning_seeds]),
    ]  # fmt: skip


def shapes_chosen(config: Config, first: Mapping[str, Arrays]) -> Shapes:
    """The shape that lies highest above the fixed temperatures' frontier, and that of the same backwards."""
    names = [name for name in first if name.startswith("draws to choose by")]
    fixed, count = len(config.fixed), len(shapes(config))

    def best(begin: int) -> int:
        each = [
            np.mean([above(_run(FIXED, 0, first[name], range(fixed)), _run(COOLED, 0, first[name], [begin + at]))
                     for name in names])
            for at in range(count)
        ]  # fmt: skip
        return int(np.argmax(each))

    return Shapes(shapes(config)[best(fixed)], replace(shapes(config)[best(fixed + count)], backwards=True))


def inference_cells(config: Config, told: Shapes) -> list[Cell]:
    """Fixed temperatures and the chosen shapes, a base each seed."""
    return [_drawn(config, f"draws, base {seed}", seed, [*_fixed(config), *told], "test") for seed in _seeds(config)]


def inference_runs(config: Config, found: Mapping[str, Arrays]) -> dict[str, list[Run]]:
    """The players of the inference part: a 'run' passes through its temperatures, the hottest first."""
    fixed = len(config.fixed)
    where = {FIXED: range(fixed), COOLED: [fixed], BACKWARDS: [fixed + 1]}
    return {
        arm: [_run(arm, seed, found[f"draws, base {seed}"], some) for seed in _seeds(config)]
        for arm, some in where.items()
    }


def above(fixed: Run, drawn: Run) -> float:
    """pass@16 of a schedule less that of the fixed temperatures' frontier at its pass@1.

    Where no fixed temperature reaches that pass@1, at the highest that one does.
    """
    level = min(float(drawn.pass_at(1)[-1]), float(fixed.pass_at(1).max()))
    return float(drawn.pass_at(K)[-1] - frontier(fixed, K, [level])[0])


def tuning_cells(config: Config) -> list[Cell]:
    """Controls, and (1) at each rate, on other seeds and on selection problems."""
    arms = (*_controls(config), *grid(annealed(config), config.rates))
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control and the best rate of (1), by pass@1 + pass@16 when the tokens are spent."""
    runs, score = runs_of(tuning), partial(pass_sum, k=K)
    plain = {arm.name: arm for arm in _controls(config)}
    methods = {arm.name: arm for arm in grid(annealed(config), config.rates)}
    best = plain[deciding({name: runs[name] for name in plain}, score)]
    rate = methods[deciding({name: runs[name] for name in methods}, score)].trainer["learning_rate"]
    return Tuned(best, annealed(config).but(METHOD, learning_rate=rate))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Baseline, (1) and temperature 1.2 on all seeds, the others on a few."""
    base, how, seeds = base_of(config), how_of(config), _seeds(config)
    rate = tuned.method.trainer["learning_rate"]
    hot, *few = (arm.but(arm.name, learning_rate=rate) for arm in (warm(config, 1.2), *others(config)))
    return [
        *arm_cells(base, [tuned.baseline, tuned.method, hot], how, seeds),
        *arm_cells(base, few, how, seeds[: config.other_seeds]),
    ]


def _controls(config: Config) -> tuple[Arm, ...]:
    return controls(config.rates, beta=config.beta, entropy=config.entropy, **common())


def _sampled(config: Config, name: str, schedule: Schedule, cap: bool) -> Arm:
    weights = {"importance_sampling_cap": config.cap} if cap else {}
    return Arm(name, {**common(), **weights}, {"sampler": (ANNEALED, schedule.to_json())})


def _seeds(config: Config) -> list[int]:
    return [config.seed + each for each in range(config.seeds)]


def _fixed(config: Config) -> list[Schedule]:
    """The hottest first."""
    return [Schedule(each) for each in reversed(config.fixed)]


def _drawn(config: Config, name: str, seed: int, schedules: Sequence[Schedule], split: str) -> Cell:
    answers = config.draw_prompts * config.draw_answers * len(schedules)
    seconds = PRETRAINING["xs"] * config.base_steps + 0.55 * STEP["xs"] * answers / 256
    kwargs = {
        "base": base_of(config, seed), "schedules": list(schedules), "prompts": config.draw_prompts,
        "answers": config.draw_answers, "split": split,
    }  # fmt: skip
    return Cell(name, draw, kwargs, seconds)


def _run(arm: str, seed: int, drawn: Arrays, which: Sequence[int]) -> Run:
    """Some schedules of a cell, as the points of a run."""
    some, answers = list(which), int(drawn["answers"][0])
    run = Run(arm, seed, {"right": drawn["right"][some], "answers": np.array([answers]), "ks": np.array([1, K])})
    told = {"pass": np.stack([run.solved(k).mean(axis=1) for k in (1, K)], axis=1)}
    return Run(arm, seed, {**run.arrays, **told, "malformed": drawn["malformed"][some],
                           "length": drawn["length"][some]})  # fmt: skip
