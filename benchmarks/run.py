"""`make bench`, worlds: ours beside named peers, each in its own environment and process, interleaved, medians.

    sync    the same dynamics as plain gymnasium environments in a SyncVectorEnv
    jax     the same dynamics in the style of gymnax: stepped from Python (jax), and inside lax.scan with the rollout
            kept (jax-scan) or with sums alone, the observations never made (jax-scan-blind)
    numba   the same dynamics as one compiled loop: the limit

Random numbers and autoreset are included, set-up and compilation are not. Before a peer is timed, a trace of it must
agree with our world (`same_transitions.py`). A peer that does not install is reported so. Nothing here asserts a time:
it prints ratios and writes them, with the load of the machine, to benchmarks/results.json.
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
from typing import Any

from same_transitions import differences

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CONTENDERS = {
    "ours": ("ours", "worlds_ours.py", "time"),
    "sync": ("sync", "worlds_sync.py", "time"),
    "jax": ("jax", "worlds_jax.py", "python"),
    "jax-scan": ("jax", "worlds_jax.py", "scan"),
    "jax-scan-blind": ("jax", "worlds_jax.py", "scan-blind"),
    "numba": ("numba", "worlds_numba.py", "time"),
}
TARGETS = {("sync", 16384): 100.0, ("jax", 16384): 3.0, ("jax-scan", 16384): 1.0, ("jax-scan", 1024): 1 / 3}
"""What the project wants of ours / peer at that many copies on one thread."""
WORLDS = ("bandit", "grid")
SIZES = (128, 1024, 16384)


def main() -> None:
    """Run every world and size on one thread, the largest on all of them too, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the runs on more than one")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    pythons, missing = environments(sorted({home for home, *_ in CONTENDERS.values()} - {"ours"}))
    for peer in pythons.keys() - {"ours"}:
        for world in WORLDS:
            told = ask(peer if peer != "jax" else "jax-scan", pythons, world, 32, 0.0, 1, mode="trace")
            if found := differences(world, told):
                sys.exit(f"{peer} plays another {world}: {'; '.join(found[:3])}")
    settings = [(world, copies, 1) for world in WORLDS for copies in SIZES]
    if options.threads > 1:
        settings += [(world, SIZES[-1], options.threads) for world in WORLDS]
    rows: list[dict[str, Any]] = []
    for world, copies, threads in settings:
        speeds: dict[str, list[float]] = {name: [] for name, (home, *_) in CONTENDERS.items() if home in pythons}
        for _ in range(options.runs):
            for name in speeds:
                told = ask(name, pythons, world, copies, options.seconds, threads)
                speeds[name].append(float(told["steps_per_second"]))
        medians = {name: statistics.median(each) for name, each in speeds.items()}
        for name, speed in medians.items():
            row = {"world": world, "copies": copies, "threads": threads, "who": name, "steps_per_second": round(speed)}
            if name != "ours":
                target = TARGETS.get((name, copies)) if threads == 1 else None
                row |= {"ratio": round(medians["ours"] / speed, 3), "target": target}
            rows.append(row)
            show(row)
    told = {
        "command": "make bench", "runs": options.runs, "seconds": options.seconds, "cores": os.cpu_count(),
        "load": os.getloadavg(), "platform": platform.platform(), "missing": missing, "rows": rows,
    }  # fmt: skip
    options.output.write_text(json.dumps(told, indent=1) + "\n")


def environments(peers: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreter of each peer, ours included, and why the missing ones are missing."""
    pythons, missing = {"ours": Path(sys.executable)}, {}
    for peer in peers:
        try:
            pythons[peer] = environment(peer)
        except subprocess.CalledProcessError as error:
            missing[peer] = ((error.stderr or "").strip().splitlines() or [str(error)])[-1]
            print(f"{peer}: not installed ({missing[peer]})")
    return pythons, missing


def environment(peer: str) -> Path:
    """The peer's own environment, made when it is not there; pins that begin `# no dependencies` name all there is."""
    folder = ROOT / f".venv-{peer}"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        venv.create(folder, with_pip=True)
        pins = HERE / "peers" / f"{peer}.txt"
        alone = ["--no-deps"] if pins.read_text().startswith("# no dependencies") else []
        words = [str(python), "-m", "pip", "install", "-qq", *alone, "-r", str(pins)]
        subprocess.run(words, check=True, capture_output=True, text=True)
        (folder / ".ready").touch()
    return python


def ask(
    name: str, pythons: dict[str, Path], world: str, copies: int, seconds: float, threads: int, mode: str = ""
) -> dict[str, Any]:
    """What one process of a contender tells."""
    home, script, own = CONTENDERS[name]
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" if threads == 1 else ""
    limits = {"OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    words = [str(pythons[home]), str(HERE / script), world, str(copies), str(seconds), str(threads), mode or own]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, **limits})
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(row: dict[str, Any]) -> None:
    """One line of the table."""
    ratio, target = row.get("ratio"), row.get("target")
    where = f"{row['world']:8}{row['copies']:>7} x{row['threads']} {row['who']:15}"
    beside = "" if ratio is None else f"   ours / it {ratio:8.2f}"
    wanted = "" if target is None else f"   wanted {target:.2f}"
    print(f"{where}{row['steps_per_second']:>14,.0f} steps/s{beside}{wanted}", flush=True)


if __name__ == "__main__":
    main()
