"""What the study runs, as cells: priors first, then the tuning, then learning from each prior.

An arm is plain GRPO from another base; seed s learns from the prior of seed s. Settings are chosen by pass@1 when the
tokens are spent, on selection prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.probes import TEMPERATURES

__all__ = [
    "BASELINE",
    "BROAD",
    "MATCHED",
    "PLAIN",
    "PRECISE",
    "SEAMS",
    "Tuned",
    "arm_cells_of",
    "base_of",
    "chosen",
    "how_of",
    "matched",
    "prior_cells",
    "priors",
    "tuning_cells",
]

SEAMS = ("loss",)
"""What priors differ in; learning from them fills none."""
PLAIN, PRECISE, BROAD = "cross-entropy", "sharper", "broader"
BASELINE, MATCHED = "cross-entropy, tuned", "cross-entropy, as sharp by temperature"
LOSS = "wayfare.learn.shaped_loss:"
Shape = tuple[str, Mapping[str, Any]]


class Tuned(NamedTuple):
    """What other seeds have settled. baseline: of cross-entropy        rate: of the sharper prior
    temperature: at which cross-entropy has the entropy of the sharper prior
    """

    baseline: Arm
    rate: float
    temperature: float


def priors(config: Config) -> dict[str, Shape]:
    """Name -> (loss, its knobs); the first three are those of checks."""

    def shaped(**knobs: Any) -> Shape:
        return f"{LOSS}ShapedTokenLoss", knobs

    return {
        PLAIN: ("cross_entropy", {}),
        PRECISE: shaped(beta=config.precise),
        BROAD: shaped(beta=config.broad),
        **{f"beta {beta:g}": shaped(beta=beta) for beta in config.betas},
        f"tail {config.low:g}": shaped(low=config.low, k=config.k),
        f"near {config.high:g}": shaped(high=config.high, k=config.k),
        "near and tail": shaped(high=config.high, low=config.low, k=config.k),
        f"label smoothing {config.smoothing:g}": (f"{LOSS}smoothed", {"smoothing": config.smoothing}),
    }


def base_of(config: Config, prior: str, seed: int) -> Base:
    """A prior: the corpus depends on the seed, not on the loss."""
    loss, knobs = priors(config)[prior]
    return Base(
        "countdown3", {"hint_rate": config.hint_rate, "corrupted": config.corrupted}, steps=config.base_steps,
        rows=config.base_rows, rate=config.base_rate, loss=loss, loss_knobs=knobs, seed=seed,
    )  # fmt: skip


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=config.ks, probes=("wayfare.studies.ntp_precision.probes:prior",),
    )  # fmt: skip


def prior_cells(config: Config) -> list[Cell]:
    """All that are learned from, tuning's too."""
    how = how_of(config)
    names = list(priors(config))
    asked = [(name, seed) for name in names[:3] for seed in _seeds(config)]
    asked += [(name, seed) for name in names[3:] for seed in _seeds(config)[: config.other_seeds]]
    asked += [(name, seed) for name in (PLAIN, PRECISE) for seed in TUNING_SEEDS[: config.tuning_seeds]]
    return [base_cell(base_of(config, name, seed), how, f"prior {name} seed {seed}") for name, seed in asked]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls from cross-entropy, and the sharper prior at each rate, on other seeds and on selection prompts."""
    how, seeds = how_of(config).tuning(), TUNING_SEEDS[: config.tuning_seeds]
    return [
        *_cells(config, PLAIN, _controls(config).values(), how, seeds, "tuning "),
        *_cells(config, PRECISE, _sharper(config).values(), how, seeds, "tuning "),
    ]


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best control and the sharper prior's best rate by pass@1, and the temperature of `matched`."""
    runs = runs_of(tuning)
    best = deciding({name: runs[name] for name in _controls(config)}, _pass1)
    sharper = deciding({name: runs[name] for name in _sharper(config)}, _pass1)
    rate = float(_sharper(config)[sharper].trainer["learning_rate"])
    return Tuned(_controls(config)[best], rate, matched(runs[best], runs[sharper]))


def matched(plain: Sequence[Run], sharper: Sequence[Run]) -> float:
    """Where the mean entropy of one, at its start, is the other's at temperature 1; within those that were measured."""
    wanted = float(np.mean([run.measure("probe/prior/entropy")[0] for run in sharper]))
    found = [float(np.mean([run.measure(f"probe/prior/entropy at {t:g}")[0] for run in plain])) for t in TEMPERATURES]
    return round(float(np.interp(wanted, found, TEMPERATURES)), 4)


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Arms that checks ask about on all seeds, the others on a few."""
    how, seeds = how_of(config), _seeds(config)
    plain = {"learning_rate": tuned.rate}
    cooler = {
        **plain, "temperature": tuned.temperature, "eval_temperature": tuned.temperature,
        "loss_temperature": "sampling",
    }  # fmt: skip
    cells = [
        *_cells(config, PLAIN, [tuned.baseline.but(BASELINE), Arm(PLAIN, plain), Arm(MATCHED, cooler)], how, seeds),
        *_cells(config, PRECISE, [Arm(PRECISE, plain)], how, seeds),
        *_cells(config, BROAD, [Arm(BROAD, plain)], how, seeds),
    ]
    for name in list(priors(config))[3:]:
        cells += _cells(config, name, [Arm(name, plain)], how, seeds[: config.other_seeds])
    return cells


def _cells(
    config: Config, prior: str, arms: Iterable[Arm], how: How, seeds: Sequence[int], prefix: str = ""
) -> list[Cell]:
    return [
        cell for arm in arms for seed in seeds for cell in arm_cells(base_of(config, prior, seed), [arm], how, [seed],
                                                                     prefix)
    ]  # fmt: skip


def _controls(config: Config) -> dict[str, Arm]:
    told: Any = controls(config.rates, beta=config.reverse, entropy=config.entropy)
    return {arm.name: arm for arm in told}


def _sharper(config: Config) -> dict[str, Arm]:
    return {f"{PRECISE} lr {rate:g}": Arm(f"{PRECISE} lr {rate:g}", {"learning_rate": rate}) for rate in config.rates}


def _seeds(config: Config) -> list[int]:
    return [config.seed + each for each in range(config.seeds)]


def _pass1(run: Run) -> float:
    return run.end("pass@1")
