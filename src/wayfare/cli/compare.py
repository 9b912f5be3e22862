"""`wayfare compare`: a bonus, budget or regulariser of yours beside plain GRPO and the cheap controls.

    wayfare compare --task countdown3 --bonus my_file:MyBonus --seeds 5

What is given by --bonus, --budget, --regulariser and --part makes one method together. It goes through two small steps
before anything is written; what is wrong with it is said then. What it costs is said before it starts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from wayfare.errors import BadValue, MissingExtra
from wayfare.flags import parse

if TYPE_CHECKING:
    from wayfare.agents.language_rl import Arm
    from wayfare.studies.language_compare import Comparison

__all__ = ["compare"]

NEEDED = (("matplotlib", "lab"), ("torch", "lab"), ("transformers", "lm"))
TASKS = ", ".join(import_module("wayfare.worlds.verifiable").TASKS)


@dataclass(frozen=True)
class CompareOptions:
    """Compare a method of yours with plain GRPO and the cheap controls, at equal tokens."""

    bonus: str = ""
    """FILE.py:CLASS, or MODULE:CLASS, a file of the working directory among them."""
    budget: str = ""
    """The same for how many answers each prompt gets."""
    regulariser: tuple[str, ...] = ()
    """The same for what changes token losses; several may be given."""
    part: tuple[str, ...] = ()
    """SEAM=FILE.py:CLASS for any other part of the trainer: features, shaper, advantage, row_filter, sampler, ..."""
    argument: tuple[str, ...] = ()
    """SEAM.NAME=VALUE for an argument of a part: bonus.beta=0.2."""
    task: Annotated[str, tyro.conf.arg(help=f"A verifiable task: {TASKS}.")] = "countdown3"
    knob: tuple[str, ...] = ()
    """NAME=VALUE of the task: hint_rate=0.3."""
    set: tuple[str, ...] = ()
    """NAME=VALUE of GRPOConfig, for all arms: learning_rate=3e-5."""
    controls: str = "copies,entropy,kl,rollouts,rate"
    """What is run beside plain GRPO, by commas."""
    scale: Literal["smoke", "quick", "laptop"] = "quick"
    """Model and tokens: seconds, minutes, or most of an hour on two cores."""
    seeds: int | None = None
    """Runs of each arm; none given: the scale's."""
    seed: int = 0
    """The first seed; the others count up from it."""
    tokens: int | None = None
    """Drawn by each run; none given: the scale's."""
    workers: int | None = None
    """Runs at once; none given: one a core, at smoke scale one after another in this process."""
    check: bool = False
    """Try the method, say what it would cost, and end."""
    out: Path = Path("runs")
    """Directory of the runs; this one is written to OUT/compare/TIME."""


def compare(words: list[str]) -> int:
    """The exit status of `wayfare compare WORDS`."""
    options = parse(CompareOptions, words, "wayfare compare")
    for package, extra in NEEDED:
        if find_spec(package) is None:
            raise MissingExtra(f"wayfare compare needs {package}, which", extra)
    if options.workers is not None and options.workers < 1:
        raise BadValue("workers", options.workers, "at least 1")
    # By name: the command line stays loadable without torch.
    comparing: Any = import_module("wayfare.studies.language_compare")
    method = _method(options)
    plan = comparing.planned(
        method, task=options.task, knobs=_values("knob", options.knob), scale=options.scale, seeds=options.seeds,
        seed=options.seed, controls=_listed(options.controls), trainer=_values("set", options.set),
        tokens=options.tokens,
    )  # fmt: skip
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(width=None if sys.stdout.isatty() else 120)
    workers = options.workers or (0 if options.scale == "smoke" else _cores())
    console.print(plan.cost(max(1, workers)), markup=False, highlight=False)
    if options.check:
        return 0
    columns = (TextColumn("runs"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stdout.isatty()) as bar:
        task, said = bar.add_task("runs"), 0

        def report(done: float, total: float) -> None:
            nonlocal said
            bar.update(task, completed=done, total=total)
            if bar.disable and int(10 * done / total) > said:  # a log sees a line for each tenth of the way
                said = int(10 * done / total)
                console.print(f"{10 * said} % done", highlight=False)

        scratch = options.out / "compare" / "unfinished"
        found = comparing.carried_out(plan, scratch=scratch, workers=workers, report=report)
    folder = _folder(options.out / "compare")
    asked = {**asdict(options), "out": str(options.out), "command": " ".join(["wayfare", "compare", *words])}
    found.write(folder, {**asked, "base": plan.base.to_json(), "arms": [arm.to_json() for arm in plan.arms]})
    _show(console, found, folder)
    return 0


def _method(options: CompareOptions) -> Arm | None:
    """The arm of all parts that are given; None where none is. Raises: BadValue."""
    given: dict[str, list[str]] = {}
    told = [("bonus", options.bonus), ("budget", options.budget), *(("regularisers", r) for r in options.regulariser)]
    for each in options.part:
        seam, equals, address = each.partition("=")
        if not equals:
            raise BadValue("part", each, "SEAM=FILE.py:CLASS")
        told.append((seam, address))
    arms: Any = import_module("wayfare.agents.language_rl.arms")
    for seam, address in told:
        if not address:
            continue
        if seam not in (*arms.SEAMS, *arms.SEVERAL):
            raise BadValue("part", seam, f"one of {', '.join((*arms.SEAMS, *arms.SEVERAL))}")
        if seam in given and seam not in arms.SEVERAL:
            raise BadValue(seam, address, "given once")
        given.setdefault(seam, []).append(_placed(seam, address))
    arguments = _arguments(options.argument, given)
    if not given:
        return None
    parts = {
        seam: [(each, arguments.get(seam, {})) for each in places] if seam in arms.SEVERAL else
        (places[0], arguments.get(seam, {}))
        for seam, places in given.items()
    }  # fmt: skip
    name = " + ".join(each.rpartition(":")[2] for places in given.values() for each in places)
    made: Arm = arms.Arm(name, {}, parts)
    return made


def _placed(field: str, address: str) -> str:
    """The address of a class, wherever the run is carried out: files by their whole path."""
    where, colon, name = address.rpartition(":")
    if not colon or not where or not name:
        raise BadValue(field, address, "FILE.py:CLASS or MODULE:CLASS")
    file = Path(where if where.endswith(".py") else f"{where.replace('.', '/')}.py")
    if file.is_file():
        return f"{file.resolve()}:{name}"
    if where.endswith(".py"):
        raise BadValue(field, address, f"in a Python file that is there; {file} is none")
    return address


def _arguments(words: Sequence[str], given: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Seam -> its arguments."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        place, equals, value = word.partition("=")
        seam, dot, name = place.partition(".")
        if not equals or not dot or not name:
            raise BadValue("argument", word, "SEAM.NAME=VALUE")
        if len(given.get(seam, ())) != 1:
            raise BadValue("argument", word, f"of a part that is given once: {', '.join(given) or 'there is none'}")
        found.setdefault(seam, {})[name] = _value(value)
    return found


def _values(field: str, words: Sequence[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadValue(field, word, "NAME=VALUE")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    """JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def _cores() -> int:
    from wayfare.studies.provenance import usable_cores

    return usable_cores()


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


def _show(console: Any, found: Comparison, folder: Path) -> None:
    from wayfare.report.tables import to_rich
    from wayfare.studies.contract import Table

    kept = [found.arms.columns.index(name) for name in found.arms.columns if name not in ("seeds", "trained tokens")]
    rows = [tuple(row[at] for at in kept) for row in found.arms.rows]
    console.print(to_rich(Table(found.arms.name, tuple(found.arms.columns[at] for at in kept), rows)))
    shown = [
        (arm, other, measure, _interval(*numbers))
        for arm, other, measure, *numbers in found.differences.rows
        if found.method in ("", arm)
    ]
    if shown:
        console.print(to_rich(Table("differences", ("arm", "minus", "measure", "difference [95 %]"), shown)))
    for note in found.notes:
        console.print(note, style="dim", markup=False)
    console.print(f"Tables and figures: {folder}", highlight=False, markup=False, soft_wrap=True)


def _interval(estimate: float | None, low: float | None, high: float | None) -> str:
    if estimate is None:
        return "cannot be told"
    return f"{estimate:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")
