"""What came out: the arms, hard and easy screens apart, how they learned, and the tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.checks import proposed_in_ignorance, silent
from wayfare.studies.infigui.plan import METHOD, Tuned, at_end, measure
from wayfare.studies.infigui.probes import MEASURES, SPLITS
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.language_tables import unasked
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]

SHOWN = tuple(f"{split}/{each}" for split in SPLITS for each in MEASURES)


def tables(config: Config, runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    return {
        "arms": _arms(runs, "arms"),
        "groups": _groups(config, runs),
        "tuning": _arms(tuning, "on other seeds and selection screens"),
        "course": _course(runs),
    }


def _arms(runs: Runs, name: str) -> Table:
    """One row an arm, at its last evaluation."""
    columns = ["arm", "seeds"]
    for each in SHOWN:
        columns += [_said(each), f"{_said(each)} 95 % +-"]
    rows = []
    for arm, some in runs.items():
        row: list[object] = [arm, len(some)]
        for each in SHOWN:
            values = np.array([at_end(run, each) for run in some])
            row += [float(values.mean()), half_width(values)]
        row += [_mean(some, what) for what in ("entropy", "malformed", "tokens", "step", "seconds")]
        rows.append(tuple(row))
    return Table(name, (*columns, "entropy", "cannot be read", "tokens", "steps", "seconds"), tuple(rows))


def _groups(config: Config, runs: Runs) -> Table:
    """What groups taught, and how long lists were while the intent was not known."""
    rows = []
    for arm, some in runs.items():
        if arm == "base":
            continue
        early = np.array([silent(run) for run in some])
        whole = np.array([silent(run, None) for run in some])
        ignorant = np.array([proposed_in_ignorance(config, run) for run in some])
        rows.append(
            (arm, len(some), float(early.mean()), half_width(early), float(whole.mean()), half_width(whole),
             float(ignorant.mean()), half_width(ignorant))
        )  # fmt: skip
    columns = ("arm", "seeds", "equal rewards, first steps", "95 % +-", "equal rewards, all steps", "95 % +- ",
               "slots while not known", " 95 % +-")  # fmt: skip
    return Table("groups of hard screens", columns, tuple(rows))


def _course(runs: Runs) -> Table:
    rows = [
        (arm, run.seed, int(run["step"][at]), int(run.tokens[at]), *(float(measure(run, each)[at]) for each in SHOWN))
        for arm, some in runs.items()
        for run in some
        for at in range(len(run.tokens))
    ]
    return Table("course", ("arm", "seed", "step", "tokens", *map(_said, SHOWN)), tuple(rows))


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    each = [run for several in runs.values() for run in several]
    cached = sum(bool(run["cached"][0]) for run in each if "cached" in run.arrays)
    rate = tuned.method.trainer["learning_rate"]
    return [
        f"Measured on {config.screens} held-out screens, about {config.hard / 16:.0%} of them hard, by the likeliest "
        "answer, token by token. 'first' is the prediction; 'any' counts a hit anywhere in the list and is no accuracy "
        "of a prediction. Arms of one answer are asked for one slot, all others for a list.",
        f"A seed learns the {config.hard} hard intents one by one, so that its accuracy comes in steps of about "
        f"{1 / config.hard:.2f}.",
        f"Chosen on {config.tuning_seeds} other seeds by first slots right of hard and easy screens together: "
        f"{tuned.baseline.name} as the baseline, learning rate {rate:g} for {METHOD}, which the other arms share.",
        "With one update a step the ratio is 1, and the published clip of 0.2 / 0.4 cuts nothing.",
        "Tokens are all that were drawn: one answer takes 2, a list up to 7, so that one answer gets more steps.",
        unasked(config.other_seeds),
        f"{cached} of {len(each)} runs were read from the cache of arms that studies share.",
    ]


def _said(name: str) -> str:
    split, each = name.split("/")
    return f"{split}: {each}"


def _mean(runs: Sequence[Run], name: str) -> float:
    return float(np.mean([run.end(name) for run in runs]))
