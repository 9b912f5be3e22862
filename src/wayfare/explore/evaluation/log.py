"""A log of decisions, as off-policy evaluation reads it: what could be done, what was, by what chance, what it paid.

    log = DecisionLog.from_csv("log.csv", context=["age", "hour"], action="offer", reward="bought", propensity="p")
    log = DecisionLog.from_journal("decisions.jsonl")      # what a live `wayfare.explore.live.Bandit` wrote
    log = DecisionLog.from_records(records)                # dicts of the log schema

A propensity is the chance with which the logging policy took the action that it took, in that row. It cannot be made up
afterwards: a log of which some rows have none, or 0, is refused. A log without any is a log (`propensities=None`), of
which only the direct method can be had.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue
from wayfare.explore.live.journal import FORMAT, VERSION

__all__ = ["DecisionLog"]

Floats = NDArray[np.float64]

METHODS = ("closed form", "quadrature", "estimated", "none")
INSTEAD = (
    "above 0 and at most 1 in every row; where propensities were not logged give propensities=None "
    "and use the direct method, estimator='dm', which trusts a reward model instead"
)


@dataclass(frozen=True, eq=False)
class DecisionLog:
    """N decisions among A actions, in the order of time. All is checked and copied when the log is made.

    contexts: [N, D] numbers, or None: decisions without context
    allowed: [N, A] bool, the actions that could be taken; or A, where all could always be
    actions: [N] integers, 0 .. A-1, those taken
    rewards: [N] what they paid
    propensities: [N] chance of the action taken, in (0, 1]; None: not logged
    ids: [N] unique names of the decisions; None: their row numbers
    policy: [N] id of the policy that decided; None: one policy
    time: [N] seconds since the epoch; None: not logged
    names: [A] names of the actions; None: their numbers
    propensity_method: how propensities came about, one for all rows or one a row; then those that occur
    waiting: how many decisions had no reward yet and were left out, or were given one by `unmatured`

    Raises: BadValue with the field, the row, what stands there and what may.
    """

    contexts: Floats | None
    allowed: NDArray[np.bool_]
    actions: NDArray[np.int64]
    rewards: Floats
    propensities: Floats | None
    ids: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    time: Floats | None = None
    names: tuple[str, ...] = ()
    propensity_method: tuple[str, ...] = ("closed form",)
    waiting: int = 0

    def __post_init__(self) -> None:
        actions = _integers("actions", self.actions)
        rows = len(actions)
        if rows == 0:
            raise BadValue("actions", [], "at least one decision with a known reward")
        allowed = _allowed(self.allowed, rows)
        width = allowed.shape[1]
        _each("allowed", allowed, allowed.any(axis=1), "true for at least one action")
        _each("actions", actions, (actions >= 0) & (actions < width), f"from 0 to {width - 1}")
        _each("actions", actions, allowed[np.arange(rows), actions], "among those allowed in its row")
        rewards = _column("rewards", self.rewards, rows)
        _each("rewards", rewards, np.isfinite(rewards), "finite")
        propensities = self.propensities
        if propensities is not None:
            propensities = _column("propensities", _nan_for_none(propensities), rows)
            _each("propensities", propensities, (propensities > 0) & (propensities <= 1), INSTEAD)
        contexts = self.contexts
        if contexts is not None:
            contexts = _floats("contexts", contexts)
            if contexts.ndim != 2 or len(contexts) != rows:
                raise BadValue("contexts", list(contexts.shape), f"of shape [{rows}, D], a row a decision")
            _each("contexts", contexts, np.isfinite(contexts).all(axis=1), "finite")
        ids = tuple(map(str, self.ids)) if len(self.ids) else tuple(map(str, range(rows)))
        _length("ids", ids, rows)
        if len(set(ids)) < rows:
            first = {name: row for row, name in reversed(list(enumerate(ids)))}
            twice = next(row for row, name in enumerate(ids) if first[name] != row)
            raise BadValue(f"ids[{twice}]", ids[twice], "the only one of that name")
        policy = tuple(map(str, self.policy)) if len(self.policy) else ("",) * rows
        _length("policy", policy, rows)
        names = tuple(map(str, self.names)) if len(self.names) else tuple(map(str, range(width)))
        _length("names", names, width)
        told = (self.propensity_method,) if isinstance(self.propensity_method, str) else self.propensity_method
        methods = tuple(sorted(set(told), key=_method))
        time = None if self.time is None else _column("time", self.time, rows)
        kept = {"contexts": contexts, "allowed": allowed, "actions": actions, "rewards": rewards, "time": time}
        kept |= {"propensities": propensities}
        for array in kept.values():
            if array is not None:
                array.setflags(write=False)
        rest = {"ids": ids, "policy": policy, "names": names, "propensity_method": methods}
        for field, value in (kept | rest).items():
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def shape(self) -> tuple[int, int]:
        """[N, A]"""
        return (int(self.allowed.shape[0]), int(self.allowed.shape[1]))

    @property
    def features(self) -> Floats:
        """[N, D] contexts; [N, 0] where there are none."""
        return np.zeros((len(self), 0)) if self.contexts is None else self.contexts

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        *,
        actions: Sequence[str] | None = None,
        unmatured: float | None = None,
    ) -> DecisionLog:
        """Records of the log schema: id, context, allowed, action, propensity, propensity_method, policy, time, reward.

        actions: [A] names; None: their numbers
        unmatured: reward that decisions without one are given, say 0.0 for a sale that never came; None: they are left
        out and counted in `waiting`. Leaving them out is fair only where the delay has nothing to do with the reward.

        Raises: BadValue naming record and field.
        """
        every = list(records)
        for row, record in enumerate(every):
            for field in ("action", "reward", "allowed"):
                if field not in record:
                    raise BadValue(f"records[{row}]", sorted(record), f"with the field {field!r}")
        kept, waiting = _matured([dict(record) for record in every], unmatured)
        contexts = [_no_context(record.get("context")) for record in kept]
        some = [context is not None for context in contexts]
        if any(some) and not all(some):
            raise BadValue(f"contexts[{some.index(False)}]", None, "there in all rows or in none")
        _same_width("contexts", contexts if all(some) else [])
        _same_width("allowed", [record["allowed"] for record in kept])
        for row, record in enumerate(kept):
            if not all(entry in (False, True) for entry in record["allowed"]):
                raise BadValue(f"allowed[{row}]", list(record["allowed"]), "true or false for each action")
        chances = [record.get("propensity") for record in kept]
        unknown = all(p is None for p in chances)
        times = [record.get("time") for record in kept]
        ids = [record.get("id") for record in kept]
        return cls(
            contexts=_floats("contexts", contexts) if kept and all(some) else None,
            allowed=np.array([record["allowed"] for record in kept], dtype=bool),
            actions=_integers("actions", [record["action"] for record in kept]),
            rewards=_floats("rewards", [record["reward"] for record in kept]),
            propensities=None if unknown else _floats("propensities", _nan_for_none(chances)),
            ids=() if all(name is None for name in ids) else tuple(map(str, ids)),
            policy=tuple(str(record.get("policy", "")) for record in kept),
            time=None if any(t is None for t in times) else _floats("time", times),
            names=tuple(actions or ()),
            propensity_method=tuple(
                {str(record.get("propensity_method", "none" if unknown else "closed form")) for record in kept}
            ),
            waiting=waiting,
        )

    @classmethod
    def from_journal(cls, path: str | os.PathLike[str], *, unmatured: float | None = None) -> DecisionLog:
        """What a live `Bandit` wrote; a bandit may have it open and go on writing.

        unmatured: see `from_records`

        Raises: BadValue for a file that is no journal, or of another version, and for a line that cannot be read.
        """
        header, events = _events(Path(path))
        if header.get("format") != FORMAT:
            raise BadValue("path", str(path), "a journal of a live bandit")
        if header.get("version") != VERSION:
            raise BadValue("version", header.get("version"), f"{VERSION}: the journal is of another release of Wayfare")
        records: dict[str, dict[str, Any]] = {}
        names: Sequence[str] = ()
        for event in events:
            if event["event"] == "bandit":
                names = event["actions"]
            elif event["event"] == "decision":
                records[event["id"]] = {**event, "reward": None}
            elif event["event"] == "reward":
                records[event["id"]]["reward"] = event["reward"]
        return cls.from_records(records.values(), actions=names, unmatured=unmatured)

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        *,
        context: Sequence[str] = (),
        action: str = "action",
        reward: str = "reward",
        propensity: str | None = "propensity",
        actions: Sequence[str] | None = None,
        allowed: Sequence[str] | None = None,
        id: str | None = None,
        policy: str | None = None,
        time: str | None = None,
        propensity_method: str = "closed form",
        unmatured: float | None = None,
    ) -> DecisionLog:
        """A CSV with a header line and one line a decision; each argument names a column, an empty reward is unknown.

        context: columns of numbers; () for decisions without context
        propensity: None where the log has none: only the direct method is left then
        actions: [A] names, as they stand in the action column, in the order that a target's probabilities will have;
        None: those that occur, sorted, as numbers where they are numbers
        allowed: [A] columns of 0 and 1, in the order of the actions; None: all are always allowed

        Raises: BadValue with line, column, what stands there and what may; OSError.
        """
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(io.StringIO(_read(file, path), newline=""))
            columns = list(reader.fieldnames or ())
            told = {"action": action, "reward": reward, "propensity": propensity, "id": id, "policy": policy}
            wanted = [(field, name) for field, name in {**told, "time": time}.items() if name is not None]
            for field, several in (("context", context), ("allowed", allowed or ())):
                if isinstance(several, str):
                    raise BadValue(field, several, "a list of columns, also where there is only one")
                wanted += [(field, name) for name in several]
            for field, name in wanted:
                if name not in columns:
                    raise BadValue(field, name, f"one of the columns {', '.join(columns) or 'of a header line'}")
            lines = [(reader.line_num, line) for line in reader]
        for number, line in lines:
            given = len(columns) + len(line.get(None, ())) - sum(value is None for value in line.values())
            if given != len(columns):
                raise BadValue(f"line {number}", f"{given} fields", f"{len(columns)} fields")
            if not (line[action] or "").strip():
                raise BadValue(f"line {number}, {action}", line[action], "the action taken")
        names = _names([line[action] for _, line in lines]) if actions is None else [str(name) for name in actions]
        place = {name: number for number, name in enumerate(names)}
        if len(place) < len(names):
            raise BadValue("actions", names, "names of which no two are the same")
        if allowed is not None and len(allowed) != len(names):
            raise BadValue("allowed", list(allowed), f"{len(names)} columns, one for each of {', '.join(names)}")
        records = []
        for number, line in lines:
            cell = _reader(number, line)
            if line[action] not in place:
                raise BadValue(f"line {number}, {action}", line[action], f"one of {', '.join(names)}")
            records.append(
                {
                    "context": [cell(name) for name in context] or None,
                    "allowed": [True] * len(names) if allowed is None else [_flag(number, line, n) for n in allowed],
                    "action": place[line[action]],
                    "reward": cell(reward) if (line[reward] or "").strip() else None,
                    "propensity": None if propensity is None else cell(propensity, INSTEAD, 0.0, 1.0),
                    "propensity_method": "none" if propensity is None else propensity_method,
                    "id": line[id] if id else str(number),
                    "policy": line[policy] if policy else "",
                    "time": cell(time) if time else None,
                }
            )
        return cls.from_records(records, actions=names, unmatured=unmatured)


def _matured(records: list[dict[str, Any]], unmatured: float | None) -> tuple[list[dict[str, Any]], int]:
    waiting = [record for record in records if record["reward"] is None]
    if unmatured is None:
        return [record for record in records if record["reward"] is not None], len(waiting)
    for record in waiting:
        record["reward"] = unmatured
    return records, len(waiting)


def _events(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and events; a last line without its end is being written, or was never acknowledged."""
    lines = path.read_bytes().split(b"\n")[:-1]
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise BadValue(f"{path}:{number}", line[:60].decode(errors="replace"), "a line of JSON") from error
    if not found or not all(isinstance(each, dict) for each in found):
        raise BadValue("path", str(path), "a journal of a live bandit")
    return found[0], found[1:]


def _names(values: Iterable[str]) -> list[str]:
    distinct = set(values)
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return sorted(distinct)


def _reader(number: int, line: Mapping[str, str | None]) -> Callable[..., float]:
    def cell(name: str, rule: str = "a number", above: float = -math.inf, most: float = math.inf) -> float:
        try:
            value = float(line[name] or "")
        except ValueError:
            value = math.nan
        if not above < value <= most or not math.isfinite(value):
            raise BadValue(f"line {number}, {name}", line[name], rule)
        return value

    return cell


def _read(file: IO[str], path: object) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise BadValue("path", str(path), f"a file in UTF-8 ({error.reason} at byte {error.start})") from None


def _flag(number: int, line: Mapping[str, str | None], name: str) -> bool:
    value = (line[name] or "").strip()
    if value not in ("0", "1"):
        raise BadValue(f"line {number}, {name}", line[name], "0 or 1")
    return value == "1"


def _no_context(context: Any) -> Any:
    """A live bandit without context writes an empty one."""
    return None if context is None or len(context) == 0 else context


def _same_width(field: str, rows: list[Any]) -> None:
    for row, each in enumerate(rows):
        if len(each) != len(rows[0]):
            raise BadValue(f"{field}[{row}]", list(each), f"of {len(rows[0])} entries, as in row 0")


def _nan_for_none(column: Any) -> Any:
    return [math.nan if p is None else p for p in column] if isinstance(column, (list, tuple)) else column


def _floats(field: str, x: Any) -> Floats:
    try:
        return np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadValue(field, x if len(str(x)) < 60 else f"{str(x)[:60]}...", "numbers") from error


def _column(field: str, x: ArrayLike, rows: int) -> Floats:
    column = _floats(field, x)
    if column.shape != (rows,):
        raise BadValue(field, list(column.shape), f"of shape [{rows}], an entry a decision")
    return column


def _integers(field: str, x: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(x)
    if given.size == 0:
        return np.zeros(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise BadValue(field, f"{given.dtype} of shape {list(given.shape)}", "integers of shape [N]")
    return given.astype(np.int64)


def _allowed(x: Any, rows: int) -> NDArray[np.bool_]:
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        if x < 1:
            raise BadValue("allowed", int(x), "at least 1 action")
        return np.ones((rows, int(x)), dtype=bool)
    mask = np.array(x)
    if mask.ndim != 2 or len(mask) != rows or mask.dtype != bool:
        told = f"{mask.dtype} of shape {list(mask.shape)}"
        raise BadValue("allowed", told, f"booleans of shape [{rows}, A], or A, the number of actions")
    return mask


def _length(field: str, x: tuple[str, ...], wanted: int) -> None:
    if len(x) != wanted:
        raise BadValue(field, f"{len(x)} entries", f"{wanted} of them")


def _method(name: str) -> int:
    if name not in METHODS:
        raise BadValue("propensity_method", name, f"one of {', '.join(METHODS)}")
    return METHODS.index(name)


def _each(field: str, column: NDArray[Any], good: Any, rule: str) -> None:
    """Raises: BadValue naming the first row that is not good."""
    if not good.all():
        row = int(np.argmin(good))
        raise BadValue(f"{field}[{row}]", column[row].tolist(), rule)
