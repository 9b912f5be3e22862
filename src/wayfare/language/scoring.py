"""How likely given tokens are: log-probabilities and entropies with gradients, whole distributions, mean states.

    log pi(y_t | y_<t) = z_t[y_t] / tau - log sum_v exp(z_t[v] / tau),    z_t = head(h_{t-1})                    (1)

h_{t-1} is the state at the token before y_t. The softmax is float32 for weights of any kind but float64, which keep
theirs. Where tokens times vocabulary are many, logits are made for some tokens at a time and made again in the backward
pass, so that [B, T, V] is never held.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel

__all__ = ["Scored", "Scorer", "full_logprobs", "mean_states", "score"]

WHOLE = 1 << 26
"""Most logits that are made at once where nobody says otherwise: 256 MiB in float32."""


class Scored(NamedTuple):
    """logps: [B, keep] float32, of the tokens that stand there        entropy: [B, keep] float32, where asked for"""

    logps: Tensor
    entropy: Tensor | None


def score(
    model: CausalModel,
    ids: Tensor,
    valid: Tensor,
    keep: int,
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    chunk: int | None = None,
) -> Scored:
    """(1) of the last `keep` tokens of each row, differentiable; 0 for a token with nothing before it.

    ids, valid:  [B, L], L at least `keep`; what stands where `valid` is false gets numbers without meaning
    temperature: tau, above 0
    chunk:       tokens whose logits are made at once; None: as many as fit into `WHOLE`

    Raises: BadValue for a temperature, keep or chunk out of range.
    """
    if not 0 < temperature < math.inf:
        raise BadValue("temperature", temperature, "finite and above 0")
    if chunk is not None and chunk < 1:
        raise BadValue("chunk", chunk, "at least 1")
    told = _kept(ids, keep)
    states, targets = model.states(ids, valid, told), ids[:, ids.shape[1] - told :]
    if chunk is None:
        chunk = max(1, WHOLE // model.vocabulary)
    if targets.numel() <= chunk:
        logps, spread = _scored(model, states, targets, temperature, entropy)
    else:
        logps, spread = _in_chunks(model, states, targets, temperature, entropy, chunk)
    missing = keep - told
    if missing:
        logps, spread = functional.pad(logps, (missing, 0)), functional.pad(spread, (missing, 0))
    return Scored(logps, spread if entropy else None)


def full_logprobs(model: CausalModel, ids: Tensor, valid: Tensor, keep: int, *, temperature: float = 1.0) -> Tensor:
    """[B, keep, V] float32: log-probabilities of all tokens where each of the last `keep` stands; differentiable."""
    if not 0 < keep < ids.shape[1]:
        raise BadValue("keep", keep, f"between 1 and {ids.shape[1] - 1}")
    return (_precise(model.logits(model.states(ids, valid, keep))) / temperature).log_softmax(dim=-1)


def mean_states(model: CausalModel, ids: Tensor, valid: Tensor, completion_mask: Tensor, keep: int) -> Tensor:
    """[B, D] float32: the last layer's normalised states at the tokens of each completion, their mean.

    completion_mask: [B, keep] bool, which of the last `keep` tokens are the completion's; where none is, the state at
    the last valid token before them is taken
    """
    if not 0 < keep < ids.shape[1]:
        raise BadValue("keep", keep, f"between 1 and {ids.shape[1] - 1}")
    # `states` tells of what comes before each token: one more column, which nobody sees, tells of the last token too
    wide = functional.pad(ids, (0, 1), value=model.pad)
    states = model.states(wide, functional.pad(valid, (0, 1)), ids.shape[1]).float()
    along, valid = torch.arange(ids.shape[1], device=ids.device), valid.bool()
    before = torch.where(valid & (along < ids.shape[1] - keep), along, 0).amax(dim=1)  # [B], the last one's place
    weights = functional.pad(completion_mask.float(), (ids.shape[1] - keep, 0))
    alone = functional.one_hot(before, ids.shape[1]).float()
    weights = torch.where(completion_mask.any(dim=1, keepdim=True), weights, alone)
    weights = weights / weights.sum(dim=1, keepdim=True)
    # a padded row may hold NaN where it sees nothing, and 0 x NaN is NaN
    states = states.masked_fill(weights.unsqueeze(2) == 0, 0.0)
    return torch.einsum("bl,bld->bd", weights, states)


class Scorer(nn.Module):
    """`score` of one model as a module, so that what wraps modules (DistributedDataParallel, FSDP) sees its passes."""

    def __init__(self, model: CausalModel) -> None:
        super().__init__()
        self.model = model
        self.module = model.module

    def forward(
        self,
        ids: Tensor,
        valid: Tensor,
        keep: int,
        temperature: float = 1.0,
        entropy: bool = False,
        chunk: int | None = None,
        full: bool = False,
    ) -> Scored | Tensor:
        """As `score`, or as `full_logprobs`."""
        if full:
            return full_logprobs(self.model, ids, valid, keep, temperature=temperature)
        return score(self.model, ids, valid, keep, temperature=temperature, entropy=entropy, chunk=chunk)


def _precise(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _kept(ids: Tensor, keep: int) -> int:
    length = ids.shape[1]
    if not 0 < keep <= length or length < 2:
        raise BadValue("keep", keep, f"between 1 and {length}, the tokens of a row, which are two at least")
    return min(keep, length - 1)


def _scored(
    model: CausalModel, states: Tensor, targets: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor]:
    """states: [..., D], targets: [...] -> log-probabilities and entropies [...]; entropies are 0 unless asked for."""
    logits = _precise(model.logits(states))
    if temperature != 1:
        logits = logits / temperature
    logps = logits.log_softmax(dim=-1)
    told = logps.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    if not entropy:
        return told, torch.zeros_like(told)
    return told, -(logps.exp() * logps.clamp(min=torch.finfo(logps.dtype).min)).sum(dim=-1)


def _in_chunks(
    model: CausalModel, states: Tensor, targets: Tensor, temperature: float, entropy: bool, chunk: int
) -> tuple[Tensor, Tensor]:
    found = []
    for some, wanted in zip(states.flatten(0, 1).split(chunk), targets.flatten().split(chunk), strict=True):
        if torch.is_grad_enabled():
            told = checkpoint(_scored, model, some, wanted, temperature, entropy, use_reentrant=False)
        else:
            told = _scored(model, some, wanted, temperature, entropy)
        found.append(told)
    logps, spread = (torch.cat(each).view(targets.shape) for each in zip(*found, strict=True))
    return logps, spread
