"""A language model as a policy: the clipped policy gradient over the tokens of its own answers.

    batch = rollout_of(model, prompts, model.generate(prompts, sampling), group_id=group)
    batch = replace(batch, advantages=group_advantages(reward, group))
    learner.update(learner.with_reference(batch))

Only what requires gradients is trained: all weights, or adapters. With adapters the reference of the divergence is the
model without them, which costs no second copy. Rows are passed through the model a few at a time; the gradient does not
depend on how many. All is done without dropout, as the answers were drawn.

Sources: see `wayfare.learn.policy_gradient`; the order of a step is that of `trl` and `verl`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.adapters import has_adapters, without_adapters
from wayfare.language.local import TransformersModel
from wayfare.language.scoring import score
from wayfare.learn.policy_gradient import PolicyGradient, means, token_weights
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["LanguagePolicy"]


class LanguagePolicy:
    """model:        with something that requires gradients
    learning_rate:  AdamW's, constant        clip: largest gradient norm
    loss:           without an entropy bonus, whose entropies are not made here
    mini_batches:   updates a batch; with one the ratio is exactly 1, with more it is taken to the sampler's own pass
    rows:           passed through the model at once
    seed:           of the order in which mini-batches take the rows

    Raises: BadValue for a number out of range, an entropy bonus, nothing to train, or a divergence from a reference
    where there are no adapters to switch off.
    """

    def __init__(
        self,
        model: TransformersModel,
        learning_rate: float = 1e-5,
        *,
        loss: PolicyGradient | None = None,
        mini_batches: int = 1,
        rows: int = 8,
        clip: float = 1.0,
        seed: int = 0,
    ) -> None:
        for name, value in (("learning_rate", learning_rate), ("clip", clip)):
            if not 0 < value < math.inf:
                raise BadValue(name, value, "finite and above 0")
        for name, count in (("mini_batches", mini_batches), ("rows", rows)):
            if count < 1:
                raise BadValue(name, count, "at least 1")
        self.loss = PolicyGradient() if loss is None else loss
        if self.loss.entropy_weight > 0:
            raise BadValue("loss.entropy_weight", self.loss.entropy_weight, "0")
        if self.loss.kl_weight > 0 and not has_adapters(model):
            raise BadValue("loss.kl_weight", self.loss.kl_weight, "0, or a model with adapters, whose start is known")
        self.parameters = [each for each in model.causal.parameters() if each.requires_grad]
        if not self.parameters:
            raise BadValue("model", type(model.causal).__name__, "one with a parameter that requires gradients")
        self.model, self.mini_batches, self.rows, self.clip = model, mini_batches, rows, clip
        self.optimiser = torch.optim.AdamW(self.parameters, lr=learning_rate, weight_decay=0.0)
        self.draws, self.done = Stream(seed, "mini-batches"), 0

    def with_reference(self, batch: RolloutBatch) -> RolloutBatch:
        """The batch with `ref_logps`, where the loss asks for them; else as it is."""
        if self.loss.kl_weight == 0:
            return batch
        with torch.no_grad(), without_adapters(self.model):
            found = [self._logps(batch.rows(part)).cpu() for part in self._parts(batch)]
        return replace(batch, ref_logps=torch.cat(found))

    def gradient(self, batch: RolloutBatch, *, on_policy: bool = True) -> tuple[Tensor, dict[str, float]]:
        """The loss's gradient over all trained weights, flat [P] float32, and `loss` and what the loss tells.

        on_policy: whether the weights are those that drew, so that the ratio is 1

        Raises: BadValue for a batch without advantages, or without a reference where the loss asks for one.
        """
        if batch.advantages is None:
            raise BadValue("advantages", None, "given")
        if self.loss.kl_weight > 0 and batch.ref_logps is None:
            raise BadValue("ref_logps", None, "given where the loss has a divergence: see `with_reference`")
        total, told = 0.0, dict[str, Tensor]()
        for each in self.parameters:
            each.grad = None
        weights = token_weights(batch.loss_mask, self.loss.aggregation, self.loss.length, rows=self.rows)
        for part in self._parts(batch):
            some = batch.rows(part).to(self.model.causal.device)
            assert some.advantages is not None
            loss, metrics = self.loss.loss(
                self._logps(some), some.advantages, some.loss_mask, old_logp=None if on_policy else some.old_logps,
                behaviour_logp=some.behaviour_logps, ref_logp=some.ref_logps,
                weights=weights[part].to(some.loss_mask.device),
            )  # fmt: skip
            loss.backward()
            total += float(loss.detach())
            told = {name: told[name] + value if told else value for name, value in metrics.items()}
        flat = [torch.zeros_like(each) if each.grad is None else each.grad for each in self.parameters]
        return torch.cat([each.flatten().float() for each in flat]), {"loss": total, **means(told)}

    def update(self, batch: RolloutBatch) -> dict[str, float]:
        """One step a mini-batch. Returns: means of what `gradient` tells, and the gradient's norm.

        Raises: BadValue as `gradient` does, or for a gradient that is not finite; then that step is not taken.
        """
        order = self.draws.uniform(torch.arange(len(batch)), self.done).argsort()
        self.done += 1
        told: dict[str, float] = {}
        parts = order.tensor_split(min(self.mini_batches, len(batch)))
        for part in parts:
            _, metrics = self.gradient(batch.rows(part), on_policy=len(parts) == 1)
            norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.clip))
            if not math.isfinite(norm):
                raise BadValue("gradient", norm, "finite")
            self.optimiser.step()
            for name, value in {**metrics, "gradient": norm}.items():
                told[name] = told.get(name, 0.0) + value / len(parts)
        return told

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit: what is trained of the model is in it."""
        return {
            "parameters": [each.detach().clone() for each in self.parameters],
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken. Raises: BadValue for the state of another model."""
        stored = state["parameters"]
        if [each.shape for each in stored] != [each.shape for each in self.parameters]:
            raise BadValue("state", f"{len(stored)} parameters", "of a model of the same parameters")
        with torch.no_grad():
            for mine, theirs in zip(self.parameters, stored, strict=True):
                mine.copy_(theirs)
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = int(state["done"])

    def _logps(self, batch: RolloutBatch) -> Tensor:
        """[B, T] at temperature 1, 0 where the mask is false."""
        batch = batch.to(self.model.causal.device)
        ids, valid = batch.sequences()
        self.model.causal.eval()
        told = score(self.model, ids, valid, batch.completion_ids.shape[1]).logps
        return torch.where(batch.completion_mask, told, 0.0)

    def _parts(self, batch: RolloutBatch) -> Iterator[Tensor]:
        yield from torch.arange(len(batch)).split(self.rows)
