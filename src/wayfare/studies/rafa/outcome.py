"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies.contract import Check, Table
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.checks import Rule, interval_of
from wayfare.studies.rafa.control import BUDGET, LOOPS
from wayfare.studies.rafa.in_context import PLAYERS, SIZES
from wayfare.studies.rafa.plan import DEPTHS, GRID_WAYS, RIVER_WAYS
from wayfare.studies.stated import half_width

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure].astype(np.float64))
    interval = interval_of(rule, values)
    return rule.on(interval, len(values), "" if config.scale in rule.scales else "needs laptop scale")


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """Regret by world and way, success in mazes by player, and the instrument of Game of 24."""
    theory = []
    for world, ways in (("grid", (*GRID_WAYS, *(f"U={depth}" for depth in DEPTHS))), ("river", RIVER_WAYS)):
        for way in ways:
            of = {measure: measures[f"{world} {way}", measure] for measure in ("regret", "refreshes", "expansions")}
            regret = of["regret"]
            theory.append(
                (
                    world, way, len(regret), float(regret.mean()), half_width(regret), float(regret.max()),
                    float(of["refreshes"].mean()), float(of["expansions"].mean()),
                )
            )  # fmt: skip
    mazes = []
    for player in PLAYERS:
        success, calls = measures[f"maze {player}", "success"], measures[f"maze {player}", "calls"]
        area = 100 * success.mean(axis=1)
        half = half_width(100 * success.mean(axis=1))
        first, last = float(100 * success[:, 0].mean()), float(100 * success[:, -1].mean())
        mazes.append((player, len(area), float(area.mean()), half, first, last, float(calls.mean())))
    accuracy = measures["maze model", "accuracy"]
    loops = []
    for loop in LOOPS:
        solved, calls = measures[f"24 {loop}", "solved"], measures[f"24 {loop}", "calls"]
        loops.append(
            (loop, len(solved), float(100 * solved.mean()), half_width(100 * solved), float(calls.mean()), BUDGET)
        )
    return {
        "regret": Table(
            "regret where the posterior is exact",
            ("world", "way", "runs", "regret", "95 % +-", "worst run", "refreshes", "pairs valued in plans"),
            tuple(theory),
        ),
        "mazes": Table(
            "unseen mazes, the model learned",
            ("player", "seeds", "successful episodes %", "95 % +-", "first episode %", "last episode %", "model calls"),
            tuple(mazes),
        ),
        "accuracy": Table(
            "moves foretold from visited cells, by transitions remembered",
            ("transitions", "accuracy %", "95 % +-"),
            tuple(
                (size, float(100 * a.mean()), half_width(100 * a)) for size, a in zip(SIZES, accuracy.T, strict=True)
            ),
        ),
        "game of 24": Table(
            "control loops of Game of 24: simulated model, not language",
            ("loop", "seeds", "solved %", "95 % +-", "calls a puzzle", "budget"),
            tuple(loops),
        ),
    }


def notes(config: Config, measures: Measures, scales: Mapping[tuple[str, str], float]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    told = ", ".join(f"{way} ({world}) {scale:g}" for (world, way), scale in scales.items())
    temperatures = sorted(set(measures["maze reactive", "temperature"].tolist()))
    return [
        "R3 and its check: simulated model, not language. The model obeys memory by construction; the verdict rests on "
        "R1 and R2.",
        "Regret is the sum of exact gaps. The grids' worlds are drawn from the prior that the agents have; RiverSwim-6 "
        "is one world, met with a Dirichlet prior: its mean over seeds stands for Bayesian regret.",
        "On the grids a snapshot is renewed when its entropy has fallen by more than log 2, and at a failed episode's "
        "end, when the published loop writes a reflection. The entropy rule alone can never fire again once one bit is "
        "left ('entropy rule alone').",
        f"Bonuses and radii tuned on {config.tuning_seeds} other seeds: {told}; the variants renewed at every step use "
        "RAFA's.",
        "In the mazes RAFA renews its snapshot whenever the buffer has a new transition; switching is R1's question. "
        f"The reactive clone's temperature, tuned on other mazes: {', '.join(f'{t:g}' for t in temperatures)}.",
        f"Each transformer is trained on {config.sequences:,} walks of 64 steps in the run. Its values are those of "
        "the walkers of the data: shortest distances would tell what nobody there knows.",
    ]
