"""What is added to token losses, or put in their place, so that a policy keeps what it could still need.

    ForwardDivergence    l + alpha KL(q | pi), q the reference tempered by the answer's reward             (1)
    LowProbability       of failed answers, the rarest tokens that a min-p filter of the sampling policy keeps:
                         l = -A rho + beta k3(log q - log pi) in place of l                                (2)
    ClipCovariance       l = 0 for a few tokens whose covariance (A - mean A)(logp - mean logp) is in a range   (3)
    CovarianceDivergence l + beta |logp - old_logp| for the tokens of the greatest covariance              (4)
    UncertainTokens      l = 0 but for the share of tokens where the policy is least certain               (5)

Tokens are chosen over the whole batch of a step, before it is split. (1) is per visited prefix: not the divergence of
whole sequences, which is a mean over prefixes of the reference.

Sources: (1) Deng et al. 2025 (arXiv 2510.03865), RAPO; (2) Huang et al. 2025 (arXiv 2510.03222), Lp-Reg; (3, 4) Cui et
al. 2025 (arXiv 2505.22617); (5) Wang et al. 2025 (arXiv 2506.01939).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.divergences import estimate, estimate_forward, forward_kl, min_p, min_p_proxy, reward_phi, tempered
from wayfare.explore.selectors import between, covariance, highest, lowest, top_quantile
from wayfare.learn.grpo.seams import FullLogprobs, TokenContext
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["ClipCovariance", "CovarianceDivergence", "ForwardDivergence", "LowProbability", "UncertainTokens"]

ROWS = 64
"""Rows whose whole distributions are made at once."""
TURNS = 4096
"""Most rows of a trajectory whose draws are apart."""
FAR = -1e4
"""Stands for -inf where a log-probability is stored: what is filtered out is never chosen."""


class ForwardDivergence:
    """(1).

    alpha: weight        floor: phi of the lowest reward; 1 leaves the reference as it is
    low, high: least and greatest extrinsic reward; `prepare` raises BadValue for one beyond
    of: 'answer', or the 'group' with its mean reward
    mode: 'exact' sums over the vocabulary; 'sampled-loss' and 'score' see the sampled token, see `estimate_forward`
    top_p: the part of the reference that is tempered
    """

    def __init__(
        self, alpha: float = 0.03, floor: float = 0.5, *, low: float = 0.0, high: float = 1.0,
        mode: Literal["exact", "sampled-loss", "score"] = "exact", of: Literal["answer", "group"] = "answer",
        top_p: float = 1.0,
    ) -> None:  # fmt: skip
        if not alpha >= 0:
            raise BadValue("alpha", alpha, "at least 0")
        if mode not in ("exact", "sampled-loss", "score"):
            raise BadValue("mode", mode, "one of exact, sampled-loss, score")
        if of not in ("answer", "group"):
            raise BadValue("of", of, "'answer' or 'group'")
        self.alpha, self.floor, self.low, self.high = alpha, floor, low, high
        self.mode, self.of, self.top_p = mode, of, top_p
        whole = {"logprobs"} if mode == "exact" else set()
        self.requires = frozenset({"reference logprobs", *whole})

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """phi of each row: [B]."""
        assert batch.extrinsic is not None
        reward = batch.extrinsic.nan_to_num(self.low)
        rounding = 1e-6 * (self.high - self.low)
        wrong = (reward < self.low - rounding) | (reward > self.high + rounding)
        if bool(wrong.any()):
            raise BadValue("reward", float(reward[wrong][0]), f"between low, {self.low:g}, and high, {self.high:g}")
        if self.of == "group":
            zeros = torch.zeros(batch.groups)
            total = zeros.index_add(0, batch.group_id, reward)
            reward = (total / zeros.index_add(0, batch.group_id, torch.ones_like(reward)).clamp(min=1))[batch.group_id]
        return {"phi": reward_phi(reward.clamp(self.low, self.high), self.low, self.high, self.floor)}

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """See `wayfare.learn.grpo.seams.Regulariser`."""
        phi = context.batch.extras["phi"].to(loss).unsqueeze(1)
        target = tempered(context.reference(), phi.expand_as(loss), top_p=self.top_p)
        if self.mode == "exact":
            return loss + self.alpha * forward_kl(context.logprobs(), target)
        said = target.gather(2, context.batch.completion_ids.unsqueeze(2)).squeeze(2)
        return loss + self.alpha * estimate_forward(context.logp, said, self.mode)


class LowProbability:
    """(2).

    share: rho, of the tokens of failed answers        kappa: of the min-p filter; 0 leaves it out
    beta: weight        bound: of k3, beyond which it has no gradient
    mode: 'replace' the token's loss, as published (no lower clip); 'add' to it; 'alone', without the advantage;
        'full', add KL(q | pi) over the vocabulary, which stores q for the whole batch: small vocabularies only; it
        pulls a token's logit by q - pi, where the sampled k3 pulls by q / pi - 1: much less, for a rare token
    """

    def __init__(
        self, share: float = 0.01, kappa: float = 0.02, beta: float = 1.0, *, bound: float = 10.0,
        mode: Literal["replace", "add", "alone", "full"] = "replace",
    ) -> None:  # fmt: skip
        if mode not in ("replace", "add", "alone", "full"):
            raise BadValue("mode", mode, "one of replace, add, alone, full")
        if not 0 <= share <= 1:
            raise BadValue("share", share, "between 0 and 1")
        if not 0 <= kappa <= 1:
            raise BadValue("kappa", kappa, "between 0 and 1")
        if not beta >= 0:
            raise BadValue("beta", beta, "at least 0")
        self.share, self.kappa, self.beta, self.bound, self.mode = share, kappa, beta, bound, mode
        self.requires = frozenset({"logprobs"}) if mode == "full" else frozenset[str]()

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """low_logq: [B, T], of the proxy, `FAR` where the token was filtered; low_chosen: [B, T] bool."""
        logq, kept, whole = [], [], []
        for rows in torch.arange(len(batch)).split(ROWS):
            some = batch.rows(rows)
            logps = forward(some, False).cpu()
            proxy = min_p_proxy(logps, some.completion_ids, self.kappa)
            logq.append(proxy.logq.clamp(min=FAR))
            kept.append(proxy.kept)
            if self.mode == "full":
                whole.append(min_p(logps, self.kappa).clamp(min=FAR))
        mask = batch.loss_mask > 0
        chosen = lowest(batch.old_logps, mask, _advantage(batch) < 0, self.share) & torch.cat(kept)
        told = {"low_logq": torch.cat(logq), "low_chosen": chosen}
        return {**told, "low_q": torch.cat(whole)} if whole else told

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """See `wayfare.learn.grpo.seams.Regulariser`."""
        extras = context.batch.extras
        logq = extras["low_logq"].to(loss)
        chosen = extras["low_chosen"].to(loss.device) & (context.logp.detach() < logq)
        logq = torch.where(chosen, logq, context.logp.detach())  # elsewhere nothing may overflow
        if self.mode == "full":
            q = extras["low_q"].to(loss)
            pull = (q.exp() * (q - context.logprobs())).sum(dim=2)
        else:
            pull = estimate(context.logp, logq, "k3", bound=self.bound)
        ratio = (context.logp - context.old_logp).exp()
        mine = {"replace": -context.advantage * ratio + self.beta * pull, "alone": self.beta * pull}.get(
            self.mode, loss + self.beta * pull
        )
        return torch.where(chosen, mine, loss)


class ClipCovariance:
    """(3). low, high: of the covariance        share: of the tokens        seed: of the choice among these"""

    requires = frozenset[str]()

    def __init__(self, low: float = 1.0, high: float = 5.0, share: float = 0.0002, seed: int = 0) -> None:
        self.low, self.high, self.share, self.draws, self.steps = low, high, share, Stream(seed, "clipped tokens"), 0

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """clipped: [B, T] bool."""
        return {"clipped": self.chosen(batch)}

    def chosen(self, batch: RolloutBatch) -> Tensor:
        """[B, T] bool: the tokens, by the log-probabilities under the weights that drew them."""
        mask = batch.loss_mask > 0
        found = covariance(_advantage(batch), batch.old_logps, mask)
        draws = self.draws.at(batch.trajectory * TURNS + batch.turn, self.steps)  # whatever the order of the rows
        return between(found, mask, self.low, self.high, self.share, draws)

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """See `wayfare.learn.grpo.seams.Regulariser`."""
        return torch.where(context.batch.extras["clipped"].to(loss.device), 0.0, loss)

    def update(self, batch: RolloutBatch) -> None:
        """The next step draws anew."""
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Steps done."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.steps = int(state["steps"])


class CovarianceDivergence:
    """(4). share: of the tokens        beta: weight. On the first update the term's gradient is 0: it needs several."""

    requires = frozenset[str]()

    def __init__(self, share: float = 0.002, beta: float = 1.0) -> None:
        self.share, self.beta = share, beta

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """greatest: [B, T] bool."""
        mask = batch.loss_mask > 0
        return {"greatest": highest(covariance(_advantage(batch), batch.old_logps, mask), mask, None, self.share)}

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """See `wayfare.learn.grpo.seams.Regulariser`."""
        ratio = (context.logp - context.old_logp).exp()
        mine = -context.advantage * ratio + self.beta * (context.logp - context.old_logp).abs()
        return torch.where(context.batch.extras["greatest"].to(loss.device), mine, loss)


class UncertainTokens:
    """(5). share: of the tokens that are learned from, those of the greatest entropy under the sampling policy"""

    requires = frozenset[str]()

    def __init__(self, share: float = 0.2) -> None:
        if not 0 < share <= 1:
            raise BadValue("share", share, "above 0 and at most 1")
        self.share = share

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """uncertain: [B, T] bool."""
        found = []
        for rows in torch.arange(len(batch)).split(ROWS):
            logps = forward(batch.rows(rows), False).cpu()
            found.append(-(logps.exp() * logps).sum(dim=2))
        return {"uncertain": top_quantile(torch.cat(found), batch.loss_mask > 0, self.share)}

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """See `wayfare.learn.grpo.seams.Regulariser`."""
        return torch.where(context.batch.extras["uncertain"].to(loss.device), loss, 0.0)


def _advantage(batch: RolloutBatch) -> Tensor:
    """[B, T]."""
    assert batch.advantages is not None
    own = batch.advantages if batch.advantages.ndim == 2 else batch.advantages.unsqueeze(1)
    return own.expand(batch.old_logps.shape)
