"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wayfare.report.statistics import mean_interval
from wayfare.studies.contract import Check, Table
from wayfare.studies.memrl import Config
from wayfare.studies.memrl.arms import FILTERS
from wayfare.studies.memrl.bank import EACH
from wayfare.studies.memrl.checks import Rule
from wayfare.studies.memrl.theory import MEANS, closed_mean
from wayfare.studies.memrl.treasure import HUNTERS
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""

SCRIPTED = ("chance ", "ceiling ")


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    return rule.on(seeds_interval(values), len(values), "" if config.scale in rule.scales else "needs quick scale")


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """Players with their successes, the tuning, the estimator, and the treasure hunts where they were played."""
    rows = []
    for player in dict.fromkeys(player for player, measure in measures if measure == "curve"):
        of = {measure: array for (who, measure), array in measures.items() if who == player}
        name, _, lucky = player.rpartition(" ")
        rows.append(
            (
                name, float(lucky), len(of["late"]), float(of["late"].mean()), half_width(of["late"]),
                float(of["held"].mean()), half_width(of["held"]),
                float(((of["late"] - of["chance"]) / of["span"]).mean()), float(of["cumulative"].mean()),
                float(of["records"].mean()),
            )
        )  # fmt: skip
    columns = (
        "player", "success of a wrong strategy", "seeds", "success in the last passes", "95 % +-",
        "success on held-out tasks", "95 % +- ", "share of the way from chance to the ceiling",
        "tasks solved at least once", "records",
    )  # fmt: skip
    last = measures["estimator", "mean"]
    steps = last.shape[-1]
    estimator = [
        (b, t, float(last[:, j, t - 1].mean()), closed_mean(b, t))
        for j, b in enumerate(MEANS)
        for t in sorted({1, max(1, steps // 6), steps})
    ]
    found = {
        "players": Table("players", columns, tuple(rows)),
        "tuning": Table(
            "ways to label a success, on other seeds", ("player", "success in the last passes"),
            tuple((name, float(measures[f"tuning {name}", "late"].mean())) for name in FILTERS),
        ),
        "estimator": Table(
            "mean of Q after t credits", ("mean reward", "t", "mean of Q", "closed form"), tuple(estimator)
        ),
    }  # fmt: skip
    hunts = [_hunts(name, measures) for name in HUNTERS if (f"hunt {name}", "won") in measures]
    if hunts:
        found["hunts"] = Table(
            "treasure hunts",
            ("player", "seeds", "treasures found, first pass", "treasures found, last pass", "95 % +-",
             "commands an attempt, last pass", "tasks solved at least once"),
            tuple(hunts),
        )  # fmt: skip
    return found


def _hunts(name: str, measures: Measures) -> tuple[Any, ...]:
    won, steps = measures[f"hunt {name}", "won"], measures[f"hunt {name}", "steps"]
    last = won[:, -1].mean(axis=-1)
    return (
        name, len(won), float(won[:, 0].mean()), float(last.mean()), half_width(last), float(steps[:, -1].mean()),
        float(won.any(axis=1).mean()),
    )  # fmt: skip


def notes(config: Config, measures: Measures, strongest: str) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    found = [
        "Success is the chance to succeed given what was shown, over all that the frozen policy may do; rewards, which "
        "memories learn from, are drawn.",
        "The tasks of the last passes are those that were learned on. Held-out tasks are others of the same families, "
        "met by a memory that no longer learns. 'Solved at least once' rises without any memory, and means nothing.",
        f"Labels of success were compared on {config.tuning_seeds} other seeds; the strongest: {strongest}. 'written': "
        "by the episode that stored the record; 'last', 'ever': by what came of doing it again, which is itself a way "
        "of learning from outcomes.",
        "Similarity shows the oldest record of the task itself, whatever came of it: it repeats its first try.",
        "alpha = 0.3 and Q0 = 0.5 are the library's. Rewards of (-1, 1) with Q0 = 0 give the same runs.",
        f"The library's candidates: the 50 nearest records, {EACH} of every intent before more of any; '50 nearest': "
        "without that rule; 'one of an intent': one of every intent before a second of any, as the library did until a "
        "pilot of this study showed what it costs.",
    ]
    if ("hunt similarity", "won") not in measures:
        why = "left out (games = 0)" if not config.games else "not tested here: needs wayfare[textworld]"
        found.append(f"Treasure hunts: {why}.")
    else:
        gain = measures["hunt MemRL", "won"][:, -1].mean(axis=-1) - measures["hunt similarity", "won"][:, -1].mean(-1)
        if len(gain) > 1:
            told = mean_interval(gain)
            found.append(
                f"Treasure hunts: MemRL found {told.estimate:+.2f} [{told.low:+.2f}, {told.high:+.2f}] of the "
                "treasures more than similarity in the last pass; no check, since the paper played none."
            )
    return found
