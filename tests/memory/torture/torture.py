"""What a memory survives, in a file and in PostgreSQL: each part of the torture, long or short, and a report.

    python tests/memory/torture/torture.py          # `make torture`: all of it, into results/reliability.json
    python tests/memory/torture/torture.py kills inputs --short --seed 3
    python tests/memory/torture/torture.py Postgre --into results/reliability.json      # one part anew, at length

Needs the tools of the tests; where root can mount a small tmpfs and a read-only file system it does so, and says what
it did. The process has one thread, since it forks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# ruff: noqa: E402
import crowd
import disks
import files
import inputs
import kills
import servers
import tenants
import voids

ROOT = HERE.parents[2]
OUT = ROOT / "results" / "reliability.json"
Part = Callable[[int, int, Path], dict[str, Any]]

PARTS: dict[str, tuple[str, int, int, Part]] = {
    "kills in a write": ("kill -9: no acknowledged write lost, none half done, the file whole", 200, 8,
                         lambda n, seed, folder: kills.kills("write", n, seed, folder)),
    "kills in a checkpoint": ("the same while the log is brought into the file", 100, 4,
                              lambda n, seed, folder: kills.kills("checkpoint", n, seed, folder)),
    "kills in a purge": ("the same; what was purged is in no byte, what was begun can be finished", 100, 5,
                         lambda n, seed, folder: kills.kills("purge", n, seed, folder)),
    "kills in a migration": ("a file of version 1 is then as it was, or of the present version with all it said", 100,
                             5, lambda n, seed, folder: kills.kills("migration", n, seed, folder)),
    "eight processes": ("utilities are bit for bit those of a replay in the order of the log", 200, 25,
                        lambda n, seed, folder: crowd.crowd(n, seed, folder)),
    "forgetting while recalling": ("what was forgotten before a recall began is not in it", 200, 25,
                                   lambda n, seed, folder: crowd.crowd(n, seed, folder, "forgetting")),
    "full disk": ("refused with an error, nothing acknowledged lost, written on once there is room", 3, 1,
                  lambda n, seed, folder: disks.full_disk(folder, n)),
    "read-only file": ("read, recalled from, and every change refused", 1, 1,
                       lambda n, seed, folder: disks.read_only(folder)),
    "truncated file": ("refused or found by the doctor; what is saved is whole", 60, 6,
                       lambda n, seed, folder: files.truncated(n, seed, folder)),
    "single-byte changes": ("an error, a right answer or a finding of the doctor; never a wrong record", 200, 16,
                            lambda n, seed, folder: files.flipped(n, seed, folder)),
    "two namespaces": ("no answer of one changes by what the other does", 250, 15,
                       lambda n, seed, folder: tenants.tenants(n, seed, folder)),
    "malformed inputs": ("a clear error, and not a row changed", 1, 1, lambda n, seed, folder: inputs.inputs(folder)),
    "void": ("utilities bit for bit those of a store that never had the outcomes", 200, 12,
             lambda n, seed, folder: voids.voids(n, seed, folder)),
    "PostgreSQL and its clients": ("killed in mid-work: what was acknowledged is there once, the doctor finds nothing",
                                   60, 3, lambda n, seed, folder: servers.servers(n, seed, folder)),
}  # fmt: skip
"""Name -> what must hold, how often in the long and in the short form, and how it is tried."""
NOT_TRIED = {
    "power loss": "out of reach here: kill -9 leaves what the system has taken from the process, a power cut need not. "
    "At synchronous=FULL, the default, SQLite waits for the disk at every commit and rests on the disk's word.",
    "changes in the -wal file": "a byte changed there ends the log at that place, as SQLite defines it: what was "
    "committed after it is lost without a word. A closed file has no -wal.",
}


def main(words: list[str]) -> int:
    """The exit status: 1 where anything failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)}; or the beginning of a name")
    parser.add_argument("--short", action="store_true", help="a short form of each, as in `make test`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON; results/reliability.json where all parts are run at length")
    parser.add_argument("--into", type=Path, help="a report whose other parts stay as they are")
    asked = parser.parse_args(words)
    named = [name for name in PARTS if not asked.parts or any(name.startswith(part) for part in asked.parts)]
    if not named:
        parser.error(f"no part begins with {asked.parts}")
    report: dict[str, Any] = {
        "command": "make torture" if not words else f"python tests/memory/torture/torture.py {' '.join(words)}",
        "seed": asked.seed, "commit": _commit(), "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "system": platform.platform(),
        "passed": True, "parts": {}, "not tried": NOT_TRIED,
    }  # fmt: skip
    for name in named:
        holds, long, short, part = PARTS[name]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            found = part(short if asked.short else long, asked.seed, Path(folder))
        passed = not found["failures"]
        report["passed"] &= passed
        seconds = round(time.perf_counter() - start, 1)
        report["parts"][name] = {"must hold": holds, "passed": passed, "seconds": seconds, "commit": _commit(), **found}
        print(f"{'ok    ' if passed else 'FAILED'} {name}: {_line(found)} ({seconds} s)", flush=True)
        for failure in found["failures"][:5]:
            print(f"       {failure}", flush=True)
    if asked.into is not None:
        earlier = json.loads(asked.into.read_text())
        parts = {**earlier["parts"], **report["parts"]}
        report = {**earlier, "parts": {name: parts[name] for name in PARTS if name in parts}}
        report["passed"] = all(part["passed"] for part in parts.values())
        asked.out = asked.into
    out = asked.out or (OUT if len(named) == len(PARTS) and not asked.short else None)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=2) + "\n")
        print(f"wrote {out}")
    return 0 if report["passed"] else 1


def _line(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items() if isinstance(value, int) and value)


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
