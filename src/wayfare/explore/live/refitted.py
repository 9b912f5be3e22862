"""A model that is any regression oracle, fitted again every so many rewards to what was seen last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.oracles import Oracle
from wayfare.explore.rules.evidence import Scores

__all__ = ["Refitted"]

Floats = NDArray[np.float64]


class Refitted:
    """Predicted rewards of an oracle; between two fits they do not change. Before the first all actions score 0.

    oracle: fitted from scratch each time        dimension: D, numbers in a context
    every: rewards between two fits        last: rows of the log that it is fitted to; None: all

    What is kept is rows, so that a restored model is exact where the oracle's fit is deterministic.
    Raises: BadValue for a dimension, `every` or `last` below 1.
    """

    def __init__(self, oracle: Oracle, dimension: int, every: int = 100, last: int | None = None) -> None:
        for field, value in (("dimension", dimension), ("every", every), ("last", 1 if last is None else last)):
            if value < 1:
                raise BadValue(field, value, "at least 1")
        self.dimension, self._oracle, self._every, self._last = dimension, oracle, every, last
        self._rows: list[Floats] = []
        self._learned = self._fitted = 0

    def evidence(self, context: Floats) -> Scores:
        """See `wayfare.explore.live.Model`."""
        if not self._fitted:
            return Scores(np.zeros(self._oracle.actions))
        return Scores(self._oracle.scores(context[None])[0])

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """See `wayfare.explore.live.Model`."""
        self._rows.append(np.concatenate([context, [action, reward]]))
        self._learned += 1
        if self._learned % self._every == 0:
            # rows since this fit are kept besides those that it saw, so that it can be repeated
            self._rows = self._rows[-self._last :] if self._last is not None else self._rows
            self._fit(np.array(self._rows))

    def state(self) -> dict[str, Floats]:
        """rows: [N, D+2] context, action, reward    learned: rewards so far"""
        return {
            "rows": np.array(self._rows).reshape(-1, self.dimension + 2),
            "learned": np.array([float(self._learned)]),
        }

    def restore(self, state: dict[str, Floats]) -> None:
        """See `wayfare.explore.live.Model`."""
        rows, learned = np.asarray(state.get("rows", ())), np.asarray(state.get("learned", ()))
        if rows.ndim != 2 or rows.shape[1] != self.dimension + 2 or learned.shape != (1,):
            raise BadValue("rows", list(rows.shape), f"of shape [N, {self.dimension + 2}]")
        self._rows, self._learned, self._fitted = list(rows.astype(np.float64)), int(learned[0]), 0
        since = self._learned % self._every
        if self._learned >= self._every:
            self._fit(rows[: len(rows) - since])

    def _fit(self, rows: Floats) -> None:
        self._oracle.fit(rows[:, : self.dimension], rows[:, -2].astype(np.int64), rows[:, -1])
        self._fitted = len(rows)
