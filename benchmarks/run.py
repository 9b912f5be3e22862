"""`make bench`: our worlds beside named peers, each in its own environment and process, interleaved, medians.

    sync    the same dynamics as plain gymnasium environments in a SyncVectorEnv
    jax     the same dynamics in the style of gymnax, stepped from Python (jax) and inside lax.scan (jax-scan)

Random numbers and autoreset are included, set-up and compilation are not. A peer that does not install is reported so.
Nothing here asserts a time: it prints ratios and writes them, with the load of the machine, to benchmarks/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CONTENDERS = {
    "ours": ("ours", "worlds_ours.py", ()),
    "sync": ("sync", "worlds_sync.py", ()),
    "jax": ("jax", "worlds_jax.py", ("python",)),
    "jax-scan": ("jax", "worlds_jax.py", ("scan",)),
}
TARGETS = {("sync", 16384): 100.0, ("jax", 16384): 3.0, ("jax-scan", 16384): 1.0, ("jax-scan", 1024): 1 / 3}
"""What the project wants of ours / peer at that many copies."""


def main() -> None:
    """Run every pair of world and size, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    pythons = {"ours": Path(sys.executable)}
    missing: dict[str, str] = {}
    for peer in sorted({home for home, *_ in CONTENDERS.values()} - {"ours"}):
        try:
            pythons[peer] = environment(peer)
        except subprocess.CalledProcessError as error:
            missing[peer] = (error.stderr or "").strip().splitlines()[-1:][0] if error.stderr else str(error)
            print(f"{peer}: not installed ({missing[peer]})")
    rows = []
    for world in ("bandit", "grid"):
        for copies in (128, 1024, 16384):
            speeds: dict[str, list[float]] = {name: [] for name, (home, *_) in CONTENDERS.items() if home in pythons}
            for _ in range(options.runs):
                for name in speeds:
                    speeds[name].append(measure(name, pythons, world, copies, options.seconds, options.threads))
            medians = {name: statistics.median(each) for name, each in speeds.items()}
            for name, speed in medians.items():
                row = {"world": world, "copies": copies, "who": name, "steps_per_second": speed}
                if name != "ours":
                    row |= {"ratio": medians["ours"] / speed, "target": TARGETS.get((name, copies))}
                rows.append(row)
                show(row)
    options.output.write_text(
        json.dumps(
            {
                "command": "make bench", "runs": options.runs, "seconds": options.seconds, "threads": options.threads,
                "load": os.getloadavg(), "platform": platform.platform(), "missing": missing, "rows": rows,
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip


def environment(peer: str) -> Path:
    """The peer's own environment, made when it is not there."""
    folder = ROOT / f".venv-{peer}"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        venv.create(folder, with_pip=True)
        pins = str(HERE / "peers" / f"{peer}.txt")
        subprocess.run([python, "-m", "pip", "install", "-qq", "-r", pins], check=True, capture_output=True, text=True)
        (folder / ".ready").touch()
    return python


def measure(name: str, pythons: dict[str, Path], world: str, copies: int, seconds: float, threads: int) -> float:
    """Steps per second of one process."""
    home, script, more = CONTENDERS[name]
    flags = f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={threads}" if threads == 1 else ""
    limits = {"OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    words = [str(pythons[home]), str(HERE / script), world, str(copies), str(seconds), str(threads), *more]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, **limits})
    return float(json.loads(done.stdout.splitlines()[-1])["steps_per_second"])


def show(row: dict[str, object]) -> None:
    """One line of the table."""
    ratio, target = row.get("ratio"), row.get("target")
    beside = "" if ratio is None else f"   ours / it {ratio:8.2f}"
    wanted = "" if target is None else f"   wanted {target:.2f}"
    print(
        f"{row['world']:8}{row['copies']:>7} {row['who']:10}{row['steps_per_second']:>14,.0f} steps/s{beside}{wanted}"
    )


if __name__ == "__main__":
    main()
