"""How likely each action succeeds, learned from a log by plain supervised learning: the regression oracle of SquareCB.

    loss = mean over rows of  -y ln f(x, a) - (1 - y) ln (1 - f(x, a)),   f = 1 / (1 + exp(-net(x)_a))          (1)

No importance weights: a row counts for the action that was taken, whatever its propensity. S models are fitted side by
side, each to its own log; every fit begins anew from the initial weights of its seed.

Source: empirical risk minimisation as in Vangara & Egg 2024 (arXiv 2412.00569); (1) is the log-loss that Foster &
Krishnamurthy 2021 ask for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as log_loss

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.optimiser import FlatParameters, StackedAdamW, one_cycle
from wayfare.networks.stacked import Linear

__all__ = ["SuccessModel"]


class SuccessModel:
    """S models from D features to the chances of A actions.

    hidden: width of the one hidden layer (tanh); 0: logistic regression
    updates, batch: gradient steps of a fit and rows of each        learning_rate: peak of the one-cycle schedule

    Raises: BadValue for a number out of range.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        dimension: int,
        actions: int,
        *,
        hidden: int = 16,
        updates: int = 300,
        batch: int = 512,
        learning_rate: float = 3e-2,
        weight_decay: float = 1e-3,
        device: str | torch.device = "cpu",
    ) -> None:
        for field, value, least in (
            ("dimension", dimension, 1), ("actions", actions, 1), ("hidden", hidden, 0), ("updates", updates, 1),
            ("batch", batch, 1),
        ):  # fmt: skip
            if value < least:
                raise BadValue(field, value, f"at least {least}")
        for field, rate in (("learning_rate", learning_rate), ("weight_decay", weight_decay)):
            if not 0 <= rate < float("inf"):
                raise BadValue(field, rate, "finite and at least 0")
        self.seeds, self.hidden, self.updates, self.batch = list(seeds), hidden, updates, batch
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self._shape, self._device = (dimension, actions), torch.device(device)
        self._net = self._fresh()

    def fit(self, contexts: Tensor, actions: Tensor, successes: Tensor, generation: int = 0) -> float:
        """contexts: [S, N, D], actions: [S, N] int64, successes: [S, N] 0 or 1 -> mean loss of the last tenth.

        generation: numbers the fits; the rows of each update are drawn from (seed, "rows", generation, update)

        Raises: BadValue for shapes that do not fit, or no rows.
        """
        rows = actions.shape[1] if actions.ndim == 2 else 0
        if rows == 0 or contexts.shape[:2] != actions.shape or successes.shape != actions.shape:
            told = [list(x.shape) for x in (contexts, actions, successes)]
            raise BadValue("log", told, "[S, N, D], [S, N] and [S, N] with at least one row")
        self._net = self._fresh()
        flat = FlatParameters(self._net)
        optimiser = StackedAdamW(flat, self.learning_rate, weight_decay=self.weight_decay)
        alive = torch.ones(len(self.seeds), dtype=torch.bool, device=self._device)
        stream = Stream(torch.tensor(self.seeds, device=self._device).unsqueeze(1), "rows")
        places = torch.arange(self.batch, device=self._device)
        late = []
        for update in range(self.updates):
            drawn = stream.integers(rows, generation, update, places)
            x = contexts.gather(1, drawn.unsqueeze(2).expand(-1, -1, contexts.shape[2]))
            logits = self._net(x).gather(2, actions.gather(1, drawn).unsqueeze(2)).squeeze(2)
            loss = log_loss(logits, successes.gather(1, drawn), reduction="none").mean(dim=1)
            gradient = flat.gradient(loss.sum())
            optimiser.step(gradient, gradient.norm(dim=1), alive, one_cycle(update, self.updates))
            if 10 * update >= 9 * self.updates:
                late.append(float(loss.detach().mean()))
        return sum(late) / len(late)

    @torch.no_grad()
    def scores(self, contexts: Tensor) -> Tensor:
        """contexts: [S, N, D] -> [S, N, A] float64 chances of success."""
        chances: Tensor = self._net(contexts).double().sigmoid()
        return chances

    def _fresh(self) -> nn.Module:
        dimension, actions = self._shape
        if self.hidden == 0:
            return Linear(dimension, actions, seeds=self.seeds, name="success").to(self._device)
        rise = Linear(dimension, self.hidden, seeds=self.seeds, name="success.rise")
        fall = Linear(self.hidden, actions, seeds=self.seeds, name="success.fall")
        return nn.Sequential(rise, nn.Tanh(), fall).to(self._device)
