"""Reward functions as TRL calls them, so that one written for its trainers runs here unchanged.

    rewards = RewardFunctions([correct, concise], weights=[1.0, 0.1])
    each = rewards.score(prompts=prompts, completions=texts, completion_ids=ids, columns=reward_columns(rows))
    reward = rewards.total(each)                                    # [B]

A function is called once for all B answers, by keywords alone:

    f(prompts=, completions=, completion_ids=, <column>=, ..., trainer_state=, log_extra=, log_metric=) -> B rewards

Every list has one entry an answer, columns are repeated along with their prompt. Where prompts are conversations an
answer is the list of its one message, else a text. None says that a function has no opinion of an answer:

    r_b = sum over f with an opinion of w_f r_{b f},  without value where no function has one               (1)

A function may be `async` (all of these are awaited at once, on one event loop that lives as long as this process, so
that a client made in the first call serves in the next), an object that is called, or a reward model with its tokenizer
(as a pair), whose first logit of prompt and answer is the reward. What is no reward, an exception among them, is an
error that names function and row, or the line that raised, before any weight has changed.

Sources: calling convention, names and (1) are those of TRL 1.16 (`GRPOTrainer`).
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue, RewardFailed
from wayfare.language.interface import Prompt
from wayfare.learn.grpo.dataset import OWN
from wayfare.learn.grpo.needs import takes
from wayfare.learn.grpo.user_code import line_of

__all__ = ["RewardFunction", "RewardFunctions", "TrainerState", "as_messages", "callable_name", "reward_columns"]

RewardFunction = Callable[..., Any]
"""See the module: B rewards, or an awaitable of them."""
TOLD = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""What a function is told beside the columns."""
ROWS = 16
"""Answers that a reward model reads at once."""


@dataclass(frozen=True)
class TrainerState:
    """How far training is, as reward functions may ask: the fields of `transformers.TrainerState` that have a meaning.

    global_step: updates done        max_steps: updates in all        epoch: passes over the data set, with fraction
    """

    global_step: int = 0
    max_steps: int = 0
    epoch: float = 0.0
    num_train_epochs: int = 1
    num_input_tokens_seen: int = 0
    log_history: list[dict[str, float]] = field(default_factory=list)
    is_world_process_zero: bool = True


class _Model(NamedTuple):
    module: nn.Module
    tokenizer: Any


class RewardFunctions:
    """functions: one or several; a reward model is a pair (module, tokenizer)
    weights:   one a function, finite; all 1 without them

    names: as metrics call them; of a reward model the last part of its name

    Raises: BadValue for no function, what cannot be called, a reward model without its tokenizer, or weights of
    another number.
    """

    def __init__(
        self,
        functions: RewardFunction | tuple[nn.Module, Any] | Sequence[RewardFunction | tuple[nn.Module, Any]],
        weights: Sequence[float] | None = None,
    ) -> None:
        alone = callable(functions) or (
            isinstance(functions, tuple) and len(functions) > 1 and _is_model(functions[0], functions[1])
        )
        given: Sequence[Any] = [functions] if alone else functions  # type: ignore[assignment]
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise BadValue("functions", functions, "at least one reward function")
        self.functions = tuple(_checked(number, each) for number, each in enumerate(given))
        self.names = tuple(_name(each) for each in self.functions)
        told = [1.0] * len(self.functions) if weights is None else [float(weight) for weight in weights]
        if len(told) != len(self.functions):
            raise BadValue("weights", told, f"{len(self.functions)} numbers, one a function")
        if not all(map(math.isfinite, told)):
            raise BadValue("weights", told, "finite")
        self.weights = torch.tensor(told, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.functions)

    def check(self, columns: Iterable[str]) -> None:
        """columns: of a data set. Raises: BadValue for the first function that could not be called with them."""
        names = dict.fromkeys((*columns, *TOLD))
        for name, function in zip(self.names, self.functions, strict=True):
            if isinstance(function, _Model):
                continue
            wrong = takes(function, **names)
            if wrong is not None:
                allowed = f"called by keywords with {', '.join(names)}, or **_ for what it does not read ({wrong})"
                raise BadValue(f"reward function {name!r}", str(inspect.signature(function)), allowed)

    def score(
        self,
        *,
        prompts: Sequence[Prompt],
        completions: Sequence[str] | Sequence[Sequence[Mapping[str, Any]]],
        completion_ids: Sequence[Sequence[int]],
        columns: Mapping[str, Sequence[Any]] | None = None,
        trainer_state: Any = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
    ) -> Tensor:
        """[B, F] float32: the rewards of each function, NaN where one has no opinion.

        completions: B texts; they become messages where prompts are conversations        completion_ids: no padding
        columns:     name -> B values

        Raises: BadValue for arguments of unequal length; RewardFailed for the first function (those that are awaited
        come last) that raises, gives another number of rewards, or one that is no finite number in float32.
        """
        count = len(prompts)
        columns = {} if columns is None else columns
        for name, value in (("completions", completions), ("completion_ids", completion_ids), *columns.items()):
            if len(value) != count:
                raise BadValue(name, f"{len(value)} of them", f"{count}, one a prompt")
        told = as_messages(prompts, completions)
        asked = [prompt if isinstance(prompt, str) else list(prompt) for prompt in prompts]
        state = TrainerState() if trainer_state is None else trainer_state
        found = torch.full((count, len(self)), torch.nan)
        awaited: list[tuple[int, Awaitable[Any]]] = []
        try:
            for number, function in enumerate(self.functions):
                if isinstance(function, _Model):
                    made = self._of(number, partial(_judged, function, asked, told))
                else:
                    given = {
                        **{name: list(value) for name, value in columns.items()},
                        "prompts": list(asked), "completions": list(told),
                        "completion_ids": [list(ids) for ids in completion_ids], "trainer_state": state,
                        "log_extra": log_extra or _nowhere, "log_metric": log_metric or _nowhere,
                    }  # fmt: skip
                    made = self._of(number, partial(function, **given))
                if inspect.isawaitable(made):
                    awaited.append((number, made))
                else:
                    found[:, number] = self._rewards(number, made, count)
        except BaseException:
            for _, each in awaited:
                if inspect.iscoroutine(each):
                    each.close()  # never started: without this Python warns
            raise
        for (number, _), made in zip(awaited, _together([each for _, each in awaited]), strict=True):
            if isinstance(made, RewardFailed):
                raise made
            if isinstance(made, BaseException):
                raise RewardFailed(self.names[number], _raised(made)) from made
            found[:, number] = self._rewards(number, made, count)
        return found

    def total(self, rewards_per_func: Tensor) -> Tensor:
        """Equation (1); rewards_per_func: [B, F] -> [B], NaN where no function has an opinion."""
        weighted = (rewards_per_func * self.weights.to(rewards_per_func)).nansum(dim=1)
        return weighted.masked_fill(rewards_per_func.isnan().all(dim=1), torch.nan)

    def metrics(self, rewards_per_func: Tensor) -> dict[str, float]:
        """`rewards/NAME/mean` and `/std` (sample) over the answers that a function has an opinion of, if any."""
        told = {}
        for name, column in zip(self.names, rewards_per_func.unbind(dim=1), strict=True):
            known = column[~column.isnan()]
            if len(known):
                told[f"rewards/{name}/mean"] = float(known.mean())
                told[f"rewards/{name}/std"] = float(known.std()) if len(known) > 1 else 0.0
        return told

    def _of(self, number: int, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RewardFailed:
            raise
        except Exception as error:
            raise RewardFailed(self.names[number], _raised(error)) from error

    def _rewards(self, number: int, made: Any, count: int) -> Tensor:
        """What a function gave as [B] float32, NaN for None."""
        name = self.names[number]
        if isinstance(made, (str, Mapping)) or not isinstance(made, Iterable):
            raise RewardFailed(name, f"gave {made!r}, not a list of {count} rewards")
        rewards = made.tolist() if hasattr(made, "tolist") else list(made)
        if not isinstance(rewards, list) or len(rewards) != count:
            many = len(rewards) if isinstance(rewards, list) else 0
            raise RewardFailed(name, f"gave {many} rewards for {count} answers")
        numbers = []
        for row, reward in enumerate(rewards):
            value = math.nan if reward is None else _number(reward)
            if value is None:
                raise RewardFailed(name, f"gave {reward!r} at row {row}, neither a number nor None")
            if reward is not None and not math.isfinite(value):
                raise RewardFailed(name, f"gave {reward!r} at row {row}; a reward is finite in float32, or None")
            numbers.append(value)
        return torch.tensor(numbers, dtype=torch.float32)


def as_messages(
    prompts: Sequence[Prompt], completions: Sequence[str] | Sequence[Sequence[Mapping[str, Any]]]
) -> list[Any]:
    """Answers as reward functions are told them: a text, or behind a conversation a list of one message."""
    return [
        [{"role": "assistant", "content": told}] if isinstance(told, str) and not isinstance(prompt, str) else told
        for prompt, told in zip(prompts, completions, strict=True)
    ]


def reward_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows of the data set, one an answer -> column -> values, without the columns that are told under other names."""
    names = dict.fromkeys(name for row in rows for name in row if name not in OWN)
    return {name: [row.get(name) for row in rows] for name in names}


def callable_name(function: Any) -> str:
    """A function's own name, of an object without one its class's; behind any number of `functools.partial`."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _checked(number: int, given: Any) -> RewardFunction | _Model:
    field = f"functions[{number}]"
    if isinstance(given, nn.Module):
        raise BadValue(field, type(given).__name__, "a reward model with its tokenizer: a pair (module, tokenizer)")
    if isinstance(given, tuple):
        if len(given) != 2 or not _is_model(*given):
            raise BadValue(field, given, "a reward model with its tokenizer: a pair (module, tokenizer)")
        if given[1].pad_token_id is None and getattr(given[1], "eos_token", None) is None:
            raise BadValue(field, "a tokenizer without one", "with a token of padding, or an end token to stand for it")
        return _Model(*given)
    if isinstance(given, type):
        raise BadValue(field, f"the class {given.__name__}", "a function, or an object of that class, made already")
    if not callable(given):
        raise BadValue(field, given, "a function, an object that is called, or a pair (module, tokenizer)")
    return given  # type: ignore[no-any-return]


def _is_model(module: Any, tokenizer: Any) -> bool:
    return isinstance(module, nn.Module) and callable(tokenizer) and hasattr(tokenizer, "pad_token_id")


def _name(function: RewardFunction | _Model) -> str:
    if not isinstance(function, _Model):
        return callable_name(function)
    given = str(getattr(getattr(function.module, "config", None), "_name_or_path", ""))
    return given.rstrip("/").split("/")[-1] or type(function.module).__name__


def _raised(error: BaseException) -> str:
    return f"raised {type(error).__name__}: {error}{line_of(error)}"


def _number(value: Any) -> float | None:
    """As float32 keeps it; None for what is no single number."""
    if isinstance(value, (str, bytes)):
        return None
    try:
        return float(torch.tensor(float(value), dtype=torch.float32))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def _nowhere(*told: Any) -> None:
    """Where logs go when nobody reads them."""


@torch.inference_mode()
def _judged(model: _Model, prompts: Sequence[Any], completions: Sequence[Any]) -> list[float]:
    """First logit of each prompt with its answer, at the last token that is no padding."""
    module, tokenizer = model
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = getattr(module, "config", None)
    if config is not None:  # by it the module finds the last token
        config.pad_token_id = tokenizer.pad_token_id
    texts = [
        prompt + told if isinstance(prompt, str) else tokenizer.apply_chat_template([*prompt, *told], tokenize=False)
        for prompt, told in zip(prompts, completions, strict=True)
    ]
    weight = next(module.parameters(), None)
    was, scores = module.training, list[float]()
    module.eval()
    try:
        for first in range(0, len(texts), ROWS):
            inputs = tokenizer(
                text=texts[first : first + ROWS], return_tensors="pt", padding=True, padding_side="right",
                add_special_tokens=False,
            )  # fmt: skip
            if weight is not None:
                inputs = {name: value.to(weight.device) for name, value in inputs.items()}
            scores += module(**inputs).logits[:, 0].float().tolist()
    finally:
        module.train(was)
    return scores


class _Loop:
    """The event loop that all reward functions share, in a thread of its own: ours may be running already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: asyncio.AbstractEventLoop | None = None

    def run(self, awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*awaitables, return_exceptions=True)

        return asyncio.run_coroutine_threadsafe(all_of_them(), self._started()).result()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                self._running = asyncio.new_event_loop()
                threading.Thread(target=self._running.run_forever, name="rewards", daemon=True).start()
            return self._running


_LOOP = _Loop()


def _together(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    return _LOOP.run(awaitables) if awaitables else []
