"""Learns Q(query, case): from a log by classification, or while acting by temporal differences with a delayed target.

    supervised    loss = -w_i [ r log Q + (1 - r) log(1 - Q) ],  w_i the weight of the class and of the row        (1)
    td            loss = (Q(s, c) - y)^2,  y = r + discount alpha log sum_{c' in M'} exp(Q_target(s', c') / alpha)  (2)

`CaseLearner.update` is one step of either. `fit` is the released way: rows of a log, batches of 32, AdamW 2e-5 with
weight decay 0.01 and warm-up over 6 % of the steps (then down to 0, as recalled), the weight of a success #failures /
#successes, and in the end the weights of the epoch whose area under the curve on held-out questions was the largest;
of equal ones (ours) that of the smallest loss, since draws by exp(Q / alpha) ask for values and not for an order alone.

With one decision a task (2) has nothing ahead, and its target is the reward: then (1) is the better loss, and is what
the deep-research instance uses. The published name for all of this is soft Q-learning; the code that was released
trains by (1) alone.

Source: Zhou et al. 2025 (arXiv 2508.16153).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from wayfare.draws import Stream
from wayfare.errors import BadValue, Diverged
from wayfare.learn.case_rows import CaseRows, area_under_curve, inverse_propensity
from wayfare.learn.case_values import CaseValueNet
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.soft_values import soft_backup

__all__ = ["Ahead", "CaseBatch", "CaseLearner", "Fitted", "fit"]

Mode = Literal["supervised", "td"]


@dataclass(frozen=True)
class Ahead:
    """What follows a decision. query: [S, B, h]        cases: [S, B, N, h]        allowed: [S, B, N] bool, M'

    ends: [S, B] bool
    """

    query: Tensor
    cases: Tensor
    allowed: Tensor
    ends: Tensor


@dataclass(frozen=True)
class CaseBatch:
    """B decisions of each of S rows.

    query, case: [S, B, h], or with an encoder B texts        reward: [S, B]        weight: [S, B]; 0 leaves it out
    """

    query: Tensor | Sequence[str]
    case: Tensor | Sequence[str]
    reward: Tensor
    weight: Tensor | None = None
    ahead: Ahead | None = None


class CaseLearner:
    """Owns the optimiser of a net, and the delayed copy of it that targets come from.

    mode: (1) or (2); (1) needs a net of `success`, (2) one of `return`        learning_rate: its peak
    updates: of the schedule, which rises over `warm_up` of them and falls to 0; None: the rate stays
    success_weight: of the class of successes in (1)        clip: largest norm of a row's gradient
    discount, temperature: of (2); alpha in the unit of the rewards        tau: step of the delayed copy at each update
    Raises: BadValue.
    """

    def __init__(
        self,
        net: CaseValueNet,
        *,
        mode: Mode = "supervised",
        learning_rate: float = 2e-5,
        weight_decay: float = 0.01,
        warm_up: float = 0.06,
        updates: int | None = None,
        success_weight: float = 1.0,
        clip: float = 1.0,
        discount: float = 0.0,
        temperature: float = 0.1,
        tau: float = 0.02,
    ) -> None:
        if mode not in get_args(Mode):
            raise BadValue("mode", mode, f"one of {', '.join(get_args(Mode))}")
        if (mode == "supervised") is not (net.values_are == "success"):
            raise BadValue("net", f"values of {net.values_are}", "success for supervised, return for td")
        for name, value in (("learning_rate", learning_rate), ("clip", clip), ("success_weight", success_weight)):
            if not 0 < value < math.inf:
                raise BadValue(name, value, "finite and above 0")
        for name, value in (("warm_up", warm_up), ("discount", discount), ("tau", tau)):
            if not 0 <= value <= 1:
                raise BadValue(name, value, "from 0 to 1")
        if updates is not None and updates < 1:
            raise BadValue("updates", updates, "at least 1, or None")
        self.net, self.mode, self.updates, self.warm_up = net, mode, updates, warm_up
        self.learning_rate, self.success_weight, self.clip = learning_rate, success_weight, clip
        self.discount, self.temperature, self.tau = discount, temperature, tau
        self.target = copy.deepcopy(net).requires_grad_(False) if mode == "td" else None
        self.parameters = [each for each in net.parameters() if each.requires_grad]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=learning_rate, weight_decay=weight_decay)
        self.done = 0

    def rate(self, done: int) -> float:
        """Learning rate of the update after `done` others."""
        if self.updates is None:
            return self.learning_rate
        rise = max(1, round(self.warm_up * self.updates))
        if done < rise:
            return self.learning_rate * (done + 1) / rise
        return self.learning_rate * max(0.0, (self.updates - done) / max(1, self.updates - rise))

    def update(self, batch: CaseBatch) -> dict[str, Tensor]:
        """One step. Returns: loss [S], q [S], the means of the batch.

        A row whose loss is not finite learns no more from this batch; Raises: Diverged, before any weight has changed,
        where that is every row; BadValue for shapes that do not fit.
        """
        self.net.train()
        try:
            with torch.random.fork_rng(devices=[]):  # an encoder's own dropout follows the update as well
                torch.manual_seed(self.net.seeds[0] * 1_000_003 + self.done)
                losses, q = self._losses(batch)
        finally:
            self.net.eval()
        alive = losses.isfinite()
        if not bool(alive.any()):
            raise Diverged(f"update {self.done + 1}: no loss is finite")
        # allow_unused: a pooler has no part in first-token vectors
        total = torch.where(alive, losses, 0.0).sum()
        self._clipped(torch.autograd.grad(total, self.parameters, allow_unused=True), alive)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.done)
        with self._kept(~alive):
            self.optimiser.step()
        if self.target is not None:
            self._follow()
        self.done += 1
        return {"loss": losses.detach(), "q": q.detach()}

    def _losses(self, batch: CaseBatch) -> tuple[Tensor, Tensor]:
        """[S] mean loss and mean Q."""
        query, case = (self._vectors(each) for each in (batch.query, batch.case))
        if query.shape != case.shape or query.shape[:2] != batch.reward.shape:
            told = [list(each.shape) for each in (query, case, batch.reward)]
            raise BadValue("batch", told, "[S, B, h], [S, B, h] and [S, B]")
        told = self.net(query, case, self.done)
        weight = torch.ones_like(batch.reward) if batch.weight is None else batch.weight
        reward = torch.where(weight > 0, batch.reward, 0.0)  # what is left out may be NaN
        if self.mode == "supervised":
            classes = torch.stack([1 - reward, reward], dim=-1)
            each = cross_entropy(told.flatten(0, 1), classes.flatten(0, 1), reduction="none").view(reward.shape)
            weight = weight * (1 - reward + reward * self.success_weight)
            q = (told[..., 1] - told[..., 0]).sigmoid()
        else:
            q = told.squeeze(-1)
            each = (q - self._targets(reward, batch.ahead)).square()
        many = weight.sum(dim=1).clamp_min(1e-12)
        return (each * weight).sum(dim=1) / many, (q * weight).sum(dim=1) / many

    @torch.no_grad()
    def _targets(self, reward: Tensor, ahead: Ahead | None) -> Tensor:
        """y of (2)."""
        if ahead is None:
            return reward
        assert self.target is not None
        cases = ahead.cases.flatten(1, 2)
        query = ahead.query.unsqueeze(2).expand_as(ahead.cases).flatten(1, 2)
        q = self.target.q(query, cases).view(ahead.allowed.shape)
        return soft_backup(
            reward, ahead.ends, q, discount=self.discount, temperature=self.temperature, allowed=ahead.allowed
        )

    def _vectors(self, told: Tensor | Sequence[str]) -> Tensor:
        return told if isinstance(told, Tensor) else self.net.encode(told).unsqueeze(0)

    def _clipped(self, gradients: Sequence[Tensor | None], alive: Tensor) -> None:
        """Set the gradients, each row's norm at most `clip`."""
        rows = len(self.net.seeds)
        flat = [gradient.reshape(rows, -1) for gradient in gradients if gradient is not None]
        norms = torch.stack([each.square().sum(dim=1) for each in flat]).sum(dim=0).sqrt()  # [S]
        scale = torch.where(alive, (self.clip / (norms + 1e-6)).clamp(max=1.0), 0.0)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is None:
                parameter.grad = None
                continue
            each = scale.view(rows, *[1] * (gradient.ndim - 1)) if rows > 1 else scale[0]
            parameter.grad = torch.where(each > 0, gradient, 0.0) * each

    @contextmanager
    def _kept(self, rows: Tensor) -> Iterator[None]:
        """Put these rows back: without a gradient AdamW would still move them by its memory and its decay."""
        before = [each.detach()[rows].clone() for each in self.parameters] if bool(rows.any()) else []
        yield
        with torch.no_grad():
            for parameter, values in zip(self.parameters, before, strict=False):
                parameter[rows] = values

    @torch.no_grad()
    def _follow(self) -> None:
        assert self.target is not None
        for slow, fast in zip(self.target.parameters(), self.net.parameters(), strict=True):
            slow.lerp_(fast, self.tau)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit."""
        return {
            "net": self.net.state_dict(),
            "target": None if self.target is None else self.target.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.net.load_state_dict(state["net"])
        if self.target is not None:
            self.target.load_state_dict(state["target"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = state["done"]


@dataclass(frozen=True)
class Fitted:
    """What `fit` did. areas: under the curve on held-out questions, of each epoch        losses: there, (1)

    best: number of the epoch that was kept, from 1

    rows: learned from        success_weight: of a success, where a failure weighs 1
    """

    areas: tuple[float, ...]
    losses: tuple[float, ...]
    best: int
    rows: int
    success_weight: float


class _Fitting:
    """A learner, and the best weights so far: what a stopped fit goes on from."""

    def __init__(self, learner: CaseLearner) -> None:
        self.learner, self.areas, self.losses = learner, list[float](), list[float]()
        self.best: dict[str, Any] = {}

    @property
    def done(self) -> int:
        return self.learner.done

    @done.setter
    def done(self, value: int) -> None:
        self.learner.done = value

    def state_dict(self) -> dict[str, Any]:
        return {
            "learner": self.learner.state_dict(),
            "areas": list(self.areas),
            "losses": list(self.losses),
            "best": self.best,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.areas, self.losses, self.best = list(state["areas"]), list(state["losses"]), dict(state["best"])


def fit(
    net: CaseValueNet,
    train: CaseRows,
    held_out: CaseRows,
    *,
    epochs: int = 10,
    batch: int = 32,
    learning_rate: float = 2e-5,
    weight_decay: float = 0.01,
    propensity_clip: float | None = None,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    report: Callable[[int, int, float], Any] | None = None,
) -> Fitted:
    """Fit a net to a log by (1), the released way; the net ends with the weights of its best epoch.

    train, held_out: as `guarded` and `split_by_question` leave them        seed: of the order of the rows
    propensity_clip: rows weigh the inverse of their chance of being shown, at most this; None: all the same
    checkpoints: where a stopped fit is taken up        report: (epoch, of how many, area under the curve)

    Raises: BadValue for rows without a reward, or of one class alone, on either side; Diverged.
    """
    if epochs < 1 or batch < 1:
        raise BadValue("epochs, batch", (epochs, batch), "at least 1 each")
    for name, told in (("train", train), ("held_out", held_out)):
        good = told.rewards >= 0.5
        if np.isnan(told.rewards).any() or not good.any() or good.all():
            raise BadValue(name, f"{int(good.sum())} of {len(told)} succeeded", "rows with rewards, of both kinds")
    good = train.rewards >= 0.5
    weight = float((~good).sum() / good.sum())
    each = -(-len(train) // batch)
    learner = CaseLearner(
        net, learning_rate=learning_rate, weight_decay=weight_decay, updates=epochs * each, success_weight=weight
    )
    assert train.propensities is not None
    trust = np.ones(len(train)) if propensity_clip is None else inverse_propensity(train.propensities, propensity_clip)
    fitting = _Fitting(learner)
    if checkpoints is not None:
        checkpoints.restore(fitting)
    while learner.done < epochs * each:
        epoch, first = divmod(learner.done, each)
        order = np.argsort(Stream(seed, "order of the rows").uniform(epoch, np.arange(len(train))), kind="stable")
        rows = order[first * batch : (first + 1) * batch]
        learner.update(
            CaseBatch(
                [train.queries[i] for i in rows], [train.cases[i] for i in rows],
                torch.tensor(train.rewards[rows], dtype=torch.float32).unsqueeze(0),
                torch.tensor(trust[rows], dtype=torch.float32).unsqueeze(0),
            )
        )  # fmt: skip
        if learner.done % each == 0:
            scores = _scores(net, held_out)
            area = area_under_curve(scores, held_out.rewards >= 0.5)
            fitting.areas.append(area)
            fitting.losses.append(_loss(scores, held_out.rewards, weight))
            if _best(fitting) == len(fitting.areas) - 1:
                fitting.best = copy.deepcopy(net.state_dict())
            if report is not None:
                report(epoch + 1, epochs, area)
        if checkpoints is not None:
            checkpoints.passed(fitting)
    net.load_state_dict(fitting.best)
    net.eval()
    return Fitted(tuple(fitting.areas), tuple(fitting.losses), _best(fitting) + 1, len(train), weight)


def _best(fitting: _Fitting) -> int:
    """The largest area, of these the smallest loss, of these the first."""
    return min(range(len(fitting.areas)), key=lambda i: (-fitting.areas[i], fitting.losses[i], i))


def _loss(scores: Sequence[float], rewards: NDArray[np.float64], weight: float) -> float:
    """(1) in the mean."""
    q = np.clip(np.asarray(scores, np.float64), 1e-12, 1 - 1e-12)
    each = -(weight * rewards * np.log(q) + (1 - rewards) * np.log(1 - q))
    return float(each.sum() / (weight * rewards + 1 - rewards).sum())


@torch.no_grad()
def _scores(net: nn.Module, rows: CaseRows) -> list[float]:
    assert isinstance(net, CaseValueNet)
    net.eval()
    texts = list(dict.fromkeys([*rows.queries, *rows.cases]))
    known = dict(zip(texts, net.encode(texts), strict=True))
    query, case = (torch.stack([known[text] for text in told]).unsqueeze(0) for told in (rows.queries, rows.cases))
    found: list[float] = net.q(query, case)[0].tolist()
    return found
