"""How a study of language RL goes: what comes first, its checks on players without a model, the tuning, then the arms.

    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    tables(config, found.runs, found.tuning)

`plan` is the study's module of that name. Nothing is trained before the checks were tried. A study that takes another
way (`ntp_precision`, `rapo`, `ead`) writes it out in its `experiment.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from wayfare.studies.contract import Arrays, Cell, Progress
from wayfare.studies.language_runs import Run, Runs, runs_of

__all__ = ["Found", "Plan", "in_stages"]

TunedT = TypeVar("TunedT")


class Plan(Protocol[TunedT]):
    """What is run, as cells; the arms wait for what the tuning settles."""

    def first_cells(self, config: Any, /) -> Sequence[Cell]:
        """'base' among them."""
        ...

    def tuning_cells(self, config: Any, /) -> Sequence[Cell]:
        """On other seeds and on selection prompts."""
        ...

    def chosen(self, config: Any, tuning: Mapping[str, Arrays], /) -> TunedT:
        """What they have settled."""
        ...

    def arm_cells_of(self, config: Any, tuned: TunedT, /) -> Sequence[Cell]:
        """What the checks, tables and figures are of."""
        ...


class Found(NamedTuple, Generic[TunedT]):
    """first: arrays of what came first, by cell        tuning: its runs        tuned: what they have settled
    runs: of the bases, under the names of their cells, and of the arms
    """

    first: Mapping[str, Arrays]
    tuning: Runs
    tuned: TunedT
    runs: Runs


def in_stages(
    config: Any, progress: Progress, plan: Plan[TunedT], guess: TunedT, try_checks: Callable[[Run], None]
) -> Found[TunedT]:
    """guess: what tuning might settle: stands for it in the time left until it is known
    try_checks: told the base, as soon as it is measured

    Raises: what `try_checks` does, before anything is trained.
    """
    tuning, expected = plan.tuning_cells(config), plan.arm_cells_of(config, guess)
    first = progress.cells(plan.first_cells(config), later=[*tuning, *expected])
    bases = {name: [Run(name, 0, arrays)] for name, arrays in first.items() if "pass" in arrays}
    try_checks(bases["base"][0])
    tried = progress.cells(tuning, later=expected)
    tuned = plan.chosen(config, tried)
    runs = runs_of(progress.cells(plan.arm_cells_of(config, tuned)))
    return Found(first, runs_of(tried), tuned, {**bases, **runs})
