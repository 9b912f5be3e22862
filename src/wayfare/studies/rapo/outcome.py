"""What came out: the arms, both halves of the problems, the exact toy, and the tuning."""

from __future__ import annotations

import numpy as np

from wayfare.studies.contract import Arrays, Table
from wayfare.studies.language_runs import Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.exact import OBJECTIVES
from wayfare.studies.rapo.halves import HALVES, found, pass_half
from wayfare.studies.rapo.plan import SHALLOW, SHALLOW_BASE, Tuned, alpha_of
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]


def tables(config: Config, runs: Runs, tuning: Runs, told: Arrays) -> dict[str, Table]:
    """In reading order."""
    shown = tuple(f"pass@{k}" for k in config.ks)
    return {
        "halves": _halves(config.ks, runs),
        "arms": arms_table(runs, (*shown, "distinct", "entropy", "malformed", "clipped")),
        "exact": _exact(config, told),
        "tuning": arms_table(tuning, (*shown, "entropy"), "on other seeds and selection prompts"),
        "course": course_table(runs, (*shown, "entropy", "probe/star/within", "probe/star/beyond")),
    }


def _halves(ks: tuple[int, ...], runs: Runs) -> Table:
    """One row an arm: pass@k of both halves, what none of the base's answers solved, and how likely `*` is."""
    columns = ["arm", "seeds"]
    for half in HALVES:
        for k in ks:
            columns += [f"{half}: pass@{k}", f"{half}: pass@{k} 95 % +-"]
    columns += ["unsolved before, solved now", "* within", "* beyond"]
    rows = []
    for arm, each in runs.items():
        base = runs[SHALLOW_BASE if arm.startswith(SHALLOW) or arm == SHALLOW_BASE else "base"][0]
        row: list[object] = [arm, len(each)]
        for half in HALVES:
            for k in ks:
                values = np.array([pass_half(run, half, k)[-1] for run in each])
                row += [float(values.mean()), half_width(values)]
        row.append(float(np.mean([found(run, base) for run in each])))
        row += [float(np.mean([run.end(f"probe/star/{half}") for run in each])) for half in HALVES]
        rows.append(tuple(row))
    return Table("within and beyond the base's support, at the end", tuple(columns), tuple(rows))


def _exact(config: Config, told: Arrays) -> Table:
    rows = []
    for depth in config.depths:
        for name in OBJECTIVES:
            mass, steps, best = (told[f"{depth:g}|{name}|{measure}"] for measure in ("mass", "steps", "optimum"))
            rows.append((depth, name, float(mass[-1]), _number(best[0]), _number(steps[0])))
    columns = ("depth of the hole", "objective", "mass of the best answers", "in closed form", "steps to half of it")
    return Table(f"exact objectives, climbed for {config.climbs} steps", columns, tuple(rows))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    never = runs["base"][0]["right"][0] == 0
    return [
        *common_notes(runs),
        f"Chosen on {config.tuning_seeds} other seeds by pass@1 + pass@{min(64, config.many)}: {tuned.baseline.name} "
        f"as the baseline, alpha {alpha_of(tuned.method):g} and learning rate {tuned.rate:g} for RAPO, whose rate the "
        f"arms beside it share; by entropy at the end a bonus of {tuned.entropy.trainer['entropy_coef']:g} to stand "
        "beside it.",
        f"Of {len(never)} problems {int(never.sum())} were solved by none of the base's {config.eval_answers} answers.",
        "* within, * beyond: the chance of * behind a problem's first number, by the kind of problem.",
        "The forward KL is summed over the vocabulary at each prefix that the policy drew: it is not that of whole "
        "sequences, which is a mean over prefixes of the reference.",
        unasked(config.other_seeds),
    ]
