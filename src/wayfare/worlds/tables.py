"""Bandits from a table: each row is a context and what every arm pays in it; before each pull a row is drawn.

    TableBandit(contexts, means)        any table
    labelled_bandit(X, y)               a classification table: an arm is a class, the right one pays
    bundled_bandit("digits")            the same for a data set that comes with scikit-learn

The row at clock t is drawn with replacement from the address (seed, "context", copy, t). With `permuted` a block's task
is the order of the arms; else all blocks are alike.

Source of the classification-to-bandit conversion: Beygelzimer & Langford 2009 (arXiv 0812.4044).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.worlds.contextual import ContextualBandit, expected_best
from wayfare.worlds.world import Law, Shown, number, uniform

__all__ = ["BUNDLED", "TableBandit", "bundled_bandit", "labelled_bandit", "numeric_table"]

Floats = NDArray[np.float64]
BUNDLED = ("digits", "wine", "breast_cancer", "iris")


class TableBandit(ContextualBandit):
    """N bandits over one table of R rows.

    contexts: [R, C] what is shown        means: [R, K] what each arm pays on average there
    family: `bernoulli` (means are chances) or `gaussian`        noise_sd: of Gaussian rewards; 0: they are the means
    permuted: every block numbers the arms anew
    arm_names: [K], kept as an attribute
    The rest: see `ContextualBandit`.

    Raises: BadValue for the first argument out of range, with the row and column of a number that is not finite.
    """

    def __init__(
        self,
        contexts: ArrayLike | Tensor,
        means: ArrayLike | Tensor,
        num_envs: int = 1,
        episodes: int | Sequence[int] | Tensor = 200,
        *,
        family: Literal["gaussian", "bernoulli"] = "gaussian",
        noise_sd: float = 0.0,
        permuted: bool = False,
        arm_names: Sequence[str] | None = None,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        shown, paid = _table("contexts", contexts), _table("means", means)
        if len(shown) != len(paid):
            raise BadValue("means", list(paid.shape), f"of {len(shown)} rows, as many as contexts")
        if family == "bernoulli" and (paid.min() < 0 or paid.max() > 1):
            raise BadValue("means", [float(paid.min()), float(paid.max())], "between 0 and 1 for Bernoulli rewards")
        arms = paid.shape[1]
        if arm_names is not None and len(arm_names) != arms:
            raise BadValue("arm_names", list(arm_names), f"{arms} names, one an arm")
        super().__init__(
            num_envs,
            arms,
            columns=shown.shape[1],
            episodes=episodes,
            family=family,
            noise_sd=noise_sd,
            low=np.minimum(shown.min(axis=0), 0.0),
            high=np.maximum(shown.max(axis=0), 0.0),
            lanes=arms,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
        )
        self.permuted, self.arm_names = permuted, list(arm_names or map(str, range(arms)))
        self.contexts, self.table = (torch.from_numpy(x).to(self.device) for x in (shown, paid))
        noise = 5.0 * self.noise_sd if family == "gaussian" else 0.0
        self.reward_bound = 1.0 if family == "bernoulli" else float(np.abs(paid).max()) + noise or 1.0
        self._order = torch.arange(arms, device=self.device).repeat(num_envs, 1)  # [N, K] the table's arm behind each
        self._rows = torch.zeros(num_envs, dtype=torch.int64, device=self.device)

    @property
    def order(self) -> Tensor:
        """[N, K] int64: which column of the table each arm of the current block is."""
        return self._order.clone()

    @property
    def rows(self) -> Tensor:
        """[N] int64: the rows that are shown."""
        return self._rows.clone()

    def oracle_among(self, chance: Tensor) -> Tensor:
        """[N] See `ContextualBandit`. Exact: the mean over the table's rows."""
        if not self.permuted or bool((chance == 1).all()):
            return expected_best(self.table, chance).mean().expand(self.num_envs).clone()
        behind = (
            torch.zeros_like(chance).repeat(self.num_envs, 1).scatter_(1, self._order, chance.repeat(self.num_envs, 1))
        )
        return torch.stack([expected_best(self.table, of).mean() for of in behind])

    def _task(self, rows: Tensor | None) -> None:
        if not self.permuted:
            return
        order = self._drawn("task", uniform, rows, lanes=self.num_actions).t().argsort(dim=1)
        if rows is None:
            self._order = order
        else:
            self._order[rows] = order

    def _next(self) -> Tensor:
        self._rows = self._drawn("context", self._draw_row, None)[0]
        values = self.table.index_select(0, self._rows)
        self._values = values.gather(1, self._order) if self.permuted else values
        return self.contexts.index_select(0, self._rows)

    def _draw_row(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        row: Tensor = stream.integers(len(self.table), copy, clock, lane)
        return row


def labelled_bandit(X: Any, y: Any, num_envs: int = 1, *, noise: float = 0.0, **arguments: Any) -> TableBandit:
    """A classification table as a bandit: the arm of a row's class pays 1, the others 0.

    X: [R, C] an array or a data frame; see `numeric_table`        y: [R] classes, of any kind
    noise: chance that a reward is the other one        arguments: of `TableBandit`

    The classes, sorted, are the world's `arm_names`. Raises: BadValue for a table that does not fit.
    """
    number("noise", noise, 0.0, 1.0)
    contexts = numeric_table(X)
    labels = np.asarray(y)
    if labels.shape != (len(contexts),):
        raise BadValue("y", list(labels.shape), f"of shape [{len(contexts)}], one class a row of X")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise BadValue("y", "a class that is missing", "known in each row")
    classes, index = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
    right = np.eye(len(classes))[index]
    means = right * (1.0 - noise) + (1.0 - right) * noise
    return TableBandit(contexts, means, num_envs, family="bernoulli", arm_names=[str(c) for c in classes], **arguments)


def bundled_bandit(name: str, num_envs: int = 1, **arguments: Any) -> TableBandit:
    """`labelled_bandit` on a data set that scikit-learn carries: one of `BUNDLED`.

    Raises: BadValue for another name; MissingExtra without scikit-learn.
    """
    if name not in BUNDLED:
        raise BadValue("name", name, f"one of {', '.join(BUNDLED)}")
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise MissingExtra("wayfare.worlds.bundled_bandit", "lab") from error
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return labelled_bandit(X, y, num_envs, **arguments)


def numeric_table(X: Any) -> Floats:
    """[R, C] an array or data frame as numbers: numeric columns brought to mean 0 and deviation 1 (a constant one to
    0), every other column one-hot over its sorted values.

    Raises: BadValue naming the column in which something is missing, and for an empty table.
    """
    if hasattr(X, "columns"):
        columns = {str(name): np.asarray(X[name]) for name in X.columns}
    else:
        whole = np.asarray(X)
        if whole.ndim != 2:
            raise BadValue("X", list(whole.shape), "of shape [R, C]")
        columns = {str(i): column for i, column in enumerate(whole.T)}
    if not columns or not len(next(iter(columns.values()))):
        raise BadValue("X", "an empty table", "one row and one column at least")
    return np.concatenate([_encoded(f"X[{name!r}]", column) for name, column in columns.items()], axis=1)


def _encoded(field: str, column: NDArray[Any]) -> Floats:
    if column.dtype.kind in "OUS":
        missing = np.array([value is None or value != value or str(value) in ("", "nan", "<NA>") for value in column])
    else:
        missing = ~np.isfinite(column.astype(np.float64))
    if missing.any():
        raise BadValue(field, f"nothing in row {int(missing.argmax())}", "known in each row")
    try:
        numbers = column.astype(np.float64)
    except ValueError:
        values, index = np.unique(column.astype(str), return_inverse=True)
        return np.asarray(np.eye(len(values))[index])
    spread = numbers.std()
    return np.asarray((numbers - numbers.mean()) / (spread if spread > 0 else 1.0))[:, None]


def _table(field: str, table: Any) -> NDArray[np.float32]:
    given = table.detach().cpu().numpy() if isinstance(table, Tensor) else np.asarray(table)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "iufb":
        raise BadValue(field, f"{given.dtype} {list(given.shape)}", "numbers [R, columns], at least one of each")
    bad = np.argwhere(~np.isfinite(given))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        raise BadValue(f"{field}[{row}, {column}]", float(given[row, column]), "finite")
    return given.astype(np.float32)
