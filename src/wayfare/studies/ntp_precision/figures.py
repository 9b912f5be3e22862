"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wayfare.report.plots import panels
from wayfare.studies.contract import Figure
from wayfare.studies.language_figures import frontiers, learning_curves
from wayfare.studies.language_runs import Runs
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.checks import at_start
from wayfare.studies.ntp_precision.plan import BASELINE, BROAD, MATCHED, PLAIN, PRECISE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]


def figures(config: Config, runs: Runs) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = (PRECISE, PLAIN, BROAD, BASELINE, MATCHED)
    main, dashed = {arm: runs[arm] for arm in asked}, (BASELINE, MATCHED)
    few = {arm: each for arm, each in runs.items() if arm not in asked}
    most = config.ks[-1]
    drawn = [
        learning_curves(main, ("pass@1", f"pass@{most}", "entropy"), dashed=dashed),
        Figure(
            "priors", "Each prior by the entropy of its predictions on unseen traces, before learning: pass@1 then "
            "(left) and when the tokens are spent (right), at one learning rate.",
            partial(_priors, {arm: each for arm, each in runs.items() if arm not in dashed}),
        ),
        frontiers(main, most, dashed=dashed),
        learning_curves({PLAIN: runs[PLAIN], **few}, ("pass@1", f"pass@{most}"), dashed=(PLAIN,), name="others",
                        said="Priors without a verdict; cross-entropy beside them."),
    ]  # fmt: skip
    return drawn


def _priors(runs: Runs) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    for ax, at, label in zip(axes, (0, -1), ("pass@1 before learning", "pass@1 after it"), strict=True):
        for arm, each in runs.items():
            x = [at_start(run, "probe/prior/entropy") for run in each]
            ax.scatter(x, [float(run.pass_at(1)[at]) for run in each], label=arm, s=18)
        ax.set(xlabel="entropy of the prior, nats a token", ylabel=label)
    axes[1].legend(frameon=False, fontsize="small")
    return figure
