"""How far a policy is from a reference, token by token: estimates from samples, exact sums, and references reshaped.

With x = ref_logp - logp of a token drawn from the policy, and u = e^x, estimates of the reverse KL(policy | reference)

    k1 = -x        k2 = x^2 / 2        k3 = e^x - x - 1                                                    (1)

and of the forward KL(reference | policy)

    f = u log u - u + 1                                                                                    (2)

which is never negative and has the right mean. Its derivative by logp is -u log u; that of the divergence is -u: the
rest comes from the draw, which backpropagation does not see. So there are two losses of value (2): `sampled-loss` with
the one slope, `score` with the other. u has no bound where the policy has dropped what the reference likes, so both
cap it.

From whole distributions [..., V], 0 log 0 being 0:

    reverse   sum_v p log(p / q)        forward   sum_v q log(q / p)                                       (3)

On prefixes that the policy drew, forward is not the forward KL of whole sequences, which is a mean over prefixes of the
reference. References made of others:

    tempered    q_phi proportional to q^phi, phi = floor + (1 - floor) (r - low) / (high - low)            (4)
    min-p       q = p / Z where p >= kappa max p, else 0; Z = mass of what is kept                         (5)

Sources: (1) Schulman 2020, "Approximating KL divergence"; (2, 4) Deng et al. 2025 (arXiv 2510.03865); the form of phi
is ours, the paper asks that it rise with the reward; (5) Huang et al. 2025 (arXiv 2510.03222).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = [
    "ForwardKind",
    "Kind",
    "Proxy",
    "beyond",
    "estimate",
    "estimate_forward",
    "forward_kl",
    "min_p",
    "min_p_proxy",
    "reverse_kl",
    "reward_phi",
    "tempered",
]

Kind = Literal["k1", "k2", "k3"]
ForwardKind = Literal["sampled-loss", "score"]
CAP = 20.0


def estimate(logp: Tensor, ref_logp: Tensor, kind: Kind, *, bound: float | None = None) -> Tensor:
    """(1): estimates of KL(policy | reference) from samples of the policy, differentiable in both.

    logp, ref_logp: of the sampled tokens, any shape -> the same shape and dtype
    bound: values are clamped to -bound .. bound, and have no gradient beyond

    Raises: BadValue for another kind, or a bound not above 0.
    """
    if kind not in get_args(Kind):
        raise BadValue("kl", kind, f"one of {', '.join(get_args(Kind))}")
    if bound is not None and not bound > 0:
        raise BadValue("bound", bound, "above 0, or None")
    x = ref_logp - logp
    values = {"k1": lambda: -x, "k2": lambda: 0.5 * x.square(), "k3": lambda: x.exp() - x - 1.0}
    value = values[kind]()
    return value if bound is None else value.clamp(-bound, bound)


def estimate_forward(logp: Tensor, ref_logp: Tensor, kind: ForwardKind, *, cap: float = CAP) -> Tensor:
    """(2) with u at most `cap`: value, and slope by logp, of the capped u. The reference gets no gradient.

    logp, ref_logp: of the sampled tokens, any shape -> the same shape and dtype

    Raises: BadValue for another kind, or a cap not above 1.
    """
    if kind not in get_args(ForwardKind):
        raise BadValue("forward kl", kind, f"one of {', '.join(get_args(ForwardKind))}")
    if not 1 < cap < math.inf:
        raise BadValue("cap", cap, "above 1 and finite")
    u = (ref_logp - logp).detach().exp().clamp(max=cap)
    entropy: Tensor = torch.special.xlogy(u, u)
    slope = -u if kind == "score" else -entropy
    # the second term is 0 in value: it carries the slope
    return entropy - u + 1.0 + slope * (logp - logp.detach())


def beyond(logp: Tensor, ref_logp: Tensor, cap: float = CAP) -> Tensor:
    """Where `estimate_forward` caps u: bool, the shape of logp. A run should report its share."""
    return (ref_logp - logp).detach() > math.log(cap)


def reverse_kl(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """(3), KL(policy | reference): log-probabilities [..., V] of each -> [...]; infinite where the reference lacks
    something that the policy has."""
    return _relative_entropy(logps, ref_logps)


def forward_kl(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """(3), KL(reference | policy): log-probabilities [..., V] of each -> [...]; infinite where the policy lacks
    something that the reference has."""
    return _relative_entropy(ref_logps, logps)


def _relative_entropy(logp: Tensor, logq: Tensor) -> Tensor:
    some = logp > -math.inf
    # what has no mass is replaced before it is multiplied: 0 times -inf would poison the gradient
    apart = logp.masked_fill(~some, 0.0) - logq.masked_fill(~some, 0.0)
    return (logp.exp() * apart).sum(dim=-1)


def reward_phi(reward: Tensor, low: float, high: float, floor: float = 0.5) -> Tensor:
    """phi of (4): `floor` at the lowest reward, 1 at the highest.

    reward: any shape        low, high: what rewards can be at all, said by the caller, never read off a batch
    floor: between 0 and 1; below 0.3 the target nears the uniform law over the vocabulary, which unlearns the format

    Raises: BadValue where low is not below high, a reward lies outside of them, or the floor is out of range.
    """
    if not -math.inf < low < high < math.inf:
        raise BadValue("low, high", (low, high), "finite, and low below high")
    if not 0 <= floor <= 1:
        raise BadValue("floor", floor, "between 0 and 1")
    wrong = ~((reward >= low) & (reward <= high))
    if bool(wrong.any()):
        raise BadValue("reward", float(reward[wrong][0]), f"between {low:g} and {high:g}")
    return floor + (1.0 - floor) * (reward - low) / (high - low)


def tempered(ref_logps: Tensor, phi: Tensor | float, *, top_p: float = 1.0) -> Tensor:
    """(4): the reference at temperature 1 / phi, normalised over the vocabulary.

    ref_logps: [..., V]        phi: a number or [...], between 0 and 1 -> log-probabilities [..., V]
    top_p: below 1, only the likeliest tokens that hold this mass are tempered, among themselves; the rest keep theirs

    What the reference rules out stays out. Raises: BadValue for phi or top_p out of range.
    """
    power = torch.as_tensor(phi, dtype=ref_logps.dtype, device=ref_logps.device)
    if not bool(((power >= 0) & (power <= 1)).all()):
        raise BadValue("phi", phi, "between 0 and 1")
    if not 0 < top_p <= 1:
        raise BadValue("top_p", top_p, "above 0 and at most 1")
    out = ref_logps == -math.inf
    power = power.expand(ref_logps.shape[:-1]).unsqueeze(-1)
    if top_p < 1:
        out = out | ~_nucleus(ref_logps, top_p)
    inside = ref_logps.masked_fill(out, -math.inf)
    mass = inside.logsumexp(dim=-1, keepdim=True) if top_p < 1 else 0.0
    flat = (power * ref_logps.masked_fill(out, 0.0)).masked_fill(out, -math.inf).log_softmax(dim=-1) + mass
    return torch.where(out, ref_logps, flat)


def _nucleus(logps: Tensor, top_p: float) -> Tensor:
    ordered, order = logps.detach().sort(dim=-1, descending=True, stable=True)
    chance = ordered.double().exp()
    return torch.zeros_like(logps, dtype=torch.bool).scatter(-1, order, chance.cumsum(dim=-1) - chance < top_p)


class Proxy(NamedTuple):
    """What a regulariser needs of (5) at the sampled tokens, each [...].

    logq: -inf where the token was filtered out        kept: bool        log_z: of the mass that was kept
    """

    logq: Tensor
    kept: Tensor
    log_z: Tensor


def min_p(logps: Tensor, kappa: float) -> Tensor:
    """(5): [..., V] log-probabilities of the behaviour -> [..., V] of the proxy, -inf where filtered; no gradient.

    kappa: 0 keeps everything, 1 only the likeliest (exact ties all stay)

    Raises: BadValue for kappa out of range, or a half precision: rounding there moves tokens across the threshold.
    """
    logps = _survivors(logps, kappa)
    return logps - logps.logsumexp(dim=-1, keepdim=True)


def min_p_proxy(logps: Tensor, tokens: Tensor, kappa: float) -> Proxy:
    """(5) at the sampled tokens. logps: [..., V]        tokens: [...] int64. Raises: BadValue, see `min_p`."""
    logps = _survivors(logps, kappa)
    log_z = logps.logsumexp(dim=-1)
    own = logps.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return Proxy(own - log_z, own > -math.inf, log_z)


def _survivors(logps: Tensor, kappa: float) -> Tensor:
    if not 0 <= kappa <= 1:
        raise BadValue("kappa", kappa, "between 0 and 1")
    if logps.dtype not in (torch.float32, torch.float64):
        raise BadValue("logps", str(logps.dtype), "float32 or float64")
    logps = logps.detach()
    least = logps.amax(dim=-1, keepdim=True) + (math.log(kappa) if kappa > 0 else -math.inf)
    return logps.masked_fill(logps < least, -math.inf)
