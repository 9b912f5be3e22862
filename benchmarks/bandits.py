"""`make bench`, bandits: our rules beside MABWiser, SMPyBandits, banditbench and Vowpal Wabbit, interleaved, medians.

    simulate  ARMS Bernoulli arms, decide and learn; ours plays RUNS runs at once, the peers one after the other
    live      one stream, LIVE actions, one decision and one reward at a time
    stream    contextual: DIMENSION features, ACTIONS actions, SquareCB with one update an event, the same features

Each contender runs in its own environment and process, on one thread, and is given rewards drawn beforehand; set-up,
imports and compilation do not count. Regrets are printed to show that all play the same game. Nothing here asserts a
time: ratios go to benchmarks/bandits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
RUNS, ARMS, HORIZON, LIVE = 1000, 10, 10_000, 20
DIMENSION, ACTIONS, EVENTS, STREAMS = 10, 5, 20_000, 256
Row = tuple[str, str, str, dict[str, float]]
CONTENDERS: dict[str, list[Row]] = {  # task: (environment, script, who, what ours is wanted to be over it)
    "simulate-ucb1": [
        ("ours", "bandits_ours.py", "ucb1", {}),
        ("ours", "bandits_ours.py", "ucb1-propensities", {}),
        ("mabwiser", "bandits_peers.py", "mabwiser", {"ucb1": 100.0}),
        ("smpybandits", "bandits_peers.py", "smpybandits", {"ucb1": 100.0}),
        ("banditbench", "bandits_peers.py", "banditbench", {"ucb1": 100.0}),
        ("numba", "bandits_peers.py", "numba", {"ucb1": 1 / 3}),
    ],
    "simulate-thompson": [
        ("ours", "bandits_ours.py", "thompson", {}),
        ("ours", "bandits_ours.py", "thompson-propensities", {}),
        ("mabwiser", "bandits_peers.py", "mabwiser", {"thompson": 30.0}),
        ("smpybandits", "bandits_peers.py", "smpybandits", {"thompson": 30.0}),
        ("banditbench", "bandits_peers.py", "banditbench", {"thompson": 30.0}),
        ("ours", "bandits_ours.py", "numpy-beta", {"thompson": 1 / 1.5}),
    ],
    "live": [
        ("ours", "bandits_ours.py", "ucb1", {}),
        ("mabwiser", "bandits_peers.py", "mabwiser", {"ucb1": 1.0}),
    ],
    "stream": [
        ("ours", "bandits_ours.py", "squarecb", {}),
        ("ours", "bandits_ours.py", "squarecb-256", {}),
        ("vw", "bandits_peers.py", "vw", {"squarecb": 2.0}),
        ("vw", "bandits_peers.py", "vw-file", {"squarecb-256": 4.0}),
    ],
}


def means() -> NDArray[np.float64]:
    """[ARMS] chances of the arms, the best one neither first nor last."""
    return np.roll(np.linspace(0.1, 0.9, ARMS), 4)


def events(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Contexts [EVENTS, DIMENSION], chances [EVENTS, ACTIONS] and coins [EVENTS] of a contextual stream."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(EVENTS, DIMENSION)) / DIMENSION**0.5
    theta = rng.normal(size=(DIMENSION, ACTIONS))
    return contexts, np.clip(0.5 + 0.35 * contexts @ theta, 0.02, 0.98), rng.random(EVENTS)


def main() -> None:
    """Run all, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--only", choices=list(CONTENDERS), help="this task")
    parser.add_argument("--output", type=Path, default=HERE / "bandits.json")
    options = parser.parse_args()
    from run import environments

    homes = sorted({home for rows in CONTENDERS.values() for home, *_ in rows} - {"ours"})
    pythons, missing = environments(homes)
    table: list[dict[str, Any]] = []
    for task, rows in CONTENDERS.items():
        if options.only not in (None, task):
            continue
        there = [row for row in rows if row[0] in pythons]
        told: dict[str, list[dict[str, Any]]] = {who: [] for _, _, who, _ in there}
        for seed in range(options.runs):
            for home, script, who, _ in there:
                told[who].append(ask(pythons[home], script, task, who, options.seconds, seed))
        found = {who: {name: middle(runs, name) for name in runs[0]} for who, runs in told.items()}
        for _, _, who, wanted in there:
            row: dict[str, Any] = {"task": task, "who": who, **found[who]}
            for ours, target in wanted.items():
                row |= {"ours": ours, "ratio": round(found[ours]["per_second"] / found[who]["per_second"], 3)}
                row["wanted"] = target
            table.append(row)
            print(json.dumps(row), flush=True)
    about = {
        "command": "make bench", "runs": options.runs, "seconds": options.seconds, "threads": 1,
        "cores": os.cpu_count(), "load": os.getloadavg(), "platform": platform.platform(), "missing": missing,
    }  # fmt: skip
    options.output.write_text(json.dumps({**about, "rows": table}, indent=1) + "\n")


def ask(python: Path, script: str, task: str, who: str, seconds: float, seed: int) -> dict[str, Any]:
    """What one process of a contender tells."""
    ours = script == "bandits_ours.py"
    words = [str(python), str(HERE / script), task.split("-")[0] if ours else task, who, str(seconds), str(seed)]
    limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=os.environ | limits)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def middle(runs: list[dict[str, Any]], name: str) -> float | None:
    """The median of one figure; None where no run has it."""
    known = [run[name] for run in runs if run[name] is not None]
    return statistics.median(known) if known else None


if __name__ == "__main__":
    main()
