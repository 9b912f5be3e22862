"""Supervised next-token learning with a mask over the labels, and a trainer that owns its optimiser.

    cross_entropy     [B, T] loss of each labelled token, 0 elsewhere
    SupervisedLoss    a loss of that form by itself: what other losses on tokens are called as
    Supervised        AdamW with warm-up and cosine over any module that gives logits; resumes bit for bit

Logits at place t predict token t + 1: `next_tokens` shifts ids and mask once, here, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue

__all__ = ["Supervised", "SupervisedLoss", "cross_entropy", "next_tokens"]


class SupervisedLoss(Protocol):
    """A loss a token: (logits [B, T, V], targets [B, T] int64, mask [B, T] bool) -> [B, T], 0 where mask is false."""

    def __call__(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """See above."""
        ...


def cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """-log softmax(logits)[target], in nats, in float32 whatever the logits are (float64 stays).

    logits: [B, T, V]        targets: [B, T] int64, anything where mask is false        mask: [B, T] bool
    Returns: [B, T]; exactly 0 where mask is false, and no gradient goes there, even where logits are not finite.
    Raises: BadValue for shapes that do not fit, a mask that is not boolean, or a labelled target outside of 0..V-1.
    """
    if logits.ndim != 3 or targets.shape != logits.shape[:2]:
        raise BadValue("targets", list(targets.shape), f"[B, T] of the logits, {list(logits.shape)} being [B, T, V]")
    if mask.dtype != torch.bool or mask.shape != targets.shape:
        raise BadValue("mask", f"{mask.dtype} {list(mask.shape)}", f"torch.bool {list(targets.shape)}")
    size = logits.shape[-1]
    wanted = targets[mask]  # [N]
    if wanted.numel() and not bool(((wanted >= 0) & (wanted < size)).all()):
        wrong = wanted[(wanted < 0) | (wanted >= size)]
        raise BadValue("targets", int(wrong[0]), f"between 0 and {size - 1} where the mask is true")
    labelled = logits[mask]  # [N, V]: the softmax is taken where there is a label, which is mostly the last place
    if labelled.dtype not in (torch.float32, torch.float64):
        labelled = labelled.float()
    each = nn.functional.cross_entropy(labelled, wanted, reduction="none")
    return torch.zeros(mask.shape, dtype=each.dtype, device=logits.device).masked_scatter(mask, each)


def next_tokens(ids: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(inputs, targets, mask), [B, T - 1] each: place t of the inputs predicts token t + 1 where that one is labelled.

    ids: [B, T] int64        labelled: [B, T] bool, tokens to be learned
    Raises: BadValue for fewer than two tokens, or another shape of `labelled`.
    """
    if ids.ndim != 2 or ids.shape[1] < 2:
        raise BadValue("ids", list(ids.shape), "[B, T] of at least two tokens")
    if labelled.shape != ids.shape or labelled.dtype != torch.bool:
        raise BadValue("labelled", f"{labelled.dtype} {list(labelled.shape)}", f"torch.bool {list(ids.shape)}")
    return ids[:, :-1], ids[:, 1:], labelled[:, 1:]


class Supervised:
    """Trains a module on masked next-token labels.

    module:   called as module(inputs [B, T] int64) -> logits [B, T, V], or an object with `.logits`
    updates:  after how many the learning rate has come down to a tenth; None: it stays
    warm_up:  share of the updates over which it rises        clip: largest gradient norm
    loss:     how wrong each token is; the update takes its mean over labelled tokens

    Only parameters that require gradients are trained: adapters on a frozen model work as they are.
    Raises: BadValue for a number out of range, or a module without anything to train.
    """

    def __init__(
        self,
        module: nn.Module,
        learning_rate: float = 1e-3,
        *,
        updates: int | None = None,
        warm_up: float = 0.05,
        weight_decay: float = 0.01,
        clip: float = 1.0,
        loss: SupervisedLoss = cross_entropy,
    ) -> None:
        for field, value in (("learning_rate", learning_rate), ("clip", clip)):
            if not 0 < value < math.inf:
                raise BadValue(field, value, "finite and above 0")
        if not 0 <= warm_up < 1:
            raise BadValue("warm_up", warm_up, "at least 0 and below 1")
        if updates is not None and updates < 1:
            raise BadValue("updates", updates, "at least 1, or None")
        self.parameters = [each for each in module.parameters() if each.requires_grad]
        if not self.parameters:
            raise BadValue("module", type(module).__name__, "one with a parameter that requires gradients")
        self.module, self.loss, self.updates = module, loss, updates
        self.learning_rate, self.warm_up, self.clip = float(learning_rate), float(warm_up), float(clip)
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay
        )
        self.done = 0

    def rate(self, done: int) -> float:
        """Learning rate of the update after `done` others."""
        if self.updates is None:
            return self.learning_rate
        rise = max(1, round(self.warm_up * self.updates))
        if done < rise:
            return self.learning_rate * (done + 1) / rise
        share = min(1.0, (done - rise) / max(1, self.updates - rise))
        return self.learning_rate * (0.1 + 0.45 * (1.0 + math.cos(math.pi * share)))

    def losses(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """[B, T - 1] loss of each next token, 0 where it is not labelled; ids, labelled: [B, T]."""
        inputs, targets, mask = next_tokens(ids, labelled)
        found = self.module(inputs)
        return self.loss(getattr(found, "logits", found), targets, mask)

    def update(self, ids: Tensor, labelled: Tensor, *, rows: int | None = None) -> dict[str, float]:
        """One step on the mean over labelled tokens. rows: of the batch at once; the gradient does not depend on it.

        Returns: loss (nats a token), gradient norm, learning rate.
        Raises: BadValue for a batch without a label, or a loss that is not finite; then nothing has changed.
        """
        count = int(labelled[:, 1:].sum())
        if not count:
            raise BadValue("labelled", 0, "true for a token behind the first at least once")
        if rows is not None and rows < 1:
            raise BadValue("rows", rows, "at least 1, or None")
        step = rows or len(ids)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for first in range(0, len(ids), step):
            part = self.losses(ids[first : first + step], labelled[first : first + step]).sum() / count
            total += float(part.detach())
            if part.requires_grad:
                part.backward()
        if not math.isfinite(total):
            self.optimiser.zero_grad(set_to_none=True)
            raise BadValue("loss", total, "finite")
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.clip))
        rate = self.rate(self.done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.done += 1
        return {"loss": total, "gradient": norm, "rate": rate}

    def fit(
        self,
        batch: Callable[[int], tuple[Tensor, Tensor]],
        updates: int,
        report: Callable[[int, dict[str, float]], Any] | None = None,
        *,
        rows: int | None = None,
    ) -> list[float]:
        """Updates until `updates` are done in all; batch(number) -> (ids, labelled). Returns the losses of these.

        rows: as in `update`
        """
        losses = []
        self.module.train()
        while self.done < updates:
            found = self.update(*batch(self.done), rows=rows)
            losses.append(found["loss"])
            if report is not None:
                report(self.done, found)
        self.module.eval()
        return losses

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit; the module's own parameters are in it."""
        return {
            "parameters": [each.detach().clone() for each in self.parameters],
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken. Raises: BadValue for the state of another module."""
        stored = state["parameters"]
        if [each.shape for each in stored] != [each.shape for each in self.parameters]:
            raise BadValue("state", f"{len(stored)} parameters", "of a module of the same parameters")
        with torch.no_grad():
            for mine, theirs in zip(self.parameters, stored, strict=True):
                mine.copy_(theirs)
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = int(state["done"])
