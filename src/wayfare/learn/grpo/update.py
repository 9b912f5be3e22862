"""What a step's answers do to the weights: mini-batches, micro-batches, one optimiser.

For each of K = mini_batches parts of the rows, num_iterations times over:

    l = surrogate(rho, A) x truncated weight + beta KL                      `wayfare.learn.policy_gradient`, (1) to (5)
    l = regulariser(l) for each of them, in their order
    loss = sum over tokens of w l - entropy_coef x mean over tokens of the entropy                               (1)

and one step of AdamW on its gradient, clipped. Token weights w are made for the whole part: how many rows go through
the model at once changes no gradient, except with bnpo, which means just that. With dapo and cispo w is 1 / (tokens of
all the step's answers / K), as in TRL; the means over rows are taken over the part.

The first part of the first pass is on policy: its ratio is exactly 1. Nothing is changed by a gradient that is not
finite: it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel
from wayfare.language.scoring import Scorer, full_logprobs, score
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.processes import Processes
from wayfare.learn.grpo.seams import Regulariser, TokenContext
from wayfare.learn.grpo.unchanged import unchanged
from wayfare.learn.policy_gradient import means, tally, token_weights
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["Updater"]

READ_AT_ONCE = 64


class Updater:
    """model: with something that requires gradients        reference: frozen; None: the model's own start, or nothing
    total: optimiser steps of the whole run, for the learning rate
    elsewhere: whether answers are drawn by another arithmetic, so that old_logps have to be of a pass here

    Raises: BadValue for a model without anything to train, or a divergence without a reference.
    """

    def __init__(
        self,
        model: CausalModel,
        config: GRPOConfig,
        processes: Processes,
        *,
        total: int,
        reference: CausalModel | None = None,
        regularisers: Sequence[Regulariser] = (),
        elsewhere: bool = False,
    ) -> None:
        self.model, self.config, self.processes, self.total = model, config, processes, total
        self.reference, self.regularisers, self.objective = reference, list(regularisers), config.objective
        self.recomputes = config.recompute_old_logps or elsewhere
        self.needs = frozenset().union(*(each.requires for each in self.regularisers))
        self.refers = config.beta > 0 or bool(self.needs & {"reference", "reference logprobs"})
        if self.refers and reference is None:
            with model.frozen_start():  # refuses where the weights before training are not there any more
                pass
        if config.gradient_checkpointing:
            _recompute(model)
        if config.torch_compile:
            _compile(model)
        self.scorer = processes.prepared(Scorer(model))
        self.parameters = [each for each in self.scorer.parameters() if each.requires_grad]
        if not self.parameters:
            raise BadValue("model", type(model).__name__, "one with a parameter that requires gradients")
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon, weight_decay=config.weight_decay,
        )  # fmt: skip
        self.draws, self.done = Stream(config.seed, "mini-batches"), 0

    def prepared(self, batch: RolloutBatch) -> RolloutBatch:
        """The step's whole batch, advantages known, with what losses and regularisers read of it."""
        if self.recomputes:
            batch = replace(batch, old_logps=self._read_together(batch, False))
        return self._compared(batch)

    def _compared(self, batch: RolloutBatch) -> RolloutBatch:
        if self.refers:
            batch = replace(batch, ref_logps=self._read_together(batch, True))
        extras = dict(batch.extras)
        for each in self.regularisers:
            shown = replace(batch, extras=dict(extras))
            with unchanged("regularisers", each, shown):
                extras.update(each.prepare(shown, self._full))
        return replace(batch, extras=extras)

    def update(self, batch: RolloutBatch, step: int, stale: bool = False) -> dict[str, float]:
        """All optimiser steps of one step's whole batch. stale: whether other weights drew it. Returns: metrics' means.

        Raises: BadValue for a loss or a gradient that is not finite; then that optimiser step is not taken.
        """
        assert batch.advantages is not None
        told: dict[str, Tensor] = {}
        numbers: dict[str, float] = {}
        taken = 0
        everything = float(batch.loss_mask.sum()) / self.config.mini_batches
        for turn in range(self.config.num_iterations):
            for number, part in enumerate(self._parts(len(batch), step, turn)):
                if self.done >= self.total:
                    break
                fresh = turn == 0 and number == 0 and not stale
                some = batch.rows(part)
                loss, metrics = self._gradient(some, self._weights(some, everything), step, fresh)
                norm = self._step(loss)
                taken += 1
                for name, value in metrics.items():
                    told[name] = told[name] + value if name in told else value
                for name, one in {"loss": loss, "grad_norm": norm, "learning_rate": self._rate_done()}.items():
                    numbers[name] = numbers.get(name, 0.0) + one
        self._settled()
        summed = {name: self.processes.summed(value) for name, value in told.items()}
        return {**{name: value / max(taken, 1) for name, value in numbers.items()}, **means(summed)}

    def gradient(self, batch: RolloutBatch) -> Tensor:
        """[P] float32: what (1) would descend over all rows at once, on policy; no step is taken. Of one process."""
        self._gradient(batch, self._weights(batch, float(batch.loss_mask.sum())), 0, True)
        each = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        found = torch.cat([one.flatten().float() for one in each])
        self._settled()
        return found

    def auxiliary(
        self, batch: RolloutBatch, weight: float, step: int, loss: Literal["policy", "nll"] = "policy"
    ) -> dict[str, float]:
        """One optimiser step on rows from elsewhere, with their own old_logps and advantages. Raises: as `update`.

        loss: 'policy' is the step's own; 'nll' is -A logp, whoever produced the rows

        Divergence and regularisers work on them as on the step's own; there is no entropy bonus.
        """
        batch = self._compared(batch)
        weights = weight * token_weights(batch.loss_mask, self.objective.aggregation, self.config.max_completion_length)
        total, metrics = self._gradient(batch, weights, step, False, entropy_coef=0.0, plain=loss == "nll")
        norm = self._step(total, scheduled=False)
        self._settled()
        return {
            "loss": total,
            "grad_norm": norm,
            **means({name: self.processes.summed(v) for name, v in metrics.items()}),
        }

    def entropy(self, batch: RolloutBatch) -> Tensor:
        """[B] mean over the tokens of each answer that the policy said, not those that it was told, in nats, at
        temperature 1, no gradient; of rows of this process."""
        own = batch.loss_mask > 0
        each = torch.where(own, self._read(batch, False)[1], 0.0)
        return each.sum(dim=1) / own.sum(dim=1).clamp(min=1)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit, the trained weights in it; on rank 0 alone."""
        return {
            "weights": self.processes.weights(self.model.module),
            "optimiser": self.processes.optimiser_state(self.optimiser),
            "done": self.done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken. Raises: BadValue for the state of another model."""
        own = {name: list(each.shape) for name, each in self.model.module.named_parameters() if each.requires_grad}
        theirs = {name: list(each.shape) for name, each in state["weights"].items()}
        if own != theirs:
            wrong = sorted(name for name in {*own, *theirs} if own.get(name) != theirs.get(name))[0]
            raise BadValue(f"state of {wrong}", theirs.get(wrong), f"as the model's, {own.get(wrong)}")
        self.processes.put(self.model.module, state["weights"])
        self.processes.put_optimiser(self.optimiser, state["optimiser"])
        self.done = int(state["done"])

    def _rate_done(self) -> float:
        return self.config.rate(max(0, self.done - 1), self.total)

    def _settled(self) -> None:
        """No gradient is left, and the model that is read has what was trained."""
        self.optimiser.zero_grad(set_to_none=True)
        self.processes.settle()

    def _step(self, loss: float, *, scheduled: bool = True) -> float:
        if not math.isfinite(loss):
            self._settled()
            raise BadValue("loss", loss, "finite")
        norm = self.processes.clip(self.parameters, self.config.max_grad_norm)
        if not math.isfinite(norm):
            self._settled()
            raise BadValue("gradient", norm, "finite")
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.rate(self.done if scheduled else max(0, self.done - 1), self.total)
        self.optimiser.step()
        self.done += scheduled
        return norm

    def _gradient(
        self,
        batch: RolloutBatch,
        weights: Tensor,
        step: int,
        fresh: bool,
        entropy_coef: float | None = None,
        plain: bool = False,
    ) -> tuple[float, dict[str, Tensor]]:
        """Sets the gradient of (1) over the rows of one optimiser step. Returns: the loss, and sums and counts."""
        self.optimiser.zero_grad(set_to_none=True)
        coefficient = self.config.entropy_coef if entropy_coef is None else entropy_coef
        tokens = max(1.0, float(batch.loss_mask.sum()))
        total = torch.zeros(())
        told: dict[str, Tensor] = {}
        for micro, counts in self._micro(batch):
            some = batch.rows(micro).trimmed().to(self.device)
            share = weights[micro][:, : some.completion_ids.shape[1]].to(self.device)
            if not counts:
                some, share = replace(some, loss_mask=torch.zeros_like(some.loss_mask)), torch.zeros_like(share)
            loss, metrics = self._loss(some, share, step, fresh, coefficient / tokens, plain)
            self.processes.backward(loss)
            total = total + loss.detach().cpu()
            for name, value in metrics.items():
                told[name] = told[name] + value if name in told else value
        return float(self.processes.summed(total)), told

    def _weights(self, some: RolloutBatch, tokens: float) -> Tensor:
        return token_weights(
            some.loss_mask, self.objective.aggregation, self.config.max_completion_length, rows=self._at_once(some),
            tokens=tokens,
        )  # fmt: skip

    def _loss(
        self, some: RolloutBatch, weights: Tensor, step: int, fresh: bool, entropy_weight: float, plain: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(1) of one micro-batch; entropy_weight: of each token; plain: -A logp in place of the surrogate."""
        assert some.advantages is not None
        logp, entropy, full = self._scored(some, entropy_weight > 0 or "entropy" in self.needs)
        sampling = self.config.loss_temperature == "sampling"
        old = None if fresh else some.behaviour_logps if sampling and not self.recomputes else some.old_logps
        counted = some.loss_mask > 0
        gain = some.advantages if some.advantages.ndim == 2 else some.advantages.unsqueeze(1).expand_as(logp)
        if plain:
            each = torch.where(counted, -gain * logp, 0.0)
            metrics = {"nll": tally(-logp, counted)}
        else:
            each, metrics = self.objective.token_loss(
                logp, some.advantages, some.loss_mask, old_logp=old, behaviour_logp=some.behaviour_logps
            )
        if self.config.beta > 0:
            assert some.ref_logps is not None
            apart = self.objective.divergence(logp, some.ref_logps, some.loss_mask, old_logp=old)
            metrics["kl"] = tally(apart, counted)
            each = each + self.config.beta * apart
        if self.regularisers:
            context = TokenContext(
                some, logp, logp.detach() if old is None else old, gain, some.loss_mask, entropy, step,
                _given(full), lambda: self._full(some, True),
            )  # fmt: skip
            for regulariser in self.regularisers:
                each = regulariser.apply(each, context)
        metrics["entropy"] = tally(entropy, counted)
        loss = (torch.where(counted, each, 0.0) * weights).sum()
        if entropy_weight > 0:
            loss = loss - entropy_weight * torch.where(counted, entropy, 0.0).sum()
        return loss, metrics

    def _scored(self, some: RolloutBatch, with_gradient: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """(logp, entropy, full log-probabilities or None), off the mask 0."""
        ids, valid = some.sequences()
        keep, mask = some.completion_ids.shape[1], some.completion_mask
        temperature = self._temperature()
        with self._precision():
            if "logprobs" in self.needs:
                full = self.scorer(ids, valid, keep, temperature, full=True)
                logp = full.gather(2, some.completion_ids.unsqueeze(2)).squeeze(2)
                entropy = -(full.exp() * full).sum(dim=2)
            else:
                full = None
                logp, entropy = self.scorer(ids, valid, keep, temperature, entropy=True)
        entropy = entropy if with_gradient else entropy.detach()
        return torch.where(mask, logp, 0.0), torch.where(mask, entropy, 0.0), full

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16)

    def _temperature(self) -> float:
        told = self.config.loss_temperature
        return self.config.temperature if told == "sampling" else float(told)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.parameters[0].device

    def _parts(self, rows: int, step: int, turn: int) -> Iterator[Tensor]:
        """The rows of each optimiser step of one pass."""
        if self.config.mini_batches == 1:
            yield torch.arange(rows)
            return
        order = self.draws.uniform(torch.arange(rows), step * self.config.num_iterations + turn).argsort()
        yield from order.tensor_split(min(self.config.mini_batches, rows))

    def _at_once(self, batch: RolloutBatch) -> int:
        return min(self.config.per_device_train_batch_size or len(batch), max(1, len(batch)))

    def _micro(self, batch: RolloutBatch) -> Iterator[tuple[Tensor, bool]]:
        """This process's rows of an optimiser step, a few at a time, and whether they count.

        There are as many turns in every process, since all may have to take part in each pass: a process that has no
        row left passes the first one, which does not count.
        """
        own = torch.arange(len(batch))[self.processes.rank :: self.processes.count]
        most = -(-len(batch) // self.processes.count)
        size = min(self.config.per_device_train_batch_size or most, max(1, most))
        for first in range(0, most, size):
            some = own[first : first + size]
            yield (some, True) if len(some) else (torch.zeros(1, dtype=torch.int64), False)

    def _read_together(self, batch: RolloutBatch, reference: bool) -> Tensor:
        """Log-probabilities [B, T] as `_read` gives them; each process reads its share of the rows."""
        shares = torch.arange(len(batch)).tensor_split(self.processes.count)
        own = self._read(batch.rows(shares[self.processes.rank]), reference)[0]
        return torch.cat(self.processes.gathered(own))

    def _read(self, batch: RolloutBatch, reference: bool) -> tuple[Tensor, Tensor]:
        """(log-probabilities, entropies) [B, T] without gradient, 0 off the mask."""
        if not len(batch):
            return torch.zeros(batch.completion_ids.shape), torch.zeros(batch.completion_ids.shape)
        found = []
        for rows in torch.arange(len(batch)).split(self.config.per_device_train_batch_size or READ_AT_ONCE):
            some = batch.rows(rows).to(self.device)
            ids, valid = some.sequences()
            with self._as_of(reference) as model, self._precision():
                logp, entropy = score(
                    model, ids, valid, some.completion_ids.shape[1], temperature=self._temperature(), entropy=True
                )
            assert entropy is not None
            found.append(
                (torch.where(some.completion_mask, logp, 0.0), torch.where(some.completion_mask, entropy, 0.0))
            )
        return torch.cat([one for one, _ in found]).cpu(), torch.cat([two for _, two in found]).cpu()

    def _full(self, batch: RolloutBatch, reference: bool) -> Tensor:
        """See `FullLogprobs`."""
        some = batch.to(self.device)
        ids, valid = some.sequences()
        with self._as_of(reference) as model, self._precision():
            return full_logprobs(model, ids, valid, some.completion_ids.shape[1])

    @contextmanager
    def _as_of(self, reference: bool) -> Iterator[CausalModel]:
        with self.processes.reading(self.scorer), torch.no_grad():
            if not reference:
                yield self.model
            elif self.reference is not None:
                yield self.reference
            else:
                with self.model.frozen_start():
                    yield self.model


def _given(full: Tensor | None) -> Callable[[], Tensor]:
    def give() -> Tensor:
        if full is None:
            raise BadValue("requires", "nothing of it", "with 'logprobs' in a regulariser that reads them")
        return full

    return give


def _recompute(model: CausalModel) -> None:
    """Activations are made again in the backward pass; the model itself sees to it that there is no dropout then."""
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # the one as of transformers 5.23
    enable = next((getattr(model.module, name) for name in names if hasattr(model.module, name)), None)
    if enable is None:
        raise BadValue("gradient_checkpointing", True, f"false for {type(model).__name__}, which cannot do it")
    enable({"use_reentrant": False})


def _compile(model: CausalModel) -> None:
    make = getattr(model, "compile", None)
    if make is None:
        raise BadValue("torch_compile", True, f"false for {type(model).__name__}, which is not compiled here")
    make()
