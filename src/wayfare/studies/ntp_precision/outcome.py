"""What came out: the priors, what learning made of them, and the tuning."""

from __future__ import annotations

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.language_runs import Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.checks import at_start, perplexity
from wayfare.studies.ntp_precision.plan import BASELINE, MATCHED, Tuned
from wayfare.studies.ntp_precision.probes import TOP
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]


def tables(config: Config, runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    shown = tuple(f"pass@{k}" for k in config.ks)
    return {
        "priors": _priors(config, {arm: each for arm, each in runs.items() if arm not in (BASELINE, MATCHED)}),
        "arms": arms_table(runs, (*shown, "distinct", "entropy", "malformed", "clipped")),
        "tuning": arms_table(tuning, (*shown, "entropy"), "on other seeds and selection prompts"),
        "course": course_table(runs, (*shown, "entropy", "malformed")),
    }


def _priors(config: Config, runs: Runs) -> Table:
    """One row a prior, before any learning: on unseen traces, and by its own answers."""
    measured = {
        "perplexity": "", "entropy, nats": "probe/prior/entropy", f"chance of the {TOP} likeliest": "probe/prior/top",
        **{f"pass@{k}": f"pass@{k}" for k in config.ks}, "malformed": "malformed",
    }  # fmt: skip
    rows = []
    for arm, each in runs.items():
        row: list[object] = [arm, len(each)]
        for of in measured.values():
            values = np.array([at_start(run, of) if of else perplexity(run) for run in each])
            row += [float(values.mean()), half_width(values)]
        rows.append(tuple(row))
    columns = [name for each in measured for name in (each, f"{each} 95 % +-")]
    return Table("priors, before learning", ("prior", "seeds", *columns), tuple(rows))


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    return [
        *common_notes(runs),
        "A seed is a prior of its own, weights and corpus, and one run of learning from it: intervals are over both.",
        f"Chosen on {config.tuning_seeds} other seeds by pass@1: {tuned.baseline.name} as the tuned baseline, learning "
        f"rate {tuned.rate:g} for beta = {config.precise:g}, which all other arms share; at temperature "
        f"{tuned.temperature:g} cross-entropy has there the entropy of beta = {config.precise:g} at 1.",
        "The arm of a temperature is drawn, trained and evaluated at it; its entropy in the tables is at 1.",
        "Updates of pre-training are AdamW's, after a bound on the gradient's norm: a shape that makes gradients "
        "larger does not make its steps so.",
        unasked(config.other_seeds),
    ]
