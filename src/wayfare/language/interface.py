"""What every language model answers to: prompts and a way of sampling in, texts with their log-probabilities out.

    model: LanguageModel = TransformersModel("tiny-random")        # or EndpointModel("http://host:8000/v1", "name")
    told = model.generate(["begin 0 act"], Sampling(temperature=0.7, max_tokens=16, n=4))
    told.texts, told.finish, told.logprobs

A prompt is a text, continued as it stands, or a conversation, which the model's own template turns into text.
`generate` is a function of what it is given: the same prompts and the same sampling, seed included, ask for the same
answer. Who wants fresh draws changes the seed; a prompt that stands twice in one call is drawn twice.

Nothing here knows torch, or any one backend.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, Protocol, TypedDict, runtime_checkable

import numpy as np
import numpy.typing as npt

from wayfare.errors import BadValue

__all__ = [
    "Finish",
    "LanguageModel",
    "Message",
    "Prompt",
    "Row",
    "Samples",
    "Sampling",
    "Scores",
    "check_prompts",
    "padded",
    "rows_of",
]

Finish = Literal["stop", "length", "error"]
"""Why an answer ends: an end token or stop string, no room or tokens left, or no answer came."""
ROLES = ("system", "developer", "user", "assistant", "tool")
SEEDS = 2**31 - 1
"""Servers take seeds of 32 bits with sign at least."""


class Message(TypedDict):
    """One turn of a conversation. role: of `ROLES`."""

    role: str
    content: str


Prompt = str | Sequence[Message]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    temperature: the logits are divided by it; 0 takes the likeliest token
    top_p:       only the likeliest tokens that together reach this chance, above 0 to 1
    min_p:       only tokens at least this many times as likely as the likeliest, 0 to 1
    max_tokens:  most tokens of an answer
    stop:        an answer ends before the first of these strings
    seed:        of the draws, 0 to 2^31 - 1
    n:           answers to each prompt

    Raises: BadValue for anything out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    n: int = 1

    def __post_init__(self) -> None:
        _number("temperature", self.temperature, 0 <= _real(self.temperature) < math.inf, "finite and at least 0")
        _number("top_p", self.top_p, 0 < _real(self.top_p) <= 1, "above 0 and at most 1")
        _number("min_p", self.min_p, 0 <= _real(self.min_p) <= 1, "between 0 and 1")
        for field, low in (("max_tokens", 1), ("seed", 0), ("n", 1)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= SEEDS:
                raise BadValue(field, value, f"an integer between {low} and {SEEDS}")
        if isinstance(self.stop, str) or not all(isinstance(each, str) and each for each in self.stop):
            raise BadValue("stop", self.stop, "a tuple of strings, none of them empty")
        object.__setattr__(self, "stop", tuple(self.stop))

    @property
    def plain(self) -> bool:
        """Whether tokens are drawn from the model's own distribution, at temperature 1 and nothing cut off."""
        return self.temperature == 1 and self.top_p == 1 and self.min_p == 0


@dataclass(frozen=True, eq=False)
class Samples:
    """B answers, those to the first prompt first; L is the length of the longest, in tokens.

    prompt:            [B] int64, number of the prompt answered
    texts:             B texts, without end token and stop string
    token_ids:         [B, L] int64, with end token and stop string; -1 where a backend does not tell, 0 behind the end
    mask:              [B, L] bool, where there is a token
    logprobs:          [B, L] float32, under the distribution that was drawn from (at temperature 0 it is 0)
    logprobs_at_one:   [B, L] float32, under the model's own distribution, at temperature 1
    finish:            B of 'stop', 'length', 'error'
    errors:            B reasons, empty where there is none
    prompt_tokens:     [B] int64
    completion_tokens: [B] int64

    Log-probabilities are 0 behind the end, so that sums are safe, and NaN where a backend does not tell.
    """

    prompt: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    token_ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]
    logprobs: npt.NDArray[np.float32]
    logprobs_at_one: npt.NDArray[np.float32]
    finish: tuple[Finish, ...]
    errors: tuple[str, ...]
    prompt_tokens: npt.NDArray[np.int64]
    completion_tokens: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def sequences(self, prompts: Sequence[Prompt]) -> list[tuple[Prompt, list[int]]]:
        """Each prompt with the tokens of its answer, as `logprobs` takes them. prompts: those that were answered."""
        return [
            (prompts[number], ids[valid].tolist())
            for number, ids, valid in zip(self.prompt, self.token_ids, self.mask, strict=True)
        ]


class Scores(NamedTuple):
    """Log-probabilities of given completions, at temperature 1.

    token_ids: [B, L] int64, -1 where a backend does not tell        mask: [B, L] bool        logprobs: [B, L] float32
    """

    token_ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]
    logprobs: npt.NDArray[np.float32]


@runtime_checkable
class LanguageModel(Protocol):
    """What players and trainers ask of a model, wherever it runs."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = ...) -> Samples:
        """sampling.n answers to each prompt, in the order of the prompts.

        Raises: BadValue for an empty prompt, or one as long as the model's context.
        """
        ...

    def logprobs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> Scores:
        """Of each completion, given as tokens or as a text, behind its prompt.

        Raises: BadValue for an empty prompt, or one that with its completion exceeds the context.
        """
        ...


class Row(NamedTuple):
    """One answer to be drawn. prompt: its number        seed: of its draws, another one for each occurrence

    occurrence: how often the same prompt came before it in the same call
    """

    prompt: int
    occurrence: int
    seed: int


def rows_of(prompts: Sequence[Prompt], sampling: Sampling) -> list[Row]:
    """One row an answer. A row's seed depends on its prompt's occurrence alone, never on the other prompts."""
    seen: Counter[str] = Counter()
    rows = []
    for number, prompt in enumerate(prompts):
        name = json.dumps(prompt, sort_keys=True)
        for _ in range(sampling.n):
            rows.append(Row(number, seen[name], _row_seed(int(sampling.seed), seen[name])))
            seen[name] += 1
    return rows


def _row_seed(seed: int, occurrence: int) -> int:
    if occurrence == 0:
        return seed
    told = hashlib.sha256(f"{seed} {occurrence}".encode()).digest()
    return int.from_bytes(told[:4], "big") & SEEDS


def check_prompts(prompts: Sequence[Prompt]) -> None:
    """Raises: BadValue that names the first prompt which is empty, or neither text nor conversation."""
    if isinstance(prompts, str):
        raise BadValue("prompts", prompts, "a list of prompts, also where there is only one")
    for number, prompt in enumerate(prompts):
        field = f"prompts[{number}]"
        if isinstance(prompt, str):
            if not prompt:
                raise BadValue(field, prompt, "a text of at least one character")
            continue
        if not isinstance(prompt, Sequence) or not prompt:
            raise BadValue(field, prompt, "a text, or a list of at least one message")
        for message in prompt:
            if not _is_message(message):
                raise BadValue(field, message, f"of messages with a role ({', '.join(ROLES)}) and a content, a text")


def _is_message(told: Any) -> bool:
    known = isinstance(told, dict) and set(told) == {"role", "content"}
    return known and told["role"] in ROLES and isinstance(told["content"], str)


def padded(rows: Sequence[Sequence[float]], dtype: Any) -> npt.NDArray[Any]:
    """Rows of unequal length -> [B, L], 0 on the right."""
    out = np.zeros((len(rows), max(map(len, rows), default=0)), dtype)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out


def _real(value: Any) -> float:
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan


def _number(field: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise BadValue(field, value, allowed)
