"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wayfare.report.statistics import Interval
from wayfare.studies.agentfly import Config
from wayfare.studies.agentfly.checks import Rule
from wayfare.studies.agentfly.plan import Tuned
from wayfare.studies.agentfly.sequential import BACKUPS
from wayfare.studies.contract import Check, Table
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    reason = "" if config.scale in rule.scales else "needs quick scale"
    if rule.mean:
        mean = float(values.mean())
        return rule.on(Interval(mean, mean, mean, "the mean over seeds", len(values)), len(values), reason)
    return rule.on(seeds_interval(values), len(values), reason)


def tables(config: Config, measures: Measures, chosen: Tuned) -> dict[str, Table]:
    """Players, the sequence, the online part, and the tuning."""
    rows = []
    for player in [player for player, measure in measures if measure == "curve"]:
        late, chance, span = (measures[player, name] for name in ("late", "chance", "span"))
        rows.append(
            (
                player, len(late), float(late.mean()), half_width(late), float(((late - chance) / span).mean()),
                float(measures[player, "cumulative"].mean()), half_width(measures[player, "cumulative"]),
            )
        )  # fmt: skip
    columns = (
        "player", "seeds", "success in the last tasks", "95 % +-", "share of the way from chance to the ceiling",
        "success over all tasks", "95 % +- ",
    )  # fmt: skip
    found = {
        "players": Table("players", columns, tuple(rows)),
        "sequence": Table(
            "largest error of Q against exact soft values", ("backup", "seeds", "error", "95 % +-"),
            tuple(
                (name, len(error), float(error.mean()), half_width(error))
                for name in BACKUPS
                for error in [measures[name, "error"]]
            ),
        ),
        "tuning": Table(
            "on other seeds", ("player", "success in the last sixth"),
            tuple(
                (player.removeprefix("tuning "), float(values.mean()))
                for (player, measure), values in measures.items()
                if player.startswith("tuning ") and measure == "late"
            ),
        ),
    }  # fmt: skip
    online = [player for player, measure in measures if measure == "cases"]
    if online:
        found["online"] = Table(
            "from an empty bank",
            ("player", "seeds", "success, first pass", "success, last pass", "95 % +-", "topics never seen", "95 % +- ",
             "cases"),
            tuple(
                (
                    player, len(of), float(of[:, 0].mean()), float(of[:, -1].mean()), half_width(of[:, -1]),
                    float(other.mean()), half_width(other), float(measures[player, "cases"].mean()),
                )
                for player in online
                for of, other in [(measures[player, "passes"], measures[player, "other"])]
            ),
        )  # fmt: skip
    return found


def notes(config: Config, measures: Measures, chosen: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    found = [
        "Success is the chance to succeed given what was shown, over all that the frozen policy may do; rewards, which "
        "are learned from, are drawn.",
        "Q of the players is learned while they play, by classification of the outcomes in a replay (one decision a "
        "task: there is nothing to back up); Q of the sequence by temporal differences with a delayed target.",
        f"Chosen on {config.tuning_seeds} other seeds, as many runs for the kernel as for the net: {chosen.strongest} "
        f"as the strongest that learns nothing, learning rate {chosen.rate:g}, bandwidth {chosen.bandwidth:g}.",
        "Cases that succeeded with the right strategy are few: in some seeds a strategy has none, and the oracle stays "
        "below the ceiling.",
        "For K > 1 'top-Q' is what was released; 'soft-Q', a draw of sets by exp(Q / alpha), is ours.",
        "'Standardised' similarity scales every dimension to the same variance, which lets the cue be seen; an agent "
        "that knew to do this would still copy plans for other cues where topics are close.",
    ]
    if config.online_tasks:
        found.append(
            "Online, tasks are met again in every pass: the most similar case is then the task's own, which is as "
            "published and flatters similarity. 'Own cases barred' leaves those out; topics never seen have none."
        )
    return found
