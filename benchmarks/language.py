"""`make bench`, language: seconds of an optimiser step of our trainer beside TRL's on the same work.

    transformers   ours on any model of transformers      trl      GRPOTrainer of TRL 1.16
    nano           ours on our small decoder               plain    a loop without seams (language_plain.py)
    compiled       the same with torch_compile

One thread a process, interleaved, medians; the first step, in which a compiler works, apart. `seconds` are on the wall,
`cpu` of the processor: on a machine that does other work too the second is to be compared. `language_work.py` says what
is done.
Wanted: ours on transformers 1.4x TRL's speed at 0.1M weights, 1.15x at 1M, not worse at 6M, within 1.2x of the plain
loop; the small decoder 2x at 0.1M, 3x compiled; peak memory not over TRL's, with a vocabulary of 151,936 too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONTENDERS = {"0.1M": ("transformers", "trl", "plain", "nano", "compiled"), "vocabulary": ("transformers", "trl")}
"""Of sizes with others than the first three."""
WANTED = {
    ("transformers", "0.1M"): 1.4,
    ("transformers", "1M"): 1.15,
    ("transformers", "6M"): 1.0,
    ("nano", "0.1M"): 2.0,
    ("compiled", "0.1M"): 3.0,
}


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--sizes", nargs="+", default=["0.1M", "1M", "6M", "long prompts", "vocabulary"])
    parser.add_argument("--new", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--only", nargs="+", help="contenders; TRL is always one")
    parser.add_argument("--here", action="store_true", help="TRL from this environment, not one of its own")
    parser.add_argument("--output", type=Path, default=HERE / "language.json")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from language_work import make
    from run import environments

    pythons, missing = ({"trl": Path(sys.executable)}, []) if options.here else environments(["trl"])
    if missing:
        return
    pythons["ours"] = Path(sys.executable)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            place = Path(folder) / size
            make(place, size)
            for new in options.new if size in ("0.1M", "1M", "6M") else options.new[:1]:
                rows += compare(pythons, place, new, options.runs if size != "vocabulary" else 1, options.only)
    told = {
        "command": "make bench", "runs": options.runs, "threads": 1, "cores": os.cpu_count(), "load": os.getloadavg(),
        "platform": platform.platform(), "wanted": {" ".join(key): value for key, value in WANTED.items()},
        "rows": rows,
    }  # fmt: skip
    options.output.write_text(json.dumps(told, indent=1) + "\n")


def compare(pythons: dict[str, Path], place: Path, new: int, runs: int, only: list[str] | None) -> list[dict[str, Any]]:
    """The rows of one size and length."""
    size = place.name
    contenders = [
        name for name in CONTENDERS.get(size, CONTENDERS["0.1M"][:3]) if only is None or name in (*only, "trl")
    ]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name in contenders:
            found[name].append(ask(pythons, name, place, new))
    medians = {
        name: {key: statistics.median(run[key] for run in told) for key in told[0]} for name, told in found.items()
    }
    rows = []
    for name, row in medians.items():
        row = {"size": size, "new": new, "who": name, **{key: round(value, 5) for key, value in row.items()}}
        row["runs"] = runs
        row["speed over trl"] = round(medians["trl"]["seconds"] / row["seconds"], 3)
        row["cpu speed over trl"] = round(medians["trl"]["cpu"] / row["cpu"], 3)
        if "plain" in medians:
            row["seconds over plain"] = round(row["seconds"] / medians["plain"]["seconds"], 3)
        row["peak over trl"] = round(row["peak_mib"] / medians["trl"]["peak_mib"], 3)
        if (name, size) in WANTED:
            row["wanted"] = WANTED[(name, size)]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def ask(pythons: dict[str, Path], name: str, place: Path, new: int) -> dict[str, Any]:
    """What one process of a contender tells."""
    script = {"trl": "language_trl.py", "plain": "language_plain.py"}.get(name, "language_ours.py")
    words = [str(pythons["trl" if name == "trl" else "ours"]), str(HERE / script), str(place), str(new)]
    words += [name] if script == "language_ours.py" else []
    limits = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=os.environ | limits)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
