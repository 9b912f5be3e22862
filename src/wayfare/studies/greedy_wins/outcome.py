"""What came out: measures by player and family, and from them the checks, the tables and the notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies.contract import Check, Table
from wayfare.studies.greedy_wins import Config
from wayfare.studies.greedy_wins.checks import Rule
from wayfare.studies.stated import seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str, str], NDArray[Any]]
"""(player, family, measure) -> [seeds, ...]."""


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = np.asarray(rule.measure(lambda player, family, measure: measures[player, family, measure]))
    return rule.on(
        seeds_interval(values), len(values), "" if config.scale in ("laptop", "full") else "needs laptop scale"
    )


def tables(config: Config, measures: Measures, chosen: Mapping[str, float]) -> dict[str, Table]:
    """One row a player and family."""
    kept = (
        "regret",
        "long regret",
        "median",
        "q90",
        "suffix failure",
        "greedy",
        "greedy early",
        "best",
        "least",
        "lazy",
    )
    pairs = dict.fromkeys((player, family) for player, family, measure in measures if measure == "regret")
    rows = []
    for player, family in pairs:
        of = [measures[player, family, measure] for measure in kept]
        each = [float(np.nanmean(x)) if np.isfinite(x).any() else None for x in of]
        if player == "index":  # plays the training length only
            each = [
                value if name in ("regret", "greedy early") else None for name, value in zip(kept, each, strict=True)
            ]
        rows.append((player, family, len(of[0]), *each))
    columns = (
        "player", "family", "seeds", f"regret at {config.turns}", f"regret at {config.long}", "its median",
        "its 90 % quantile", "suffix failures in the second half", "greedy pulls", f"greedy pulls up to {config.turns}",
        "best-arm pulls", "K x least-pulled arm", "of departures from UCB, greedy",
    )  # fmt: skip
    return {
        "players": Table("players", columns, tuple(rows)),
        "tuning": Table("tuned on other seeds", ("number", "value"), tuple(chosen.items())),
    }


def notes(config: Config, chosen: Mapping[str, float]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    return [
        "The paper trains pretrained language models; here a transformer from random weights, and 'generalist', "
        "trained on mediocre players, stands for the model before training. What is said of the generalist is "
        "said of that stand-in.",
        f"UCB's alpha is {chosen['alpha']:g}, tuned at {config.turns} pulls on other seeds; 'UCB retuned' has "
        f"{chosen['late_alpha']:g}, tuned at {config.long}. All see the same arms and the same noise.",
        "Agents draw their arms at temperature 1; ', argmax' takes the likeliest arm.",
        "gamma is the discount of the turns' rewards: 1 for RL-original and RL-strategic, 0 for RL-algorithmic, whose "
        "reward is a label. With gamma 0 the strategic reward pays for knowing already, which is greed by design.",
        "The best reinforced agent, and the one with more suffix failures, are chosen by their means over these seeds.",
        "A first recorded run had other seeds (200 to 204) and fewer updates (imitation 300, reinforcement 200), too "
        "few to learn: SFT-UCB had 1.32 [1.18, 1.46] times UCB's regret, the best reinforced agent 1.78 [1.51, 2.06], "
        "at the long horizon 1.95 [1.68, 2.21] and RL-algorithmic 3.2 [2.6, 3.7]; RL-algorithmic was less greedy than "
        "its teacher by 0.26 and departed from it by greed in 41 %; suffix failures were 0.16 above UCB's and 0.26 "
        "above the generalist's, and the strategic reward's gradient varied 1.20 times as much as the original's.",
    ]
