"""A language model that says what a function of the prompt says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wayfare.language.interface import Samples, Sampling, Scores, padded

__all__ = ["Scripted"]


class Scripted:
    """A language model that says what a function of the prompt says."""

    def __init__(self, say: Callable[[Any], str]) -> None:
        self.say = say
        self.prompts: list[str] = []

    def generate(self, prompts: Sequence[Any], sampling: Sampling = Sampling()) -> Samples:  # noqa: B008
        self.prompts += prompts
        texts = tuple(self.say(prompt) for prompt in prompts)
        n, none = len(texts), padded([[0.0]] * len(texts), "float32")
        ids = padded([[0]] * n, "int64")
        return Samples(ids[:, 0], texts, ids, ids == 0, none, none, ("stop",) * n, ("",) * n, ids[:, 0], ids[:, 0])

    def logprobs(self, sequences: Sequence[Any]) -> Scores:
        raise NotImplementedError
