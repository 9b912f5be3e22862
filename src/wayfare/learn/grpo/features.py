"""What a memory compares answers by.

    MeanStates       mean over an answer's tokens of the last hidden states of the model before training
    TextFeatures     what a text encoder gives
    CharacterGrams   such an encoder without a model: hashed character n-grams

A moving policy would make yesterday's features another space than today's: states are those of the frozen start, of a
copy where all weights are trained.

Sources: mean over the answer's positions of the frozen model: Tuyls et al. 2025 (arXiv 2510.11686); the hashing trick:
Weinberger et al. 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.causal import CausalModel
from wayfare.language.scoring import mean_states
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["CharacterGrams", "Encoder", "MeanStates", "TextFeatures"]


class Encoder(Protocol):
    """Texts -> vectors."""

    def __call__(self, texts: Sequence[str]) -> Any:
        """n texts -> [n, D] float32, a tensor or an array."""
        ...


class MeanStates:
    """reference: a frozen copy of the model before training; None: the policy with its adapters off
    at_once: rows passed through the model together

    An empty answer is its prompt's last state.
    """

    free = ("at_once",)
    """See `wayfare.learn.grpo.identity`."""

    def __init__(self, reference: CausalModel | None = None, at_once: int = 256) -> None:
        if at_once < 1:
            raise BadValue("at_once", at_once, "at least 1")
        self.reference, self.at_once = reference, at_once

    @torch.no_grad()
    def features(self, model: CausalModel, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Features`."""
        used = model if self.reference is None else self.reference
        device = next(iter(used.module.parameters())).device
        found = []
        with model.frozen_start() if self.reference is None else nullcontext():
            for rows in torch.arange(len(batch)).split(self.at_once):
                some = batch.rows(rows).trimmed().to(device)
                ids, valid = some.sequences()
                valid, keep = valid.bool(), some.completion_ids.shape[1]
                found.append(mean_states(used, ids, valid, some.completion_mask, keep).float().cpu())
        return torch.cat(found)


class TextFeatures:
    """encoder: of answers, as texts"""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def features(self, model: CausalModel, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Features`."""
        assert batch.texts is not None
        return torch.as_tensor(self.encoder(batch.texts), dtype=torch.float32)


class CharacterGrams:
    """Counts of character n-grams, hashed into `width` numbers, of length 1; a text without any is all 0.

    n: letters of a gram        width: D

    Raises: MissingExtra without scikit-learn.
    """

    def __init__(self, n: int = 3, width: int = 512) -> None:
        try:
            from sklearn.feature_extraction.text import HashingVectorizer
        except ImportError:
            raise MissingExtra("character n-grams", "lab") from None
        if n < 1 or width < 1:
            raise BadValue("n, width", (n, width), "at least 1")
        self._counts = HashingVectorizer(
            analyzer="char", ngram_range=(n, n), n_features=width, norm="l2", alternate_sign=False, lowercase=False
        )

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """See `Encoder`."""
        return torch.from_numpy(self._counts.transform(list(texts)).toarray()).float()
