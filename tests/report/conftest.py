"""Findings with one check of every kind and state, as a study would hand them over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wayfare.report import plots

REWARD = "reward an episode"


def check(
    name: str, kind: str, interval: tuple[float, float, float] | None, rule: str, threshold: Any, **more: Any
) -> Any:
    low, estimate, high = interval or (None, None, None)
    fields = {"unit": REWARD, "n_seeds": 5, "method": "Student t", "reason": None, "statement": f"{name}, in words"}
    fields.update(name=name, kind=kind, low=low, estimate=estimate, high=high, rule=rule, threshold=threshold)
    return SimpleNamespace(**{**fields, **more})


@pytest.fixture
def checks() -> list[Any]:
    return [
        check("trap", "instrument", (1.0, 1.0, 1.0), "below", 1.1, unit="arms a block"),
        check("explores", "claim", (2.55, 2.65, 2.75), "above", 2.0, unit="arms a block"),
        check("earns <b>more</b>", "claim", (0.701, 0.709, 0.717), "above", 0.65),
        check("stays", "claim", (0.47, 0.478, 0.486), "within", (0.48, 0.52)),
        check("beats Thompson", "claim", (0.011, 0.021, 0.029), "above", 0.03),
        check("later", "ours", None, "above", 0.01, reason="needs laptop scale"),
    ]


def curves() -> Any:
    figure, axes = plots.panels(columns=2, width=8.0)
    x = np.arange(1, 11)
    rng = np.random.default_rng(0)
    for name, top in {"full": 0.8, "n=1": 0.5, "X=0": 0.5, "Thompson": 0.7}.items():
        plots.curve_with_band(axes[0], x, top + rng.normal(0, 0.01, size=(5, 10)), name)
    plots.reference_line(axes[0], 0.85, "oracle")
    plots.label_ends(axes[0])
    plots.heat_map(axes[1], np.arange(6.0).reshape(2, 3), [1, 4, 30], [0, 0.97])
    return figure


@pytest.fixture
def study() -> Any:
    return SimpleNamespace(
        slug="exploit",
        title="Greedy training that <explores>",
        paper='Rentschler & Roberts 2025, "Exploitation", arXiv 2508.01287',
        claim="An agent trained only to exploit explores.",
    )


@pytest.fixture
def findings(checks: list[Any]) -> Any:
    table = SimpleNamespace(
        name="rewards", columns=("player", "reward"), rows=[("full", 0.7091234), ("<i>x</i>", None)]
    )
    return SimpleNamespace(
        verdict="undecided at 5 seeds",
        checks=checks,
        tables={"rewards": table},
        figures=[SimpleNamespace(name="curves", caption='It "explores" & earns', draw=curves)],
        notes=["World A needs the laptop size."],
    )


@pytest.fixture
def run_info() -> dict[str, Any]:
    return {
        "scale": "quick",
        "seeds": 5,
        "command": "wayfare run exploit --scale quick",
        "config": {"updates": 800, "memory": None},
        "versions": {"numpy": "2.4.6"},
        "seconds": {"train": 182.2, "test": 20.0},
        "commit": "abc1234",
    }
