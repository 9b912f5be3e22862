"""When training has to stop since there are no numbers any more: said with the step, the rate and what is left."""

from __future__ import annotations

import torch

from wayfare.errors import BadValue, Diverged
from wayfare.language.causal import CausalModel, still
from wayfare.language.interface import Prompt
from wayfare.learn.checkpoint import Checkpoints

__all__ = ["gives_numbers", "stopped"]


@torch.no_grad()
def gives_numbers(model: CausalModel, prompt: Prompt) -> bool:
    """Whether the next token after a prompt has chances that are numbers; no weight and no generator moves."""
    ids = torch.tensor([model.encode(prompt)], device=next(iter(model.module.parameters())).device)
    with still(model.module):
        logits, _ = model.begin(ids, torch.ones_like(ids, dtype=torch.bool), 1)
    return not bool(logits.float().log_softmax(dim=-1).isnan().any())


def stopped(step: int, rate: float, why: BadValue | None, checkpoints: Checkpoints | None) -> Diverged:
    """step: done before        why: a loss or a gradient; None: the model itself gives no numbers"""
    what = "the model's answers have no chances that are numbers" if why is None else str(why)
    numbers = [] if checkpoints is None else checkpoints.numbers()
    left = "no checkpoint was written"
    if checkpoints is not None and numbers:
        left = f"the last checkpoint is that of step {numbers[-1]}, in {checkpoints.folder}"
    return Diverged(f"training stopped after step {step}, at learning_rate {rate:g}: {what}; {left}")
