"""The generators of libraries that reward functions may draw from, which are no part of a run: read, and set again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["generators", "set_generators"]


def generators() -> dict[str, Any]:
    """The states of those of torch, NumPy and Python, as a checkpoint holds them."""
    kind, words, at, has, cached = np.random.get_state()
    version, state, gauss = random.getstate()
    told = {
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), torch.tensor(np.asarray(words, np.int64)), int(at), int(has), float(cached)],
        "python": [version, list(state), gauss],
    }
    if torch.cuda.is_available():
        told["cuda"] = torch.cuda.get_rng_state_all()
    return told


def set_generators(told: Mapping[str, Any]) -> None:
    """Set what `generators` gave."""
    torch.set_rng_state(told["torch"])
    kind, words, at, has, cached = told["numpy"]
    np.random.set_state((kind, words.numpy().astype(np.uint32), at, has, cached))
    version, state, gauss = told["python"]
    random.setstate((version, tuple(state), gauss))
    if "cuda" in told and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(told["cuda"])
