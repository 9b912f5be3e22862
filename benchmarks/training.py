"""`make bench`, training: our learners beside Stable-Baselines3 on the gridworld, one thread, one seed at a time.

    ppo      PPO with an LSTM of 64     recurrent-ppo of sb3-contrib      target: 80 % of the exact Bayes-optimal return
    values   a memoryless value net     dqn of stable-baselines3          target: 80 % of the best blind walk

World: the hidden goal, 5 x 5, eight episodes of at most five steps a block. All take SAMPLES (values) or EPOCHS (ppo)
gradient samples for each step in the world, at the same discount and width. DQN has no memory, so both value learners
learn without one, where the optimum is the best blind walk. `--tune` tries the same five learning rates with each and
keeps the one that took fewest steps to its target, or that came nearest in the time; the timed runs are interleaved.
Seconds are of training alone: tests do not count.
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

HERE = Path(__file__).resolve().parent
WIDTH, GAMMA, TRACE, EPOCHS, MINIBATCHES, SAMPLES = 64, 0.97, 0.95, 4, 4, 4
BLOCKS = 64  # sequences of a gradient step of the value learner
COPIES = {"ppo": 256, "values": 512}  # ours plays so many at once
TARGETS = {"ppo": 0.65, "values": 0.2}  # reward an episode: 80 % of 0.8125 and of 0.25
TESTS, EVERY = 1024, 0.25  # blocks of a test, seconds of training between two
RATES = (3e-4, 1e-3, 3e-3, 5e-3, 1e-2)
PEERS = {"ppo": "recurrent-ppo", "values": "dqn"}
WANTED = {"steps/s, ours over it": 20.0, "seconds to target, it over ours": 10.0}
LIMITS = {"ppo": 60.0, "recurrent-ppo": 240.0, "values": 20.0, "dqn": 60.0}  # seconds of a timed run
TRIALS = {"ppo": 12.0, "recurrent-ppo": 40.0, "values": 20.0, "dqn": 20.0}  # seconds of a run that tunes
STACKED = 5


def main() -> None:
    """Tune or run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tune", action="store_true", help="choose learning rates, into training_tuned.json")
    parser.add_argument("--only", choices=[*PEERS, *PEERS.values()], help="with --tune: this contender")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--output", type=Path, default=HERE / "training.json")
    options = parser.parse_args()
    from run import environments

    pythons, missing = environments(["sb3"])
    if missing:
        return
    kept = HERE / "training_tuned.json"
    tuned: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    if options.tune:
        for name in [options.only] if options.only else [*PEERS, *PEERS.values()]:
            tuned[name] = [
                {"rate": rate, **brief(ask(pythons, name, rate, 1000, seconds=TRIALS[name]))} for rate in RATES
            ]
            print(name, *(f"\n    {row}" for row in tuned[name]), flush=True)
            kept.write_text(json.dumps(tuned, indent=1) + "\n")
        return
    rows: list[dict[str, Any]] = []
    for ours, peer in PEERS.items():
        stacked = f"{ours} x {STACKED}"
        found: dict[str, list[dict[str, Any]]] = {ours: [], peer: [], stacked: []}
        for seed in range(options.runs):
            found[ours].append(ask(pythons, ours, best(tuned[ours]), seed))
            found[peer].append(ask(pythons, peer, best(tuned[peer]), seed))
            found[stacked].append(ask(pythons, ours, best(tuned[ours]), seed, rows=STACKED))
        medians = {name: summary(runs) for name, runs in found.items()}
        for name, row in medians.items():
            row = {"pair": ours, "who": name, "rate": best(tuned[peer if name == peer else ours]), **row}
            if name == peer:
                row["steps/s, ours over it"] = round(medians[ours]["steps_per_second"] / row["steps_per_second"], 2)
                row["seconds to target, it over ours"] = round(row["seconds"] / medians[ours]["seconds"], 2)
                row["wanted"] = WANTED
            rows.append(row)
            print(json.dumps(row), flush=True)
    told = {
        "command": "make bench", "runs": options.runs, "threads": 1, "cores": os.cpu_count(), "load": os.getloadavg(),
        "platform": platform.platform(), "targets": TARGETS, "rows": rows,
    }  # fmt: skip
    options.output.write_text(json.dumps(told, indent=1) + "\n")


def ask(
    pythons: dict[str, Path], name: str, rate: float, seed: int, rows: int = 1, seconds: float | None = None
) -> dict[str, Any]:
    """What one process of a contender tells."""
    seconds = LIMITS[name] if seconds is None else seconds
    ours = name in PEERS
    script = HERE / ("train_ours.py" if ours else "train_sb3.py")
    words = [str(pythons["ours" if ours else "sb3"]), str(script), name, str(rate), str(seconds), str(seed), "1"]
    limits = {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*words, *([str(rows)] if ours else [])], check=True, capture_output=True, text=True, env=os.environ | limits
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def best(tried: list[dict[str, Any]]) -> float:
    """The rate that reached the target in fewest steps; where none did, the one that came nearest."""
    return float(
        min(tried, key=lambda row: (not row["reached"], row["steps"] if row["reached"] else -row["reward"]))["rate"]
    )


def brief(run: dict[str, Any]) -> dict[str, Any]:
    """A run without its curve."""
    return {name: value for name, value in run.items() if name != "curve"}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians; seconds of a run that did not reach its target count as they are, a lower bound, and are counted."""
    medians = {name: statistics.median(run[name] for run in runs) for name in ("steps_per_second", "seconds", "steps")}
    return medians | {"reached": sum(run["reached"] for run in runs), "runs": len(runs)}


if __name__ == "__main__":
    main()
