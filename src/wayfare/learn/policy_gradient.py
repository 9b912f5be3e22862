"""The clipped policy gradient, token by token or turn by turn, with its options by their usual names.

With rho = exp(logp - old_logp) and advantage A:

    l = -min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A)                                                (1)
    for A < 0 and a dual clip c:   l = min(l, -c A)                                                        (2)
    l += kl_weight KL(policy | reference) - entropy_weight entropy

KL is estimated from x = ref_logp - logp: k1 = -x, k2 = x^2 / 2, k3 = e^x - x - 1. As a loss, the gradient of k2 is that
of on-policy reverse KL, that of k3 an approximation, that of k1 has mean zero                             (3)

The [B, T] losses are summed up under a mask w as one of

    token-mean               sum l w / sum w, over the whole batch
    seq-mean-token-mean      mean over rows of (sum l w / sum w): long rows count no more than short ones
    seq-mean-token-sum       mean over rows of sum l w
    seq-mean-token-sum-norm  sum l w / T
    dr-grpo                  sum l w / (B T)

Rows whose mask is empty leave the means over rows. On the first update after a rollout give no old_logp: it is then
logp itself, detached, so that rho is exactly 1.

Sources: (1) Schulman et al. 2017 (arXiv 1707.06347), with two bounds Yu et al. 2025 (arXiv 2503.14476); (2) Ye et al.
2020 (arXiv 1912.09729); (3) Schulman 2020, "Approximating KL divergence"; dr-grpo Liu et al. 2025 (arXiv 2503.20783).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Aggregation", "Divergence", "PolicyGradient", "aggregate", "divergence", "portion"]

Aggregation = Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm", "dr-grpo"]
Divergence = Literal["k1", "k2", "k3"]


def aggregate(loss: Tensor, mask: Tensor, how: Aggregation) -> Tensor:
    """loss, mask: [B, T] -> a scalar; 0 where the mask is empty. Raises: BadValue for another name."""
    if how not in get_args(Aggregation):
        raise BadValue("aggregation", how, f"one of {', '.join(get_args(Aggregation))}")
    w = mask.to(loss.dtype)
    kept = torch.where(mask.bool(), loss, 0.0) * w
    if how == "token-mean":
        return kept.sum() / w.sum().clamp(min=1.0)
    if how == "dr-grpo":
        return kept.sum() / mask.numel()
    if how == "seq-mean-token-sum-norm":
        return kept.sum() / mask.shape[1]
    rows, tokens = kept.sum(dim=1), w.sum(dim=1)
    if how == "seq-mean-token-mean":
        rows = rows / tokens.clamp(min=1.0)
    return rows.sum() / (tokens > 0).sum().clamp(min=1)


def portion(part: Tensor, whole: Tensor, how: Aggregation) -> float:
    """What the aggregate of some rows counts in that of all: sum of portion * aggregate over parts = aggregate of all.

    part, whole: masks [b, T] and [B, T]
    """
    if how == "seq-mean-token-sum-norm":
        return 1.0
    if how == "dr-grpo":
        return len(part) / len(whole)
    of, total = (mask.sum() if how == "token-mean" else (mask.sum(dim=1) > 0).sum() for mask in (part, whole))
    return float(of) / max(float(total), 1.0)


def divergence(logp: Tensor, ref_logp: Tensor, kind: Divergence) -> Tensor:
    """[B, T] estimates of KL(policy | reference) from samples of the policy. Raises: BadValue for another kind."""
    if kind not in get_args(Divergence):
        raise BadValue("kl", kind, f"one of {', '.join(get_args(Divergence))}")
    x = ref_logp - logp
    if kind == "k1":
        return -x
    return 0.5 * x.square() if kind == "k2" else x.exp() - x - 1.0


@dataclass(frozen=True)
class PolicyGradient:
    """The loss and its options; see the module.

    eps_low, eps_high: above 0        dual_clip: above 1, or None
    kl_weight, entropy_weight: at least 0; an entropy bonus is exploration injected, so there is none by itself

    Raises: BadValue for a number or a name out of range.
    """

    eps_low: float = 0.2
    eps_high: float = 0.2
    dual_clip: float | None = None
    aggregation: Aggregation = "token-mean"
    kl_weight: float = 0.0
    kl: Divergence = "k3"
    entropy_weight: float = 0.0

    def __post_init__(self) -> None:
        for field, value in (("eps_low", self.eps_low), ("eps_high", self.eps_high)):
            if not 0 < value < float("inf"):
                raise BadValue(field, value, "above 0 and finite")
        if self.eps_low > 1:
            raise BadValue("eps_low", self.eps_low, "at most 1")
        if self.dual_clip is not None and not self.dual_clip > 1:
            raise BadValue("dual_clip", self.dual_clip, "above 1, or None")
        for field, value in (("kl_weight", self.kl_weight), ("entropy_weight", self.entropy_weight)):
            if not 0 <= value < float("inf"):
                raise BadValue(field, value, "finite and at least 0")
        aggregate(torch.zeros(1, 1), torch.ones(1, 1), self.aggregation)
        divergence(torch.zeros(1), torch.zeros(1), self.kl)

    def loss(
        self,
        logp: Tensor,
        advantage: Tensor,
        mask: Tensor,
        *,
        old_logp: Tensor | None = None,
        ref_logp: Tensor | None = None,
        entropy: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-> the scalar to descend, and clip_ratio/low, clip_ratio/high (shares of the mask), kl.

        logp: [B, T] of what was done, with gradient        advantage: [B, T] or [B]        mask: [B, T]
        old_logp: [B, T] under the sampling weights        ref_logp: [B, T] of a frozen reference
        entropy: [B, T] of the policy, with gradient

        Raises: BadValue where a weight needs what is not given, or shapes do not fit.
        """
        if advantage.shape not in (logp.shape, logp.shape[:1]) or mask.shape != logp.shape:
            raise BadValue("advantage", list(advantage.shape), f"{list(logp.shape)} or {list(logp.shape[:1])}, as logp")
        for field, weight, value in (
            ("ref_logp", self.kl_weight, ref_logp),
            ("entropy", self.entropy_weight, entropy),
        ):
            if weight > 0 and value is None:
                raise BadValue(field, None, f"given where its weight is {weight:g}")
        gain = advantage if advantage.ndim == 2 else advantage.unsqueeze(1)
        rho = (logp - (logp if old_logp is None else old_logp).detach()).exp()
        clipped = rho.clamp(1.0 - self.eps_low, 1.0 + self.eps_high)
        each = -torch.minimum(rho * gain, clipped * gain)
        if self.dual_clip is not None:
            each = torch.where(gain < 0, torch.minimum(each, -self.dual_clip * gain), each)
        metrics = {
            "clip_ratio/low": _share((rho < 1.0 - self.eps_low) & (gain < 0), mask),
            "clip_ratio/high": _share((rho > 1.0 + self.eps_high) & (gain > 0), mask),
        }
        if ref_logp is not None:
            apart = divergence(logp, ref_logp.detach(), self.kl)
            metrics["kl"] = aggregate(apart.detach(), mask, "token-mean")
            each = each + self.kl_weight * apart
        if entropy is not None and self.entropy_weight > 0:
            each = each - self.entropy_weight * entropy
        return aggregate(each, mask, self.aggregation), metrics


def _share(where: Tensor, mask: Tensor) -> Tensor:
    return (where & mask.bool()).sum() / mask.bool().sum().clamp(min=1)
