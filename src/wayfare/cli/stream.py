"""`wayfare stream`: a memory class of yours beside the shipped ones, on streams of tasks.

    wayfare stream --memory my_memory.py:MyMemory --scale smoke

What is wrong with the class, or with the stream, is said before anything runs; nothing is written then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wayfare.errors import BadValue, MissingExtra
from wayfare.flags import parse
from wayfare.memory.modules import MODULES, module_class

if TYPE_CHECKING:
    from wayfare.studies.evo_memory.bench import Comparison

__all__ = ["stream"]

REFERENCE = "exprag"
SHOWN = ("memory", "last third", "area", "steps", "context tokens", "items", "forgetting")
NEEDED = ("matplotlib", "torch")


@dataclass(frozen=True)
class StreamOptions:
    """Play a memory class on streams of tasks, beside the memories that come with Wayfare."""

    memory: tuple[str, ...] = ()
    """FILE.py:CLASS or MODULE:CLASS, each a class with search, synthesise and update."""
    beside: str = "none,exprecent,exprag,exprag-success,remem,safe"
    """Shipped memories to compare with, by commas; 'all' for all of them."""
    stream: str = "household"
    """household, puzzles, or a file of JSON lines {"task": ..., "answer": ...} for a model of yours."""
    scale: Literal["smoke", "quick", "laptop"] = "quick"
    """How long the streams are and how many: seconds, minutes, or what the study records."""
    orders: str = "random"
    """Orders of the tasks, by commas: random, easy-hard, hard-easy, blocked."""
    seeds: int | None = None
    """Streams of each order; none given: the scale's."""
    seed: int = 0
    """The first seed; the others count up from it."""
    k: int = 4
    """How much a memory shows at most."""
    budget: int | None = None
    """Tokens of a context; none given: the stream's."""
    noise: float = 0.0
    """Chance that the memory is told the opposite of what came of a task."""
    endpoint: str = ""
    """An OpenAI-compatible server, for a stream from a file."""
    model: str = ""
    """Its model."""
    out: Path = Path("runs")
    """Directory of the runs; this one is written to OUT/stream/TIME."""


def stream(words: list[str]) -> int:
    """The exit status of `wayfare stream WORDS`."""
    options = parse(StreamOptions, words, "wayfare stream")
    for package in NEEDED:
        if find_spec(package) is None:
            raise MissingExtra(f"wayfare stream needs {package}, which", "lab")
    if not 0 <= options.noise <= 1:
        raise BadValue("noise", options.noise, "between 0 and 1")
    memories = named(options.memory, options.beside)
    orders = tuple(filter(None, (each.strip() for each in options.orders.split(","))))
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # By name: the command line stays loadable without torch, which the streams need.
    compare: Callable[..., Comparison] = import_module("wayfare.studies.evo_memory.bench").compare

    reference = REFERENCE if REFERENCE in memories else next((name for name in memories if name in MODULES), "")
    console = Console(width=None if sys.stdout.isatty() else 120)
    solver = options.out / "stream" / "solver"
    if options.stream == "puzzles" and not solver.exists():
        console.print(
            f"The solver of puzzles is trained first, which takes minutes; it is kept in {solver}", markup=False
        )
    columns = (TextColumn("tasks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("tasks")
        found = compare(
            memories, stream=options.stream, scale=options.scale, seeds=options.seeds, seed=options.seed,
            orders=orders, reference=reference, k=options.k, budget=options.budget, noise=options.noise,
            model=options.model, endpoint=options.endpoint, kept=solver,
            report=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    folder = _folder(options.out / "stream")
    found.write(folder, {**asdict(options), "out": str(options.out), "memories": memories})
    _show(console, found, folder)
    return 0


def named(given: Sequence[str], beside: str) -> dict[str, str]:
    """Name -> what it stands for: classes by their own names, shipped ones by theirs. Raises: BadValue."""
    shipped = list(MODULES) if beside.strip() == "all" else [each.strip() for each in beside.split(",") if each.strip()]
    for each in shipped:
        if each not in MODULES:
            raise BadValue("beside", each, f"some of {', '.join(MODULES)}, by commas")
    found: dict[str, str] = {}
    for spec in given:
        name = spec.rpartition(":")[2]
        found[spec if name in found or name in MODULES else name] = spec
    found |= {each: each for each in shipped}
    if not found:
        raise BadValue("memory", "nothing", "given as FILE.py:CLASS, or something beside it")
    return found


def _folder(root: Path) -> Path:
    """A new one, named by the time. Raises: BadValue where none can be made."""
    name = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1, 1000):
        path = root / (name if attempt == 1 else f"{name}_{attempt}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise BadValue("out", str(root), f"a directory that can be written ({error.strerror})") from error
        return path
    raise BadValue("out", str(root), "a directory where a run can be begun")


def _interval(estimate: float | None, low: float, high: float) -> str:
    return "" if estimate is None else f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}]"


def _show(console: Any, found: Comparison, folder: Path) -> None:
    from wayfare.report.tables import to_rich
    from wayfare.studies.contract import Table

    rows = [dict(zip(found.table.columns, row, strict=True)) for row in found.table.rows]
    against = found.table.columns[-3]
    shown = [
        (
            *(None if row[name] != row[name] else row[name] for name in SHOWN),
            _interval(row[against], row["low"], row["high"]),
        )
        for row in rows
    ]
    console.print(to_rich(Table(found.table.name, (*SHOWN, f"{against} [95 %]"), shown)))
    for note in found.notes:
        console.print(note, style="dim", markup=False)
    for name, lines in found.failures.items():
        if lines:
            said = f"{name} failed {len(lines)} times, its context empty or its update lost; first: {lines[0]}"
            console.print(said, style="red", markup=False)
    labels = [f"{name}: {module_class(name).label}" for name in (row[0] for row in found.table.rows) if name in MODULES]
    console.print("; ".join(labels), style="dim", markup=False)
    console.print(f"Tables and figures: {folder}", highlight=False, markup=False, soft_wrap=True)
