"""What a study is: a question with its knobs, cells that take the time, and findings whose checks anyone can recompute.

    Study       slug, paper, claim, the config of each scale, and the name of the function that runs it
    Config      base of a study's knobs: scale, seeds, seed, device
    Cell        one piece of work that a run can stop after: function(report, **kwargs) -> arrays
    Progress    what the run hands to the study; `progress.cells([...])` carries cells out
    Check       an interval against a threshold
    Findings    tables, figures, checks, notes; `verdict` follows from the claim checks

Everything here is plain data and imports neither torch nor a study.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.report.verdict import state

__all__ = [
    "UNTESTED",
    "Arrays",
    "Cell",
    "Check",
    "Config",
    "Figure",
    "Findings",
    "Progress",
    "Report",
    "Study",
    "Table",
    "config_from_json",
    "config_to_json",
]

Arrays = Mapping[str, NDArray[Any]]
"""What a cell found, by name."""

Scale = Literal["smoke", "quick", "laptop", "full"]
Device = Literal["auto", "cpu", "cuda"]
Kind = Literal["claim", "ours", "instrument"]
Rule = Literal["above", "below", "within"]

UNTESTED = "not tested at this scale"


@dataclass(frozen=True)
class Config:
    """What every study can be told. A study's own Config inherits it and adds flat fields, each with a docstring.

    Fields hold int, float, str, bool, None or tuples of these: a config goes to JSON and comes from the command line.
    """

    AT_LEAST: ClassVar[Mapping[str, float]] = {}
    """The smallest value of each field that has one; a subclass adds its own to those of its bases."""

    scale: Scale = "quick"
    """How much is tested: smoke (seconds), quick (minutes), laptop (what is recorded), full (real models)."""
    seeds: int = 5
    """Seeds of each condition."""
    seed: int = 0
    """The first seed; the others count up from it."""
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        if self.scale not in get_args(Scale):
            raise BadValue("scale", self.scale, f"one of {', '.join(get_args(Scale))}")
        if self.seeds < 1:
            raise BadValue("seeds", self.seeds, "at least 1")
        if not 0 <= self.seed < 2**31:
            raise BadValue("seed", self.seed, "between 0 and 2147483647")
        if self.device not in get_args(Device):
            raise BadValue("device", self.device, f"one of {', '.join(get_args(Device))}")
        merged: dict[str, float] = {}
        for kind in reversed(type(self).__mro__):
            merged |= vars(kind).get("AT_LEAST", {})
        for name, least in merged.items():
            if getattr(self, name) < least:
                raise BadValue(name, getattr(self, name), f"at least {least}")


ConfigT = TypeVar("ConfigT", bound=Config)


def config_to_json(config: Config) -> dict[str, Any]:
    """The fields as JSON holds them: tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def config_from_json(kind: type[ConfigT], stored: Mapping[str, Any]) -> ConfigT:
    """The config that `config_to_json` wrote.

    Raises: BadValue for a field that `kind` does not have, or an impossible value.
    """
    known = {field.name for field in fields(kind)}
    for name in stored:
        if name not in known:
            raise BadValue("config field", name, f"one of {', '.join(sorted(known))}")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return kind(**given)


class Report(Protocol):
    """How a cell tells the run how far it is; `metrics` go to metrics.jsonl and to the screen."""

    @property
    def scratch(self) -> Path:
        """A directory for the cell's own checkpoints; it outlives an interruption and goes when the cell has ended."""
        ...

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        """`done` of `total` steps; call it as often as convenient, few calls are kept."""
        ...


@dataclass(frozen=True)
class Cell:
    """A piece of work that is stored when it ends, so that a run can stop after any cell and go on later.

    name: unique in the run     function: importable by name; called as function(report, **kwargs) -> Arrays
    kwargs: plain data          seconds: its share of the run's time, for the time left; only ratios matter
    """

    name: str
    function: Callable[..., Arrays]
    kwargs: Mapping[str, Any]
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Raises: BadValue for an empty name or a cost that is no positive number."""
        if not self.name.strip() or len(self.name) > 80:
            raise BadValue("cell name", self.name, "1 to 80 characters")
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise BadValue(f"seconds of cell '{self.name}'", self.seconds, "above 0")


class Progress(Protocol):
    """What a study's `run(config, progress)` carries its cells out with."""

    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        """Arrays of each cell by its name, in the order given; cells that are stored already are read back.

        later: cells that a later call will bring, so that the time left counts them

        Raises: BadValue for a name used twice; CellFailed naming the cell that raised.
        """
        ...


@dataclass(frozen=True)
class Study:
    """One published claim and how to check it.

    scales: the config of each scale      seconds: wall time of each scale on two cores
    run: 'module:function', called as function(config, progress) -> Findings; imported when it runs
    ready: 'module:function', called as function(config) before anything is written: refuses what could not run
    """

    slug: str
    title: str
    paper: str
    claim: str
    scales: Mapping[str, Config]
    seconds: Mapping[str, float]
    run: str
    ready: str = ""

    def __post_init__(self) -> None:
        """Raises: BadValue for a study that could not be run as it stands."""
        if not self.slug or not self.slug.replace("-", "").replace("_", "").isalnum():
            raise BadValue("slug", self.slug, "letters, digits, - and _")
        if not self.scales:
            raise BadValue("scales", dict(self.scales), "at least one scale with its config")
        for name, config in self.scales.items():
            if config.scale != name:
                raise BadValue(f"scale of scales[{name!r}]", config.scale, repr(name))
        if ":" not in self.run:
            raise BadValue("run", self.run, "module:function")

    def load(self) -> Callable[[Any, Progress], Findings]:
        """The function that runs the study; imports what it needs.

        Raises: BadValue where `run` names nothing that can be called.
        """
        return _function("run", self.run)

    def refuse(self, config: Any) -> None:
        """Raises: whatever `ready` has against the config."""
        if self.ready:
            _function("ready", self.ready)(config)


def _function(field: str, address: str) -> Callable[..., Any]:
    module, _, name = address.partition(":")
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise BadValue(field, address, f"the name of a function in {module}")
    return function  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Check:
    """An interval of an estimate against a threshold; `holds` is always recomputed, never stored.

    kind: claim (the paper's) | ours | instrument (that the apparatus works)
    rule: above | below threshold, or within a pair (low, high), edges included
    unit: of estimate, interval and threshold     n_seeds: behind the interval     method: how the interval was made
    reason: why it is not tested ('needs laptop scale'), empty when it is

    A check without a finite interval is one that was not tested.
    """

    name: str
    statement: str
    kind: Kind
    estimate: float | None
    low: float | None
    high: float | None
    rule: Rule
    threshold: float | tuple[float, float]
    unit: str
    n_seeds: int
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises: BadValue for an unknown kind or rule, a threshold that does not fit the rule, or low above high."""
        at = f"of check '{self.name}'"
        if self.kind not in get_args(Kind):
            raise BadValue(f"kind {at}", self.kind, f"one of {', '.join(get_args(Kind))}")
        if self.rule not in get_args(Rule):
            raise BadValue(f"rule {at}", self.rule, f"one of {', '.join(get_args(Rule))}")
        object.__setattr__(self, "threshold", _threshold(at, self.rule, self.threshold))
        given = (self.estimate, self.low, self.high)
        numbers = [None if v is None or not math.isfinite(v) else float(v) for v in given]
        for name, value in zip(("estimate", "low", "high"), numbers, strict=True):
            object.__setattr__(self, name, value)
        if None in numbers and not self.reason:
            object.__setattr__(self, "reason", f"no interval from {self.n_seeds} seed{'s' * (self.n_seeds != 1)}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise BadValue(f"low {at}", self.low, f"at most high = {self.high:g}")

    @property
    def tested(self) -> bool:
        """Whether it counts: no reason stands against it."""
        return not self.reason

    @property
    def state(self) -> str:
        """holds | fails (the whole interval on the wrong side) | undecided (the threshold is inside) | untested."""
        return state(self)

    @property
    def holds(self) -> bool:
        """Whether the whole interval lies on the claimed side, and the check was tested."""
        return self.state == "holds"

    def to_json(self) -> dict[str, Any]:
        """The fields, and `holds` as it follows from them."""
        stored = {field.name: getattr(self, field.name) for field in fields(self)}
        if isinstance(self.threshold, tuple):
            stored["threshold"] = list(self.threshold)
        return {**stored, "holds": self.holds}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Check:
        """What `to_json` wrote; a stored `holds` is not believed.

        Raises: BadValue for a missing field.
        """
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in stored and name != "reason"]
        if missing:
            raise BadValue("check", f"no {', '.join(missing)}", "an object with all its fields")
        given = {name: stored[name] for name in names if name in stored}
        if isinstance(given["threshold"], list):
            given["threshold"] = tuple(given["threshold"])
        return cls(**given)


def _threshold(at: str, rule: str, threshold: Any) -> float | tuple[float, float]:
    if rule != "within":
        if isinstance(threshold, (tuple, list)) or not math.isfinite(threshold):
            raise BadValue(f"threshold {at}", threshold, f"a number for the rule '{rule}'")
        return float(threshold)
    if not isinstance(threshold, (tuple, list)) or len(threshold) != 2 or not threshold[0] <= threshold[1]:
        raise BadValue(f"threshold {at}", threshold, "a pair (low, high) for the rule 'within'")
    return float(threshold[0]), float(threshold[1])


@dataclass(frozen=True)
class Table:
    """A tidy table: one row an observation; cells are numbers, text or None."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Figure:
    """A figure by name (its file), with a caption that says what to see; `draw` builds the Matplotlib figure."""

    name: str
    caption: str
    draw: Callable[[], Any]


@dataclass(frozen=True)
class Findings:
    """What a run found. The first check says that the baseline shows the failure that the method cures.

    tables: by file name
    """

    tables: Mapping[str, Table]
    figures: Sequence[Figure]
    checks: Sequence[Check]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raises: BadValue for a name that two checks or two figures share."""
        for what, names in (("check", [c.name for c in self.checks]), ("figure", [f.name for f in self.figures])):
            for name in names:
                if names.count(name) > 1:
                    raise BadValue(f"{what} name", name, f"used by one {what} only")

    @property
    def verdict(self) -> str:
        """Over the claim checks: holds, holds where tested, fails, undecided at n seeds, or not tested at this scale.

        Where the first check is an instrument that does not hold, the baseline shows no failure to cure: not tested.
        """
        claims = [check for check in self.checks if check.kind == "claim"]
        tested = [check for check in claims if check.tested]
        gate = self.checks[0] if self.checks else None
        if not tested or gate is None or (gate.kind == "instrument" and not gate.holds):
            return UNTESTED
        states = {check.state for check in tested}
        if "fails" in states:
            return "fails"
        if "undecided" in states:
            n = min(check.n_seeds for check in tested if check.state == "undecided")
            return f"undecided at {n} seed{'s' * (n != 1)}"
        return "holds" if len(tested) == len(claims) else "holds where tested"

    def to_json(self) -> dict[str, Any]:
        """Verdict, checks, tables, notes, and the figures' names and captions."""
        return {
            "verdict": self.verdict,
            "checks": [check.to_json() for check in self.checks],
            "figures": [{"name": figure.name, "caption": figure.caption} for figure in self.figures],
            "tables": {name: _table_to_json(table) for name, table in self.tables.items()},
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Findings:
        """What `to_json` wrote; figures come back as names that cannot be drawn again.

        Raises: BadValue for a missing field.
        """
        if "checks" not in stored:
            raise BadValue("findings", "no checks", "an object with a list of checks")
        return cls(
            tables={name: Table(t["name"], t["columns"], t["rows"]) for name, t in stored.get("tables", {}).items()},
            figures=[Figure(f["name"], f["caption"], _not_drawable) for f in stored.get("figures", [])],
            checks=[Check.from_json(check) for check in stored["checks"]],
            notes=list(stored.get("notes", [])),
        )


def _not_drawable() -> Any:
    raise RuntimeError("a figure read back from JSON is a file beside it, not a function")


def _table_to_json(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": [str(column) for column in table.columns],
        "rows": [[_plain(cell) for cell in row] for row in table.rows],
    }


def _plain(cell: Any) -> Any:
    """A table cell as JSON holds it: NumPy scalars as their Python values, what is not finite as None."""
    value = cell.item() if isinstance(cell, np.generic) else cell
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
