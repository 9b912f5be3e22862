"""What came out: words behind attempts, the arms, and the tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.lp_reg import Config
from wayfare.studies.lp_reg.checks import EXTINCT, JUNK, LOG_WAIT, WAIT, extinct
from wayfare.studies.lp_reg.plan import Tuned
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]


def tables(config: Config, runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    shown = tuple(f"pass@{k}" for k in config.ks)
    return {
        "words": _words(runs, "behind a finished attempt, at the end"),
        "arms": arms_table(runs, (*shown, "distinct", "entropy", "malformed", "clipped", "length")),
        "tuning": arms_table(tuning, (*shown, "entropy"), "on other seeds and selection prompts"),
        "tuning words": _words(tuning, "on other seeds: behind a finished attempt"),
        "course": course_table(runs, (*shown, "entropy", WAIT, JUNK)),
    }


def _words(runs: Runs, name: str) -> Table:
    """One row an arm."""
    rows = []
    for arm, each in runs.items():
        log_wait = np.array([run.end(LOG_WAIT) for run in each])
        rows.append(
            (
                arm, len(each), *(_mean(each, name) for name in (WAIT, "probe/wait/right", JUNK)),
                float(log_wait.mean()), half_width(log_wait), sum(map(extinct, each)), max(map(_drop, each)),
            )
        )  # fmt: skip
    columns = (
        "arm", "seeds", "WAIT after a wrong attempt", "WAIT after a right one", "junk after a wrong one",
        "log WAIT after a wrong one", "95 % +-", "seeds where WAIT is extinct", "greatest fall of pass@1 from its peak",
    )  # fmt: skip
    return Table(name, columns, tuple(rows))


def _mean(runs: Sequence[Run], name: str) -> float:
    return float(np.mean([run.end(name) for run in runs]))


def _drop(run: Run) -> float:
    """As a share of the peak."""
    course = run.pass_at(1)
    peak = np.maximum.accumulate(course)
    return float(((peak - course) / np.maximum(peak, 1e-9)).max())


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    return [
        *common_notes(runs),
        f"Chosen on {config.tuning_seeds} other seeds by pass@1 + pass@{config.ks[-1]}: {tuned.baseline.name} as the "
        f"baseline, learning rate {tuned.rate:g} for Lp-Reg, which the arms beside it share.",
        f"WAIT is called extinct where its mean chance behind a wrong attempt is below {EXTINCT:g}.",
        f"The filter keeps words of {config.kappa:g} of the likeliest word's chance: WAIT at {config.wait_rate:g} in "
        f"the corpus passes it, at {config.low_wait_rate:g} it does not.",
        f"Lp-Reg takes {config.share:g} of the tokens of failed answers and replaces their loss, as published; the "
        f"amplified setting takes {config.amplified:g} and adds the divergence over the vocabulary.",
        unasked(config.other_seeds),
    ]
