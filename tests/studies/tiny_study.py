"""A study without torch, for tests: is a coin that is said to be biased biased?

Each cell tosses the coin of one seed; it takes `pause` seconds a report, so that a run can be stopped within a cell.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wayfare.errors import BadValue
from wayfare.report.statistics import mean_interval
from wayfare.studies.contract import Arrays, Cell, Check, Config, Figure, Findings, Progress, Report, Study, Table


@dataclass(frozen=True)
class Coins(Config):
    """Knobs of the coins."""

    bias: float = 0.7
    """Probability of heads."""
    tosses: int = 400
    """Tosses of a coin a seed."""
    pause: float = 0.0
    """Seconds that a hundredth of a cell takes at least."""
    fair: bool = True
    """Whether a fair coin is tossed beside the other."""
    label: str = "coin"
    """A name."""
    fail_at: int | None = None
    """Seed whose cell raises."""
    torch: bool = False
    """Whether the machine is asked for torch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.bias <= 1:
            raise BadValue("bias", self.bias, "between 0 and 1")
        if self.tosses < 1:
            raise BadValue("tosses", self.tosses, "at least 1")


def toss(report: Report, *, seed: int, bias: float, tosses: int, pause: float, fail: bool) -> Arrays:
    """Heads of each toss, and of a fair coin with the same uniforms."""
    uniform = np.random.default_rng(seed).random(tosses)
    heads = np.empty(tosses, dtype=bool)
    for part in range(100):
        mine = slice(part * tosses // 100, (part + 1) * tosses // 100)
        heads[mine] = uniform[mine] < bias
        time.sleep(pause)
        report(part + 1, 100, heads=float(heads[: mine.stop].mean()) if mine.stop else float("nan"))
        if fail and part == 50:
            raise ZeroDivisionError("the coin fell\nthrough the floor")
    return {"biased|heads": heads, "fair|heads": uniform < 0.5}


def run(config: Coins, progress: Progress) -> Findings:
    """Toss the coins and compare their shares of heads."""
    seeds = range(config.seed, config.seed + config.seeds)
    cells = [
        Cell(
            f"seed-{seed}",
            toss,
            {
                "seed": seed, "bias": config.bias, "tosses": config.tosses, "pause": config.pause,
                "fail": seed == config.fail_at,
            },
        )
        for seed in seeds
    ]  # fmt: skip
    first, rest = cells[:1], cells[1:]
    found = progress.cells(first, later=rest) | progress.cells(rest)
    biased, fair = (np.array([found[c.name][f"{who}|heads"].mean() for c in cells]) for who in ("biased", "fair"))
    checks = [check("fair coin", "instrument", fair, "within", (0.4, 0.6))] if config.fair else []
    checks += [check("biased coin", "claim", biased, "above", 0.6), check("gap", "ours", biased - fair, "above", 0.0)]
    rows = [(cell.name, float(b), float(f)) for cell, b, f in zip(cells, biased, fair, strict=True)]
    return Findings(
        tables={"shares": Table("shares", ("cell", "biased", "fair"), rows)},
        figures=[Figure("shares", "Shares of heads.", lambda: draw(biased, fair))],
        checks=checks,
        notes=["Both coins see the same uniforms."],
    )


def check(name: str, kind: Any, values: Any, rule: Any, threshold: Any) -> Check:
    """The mean of `values` against the threshold."""
    interval = mean_interval(values)
    return Check(
        name=name, statement=f"share of heads {rule} {threshold}", kind=kind, estimate=interval.estimate,
        low=interval.low, high=interval.high, rule=rule, threshold=threshold, unit="share of heads",
        n_seeds=len(values), method=interval.method,
    )  # fmt: skip


def draw(biased: Any, fair: Any) -> Any:
    """Dots."""
    from wayfare.report.plots import panels

    figure, axes = panels()
    axes[0].plot(fair, biased, "o")
    return figure


SMOKE = Coins(scale="smoke", seeds=3, tosses=200)

STUDY = Study(
    slug="tiny",
    title="Is the coin biased?",
    paper="Bernoulli 1713, Ars Conjectandi",
    claim="The coin falls heads more often than not.",
    scales={"smoke": SMOKE, "quick": replace(SMOKE, scale="quick", seeds=5), "laptop": Coins(scale="laptop", seeds=6)},
    seconds={"smoke": 1, "quick": 2, "laptop": 3},
    run=f"{__name__}:run",
)
