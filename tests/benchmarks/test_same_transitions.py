"""The peers of the benchmarks live in the same worlds as ours: same task and actions, same cells, rewards and ends.

`make bench` asks every peer before it times one; here those that can be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from same_transitions import differences  # noqa: E402


def trace(peer: str, world: str) -> dict[str, Any]:
    python = Path(sys.executable) if peer == "sync" else ROOT / f".venv-{peer}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not there: `make bench` makes it")
    words = [str(python), str(ROOT / "benchmarks" / f"worlds_{peer}.py"), world, "32", "0", "1", "trace"]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(told.splitlines()[-1]))


@pytest.mark.parametrize("world", ["bandit", "grid"])
@pytest.mark.parametrize("peer", ["sync", "jax", "numba"])
def test_a_peer_lives_in_the_same_world(peer: str, world: str) -> None:
    assert differences(world, trace(peer, world)) == []


def test_a_peer_that_differs_is_found_out() -> None:
    told = trace("sync", "grid")
    told["steps"][2]["reward"][5] = 0.5
    told["steps"][4]["code"][7] = 0
    told["steps"][1]["obs"][0][3] += 1
    assert [line.split(":")[0] for line in differences("grid", told)] == ["step 1", "step 2", "step 4"]
    told = trace("sync", "bandit")
    told["task"] = [[mean + 1 for mean in means] for means in told["task"]]
    assert "noise of mean" in differences("bandit", told)[0]
    assert "no end" in differences("bandit", told | {"steps": told["steps"][:20]})[0]
