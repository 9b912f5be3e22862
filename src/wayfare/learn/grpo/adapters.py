"""Rewards and data from elsewhere: verl's scores and rows, and functions that see one answer at a time.

    from_verl(compute_score)      a function of one answer, as verl calls it -> one of all answers, as TRL calls it
    verl_dataset("train.parquet") verl's rows -> a `PromptSet` whose columns such a function reads
    as_trl(reward)                any of these, or `f(completion, **row) -> float` -> one of all answers
    bonus_reward(bonus)           a memory's bonus as a reward inside TRL's own trainer (`wayfare.learn.grpo.trl_bonus`)

verl asks `compute_score(data_source=, solution_str=, ground_truth=, extra_info=)` for a number, or a dictionary whose
entry "score" is the reward; its other entries are what to log: the mean of numbers by `log_metric`, texts by
`log_extra`, both under the name of the function.

Source: verl's naive reward manager and its data format (`reward_model`, `extra_info`), as of January 2026.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, RewardFailed
from wayfare.learn.grpo.dataset import PromptSet, read_rows
from wayfare.learn.grpo.rewards import RewardFunction, RewardFunctions, callable_name
from wayfare.learn.grpo.trl_bonus import BonusReward, answer_text, bonus_reward
from wayfare.learn.grpo.user_code import line_of

__all__ = ["BonusReward", "as_trl", "bonus_reward", "from_verl", "from_verl_row", "verl_dataset"]

TOLD = ("prompt", "completion", "completion_ids", "trainer_state")
"""What a function of one answer may ask for beside the columns."""


def as_trl(reward: Any, name: str | None = None) -> RewardFunction:
    """A reward as TRL's trainers and ours call it.

    reward: a function of all answers (it has a parameter `completions` or `completion_ids`, or takes keywords alone),
            which comes back as it is; of one answer: `f(completion, **row)`, where `completion` is a text, or with
            verl's parameters, see `from_verl`; or `RewardFunctions`, whose weighted sum it then is. May be async.
    name:   as it is logged; its own without one

    A function of one answer may name, or take by `**row`, `prompt`, `completion_ids` and any column; `trainer_state`
    where it names it.

    Raises: BadValue for what is none of these.
    """
    if isinstance(reward, RewardFunctions):
        return _Summed(reward, name or "reward")
    if not callable(reward):
        raise BadValue("reward", reward, "a function, or RewardFunctions")
    asked = inspect.signature(reward).parameters
    if "solution_str" in asked:
        return from_verl(reward, name)
    if "completion" in asked:
        keywords = any(each.kind is each.VAR_KEYWORD for each in asked.values())
        names = frozenset(each.name for each in asked.values() if each.kind is not each.VAR_KEYWORD)
        kind = _EachLater if _is_async(reward) else _Each
        return kind(reward, name or callable_name(reward), names, keywords)
    if {"completions", "completion_ids"} & set(asked) or any(each.kind is each.VAR_KEYWORD for each in asked.values()):
        return reward if name is None else _Renamed.of(reward, name)
    raise BadValue(
        "reward", f"a function of {', '.join(asked) or 'nothing'}", "one of completions, of a completion, or verl's"
    )


def from_verl(compute_score: Callable[..., Any], name: str | None = None) -> RewardFunction:
    """compute_score: verl's, of one answer; may be async        name: as it is logged

    Reads the columns `data_source`, `ground_truth` (or `reward_model`, with the entry of that name) and `extra_info`,
    None, None and {} where there is none. A reward of None is one that has no opinion.

    Raises: BadValue for what cannot be called.
    """
    if not callable(compute_score):
        raise BadValue("compute_score", compute_score, "a function")
    kind = _VerlLater if _is_async(compute_score) else _Verl
    return kind(compute_score, name or callable_name(compute_score))


def from_verl_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of verl's data as rewards read it: `reward_model`'s ground truth is a column of its own.

    Raises: BadValue for a row without a prompt, or without `reward_model` and its ground truth.
    """
    if "prompt" not in row:
        raise BadValue("row", sorted(row), "one with a prompt")
    if "ground_truth" in row:
        return dict(row)
    told = row.get("reward_model")
    if not isinstance(told, Mapping) or "ground_truth" not in told:
        raise BadValue("row's reward_model", told, "a mapping with its ground_truth")
    made = {name: value for name, value in row.items() if name != "reward_model"}
    made["ground_truth"] = told["ground_truth"]
    made["extra_info"] = made.get("extra_info") or {}
    return made


def verl_dataset(data: str | PathLike[str] | Sequence[Mapping[str, Any]] | Any) -> PromptSet:
    """Rows of verl's format, or a file of them (.parquet, .jsonl, .json). Raises: BadValue that names the row."""
    rows = read_rows(Path(data)) if isinstance(data, (str, PathLike)) else data
    made = []
    for number, row in enumerate(rows):
        try:
            made.append(from_verl_row(row))
        except BadValue as error:
            raise BadValue(f"data row {number}, {error.field}", error.value, error.allowed) from None
    return PromptSet(made)


class _Renamed:
    """A reward function under another name. Its class tells TRL whether to await it."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.__name__ = function, name

    @staticmethod
    def of(function: Callable[..., Any], name: str) -> _Renamed:
        return (_RenamedLater if _is_async(function) else _Renamed)(function, name)

    def __call__(self, **told: Any) -> Any:
        return self.function(**told)

    def _failed(self, row: int, error: Exception) -> RewardFailed:
        return RewardFailed(self.__name__, f"raised {type(error).__name__} at row {row}: {error}{line_of(error)}")

    def _told(self, row: int, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            raise self._failed(row, error) from error

    async def _later(self, row: int, call: Callable[[], Any]) -> Any:
        try:
            return await call()
        except Exception as error:
            raise self._failed(row, error) from error


class _RenamedLater(_Renamed):
    async def __call__(self, **told: Any) -> Any:
        return await self.function(**told)


class _Each(_Renamed):
    """A function of one answer, called for each."""

    def __init__(self, function: Callable[..., Any], name: str, names: frozenset[str], keywords: bool) -> None:
        super().__init__(function, name)
        self.names, self.keywords = names, keywords

    def _calls(self, told: Mapping[str, Any]) -> list[partial[Any]]:
        count = len(told["completions"])
        columns = {name: value for name, value in _columns(told).items() if self.keywords or name in self.names}
        calls = []
        for row in range(count):
            given: dict[str, Any] = {name: value[row] for name, value in columns.items()}
            given["completion"] = answer_text(told["completions"][row])
            for name, values in (("prompt", "prompts"), ("completion_ids", "completion_ids")):
                if (self.keywords or name in self.names) and values in told:
                    given[name] = told[values][row]
            if "trainer_state" in self.names:
                given["trainer_state"] = told.get("trainer_state")
            calls.append(partial(self.function, **given))
        return calls

    def __call__(self, **told: Any) -> Any:
        return [self._told(row, call) for row, call in enumerate(self._calls(told))]


class _EachLater(_Each):
    async def __call__(self, **told: Any) -> Any:
        return await asyncio.gather(*(self._later(row, call) for row, call in enumerate(self._calls(told))))


class _Verl(_Renamed):
    """verl's function of one answer, called for each."""

    def _calls(self, told: Mapping[str, Any]) -> list[partial[Any]]:
        count = len(told["completions"])
        nothing = [None] * count
        truth = told.get("ground_truth")
        if truth is None:
            models = told.get("reward_model", nothing)
            truth = [model.get("ground_truth") if isinstance(model, Mapping) else None for model in models]
        source, extra = told.get("data_source", nothing), told.get("extra_info", nothing)
        return [
            partial(
                self.function,
                data_source=source[row],
                solution_str=answer_text(told["completions"][row]),
                ground_truth=truth[row],
                extra_info=dict(extra[row] or {}),
            )
            for row in range(count)
        ]

    def _rewards(self, results: Sequence[Any], told: Mapping[str, Any]) -> list[Any]:
        """The scores; what else the function tells is logged."""
        notes: dict[str, list[Any]] = {}
        rewards = []
        for row, result in enumerate(results):
            if isinstance(result, Mapping):
                if "score" not in result:
                    raise BadValue(f"{self.__name__} at row {row}", sorted(result), "a mapping with the entry 'score'")
                rewards.append(result["score"])
                for key, value in result.items():
                    if key != "score":
                        notes.setdefault(key, [None] * len(results))[row] = value
            else:
                rewards.append(result[0] if isinstance(result, (tuple, list)) and result else result)
        log_metric, log_extra = told.get("log_metric"), told.get("log_extra")
        for key, values in notes.items():
            known = [value for value in values if value is not None]
            if known and all(isinstance(value, Real) for value in known):
                finite = [float(value) for value in known if math.isfinite(value)]
                if log_metric is not None and finite:
                    log_metric(f"{self.__name__}/{key}", sum(finite) / len(finite))
            elif log_extra is not None:
                log_extra(f"{self.__name__}/{key}", [None if value is None else str(value) for value in values])
        return rewards

    def __call__(self, **told: Any) -> Any:
        return self._rewards([self._told(row, call) for row, call in enumerate(self._calls(told))], told)


class _VerlLater(_Verl):
    async def __call__(self, **told: Any) -> Any:
        calls = (self._later(row, call) for row, call in enumerate(self._calls(told)))
        return self._rewards(await asyncio.gather(*calls), told)


class _Summed:
    """Several reward functions as one, with their weights."""

    def __init__(self, rewards: RewardFunctions, name: str) -> None:
        self.rewards, self.__name__ = rewards, name

    def __call__(self, **told: Any) -> list[float | None]:
        each = self.rewards.score(
            prompts=told["prompts"],
            completions=told["completions"],
            completion_ids=told["completion_ids"],
            columns=_columns(told),
            trainer_state=told.get("trainer_state"),
            log_extra=told.get("log_extra"),
            log_metric=told.get("log_metric"),
        )
        return [None if math.isnan(value) else value for value in self.rewards.total(each).tolist()]


def _columns(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a reward function is told by the data set, environments left out: those are not data."""
    own = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments")
    return {name: value for name, value in told.items() if name not in own}


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
