"""What came out: choices from pools, arms, and the tuning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wayfare.studies.contract import Arrays, Table
from wayfare.studies.language_runs import Runs
from wayfare.studies.language_tables import arms_table, course_table
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.plan import Tuned
from wayfare.studies.repexp.selection import CHOICES
from wayfare.studies.stated import half_width

__all__ = ["BASES", "notes", "selections", "tables"]

BASES = {"strategy": "selection seed", "weak": "weak selection seed"}
"""Base -> how the names of its cells begin."""
SHOWN = 16


def selections(cells: Mapping[str, Arrays]) -> dict[str, dict[str, np.ndarray]]:
    """Base -> its arrays, those of all seeds one behind the other."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for base, begins in BASES.items():
        each = [arrays for name, arrays in cells.items() if name.startswith(begins)]
        found[base] = {
            name: each[0][name] if name == "ks" else np.concatenate([arrays[name] for arrays in each])
            for name in each[0]
        }
    return found


def tables(config: Config, found: Mapping[str, Arrays], runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    return {
        "selection": _selection(found),
        "arms": arms_table(runs),
        "tuning": arms_table(tuning, ("pass@1", "pass@64", "entropy"), "on other seeds and selection prompts"),
        "course": course_table(runs),
    }


def _selection(found: Mapping[str, Arrays]) -> Table:
    rows = []
    for base, arrays in found.items():
        at = int(np.flatnonzero(arrays["ks"] <= SHOWN)[-1])
        for choice in CHOICES:
            samples, solved = arrays[f"{choice}|samples"], arrays[f"{choice}|solved"][:, at]
            width = half_width(samples) if np.isfinite(samples).all() else None
            rows.append((base, choice, len(samples), float(samples.mean()), width, float(solved.mean())))
    columns = ("base", "choice", "seeds", "answers verified until one is right", "95 % +-", f"solved by {SHOWN}")
    return Table("prompts whose pool has a right answer", columns, tuple(rows))


def notes(config: Config, found: Mapping[str, Arrays], runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    alike = found["weak"]["copies"]
    alike = alike[np.isfinite(alike)]
    return [
        f"Selection: {config.pool} answers to each prompt, of which the base gets "
        + ", ".join(f"{float(arrays['rate'].mean()):.3f} ({base})" for base, arrays in found.items())
        + " right; no choice sees a reward. Prompts whose pool has no right answer are left out: "
        + ", ".join(f"{1 - float(arrays['found'].mean()):.2f} ({base})" for base, arrays in found.items())
        + ".",
        "Seeds of 'strategy' are bases, ways and pools; those of 'weak' are pools of one base.",
        "Within groups of 16 answers of the weak base, the published bonus and 1 / m, m the copies of a text, "
        + (f"correlate at {float(alike.mean()):.2f}." if len(alike) else "were never told apart."),
        *common_notes(runs),
        f"Chosen on {config.tuning_seeds} other seeds by pass@1 + pass@64: {tuned.baseline.name} as the baseline, "
        f"learning rate {tuned.rate:g} for repexp, which the other bonuses share.",
        f"With a weight of {config.bonus:g} the bonus is small beside a right answer's 1. Where all answers of a group "
        "are right it is all that differs, and the division by the group's deviation makes it as large as any reward: "
        "it spreads what is right on solved prompts.",
        "'repexp, no deviation', 'repexp, open gate' and 'unlikeliness' have no verdict, and "
        f"{config.other_seeds} seeds.",
    ]
