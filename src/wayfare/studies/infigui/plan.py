"""What the study runs, as cells: the base, the tuning of one answer and of AEPO on other seeds, then the arms.

Arms differ in what they are asked for (`OneSlot`), how that is paid (`Paid`), and what the tuning of one answer tries;
all have the settings and the advantage of `common`. Their names begin with "one answer" where one slot is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wayfare.agents.language_rl import Arm, Base
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.probes import SPLITS
from wayfare.studies.language_cells import TUNING_SEEDS, How, arm_cells, base_cell, controls, grid
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import Run, runs_of

__all__ = [
    "METHOD",
    "SEAMS",
    "Tuned",
    "aepo",
    "arm_cells_of",
    "at_end",
    "base_of",
    "chosen",
    "first_cells",
    "how_of",
    "measure",
    "one_answer",
    "others",
    "tuning_cells",
    "way_of",
]

SEAMS = ("transform", "reward_funcs", "advantage")
"""Of the trainer, filled by the study's arms."""
METHOD = "AEPO"
ONE = "one answer"
ASKING = "wayfare.studies.infigui.asking:"
PROBES = tuple(f"wayfare.studies.infigui.probes:{name}" for name in ("asked_for_a_list", "asked_for_one"))


class Tuned(NamedTuple):
    """What other seeds have settled. baseline, method: arms of the study"""

    baseline: Arm
    method: Arm


def base_of(config: Config) -> Base:
    """Sure of itself, and wrong where there is a decoy."""
    return Base("icons", {"hard": config.hard}, steps=config.base_steps, rate=config.base_rate)


def how_of(config: Config) -> How:
    """The same for all arms. Its sampled answers, two to a screen, are right where any slot is."""
    return How(
        token_budget=config.token_budget, evaluate_every=config.evaluate_every, eval_prompts=config.screens,
        eval_answers=2, ks=(1,), probes=PROBES,
    )  # fmt: skip


def common(config: Config, answers: int | None = None) -> dict[str, Any]:
    """Settings of the published script, in the trainer's names."""
    group = config.answers if answers is None else answers
    return {"generation_batch_size": config.prompts * group, "num_generations": group, "epsilon_high": 0.4}


def one_answer(config: Config) -> tuple[Arm, ...]:
    """All that one answer is tried with."""
    first, *more = config.entropies
    plain = controls(config.rates, beta=config.beta, entropy=first, **common(config))
    at_highest = next(arm for arm in plain if arm.trainer["learning_rate"] == max(config.rates))
    several = Arm(f"{config.more_answers} answers", common(config, config.more_answers))
    tried = (
        *plain,
        *(at_highest.but(f"entropy bonus {weight:g}", entropy_coef=weight) for weight in more),
        at_highest.but(f"temperature {config.hot:g}", temperature=config.hot, loss_temperature="sampling"),
        *grid(several, config.rates),
    )
    return tuple(Arm(f"{ONE}, {arm.name}", arm.trainer, _parts("single", one_slot=True)) for arm in tried)


def aepo(config: Config) -> Arm:
    """The method."""
    return Arm(METHOD, common(config), _parts())


def others(config: Config, tuned: Tuned) -> tuple[Arm, ...]:
    """Arms at AEPO's learning rate: other payments, and AEPO with the entropy bonus that one answer is tried with."""
    settings, weight = tuned.method.trainer, max(config.entropies)
    return (
        Arm("any hit", settings, _parts(paid="any hit")),
        Arm("no gate", settings, _parts(gate=False)),
        tuned.method.but(f"{METHOD}, entropy bonus {weight:g}", entropy_coef=weight),
        Arm(f"{ONE}, AEPO's rate", settings, _parts("single", one_slot=True)),
    )


def first_cells(config: Config) -> list[Cell]:
    """The base."""
    return [base_cell(base_of(config), how_of(config))]


def tuning_cells(config: Config) -> list[Cell]:
    """One answer with all that it is tried with, and AEPO at each rate; other seeds and selection screens."""
    arms = (*one_answer(config), *grid(aepo(config), config.rates))
    return _costed(arm_cells(base_of(config), arms, how_of(config).tuning(), TUNING_SEEDS[: config.tuning_seeds],
                             prefix="tuning "))  # fmt: skip


def chosen(config: Config, tuning: Mapping[str, Arrays]) -> Tuned:
    """The best of one answer, and AEPO's best rate, by first slots right of hard and of easy intents together."""
    runs = runs_of(tuning)
    singles = {arm.name: arm for arm in one_answer(config)}
    methods = {arm.name: arm for arm in grid(aepo(config), config.rates)}
    best = singles[deciding({name: runs[name] for name in singles}, _both)]
    rate = methods[deciding({name: runs[name] for name in methods}, _both)].trainer["learning_rate"]
    return Tuned(best, aepo(config).but(METHOD, learning_rate=rate))


def arm_cells_of(config: Config, tuned: Tuned) -> list[Cell]:
    """Baseline, AEPO and any hit on all seeds, the others on a few."""
    base, how = base_of(config), how_of(config)
    seeds = [config.seed + each for each in range(config.seeds)]
    any_hit, *few = others(config, tuned)
    cells = [
        *arm_cells(base, [tuned.baseline, tuned.method, any_hit], how, seeds),
        *arm_cells(base, few, how, seeds[: config.other_seeds]),
    ]
    return _costed(cells)


def way_of(arm: str) -> str:
    """How an arm was asked while it was trained: 'single' or 'list'. The base is asked for a list."""
    return "single" if arm.startswith(ONE) else "list"


def measure(run: Run, name: str) -> Any:
    """[E] 'SPLIT/MEASURE' of `probes`, asked as the arm was trained."""
    return run.measure(f"probe/{way_of(run.arm)}/{name}")


def at_end(run: Run, name: str) -> float:
    """The same at the last evaluation."""
    return float(measure(run, name)[-1])


def _both(run: Run) -> float:
    return sum(at_end(run, f"{split}/first") for split in SPLITS)


def _parts(mode: str = "list", one_slot: bool = False, **paid: Any) -> dict[str, Any]:
    """What is asked for and how it is paid, and the advantage over the others of the group."""
    asked: dict[str, Any] = {"transform": (f"{ASKING}OneSlot", {})} if one_slot else {}
    return {
        **asked, "advantage": ("wayfare.learn.grpo.advantages:LeaveOneOut", {}),
        "reward_funcs": [(f"{ASKING}Paid", {"mode": mode, **paid})],
    }  # fmt: skip


def _costed(cells: list[Cell]) -> list[Cell]:
    """Answers have 2 to 5 tokens here, so that the same tokens take more steps, and short ones."""
    return [Cell(cell.name, cell.function, cell.kwargs, 2.8 * cell.seconds) for cell in cells]
