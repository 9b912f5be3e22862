"""The clipped policy gradient, token by token, turn by turn or answer by answer, with its options by their usual names.

With rho = exp(logp - old_logp) and advantage A, the surrogate is one of

    clip     l = -min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A)                                       (1)
             and for A < 0 under a dual clip c:   l = min(l, -c A)                                         (2)
    cispo    l = -min(rho, eps_high) A logp, the weight before logp without gradient                       (3)

rho is the token's own, or that of its sequence: the geometric mean over its tokens, exp(mean of log rho)   (4)
Where the sampler was not the model at temperature 1, l is multiplied by min(exp(old_logp - behaviour_logp), C),
without gradient                                                                                           (5)

    loss = sum over tokens of (l + kl_weight KL(policy | reference) - entropy_weight entropy) weight        (6)

KL is estimated by `wayfare.explore.divergences.estimate`, and with `use_bias_correction_kl` multiplied by rho: the
gradient of k3 is then that of the divergence, whoever drew (7), which is the default of `trl`. The weights come of a
mask w [B, T] and are one of

    token-mean                  w / sum w, over all that is given
    dapo                        w / tokens of all the step's answers over its optimiser steps, where that is told
    bnpo                        token-mean over each micro-batch, and their mean: it depends on how many rows go at once
    seq-mean-token-mean, grpo   w / (rows, tokens of the row): long rows count no more than short ones
    seq-mean-token-sum          w / rows
    seq-mean-token-sum-norm     w / length
    dr_grpo                     w / (B length)

`rows` counts those whose mask is not empty; `length` is T where it is not given. Weights add up, means do not: weights
are made once and micro-batches take their rows of them, so that the gradient does not depend on the micro-batches. A
trainer that takes K optimiser steps over one rollout either makes them for each step's rows (`verl`), or once for the
whole rollout and multiplies by K (`trl`), which for dapo is what `tokens` does.

On the first update after a rollout give no old_logp: it is then logp itself, detached, so that rho is exactly 1.

Sources: (1) Schulman et al. 2017 (arXiv 1707.06347), with two bounds and dapo Yu et al. 2025 (arXiv 2503.14476);
(2) Ye et al. 2020 (arXiv 1912.09729), which `trl` calls delta; (3) MiniMax 2025 (arXiv 2506.13585); (4) Zheng et al.
2025 (arXiv 2507.18071); (5) Espeholt et al. 2018 (arXiv 1802.01561); grpo Shao et al. 2024 (arXiv 2402.03300); dr_grpo
Liu et al. 2025 (arXiv 2503.20783); (7) DeepSeek-AI 2025 (arXiv 2512.02556).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.explore.divergences import Kind, estimate

__all__ = ["Aggregation", "Level", "PolicyGradient", "Surrogate", "aggregate", "means", "tally", "token_weights"]

Aggregation = Literal[
    "token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm",
    "dapo", "grpo", "bnpo", "dr_grpo",
]  # fmt: skip
Level = Literal["token", "sequence"]
Surrogate = Literal["clip", "cispo"]


def token_weights(
    mask: Tensor, how: Aggregation, length: int | None = None, *, rows: int | None = None, tokens: float | None = None
) -> Tensor:
    """What each token counts: loss = (l * weights).sum(). The weights of some rows are those rows of the weights.

    mask: [B, T] bool, or float, at least 0 -> [B, T] of its dtype, float32 for bool; 0 where the mask is empty
    length: the constant of dr_grpo and seq-mean-token-sum-norm; T where None
    rows: of a micro-batch, which bnpo alone looks at; None: all
    tokens: what dapo alone divides by, counted as 1 at least; None: those of the mask

    Raises: BadValue for another name, a length or a number of rows below 1, or a number of tokens below 0.
    """
    if rows is not None and rows < 1:
        raise BadValue("rows", rows, "at least 1, or None")
    if tokens is not None and not 0 <= tokens < float("inf"):
        raise BadValue("tokens", tokens, "finite and at least 0, or None")
    if how == "bnpo" and rows is not None and rows < len(mask):
        parts = mask.split(rows)
        return torch.cat([token_weights(part, how, length) for part in parts]) / len(parts)
    share, total = _shares(mask if mask.is_floating_point() else mask.float(), how, length)
    return share / (max(tokens, 1.0) if how == "dapo" and tokens is not None else total)


def aggregate(loss: Tensor, mask: Tensor, how: Aggregation, length: int | None = None) -> Tensor:
    """loss, mask: [B, T] -> the scalar (loss * token_weights).sum(); 0 where the mask is empty. Raises: as they do."""
    share, total = _shares(mask.to(loss.dtype), how, length)
    return (torch.where(mask > 0, loss, 0.0) * share).sum() / total


def means(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """From the sums and counts [2] of `PolicyGradient`, which add up over micro-batches, to numbers; 0 for none."""
    told = {name: value.tolist() for name, value in metrics.items()}
    return {name: total / count if count > 0 else 0.0 for name, (total, count) in told.items()}


def tally(values: Tensor, counted: Tensor) -> Tensor:
    """[2], without gradient: the sum of values [B, T] where counted [B, T] is true, and how many that are; values of
    [B, 1] are counted by rows."""
    over = counted if values.shape == counted.shape else counted.any(dim=1, keepdim=True)
    total = torch.where(over, values.detach(), 0.0).sum()
    return torch.stack([total, over.sum().to(total.dtype)])


@dataclass(frozen=True)
class PolicyGradient:
    """The loss and its options; see the module.

    eps_low, eps_high: above 0; with cispo eps_high is the largest rho, at least 1, and eps_low has no part
    dual_clip: above 1, or None; from 1 + eps_high on it is what `trl` calls delta
    importance_sampling_cap: C of (5), above 0; None leaves the factor out
    length: see `token_weights`
    kl_weight, entropy_weight: at least 0; an entropy bonus is exploration injected, so there is none by itself

    Raises: BadValue for a number or a name out of range.
    """

    eps_low: float = 0.2
    eps_high: float = 0.2
    dual_clip: float | None = None
    aggregation: Aggregation = "token-mean"
    kl_weight: float = 0.0
    kl: Kind = "k3"
    entropy_weight: float = 0.0
    surrogate: Surrogate = "clip"
    importance_sampling_level: Level = "token"
    importance_sampling_cap: float | None = None
    length: int | None = None
    use_bias_correction_kl: bool = False

    def __post_init__(self) -> None:
        for field, named, allowed in (
            ("surrogate", self.surrogate, get_args(Surrogate)),
            ("importance_sampling_level", self.importance_sampling_level, get_args(Level)),
        ):
            if named not in allowed:
                raise BadValue(field, named, f"one of {', '.join(allowed)}")
        for field, value in (("eps_low", self.eps_low), ("eps_high", self.eps_high)):
            if not 0 < value < float("inf"):
                raise BadValue(field, value, "above 0 and finite")
        if self.eps_low > 1:
            raise BadValue("eps_low", self.eps_low, "at most 1")
        if self.surrogate == "cispo" and self.eps_high < 1:
            raise BadValue("eps_high", self.eps_high, "at least 1 with cispo, whose largest ratio it is")
        if self.dual_clip is not None and not (self.dual_clip > 1 and self.surrogate == "clip"):
            raise BadValue("dual_clip", self.dual_clip, "above 1, or None, as it is with cispo")
        if self.importance_sampling_cap is not None and not self.importance_sampling_cap > 0:
            raise BadValue("importance_sampling_cap", self.importance_sampling_cap, "above 0, or None")
        for field, value in (("kl_weight", self.kl_weight), ("entropy_weight", self.entropy_weight)):
            if not 0 <= value < float("inf"):
                raise BadValue(field, value, "finite and at least 0")
        token_weights(torch.ones(1, 1), self.aggregation, self.length)
        estimate(torch.zeros(1), torch.zeros(1), self.kl)

    def token_loss(
        self,
        logp: Tensor,
        advantage: Tensor,
        mask: Tensor,
        *,
        old_logp: Tensor | None = None,
        behaviour_logp: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-> l [B, T] of (1) to (5), 0 off the mask, and what `means` takes: sums and counts [2], without gradient.

        logp: [B, T] of what was done, with gradient        advantage: [B, T] or [B]        mask: [B, T]
        old_logp: [B, T] at temperature 1 under the sampling weights
        behaviour_logp: [B, T] under the distribution that was drawn from

        clip_ratio/low_mean, high_mean, region_mean: shares of the mask, or of the rows where a ratio is a row's; of
        cispo, cispo_clip_ratio; of (5), sampling/importance_sampling_ratio/mean

        Raises: BadValue where shapes do not fit, or (5) lacks behaviour_logp.
        """
        if mask.shape != logp.shape:
            raise BadValue("mask", list(mask.shape), f"{list(logp.shape)}, as logp")
        if advantage.shape not in (logp.shape, logp.shape[:1]):
            raise BadValue("advantage", list(advantage.shape), f"{list(logp.shape)} or {list(logp.shape[:1])}, as logp")
        gain = advantage if advantage.ndim == 2 else advantage.unsqueeze(1)
        counted = mask > 0
        old = (logp if old_logp is None else old_logp).detach()
        rho = self._ratio(logp, old, counted)
        if self.surrogate == "cispo":
            each = -rho.clamp(max=self.eps_high).detach() * gain * torch.where(counted, logp, 0.0)
            metrics = {"cispo_clip_ratio": tally((rho > self.eps_high) & (gain > 0), counted)}
        else:
            clipped = rho.clamp(1.0 - self.eps_low, 1.0 + self.eps_high)
            each = -torch.minimum(rho * gain, clipped * gain)
            if self.dual_clip is not None:
                each = torch.where(gain < 0, torch.minimum(each, -self.dual_clip * gain), each)
            low = (rho < 1.0 - self.eps_low) & (gain < 0)
            high = (rho > 1.0 + self.eps_high) & (gain > 0)
            metrics = {
                "clip_ratio/low_mean": tally(low, counted),
                "clip_ratio/high_mean": tally(high, counted),
                "clip_ratio/region_mean": tally(low | high, counted),
            }
        if self.importance_sampling_cap is not None:
            if behaviour_logp is None:
                raise BadValue("behaviour_logp", None, "given where importance_sampling_cap is")
            weight = torch.where(counted, old - behaviour_logp.detach(), 0.0).exp()
            weight = weight.clamp(max=self.importance_sampling_cap)
            each = each * weight
            metrics["sampling/importance_sampling_ratio/mean"] = tally(weight, counted)
        return torch.where(counted, each, 0.0), metrics

    def divergence(self, logp: Tensor, ref_logp: Tensor, mask: Tensor, *, old_logp: Tensor | None = None) -> Tensor:
        """[B, T] estimates of KL(policy | reference), 0 off the mask; ref_logp and old_logp without gradient."""
        counted = mask > 0
        said, reference = (torch.where(counted, value, 0.0) for value in (logp, ref_logp.detach()))
        apart = estimate(said, reference, self.kl)
        if not self.use_bias_correction_kl:
            return apart
        return apart * self._ratio(logp, (logp if old_logp is None else old_logp).detach(), counted)

    def loss(
        self,
        logp: Tensor,
        advantage: Tensor,
        mask: Tensor,
        *,
        old_logp: Tensor | None = None,
        behaviour_logp: Tensor | None = None,
        ref_logp: Tensor | None = None,
        entropy: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(6) -> the scalar to descend, and the sums and counts of `token_loss`, of kl and of entropy.

        ref_logp: [B, T] of a frozen reference        entropy: [B, T] of the policy, with gradient
        weights: [B, T], these rows of the `token_weights` of a larger batch; None: this is all of it

        Raises: as `token_loss`, and BadValue where a weight needs what is not given, or weights are of another shape.
        """
        for field, weight, value in (
            ("ref_logp", self.kl_weight, ref_logp),
            ("entropy", self.entropy_weight, entropy),
        ):
            if weight > 0 and value is None:
                raise BadValue(field, None, f"given where its weight is {weight:g}")
        if weights is not None and weights.shape != logp.shape:
            raise BadValue("weights", list(weights.shape), f"{list(logp.shape)}, as logp")
        each, metrics = self.token_loss(logp, advantage, mask, old_logp=old_logp, behaviour_logp=behaviour_logp)
        counted = mask > 0
        if ref_logp is not None:
            apart = self.divergence(logp, ref_logp, mask, old_logp=old_logp)
            metrics["kl"] = tally(apart, counted)
            each = each + self.kl_weight * apart
        if entropy is not None:
            metrics["entropy"] = tally(entropy, counted)
            if self.entropy_weight > 0:
                each = each - self.entropy_weight * entropy
        if weights is None:
            return aggregate(each, mask, self.aggregation, self.length), metrics
        return (torch.where(counted, each, 0.0) * weights).sum(), metrics

    def _ratio(self, logp: Tensor, old: Tensor, counted: Tensor) -> Tensor:
        """rho [B, T], or [B, 1] of sequences; 1 off the mask."""
        change = torch.where(counted, logp - old, 0.0)
        if self.importance_sampling_level == "sequence":
            change = change.sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True).clamp(min=1)
        return change.exp()


def _shares(mask: Tensor, how: Aggregation, length: int | None) -> tuple[Tensor, Tensor | float]:
    """[B, T] and a number: what each token counts is the one by the other."""
    if how not in get_args(Aggregation):
        raise BadValue("aggregation", how, f"one of {', '.join(get_args(Aggregation))}")
    if length is not None and length < 1:
        raise BadValue("length", length, "at least 1, or None")
    if how in ("token-mean", "dapo", "bnpo"):
        return mask, _or_one(mask.sum())
    constant = float(mask.shape[1] if length is None else length)
    if how in ("dr_grpo", "seq-mean-token-sum-norm"):
        return mask, constant * (len(mask) if how == "dr_grpo" else 1)
    tokens = mask.sum(dim=1, keepdim=True)
    rows = (tokens > 0).sum().clamp(min=1)
    return (mask if how == "seq-mean-token-sum" else mask / _or_one(tokens)), rows


def _or_one(total: Tensor) -> Tensor:
    return torch.where(total > 0, total, 1.0)
