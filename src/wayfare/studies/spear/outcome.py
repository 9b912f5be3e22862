"""What came out: the arms, how they use the tool, what was replayed, and the tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.language_frontiers import restricted_times
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.spear import Config
from wayfare.studies.spear.checks import MOST, TOOL, USELESS
from wayfare.studies.spear.plan import Tuned
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]

RARE, GUESSES = (0.02, 0.05), (0.04, 0.11)
"""Where the base had to lie before any arm was run: conversations with a call, and right answers; the likeliest sum is
right in one of ten."""
SHOWN = ("pass@1", "pass@4", "entropy", "malformed", "clipped")


def tables(config: Config, runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    return {
        "arms": arms_table(runs, SHOWN),
        "tool": _tool(config, runs),
        "replay": _replay(runs),
        "tuning": arms_table(tuning, SHOWN, "on other seeds and selection questions"),
        "course": course_table(runs, ("pass@1", TOOL, "probe/calls", USELESS, "entropy")),
    }


def _tool(config: Config, runs: Runs) -> Table:
    """One row an arm: how it converses at the end, and when it was right in most conversations."""
    names = ("tool", "calls", "useless", "both", "right with both", "right without")
    rows = []
    for arm, each in runs.items():
        row: list[object] = [arm, len(each)]
        for name in names:
            row.append(_mean([run.end(f"probe/{name}") for run in each]))
        row.insert(5, half_width(np.array([run.end(USELESS) for run in each])))
        row += _when(config, each) if arm != "base" else [None, None, 0]
        rows.append(tuple(row))
    columns = (
        "arm", "seeds", "with a call", "calls", "useless calls", "useless calls 95 % +-", "looked up both",
        "right of these", "right of the others", f"tokens until {MOST:g}", "tokens 95 % +-", "seeds that got there",
    )  # fmt: skip
    return Table("the tool, at the end", columns, tuple(rows))


def _when(config: Config, runs: Sequence[Run]) -> list[object]:
    when = restricted_times(runs, MOST, float(config.token_budget))
    return [float(when.mean()), half_width(when), int(sum(when < config.token_budget))]


def _replay(runs: Runs) -> Table:
    """One row an arm that replays: bursts, and how often the policy had moved too far from what it replayed."""
    columns = ("arm", "bursts", "clipped, too likely", "clipped, too unlikely", "entropy")
    names = ("clip_ratio/high_mean", "clip_ratio/low_mean", "entropy")
    rows = []
    for arm, each in runs.items():
        bursts = [run["train/auxiliary/loss"] for run in each if "train/auxiliary/loss" in run.arrays]
        if bursts:
            count = float(np.mean([np.isfinite(values).sum() for values in bursts]))
            rows.append((arm, count, *(_told(each, name) for name in names)))
    return Table("bursts of replay", columns, tuple(rows))


def _told(each: Sequence[Run], name: str) -> float | None:
    return _mean([value for run in each for value in run.arrays.get(f"train/auxiliary/{name}", np.zeros(0))])


def _mean(values: Sequence[float]) -> float | None:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    rates = [f"{arm.trainer['learning_rate']:g} for {arm.name}" for arm in (tuned.spear, tuned.fading, tuned.constant)]
    base = runs["base"][0]
    return [
        *common_notes(runs),
        f"The base calls in {base.end(TOOL):.1%} of its conversations and is right in {base.end('pass@1'):.1%}; its "
        f"task was to be set so that it lies between {RARE[0]:.0%} and {RARE[1]:.0%}, and {GUESSES[0]:.0%} and "
        f"{GUESSES[1]:.0%}, before any arm was run.",
        f"Chosen on {config.tuning_seeds} other seeds by success: {tuned.baseline.name} as the baseline, learning rate "
        f"{', '.join(rates)}.",
        "Success is pass@1. Tokens are those of whole conversations, the tool's and the ends of turns with them: an "
        "arm that guesses takes more steps and asks more questions of the same budget.",
        "A seed that does not get there counts with the whole budget.",
        "A call is useless that asks for another key than the question's, or for one that is known.",
        unasked(config.other_seeds),
    ]
