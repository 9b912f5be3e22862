"""Our off-policy estimates are the Open Bandit Pipeline's on the same log, to 1e-9.

The package itself is asked where its environment is there; its definitions in plain loops are held to in
tests/explore/evaluation/test_estimators.py, which always runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import same_estimates  # noqa: E402


def test_the_open_bandit_pipeline_gives_the_same_values() -> None:
    python = ROOT / ".venv-obp" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not there: `python benchmarks/same_estimates.py` makes it")
    drawn = same_estimates.log()
    assert same_estimates.differences(same_estimates.ours(drawn), same_estimates.theirs(python, drawn)) == []


def test_a_difference_is_told() -> None:
    answer = same_estimates.ours(same_estimates.log())
    assert same_estimates.differences(answer, answer) == []
    assert same_estimates.differences(answer, {**answer, "dr": answer["dr"] + 1e-8})[0].startswith("dr is")
    assert same_estimates.differences(answer, {**answer, "ips": float("nan")})[0].startswith("ips is")
