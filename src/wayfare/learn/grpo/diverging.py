"""When training has to stop since there are no numbers any more: said with the step, the rate and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import torch

from wayfare.errors import BadValue, Diverged
from wayfare.language.causal import CausalModel, still
from wayfare.language.interface import Prompt

if TYPE_CHECKING:
    from wayfare.learn.grpo.trainer import GRPO

__all__ = ["check_numbers", "gives_numbers", "in_numbers"]


@torch.no_grad()
def gives_numbers(model: CausalModel, prompt: Prompt) -> bool:
    """Whether the next token after a prompt has chances that are numbers; no weight and no generator moves."""
    ids = torch.tensor([model.encode(prompt)], device=next(iter(model.module.parameters())).device)
    with still(model.module):
        logits, _ = model.begin(ids, torch.ones_like(ids, dtype=torch.bool), 1)
    return not bool(logits.float().log_softmax(dim=-1).isnan().any())


def check_numbers(run: GRPO) -> None:
    """Raises: Diverged for a model that gives none."""
    if not gives_numbers(run.model, run.prompts.prompt(0)):
        raise _stopped(run, "the model's answers have no chances that are numbers")


@contextmanager
def in_numbers(run: GRPO) -> Iterator[None]:
    """What a model without numbers lets fail, wherever that is, is said to be its doing. Raises: Diverged."""
    try:
        yield
    except Exception as error:
        if isinstance(error, BadValue) and error.field in ("loss", "gradient"):
            raise _stopped(run, str(error)) from error
        diverged: Diverged | None = None
        with suppress(Exception):  # what is told then is the first error
            try:
                check_numbers(run)
            except Diverged as found:
                diverged = found
        if diverged is not None:
            raise diverged from error
        raise


def _stopped(run: GRPO, why: str) -> Diverged:
    numbers = [] if run.checkpoints is None else run.checkpoints.numbers()
    left = "no checkpoint was written"
    if run.checkpoints is not None and numbers:
        left = f"the last checkpoint is that of step {numbers[-1]}, in {run.checkpoints.folder}"
    rate = f"learning_rate {run.config.learning_rate:g}"
    return Diverged(f"training stopped after step {run.step}, at {rate}: {why}; {left}")
