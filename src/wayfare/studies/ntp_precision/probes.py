"""How sharp a model is, and how well it predicts: at the tokens of traces that it has not seen, not of its own.

"prior/loss"           nats a token        "prior/entropy"     of its predictions, nats
"prior/top"            chance of the `TOP` likeliest words
"prior/entropy at T"   at the temperatures of `TEMPERATURES`

Prompts are read, completions and their end are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from wayfare.language.causal import CausalModel
from wayfare.language.scoring import full_logprobs
from wayfare.learn.grpo.rollout import left_padded
from wayfare.worlds.verifiable.contract import Row, VerifiableTask

__all__ = ["TEMPERATURES", "TOP", "prior"]

TOP = 4
TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
TRACES, SEED = 512, 77
"""Traces that are read, and the seed of their corpus: training has others."""


@torch.no_grad()
def prior(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """See the module; `rows` are not asked."""
    (end,) = model.ends
    texts = _texts(task)  # type: ignore[arg-type]  # tasks are frozen
    told = [[*model.encode(answer), end] for _, answer in texts]
    ids, valid = left_padded([[*model.encode(asked), *own] for (asked, _), own in zip(texts, told, strict=True)],
                             model.pad)  # fmt: skip
    keep = max(map(len, told))
    own = torch.arange(keep) >= keep - torch.tensor([[len(each)] for each in told])
    logps = full_logprobs(model, ids, valid, keep)[own]  # [N, V]
    found = {
        "prior/loss": -logps.gather(1, ids[:, -keep:][own].unsqueeze(1)).mean(),
        "prior/top": logps.exp().topk(min(TOP, logps.shape[1]), dim=1).values.sum(dim=1).mean(),
        "prior/entropy": _entropy(logps, 1.0),
    }
    found |= {f"prior/entropy at {each:g}": _entropy(logps, each) for each in TEMPERATURES}
    return {name: float(value) for name, value in found.items()}


@lru_cache(maxsize=2)
def _texts(task: VerifiableTask) -> list[tuple[str, str]]:
    return task.corpus(TRACES, SEED)


def _entropy(logps: torch.Tensor, temperature: float) -> torch.Tensor:
    at = (logps / temperature).log_softmax(dim=1)
    return -(at.exp() * at).sum(dim=1).mean()
