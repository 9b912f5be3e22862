"""What language-RL arms came to, as tables and notes that all their studies have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.stated import half_width

__all__ = ["MEASURES", "arms_table", "course_table", "notes", "unasked"]

MEASURES = ("pass@1", "pass@4", "pass@16", "pass@64", "distinct", "entropy", "malformed", "clipped")


def arms_table(runs: Runs, measures: Sequence[str] = MEASURES, name: str = "arms") -> Table:
    """One row an arm: each measure at the last evaluation, its half-width over seeds, and what it took.

    pass@k that was not measured is left out. 'equal rewards' is the share of groups that taught nothing, over the last
    quarter of the steps; seconds are of training alone.
    """
    some = next(iter(next(iter(runs.values()))))
    known = [each for each in measures if not each.startswith("pass@") or int(each[5:]) in some["ks"].tolist()]
    columns = ["arm", "seeds"]
    for measure in known:
        columns += [_said(measure), f"{_said(measure)} 95 % +-"]
    columns += ["equal rewards", "tokens", "trained tokens", "seconds"]
    rows = []
    for arm, each in runs.items():
        row: list[object] = [arm, len(each)]
        for measure in known:
            values = np.array([run.end(measure) for run in each])
            row += [float(values.mean()), half_width(values)]
        row.append(float(np.mean([_last_quarter(run, "train/frac_reward_zero_std") for run in each])))
        row += [float(np.mean([run.measure(what)[-1] for run in each])) for what in _COSTS]
        rows.append(tuple(row))
    return Table(name, tuple(columns), tuple(rows))


def course_table(runs: Runs, measures: Sequence[str] = ("pass@1", "pass@64", "entropy"), name: str = "course") -> Table:
    """Tidy: one row an arm, seed and evaluation."""
    rows = [
        (arm, run.seed, int(run["step"][at]), int(run["tokens"][at]), *(float(run.measure(m)[at]) for m in measures))
        for arm, each in runs.items()
        for run in each
        for at in range(len(run.tokens))
    ]
    return Table(name, ("arm", "seed", "step", "tokens", *map(_said, measures)), tuple(rows))


def notes(runs: Runs) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    each = [run for several in runs.values() for run in several]
    cached = sum(bool(run["cached"][0]) for run in each if "cached" in run.arrays)
    n, prompts = int(each[0]["answers"][0]), each[0]["right"].shape[1]
    return [
        f"Measured on {prompts} held-out prompts with {n} answers each, drawn from one seed in all arms; pass@k is the "
        "unbiased estimator. Entropy is at temperature 1, in nats a token.",
        "Tokens are all that were drawn, discarded ones too; trained tokens are counted once for every pass.",
        f"{cached} of {len(each)} runs were read from the cache of arms that studies share.",
    ]


def unasked(seeds: int) -> str:
    """What a reader needs to know of arms without a check."""
    return f"Arms that no check asks about have {seeds} seed{'' if seeds == 1 else 's'} and no verdict."


_COSTS = ("tokens", "trained_tokens", "seconds")


def _said(measure: str) -> str:
    return {"distinct": "different right answers", "clipped": "cut off"}.get(measure, measure)


def _last_quarter(run: Run, name: str) -> float:
    values = run.arrays.get(name, np.zeros(0))
    return float(np.nanmean(values[-max(1, len(values) // 4) :])) if len(values) else float("nan")
