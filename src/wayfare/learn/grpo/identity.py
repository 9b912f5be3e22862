"""What a run is of, beside its settings: told in its checkpoints, so that another experiment does not go on from them.

Data by their content, reward functions and parts by their names, weights that are not trained by their sums. What a
reward function or a part does inside, and the numbers that parts were given, are not told apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from torch import nn

from wayfare.learn.grpo.dataset import PromptSet

__all__ = ["identity"]

MOST = 10_000
"""Rows of a data set that are read for it, evenly over all."""


def identity(prompts: PromptSet, rewards: Sequence[str], parts: dict[str, Any], module: nn.Module) -> dict[str, str]:
    """What to compare -> a short text."""
    frozen = [each for each in module.parameters() if not each.requires_grad]
    return {
        "data": f"{len(prompts)} rows, {_digest(prompts)}",
        "reward functions": ", ".join(rewards),
        "parts": ", ".join(f"{name} {_kind(part)}" for name, part in parts.items() if part not in (None, [])),
        "frozen weights": f"{len(frozen)}, sum {sum(float(each.detach().double().sum()) for each in frozen):.9g}",
    }


def _digest(prompts: PromptSet) -> str:
    told = hashlib.sha256()
    for key in range(0, len(prompts), max(1, -(-len(prompts) // MOST))):
        told.update(json.dumps(prompts.row(key), sort_keys=True, default=str).encode())
    return told.hexdigest()[:16]


def _kind(part: Any) -> str:
    return "+".join(type(each).__name__ for each in part) if isinstance(part, list) else type(part).__name__
