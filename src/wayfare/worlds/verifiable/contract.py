"""What a verifiable task is: prompts, a verifier that cannot be talked into anything, a corpus for a broad, poor base.

    rows("train")                 what a data set holds: `prompt`, `index`, and the columns that the verifier reads
    reward(prompts=, completions=, goal=, ...)     TRL's signature, so that it serves there unchanged
    corpus(count, seed)           traces for pre-training; some knob of the task says how many of them are right
    oracle(row), floor(row, draw) the scripted players at both ends

Problems are split into train, selection and test before any corpus is made, and a problem that is held out never
appears truthfully in the corpus. Prompts and completions are words with a space between them
(`wayfare.language.nano.WordReader`).

Verifiers read with anchored patterns of ASCII, never evaluate text, and refuse long text before they look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue

__all__ = ["SHARES", "SPLITS", "Row", "Split", "VerifiableTask", "by_hash", "by_rank", "scored", "share", "text_of"]

Row = dict[str, Any]
Split = Literal["train", "test", "selection"]
SPLITS: tuple[Split, ...] = ("train", "selection", "test")
SHARES = (0.7, 0.1, 0.2)
"""Of the problems, in the order of `SPLITS`."""


class VerifiableTask(Protocol):
    """A data set, its verifier and a corpus for pre-training.

    name: of `TASKS`        words: all that prompts and completions are made of; the reader adds padding and the end
    max_completion: words of the longest completion that can be right, and one for the end
    """

    @property
    def name(self) -> str: ...

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def max_completion(self) -> int: ...

    def rows(self, split: Split) -> list[Row]:
        """In an order that is set by the task's seed; `index` is one problem's in every split.

        Raises: BadValue for an unknown split.
        """
        ...

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """One number a completion; what cannot be read earns what wrong answers earn, or less.

        completions: texts, or lists of messages        columns: those of the rows, as long as completions
        Raises: BadValue where a column is missing or of another length.
        """
        ...

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether a completion has an answer that can be read, right or wrong."""
        ...

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """(prompt, completion) of `count` traces. Raises: BadValue for a negative count."""
        ...

    def oracle(self, row: Row) -> str:
        """A right completion."""
        ...

    def floor(self, row: Row, draw: Draws) -> str:
        """A completion of legal form, drawn without regard to the answer."""
        ...


def text_of(completion: Any) -> str | None:
    """The text of a completion: itself, or that of its one message, the assistant's; None where there is none such."""
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence):
        return None
    said = [each for each in completion if isinstance(each, Mapping) and each.get("role", "assistant") == "assistant"]
    if len(said) != 1 or len(completion) != 1:
        return None
    return content_of(said[0])


def content_of(message: Mapping[str, Any]) -> str | None:
    """A message's text, which may come in parts; None for other content."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(isinstance(part, Mapping) for part in content):
        texts = [part.get("text") for part in content]
        if texts and all(isinstance(text, str) for text in texts):
            return "".join(cast(list[str], texts))
    return None


def scored(
    score: Callable[..., float], completions: Sequence[Any], columns: Mapping[str, Any], names: Sequence[str],
    *, longest: int, refused: float = 0.0, reader: Callable[[Any], str | None] = text_of,
) -> list[float]:  # fmt: skip
    """score(text, *values of the named columns) of each completion.

    longest: characters; longer texts, and what is no text, earn `refused` unread
    reader: completion -> its text, or None
    Raises: BadValue where a column is missing or of another length.
    """
    for name in names:
        found = columns.get(name)
        if found is None or len(found) != len(completions):
            raise BadValue(name, None if found is None else len(found), f"a column of {len(completions)} values")
    rewards = []
    for completion, *values in zip(completions, *(columns[name] for name in names), strict=True):
        text = reader(completion)
        rewards.append(refused if text is None or len(text) > longest else float(score(text, *values)))
    return rewards


def by_rank(count: int, seed: int) -> NDArray[np.int64]:
    """[count] number in `SPLITS` of each problem: shares exact to one problem, none empty from three problems on."""
    order = np.argsort(Stream(seed, "split").uniform(np.arange(count)), kind="stable")
    held = [max(1, round(share * count)) for share in SHARES[1:]]
    found = np.zeros(count, np.int64)
    found[order[: held[0]]], found[order[held[0] : sum(held)]] = 1, 2
    return found


def by_hash(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Number in `SPLITS` of problems too many to list, by their code alone."""
    u = Stream(seed, "split").uniform(codes)
    found: NDArray[np.int64] = np.asarray(np.searchsorted(np.cumsum(SHARES[:2]), u, side="right"), np.int64)
    return found


def number_of(split: Split) -> int:
    """In `SPLITS`. Raises: BadValue for an unknown split."""
    if split not in SPLITS:
        raise BadValue("split", split, f"one of {', '.join(SPLITS)}")
    return SPLITS.index(split)


def share(field: str, value: float) -> None:
    """Raises: BadValue for a share that is not between 0 and 1."""
    if not 0 <= value <= 1:
        raise BadValue(field, value, "between 0 and 1")


def counted(field: str, value: int, least: int = 0) -> None:
    """Raises: BadValue for what is no whole number, or below the least."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise BadValue(field, value, f"a whole number from {least}")


def spelled(number: int) -> str:
    """Its digits as words."""
    return " ".join(str(number))
