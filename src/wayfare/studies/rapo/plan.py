"""What the study runs, as cells: the exact toy and the bases first, then the tuning, then the arms.

An arm is GRPO with another divergence and nothing else. Settings are chosen by pass@1 + pass@64 over both halves, when
the tokens are spent, on selection prompts; the entropy bonus that stands beside RAPO by the entropy that it ends at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding, pass_sum
from wayfare.studies.language_runs import Run, Runs, runs_of
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.exact import exact

__all__ = [
    "ENTROPY",
    "RAPO",
    "REVERSE",
    "SEAMS",
    "SHALLOW",
    "SHALLOW_BASE",
    "Tuned",
    "alpha_of",
    "arm_cells_of",
    "base_of",
    "chosen",
    "common",
    "entropies",
    "entropy_cells",
    "first_cells",
    "how_of",
    "matched",
    "others",
    "rapo",
    "reverse",
    "score",
    "tuning_cells",
]

SEAMS = ("regularisers",)
"""Of the trainer, filled by the study's arms."""
RAPO, REVERSE, ENTROPY = "RAPO", "reverse KL at RAPO's rate", "entropy bonus at RAPO's entropy"
SHALLOW, SHALLOW_BASE = "shallower hole: ", "base, shallower hole"
"""Begins the names of arms over the other base; that base."""
DIVERGENCE = "wayfare.learn.grpo.regularisers:ForwardDivergence"


class Tuned(NamedTuple):
    """What other seeds have settled. baseline, method, entropy: arms, the last two under the study's names"""

    baseline: Arm
    method: Arm
    entropy: Arm

    @property
    def rate(self) -> float:
        """Learning rate of RAPO."""
        return float(self.method.trainer["learning_rate"])


def base_of(config: Config, hole: float | None = None) -> Base:
    """Broad, and all but without `*`."""
    knobs = {"hint_rate": config.hint_rate, "operators": (1.0, 1.0, config.hole if hole is None else hole)}
    return Base("countdown3-hole", knobs, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.eval_prompts,
        eval_answers=config.eval_answers, ks=config.ks, probes=("wayfare.studies.rapo.probes:star",),
    )  # fmt: skip


def common(config: Config) -> dict[str, Any]:
    """Settings of every arm, in the trainer's names."""
    return {"generation_batch_size": config.prompts * config.answers, "num_generations": config.answers}


def rapo(
    config: Config, name: str = RAPO, *, alpha: float | None = None, floor: float | None = None,
    beta: float | None = None,
) -> Arm:  # fmt: skip
    """The method, or the method with another setting."""
    told = {
        "alpha": config.alpha if alpha is None else alpha, "floor": config.floor if floor is None else floor,
    }  # fmt: skip
    trainer = {**common(config), "entropy_coef": config.beta if beta is None else beta}
    return Arm(name, trainer, {"regularisers": [(DIVERGENCE, told)]})


def alpha_of(arm: Arm) -> float:
    """Weight of its forward KL."""
    return float(next(told["alpha"] for address, told in arm.parts["regularisers"] if address == DIVERGENCE))


def reverse(config: Config, rate: float) -> Arm:
    """What the paper compares to, at RAPO's learning rate."""
    return Arm(REVERSE, {**common(config), "learning_rate": rate, "beta": config.reverse})


def entropies(config: Config, rate: float) -> tuple[Arm, ...]:
    """An entropy bonus alone, of several weights."""
    return tuple(
        Arm(f"entropy bonus {each:g} at RAPO's rate", {**common(config), "learning_rate": rate, "entropy_coef": each})
        for each in config.entropies
    )


def others(config: Config, method: Arm) -> tuple[Arm, ...]:
    """Arms that are shown at RAPO's learning rate, without a verdict: without its parts, and with other alphas."""
    own = alpha_of(method)
    arms = (
        rapo(config, "forward KL", alpha=own, floor=1.0),
        rapo(config, "RAPO without entropy", alpha=own, beta=0.0),
        *(arm for arm in _alphas(config, config.alpha, *config.alphas).values() if alpha_of(arm) != own),
    )
    return tuple(arm.but(arm.name, learning_rate=method.trainer["learning_rate"]) for arm in arms)


def first_cells(config: Config) -> list[Cell]:
    """Both bases, and the exact toy."""
    cost = 4e-4 * config.climbs * len(config.depths)
    return [
        base_cell(base_of(config), how_of(config)),
        base_cell(base_of(config, config.shallow), how_of(config), SHALLOW_BASE),
        Cell("exact", exact, {"depths": config.depths, "climbs": config.climbs}, max(0.01, cost)),
    ]


def tuning_cells(config: Config) -> list[Cell]:
    """Controls and as many settings of RAPO, on other seeds and on selection prompts."""
    return _tuning(config, (*_controls(config).values(), *_methods(config).values()))


def entropy_cells(config: Config, rate: float) -> list[Cell]:
    """Entropy bonuses at RAPO's rate, on the same."""
    return _tuning(config, entropies(config, rate))


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> tuple[Arm, Arm]:
    """(the best control, the best setting of RAPO), under the names they were tried by."""
    runs, by = runs_of(tuning), partial(score, config)
    found = []
    for arms in (_controls(config), _methods(config)):
        found.append(arms[deciding({name: runs[name] for name in arms}, by)])
    return found[0], found[1]


def matched(config: Config, baseline: Arm, method: Arm, tuning: Runs) -> Tuned:
    """With the entropy bonus that ends nearest to RAPO's entropy. tuning: runs of both"""

    def entropy(name: str) -> float:
        return sum(run.end("entropy") for run in tuning[name]) / len(tuning[name])

    wanted, bonuses = entropy(method.name), entropies(config, method.trainer["learning_rate"])
    near = min(bonuses, key=lambda arm: abs(entropy(arm.name) - wanted))
    return Tuned(baseline, method.but(RAPO), near.but(ENTROPY))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Arms that checks ask about on all seeds, over both bases; the others on a few."""
    base, how = base_of(config), how_of(config)
    seeds = [config.seed + each for each in range(config.seeds)]
    asked = [tuned.baseline, tuned.method, reverse(config, tuned.rate), tuned.entropy]
    return [
        *arm_cells(base, asked, how, seeds),
        *arm_cells(base, others(config, tuned.method), how, seeds[: config.other_seeds]),
        *arm_cells(base_of(config, config.shallow), [arm.but(f"{SHALLOW}{arm.name}") for arm in asked[:3]], how, seeds),
    ]


def score(config: Config, run: Run) -> float:
    """pass@1 and pass@64, or the highest k there is."""
    return pass_sum(run, min(64, config.many))


def _controls(config: Config) -> dict[str, Arm]:
    middle = config.entropies[len(config.entropies) // 2]
    arms = controls(config.rates, beta=config.reverse, entropy=middle, **common(config))
    return {arm.name: arm for arm in arms}


def _methods(config: Config) -> dict[str, Arm]:
    highest = max(config.rates)  # as the controls' divergence and bonus are tried at
    other = (
        arm.but(f"{name} lr {highest:g}", learning_rate=highest)
        for name, arm in _alphas(config, *config.alphas).items()
    )
    return {arm.name: arm for arm in (*grid(rapo(config), config.rates), *other)}


def _alphas(config: Config, *alphas: float) -> dict[str, Arm]:
    arms = (rapo(config, f"RAPO alpha {each:g}", alpha=each) for each in alphas)
    return {arm.name: arm for arm in arms}


def _tuning(config: Config, arms: tuple[Arm, ...]) -> list[Cell]:
    seeds = TUNING_SEEDS[: config.tuning_seeds]
    return arm_cells(base_of(config), arms, how_of(config).tuning(), seeds, prefix="tuning ")
