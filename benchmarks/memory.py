"""`make bench`, memory: ours beside Chroma, LanceDB, Qdrant's local mode, sqlite-vec and mem0, interleaved, medians.

    python benchmarks/memory.py [--dialogue FILE] [--million]

Each contender runs in its own environment (`peers/NAME.txt`) and process, on the same records (`memory_data.py`): four
sets of vectors of 384 numbers, 10,000 and 100,000 records, texts of a Zipf vocabulary. What is timed, and how, is in
`memory_work.py`; what a contender is asked, in `memory_ours.py` and `memory_peers.py`.

    recall    vector part alone, with recall@10 against exact; the whole path; both under a filter that keeps 1 %
    adds      one by one and a thousand at a time; credits; how often the disk forces, and how often each forces it
    fresh     a process that opens a filled store and recalls 100 times, above one that only imports
    --million the same at 1,000,000 records, once, for those who get there

Threads are limited to one where a variable or a setting does so; `cores` is how much processor time a second took.
Every figure is kept in the work folder as it comes, and a run that was stopped goes on; after a change of the code, or
with --again, all is measured anew. Nothing here asserts a time: a table, and benchmarks/memory.json with the targets.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import memory_data
from memory_targets import WHOLE, show, targets

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HOMES = {
    "ours": "ours", "numpy": "ours", "chroma": "chroma", "chroma-98": "chroma", "lancedb": "lancedb",
    "qdrant": "qdrant", "sqlite-vec": "sqlite-vec", "mem0": "mem0",
}  # fmt: skip
"""Contender -> its environment."""
COPIES = {"chroma-98": "chroma"}
"""Contender -> whose filled store it takes, to tune it."""
SIZES = (10_000, 100_000)
MILLION = 1_000_000
AT_A_MILLION = ("ours", "chroma", "lancedb", "sqlite-vec")
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS",
                 "LANCE_CPU_THREADS", "MKL_NUM_THREADS")
}  # fmt: skip
MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30
FORCED = {"one": 50, "many": 1_000}
CALLS = "fsync,fdatasync,msync,sync_file_range"
CHANGES = ("recall", "fresh")
"""Stages in which ours writes receipts: it gets a copy of its store, as all do where they add."""


@dataclass(frozen=True)
class Step:
    """One process: a stage of a contender upon a set of so many records."""

    stage: str
    who: str
    set: str
    records: int
    run: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Under which its outcome is kept."""
        kind = "".join(f"/{name}" for name, on in self.settings.items() if name == "only_import" and on)
        return f"{self.stage}{kind}/{self.who}/{self.set}/{self.records}/{self.run}"

    @property
    def place(self) -> str:
        """Of the set."""
        return f"{self.set}-{self.records}"


def plan(
    there: Iterable[str], sets: Iterable[str], sizes: Iterable[int], runs: int, seconds: float, million: bool
) -> list[Step]:
    """Every process in its order: stores first, then the contenders in turns."""
    there, sets, sizes = list(there), list(sets), list(sizes)
    steps = []
    keep = [who for who in there if who != "numpy" and who not in COPIES]
    for size in sizes:
        for name in sets:
            asked = [who for who in there if name == WHOLE or who != "mem0"]
            steps += [Step("tune" if who in COPIES else "fill", who, name, size) for who in asked if who != "numpy"]
            for run in range(runs):
                for who in asked:
                    how = {"seconds": seconds, "seed": run, "whole": name == WHOLE and who not in COPIES}
                    steps.append(Step("recall", who, name, size, run, how))
    if WHOLE in sets and sizes:
        steps += [Step("forced", who, WHOLE, sizes[0]) for who in keep]
        for run in range(runs):
            steps += [Step("adds", who, WHOLE, sizes[0], run, {"seconds": seconds}) for who in keep]
            if "ours" in there:
                steps.append(Step("credits", "ours", WHOLE, sizes[0], run))
        for run in range(runs):
            for only in (True, False):
                steps += [Step("fresh", who, WHOLE, sizes[-1], run, {"only_import": only}) for who in keep]
    if million:
        some = [who for who in AT_A_MILLION if who in there]
        steps += [Step("fill", who, WHOLE, MILLION) for who in some]
        how = {"seconds": 20.0, "warm": 90.0, "whole": True}
        steps += [Step("recall", who, WHOLE, MILLION, 0, how) for who in some]
        for only in (True, False):
            steps += [Step("fresh", who, WHOLE, MILLION, 0, {"only_import": only}) for who in some]
    return steps


def main() -> None:
    """Do what has not been done yet, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each phase of a run")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="records")
    parser.add_argument("--sets", nargs="+", choices=memory_data.SETS, default=list(memory_data.SETS))
    parser.add_argument("--only", nargs="+", choices=list(HOMES), default=list(HOMES), help="these contenders")
    parser.add_argument("--dialogue", type=Path, help="conversations as LoCoMo has them; none: they are made up")
    parser.add_argument("--million", action="store_true", help="1,000,000 records too, once")
    parser.add_argument("--again", action="store_true", help="forget what was measured before; filled stores are kept")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "memory", help="folder of data and stores")
    parser.add_argument("--output", type=Path, default=HERE / "memory.json")
    options = parser.parse_args()
    from run import environments

    pythons, missing = environments(sorted({HOMES[who] for who in options.only} - {"ours"}))
    there = [who for who in options.only if HOMES[who] in pythons]
    bench = Bench(options.work, pythons, options.dialogue, options.again)
    steps = plan(there, options.sets, options.sizes, options.runs, options.seconds, options.million)
    for number, step in enumerate(steps, 1):
        if step.key not in bench.told:
            print(f"{number}/{len(steps)} {step.key}", flush=True)
            bench.take(step)
    rows = summary(steps, bench.told)
    wanted = targets(rows, options.sizes)
    about = {
        "command": "make bench", "runs": options.runs, "seconds": options.seconds, "threads": 1,
        "limits": ONE_THREAD, "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE"), "cores": os.cpu_count(),
        "load": os.getloadavg(), "platform": platform.platform(), "missing": missing, "sets": bench.sources,
        "records added to": options.sizes[0],
    }  # fmt: skip
    if options.million:
        about["at 1,000,000"] = {who: "not run at this size" for who in there if who not in AT_A_MILLION}
    options.output.write_text(json.dumps({**about, "targets": wanted, "rows": rows}, indent=1) + "\n")
    show(about, rows, wanted)


class Bench:
    """The work folder: data, stores, and what every process has told."""

    def __init__(self, work: Path, pythons: dict[str, Path], dialogue: Path | None, again: bool = False) -> None:
        self.work, self.pythons, self.dialogue = work.resolve(), pythons, dialogue
        self.work.mkdir(parents=True, exist_ok=True)
        self.sources: dict[str, str] = {}
        self._file = self.work / "told.json"
        self._code = digest([*HERE.glob("memory*.py"), *HERE.glob("peers/*.txt"), *ROOT.glob("src/wayfare/**/*.py")])
        self.told: dict[str, Any] = {}
        if self._file.exists() and not again:
            kept = json.loads(self._file.read_text())
            if kept["code"] == self._code:
                self.told, self.sources = kept["told"], kept["sources"]
            else:
                print("the code has changed: all is measured anew")

    def take(self, step: Step) -> None:
        """Run a step and keep what it tells; what fails says so in its place."""
        data = self._data(step)
        store = self.work / "stores" / step.who / step.place
        try:
            if empty := self._empty(step):
                told = {"failed": f"not filled: {empty}"}
            elif step.stage in ("fill", "tune"):
                told = self._filled(step, data, store)
            elif step.stage == "forced":
                told = self._forced(step, data)
            else:
                told = self._asked(step, data, store)
        except subprocess.CalledProcessError as error:
            told = {"failed": ((error.stderr or "").strip().splitlines() or [str(error)])[-1][:500]}
            print(f"{step.key}: failed ({told['failed']})", flush=True)
        self.told[step.key] = told
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps({"code": self._code, "sources": self.sources, "told": self.told}))
        os.replace(aside, self._file)

    def _empty(self, step: Step) -> str:
        """Why there is no filled store for a step, or nothing."""
        if step.stage in ("fill", "forced"):
            return ""
        owner = COPIES.get(step.who, step.who)
        return str(self.told.get(Step("fill", owner, step.set, step.records).key, {}).get("failed", ""))

    def _data(self, step: Step) -> Path:
        made = "real" if self.dialogue is not None and step.set == "dialogue" else "made"
        folder = self.work / "data" / (f"{made}-{step.place}" if step.set == "dialogue" else step.place)
        self.sources[step.place] = str(memory_data.write(folder, step.set, step.records, self.dialogue)["source"])
        return folder

    def _filled(self, step: Step, data: Path, store: Path) -> Any:
        """Fill a store, unless that has been done by the same code upon the same data."""
        home = HOMES[step.who]
        code = [HERE / "memory_data.py", HERE / ("memory_ours.py" if home == "ours" else "memory_peers.py")]
        code += ROOT.glob("src/wayfare/memory/**/*.py") if home == "ours" else [HERE / "peers" / f"{home}.txt"]
        stamp = f"{digest(code)} {data.name}"
        mark = store.with_name(store.name + ".filled.json")
        if mark.exists() and store.exists():
            kept = json.loads(mark.read_text())
            if kept["stamp"] == stamp:
                return kept["told"]
        mark.unlink(missing_ok=True)
        shutil.rmtree(store, ignore_errors=True)
        if step.who in COPIES:
            shutil.copytree(self.work / "stores" / COPIES[step.who] / step.place, store)
            told = self._run(step, data, store)
        elif step.records < MILLION and in_memory():
            with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                told = self._run(step, data, Path(folder))
                shutil.copytree(folder, store)
        else:
            told = self._run(step, data, store)
        mark.write_text(json.dumps({"stamp": stamp, "told": told}))
        return told

    def _asked(self, step: Step, data: Path, store: Path) -> Any:
        """Ask a filled store, or a copy of it where the asking changes it."""
        changes = step.stage not in CHANGES or (step.who == "ours" and step.records < MILLION)
        if not changes or not store.exists():
            return self._run(step, data, store)
        copy = store.with_name(store.name + ".copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(store, copy)
        os.sync()
        try:
            return self._run(step, data, copy)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _run(self, step: Step, data: Path, store: Path) -> Any:
        words = [str(self.pythons[HOMES[step.who]]), str(HERE / "memory_work.py"), step.stage, step.who, str(data)]
        done = subprocess.run(
            [*words, str(store), json.dumps(step.settings)], check=True, capture_output=True, text=True,
            env=os.environ | ONE_THREAD,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])

    def _forced(self, step: Step, data: Path) -> dict[str, Any]:
        """How often the disk is forced for one add, and for one batch of a thousand."""
        tool = shutil.which("strace")
        if tool is None:
            return {"not measured": "no strace here"}
        counts = {}
        store = self.work / "stores" / step.who / "forced"
        for name, adds in {"none": {}, **{each: {each: many} for each, many in FORCED.items()}}.items():
            told = self.work / "strace.txt"
            words = [tool, "-c", "-f", "-e", f"trace={CALLS}", "-o", str(told)]
            words += [str(self.pythons[HOMES[step.who]]), str(HERE / "memory_work.py"), "forced", step.who, str(data)]
            subprocess.run(
                [*words, str(store), json.dumps(adds)], check=True, capture_output=True, text=True,
                env=os.environ | ONE_THREAD,
            )  # fmt: skip
            counts[name] = calls(told.read_text())
        shutil.rmtree(store, ignore_errors=True)
        return {
            "per add": round((counts["one"] - counts["none"]) / FORCED["one"], 2),
            "per batch": counts["many"] - counts["none"],
        }


def in_memory() -> bool:
    """Whether a store can be filled where forcing costs nothing: set-up is not timed, and some force often."""
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM


def calls(table: str) -> int:
    """How many calls a table of `strace -c` counts: the column before the name, errors left out."""
    names, total = CALLS.split(","), 0
    for line in table.splitlines():
        words = line.split()
        if words and words[-1] in names:
            total += int(words[3])
    return total


def digest(paths: Iterable[Path]) -> str:
    """Of what is in the files."""
    found = hashlib.blake2b(digest_size=12)
    for path in sorted(paths):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def summary(steps: Iterable[Step], told: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each stage, contender, set and size: medians over the runs."""
    runs: dict[tuple[str, str, str, int], list[Any]] = {}
    for step in steps:
        name = "import" if step.settings.get("only_import") else step.stage
        runs.setdefault((name, step.who, step.set, step.records), []).append(told[step.key])
    rows = []
    for (stage, who, name, records), found in runs.items():
        failed = [each["failed"] for each in found if "failed" in each]
        figures = {"failed": failed[0]} if failed else middle(found)
        rows.append({**figures, "stage": stage, "who": who, "set": name, "records": records, "runs": len(found)})
    return rows


def middle(found: list[Any]) -> Any:
    """The medians of what several runs have told, figure by figure; words are those of the last run."""
    first = found[0]
    if isinstance(first, dict):
        return {name: middle([each[name] for each in found if name in each]) for name in first}
    if isinstance(first, (int, float)) and not isinstance(first, bool):
        return round(statistics.median(found), 4)
    return found[-1]


if __name__ == "__main__":
    begun = time.time()
    main()
    print(f"{time.time() - begun:.0f} s")
