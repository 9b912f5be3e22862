"""Cells of language-RL studies: the base, the controls every study has, arms over seeds, the tuning on other seeds.

    how = How(token_budget=800_000)                              # the same for all arms
    progress.cells([base_cell(base, how)], later=...)
    tuning = arm_cells(base, [*controls(), *grid(method)], how.tuning(), TUNING_SEEDS, prefix="tuning ")
    best = deciding(runs_of(progress.cells(tuning)))
    cells = arm_cells(base, [*controls(), chosen], how, seeds)

The deciding baseline is the best of plain GRPO over learning rates, reverse KL and an entropy bonus, chosen on other
seeds and on selection prompts; the method picks from the same learning rates on the same seeds and prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from wayfare.agents.language_rl import Arm, Base, measure_base, train_arm
from wayfare.errors import BadValue
from wayfare.studies.contract import Cell
from wayfare.worlds.verifiable.contract import Split

__all__ = [
    "RATES",
    "RATES_XS",
    "TUNING_SEEDS",
    "How",
    "arm_cells",
    "base_cell",
    "controls",
    "core_seconds",
    "grid",
    "two_rollouts",
]

RATES = (1e-5, 3e-5, 1e-4)
"""Learning rates that plain GRPO and every method are tried at."""
RATES_XS = (3e-5, 1e-4, 3e-4)
"""The same for size xs, whose base loses little at 1e-4 and everything at 1e-3 (`wayfare.agents.language_rl.base`)."""
TUNING_SEEDS = (100, 101)

STEP = {"xs": 0.12, "s": 0.29, "m": 0.58}
"""Seconds of a step of 256 answers of up to 15 tokens on one core, by the size of the model (processor time)."""
PRETRAINING = {"xs": 0.06, "s": 0.16, "m": 0.32}
"""Of a step of pre-training on 192 rows."""


@dataclass(frozen=True)
class How:
    """How long arms are trained and how they are measured; see `wayfare.agents.language_rl.train_arm`.

    Raises: BadValue for no end.
    """

    steps: int | None = None
    token_budget: int | None = None
    evaluate_every: int = 20
    eval_prompts: int = 128
    eval_answers: int = 64
    ks: tuple[int, ...] = (1, 4, 16, 64)
    split: Split = "test"
    threshold: float = 1.0
    probes: tuple[str, ...] = ()
    train_prompts: int | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.token_budget is None:
            raise BadValue("steps", None, "given where there is no token_budget")

    def tuning(self) -> How:
        """The same on selection prompts."""
        return replace(self, split="selection")

    @property
    def evaluation(self) -> dict[str, Any]:
        """What a base alone is told."""
        told = asdict(self)
        for name in ("steps", "token_budget", "evaluate_every", "train_prompts"):
            told.pop(name)
        return told


def controls(
    rates: Sequence[float] = RATES, *, beta: float = 0.1, entropy: float = 0.01, **trainer: Any
) -> tuple[Arm, ...]:
    """Plain GRPO at each rate, and at the highest with reverse KL and with an entropy bonus. trainer: of all of them"""
    highest = {**trainer, "learning_rate": max(rates)}
    return (
        *(Arm(f"GRPO lr {rate:g}", {**trainer, "learning_rate": rate}) for rate in rates),
        Arm(f"reverse KL {beta:g}", {**highest, "beta": beta}),
        Arm(f"entropy bonus {entropy:g}", {**highest, "entropy_coef": entropy}),
    )


def two_rollouts(arm: Arm) -> Arm:
    """The same with twice the answers to each prompt: what more sampling alone would buy."""
    batch, group = (arm.trainer.get(name, usual) for name, usual in (("generation_batch_size", 256),
                                                                     ("num_generations", 16)))  # fmt: skip
    return arm.but(f"{arm.name}, twice the rollouts", generation_batch_size=2 * batch, num_generations=2 * group)


def grid(method: Arm, rates: Sequence[float] = RATES) -> tuple[Arm, ...]:
    """The method at each learning rate."""
    return tuple(method.but(f"{method.name} lr {rate:g}", learning_rate=rate) for rate in rates)


def base_cell(base: Base, how: How, name: str = "base") -> Cell:
    """Pre-trains the base and measures it: to be run before any arm, which would wait for it."""
    seconds = PRETRAINING[base.size] * base.steps * base.rows / 192 + _evaluation(base, how)
    return Cell(name, measure_base, {"base": base, **how.evaluation}, seconds)


def arm_cells(base: Base, arms: Iterable[Arm], how: How, seeds: Sequence[int], prefix: str = "") -> list[Cell]:
    """One cell for each arm and seed, named "PREFIXarm seed N"."""
    return [
        Cell(
            f"{prefix}{arm.name} seed {seed}", train_arm,
            {"base": base, "arm": arm, "seed": seed, **asdict(how)}, _arm(base, arm, how),
        )
        for arm in arms
        for seed in seeds
    ]  # fmt: skip


def core_seconds(cells: Iterable[Cell]) -> float:
    """What cells cost on one core by the numbers above, where nothing is in the cache.

    `Study.seconds`, told without torch, is a guess of the time on two cores, within a factor of three of half of this.
    """
    return sum(cell.seconds for cell in cells)


def _arm(base: Base, arm: Arm, how: How) -> float:
    batch, words = arm.trainer.get("generation_batch_size", 256), 16
    ends = [how.steps, None if how.token_budget is None else max(1, how.token_budget // (batch * words))]
    steps = min(each for each in ends if each is not None)
    evaluations = 1 + -(-steps // how.evaluate_every)
    passes: float = (1 + arm.trainer.get("num_iterations", 1)) / 2
    training: float = steps * STEP[base.size] * batch / 256 * passes
    return max(0.01, training + evaluations * _evaluation(base, how))


def _evaluation(base: Base, how: How) -> float:
    """Drawing is about half of a step."""
    return 0.55 * STEP[base.size] * how.eval_prompts * how.eval_answers / 256
