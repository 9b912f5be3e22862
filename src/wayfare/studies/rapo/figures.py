"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Arrays, Figure
from wayfare.studies.language_figures import frontiers
from wayfare.studies.language_runs import Runs
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.exact import EVERY, OBJECTIVES
from wayfare.studies.rapo.halves import HALVES, pass_half
from wayfare.studies.rapo.plan import ENTROPY, RAPO, REVERSE, SHALLOW, SHALLOW_BASE, Tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]


def figures(config: Config, runs: Runs, tuned: Tuned, told: Arrays) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = list(dict.fromkeys((tuned.baseline.name, RAPO, REVERSE, ENTROPY)))
    main = {arm: runs[arm] for arm in asked}
    bases = ("base", SHALLOW_BASE)
    few = {arm: each for arm, each in runs.items() if not arm.startswith(SHALLOW) and arm not in (*asked, *bases)}
    low = {arm.removeprefix(SHALLOW): each for arm, each in runs.items() if arm.startswith(SHALLOW)}
    dashed = tuple(arm for arm in asked if arm != RAPO)
    caption = (
        f"pass@{config.many} on held-out problems that can be solved without * (within the base's support) and on "
        f"those that cannot (beyond). Bands: 95 % over {config.seeds} seeds."
    )
    drawn = [
        Figure("halves", caption, partial(_halves, main, dashed, config.many)),
        frontiers(main, min(64, config.many), dashed=dashed),
        Figure(
            "shallower", f"The same where the corpus had * {config.shallow / config.hole:g} times as often.",
            partial(_halves, low, dashed, config.many),
        ),
        Figure(
            "others", "The same of arms without a verdict, RAPO beside them.",
            partial(_halves, {RAPO: runs[RAPO], **few}, (RAPO,), config.many),
        ),
        Figure(
            "exact", "No model: mass of the two answers that pay in full on the way up, where the reference gives them "
            f"{config.depths[min(1, len(config.depths) - 1)]:g} of the others' chance; and the steps until it is a "
            "half, by the depth of the hole.",
            partial(_exact, config, told),
        ),
    ]  # fmt: skip
    return drawn


def _halves(runs: Runs, dashed: Sequence[str], k: int) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    for ax, half in zip(axes, HALVES, strict=True):
        for arm, each in runs.items():
            end = min(float(run.tokens[-1]) for run in each)
            x = np.linspace(0.0, end, 31)
            y = np.stack([np.interp(x, run.tokens, pass_half(run, half, k)) for run in each])
            curve_with_band(ax, x / 1000, y, arm, dashed=arm in dashed)
        ax.set(xlabel="tokens drawn, thousands", ylabel=f"pass@{k}, {half}")
        label_ends(ax)
    return figure


def _exact(config: Config, told: Arrays) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    depth = config.depths[min(1, len(config.depths) - 1)]
    for name in OBJECTIVES:
        mass = told[f"{depth:g}|{name}|mass"]
        axes[0].plot(EVERY * np.arange(len(mass)), mass, label=name)
        steps = [told[f"{each:g}|{name}|steps"][0] for each in config.depths]
        axes[1].plot(config.depths, steps, marker="o", label=name)
    axes[0].set(xlabel="steps", ylabel="mass of the best answers")
    axes[1].set(xlabel="depth of the hole", ylabel=f"steps to a half, of {config.climbs}", xscale="log")
    axes[1].legend(frameon=False, fontsize="small")
    return figure
