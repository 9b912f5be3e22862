"""Rules over linear predictions of the reward: optimism (LinUCB) and sampling (linear Thompson).

With theta and A of a `LinearTable` and the features x of an action

    LinUCB             takes the largest  x . theta + alpha sqrt(x' A^-1 x)                           (1)
    LinearThompson     draws theta~ from N(theta, scale^2 A^-1), takes the largest  x . theta~        (2)

Source: (1) Li, Chu, Langford & Schapire 2010, "A contextual-bandit approach to personalized news article
recommendation" (arXiv 1003.0146), algorithm 1, and its form with one theta for all actions; (2) Agrawal & Goyal 2013,
"Thompson sampling for contextual bandits with linear payoffs" (arXiv 1209.3352), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.best_of import gaussian_is_best
from wayfare.explore.rules.choice import BestScore, allowed, checked, pick, require_linear, share_ties
from wayfare.explore.rules.evidence import Array, Decision, Evidence, LinearTable, PropensityMethod

__all__ = ["LinUCB", "LinearThompson"]


@dataclass(frozen=True)
class LinUCB(BestScore):
    """Score (1): the predicted reward and a bonus where little is known.

    alpha: at least 0, in the unit of the rewards; 1 + sqrt(ln(2 / delta) / 2) holds with chance 1 - delta in the paper
    Raises: BadValue for an alpha out of range.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < float("inf"):
            raise BadValue("alpha", self.alpha, "finite and at least 0")

    def value(self, table: LinearTable) -> Array:
        """-> [..., A] predicted reward."""
        return table.mean()

    def bonus(self, table: LinearTable) -> Array:
        """-> [..., A], at least 0."""
        return self.alpha * array_namespace(table.sums).sqrt(table.spread())

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] value + bonus."""
        table = require_linear(evidence, self)
        return self.value(table) + self.bonus(table)


@dataclass(frozen=True)
class LinearThompson:
    """Sample (2) and take the best.

    scale: at least 0, how much wider than noise of standard deviation 1 the belief is; the paper's v
    samples: propensities are estimated from this many samples of theta; None: they are integrated, to an error below
        1e-6, which only a table with a theta an action allows

    An estimate is (hits + 1 / k) / (samples + 1) over the k allowed actions, so that none is 0; its standard error is
    `standard_error`. `decide` estimates from draws of its own; `propensities`, which is given none, from the same for
    all rows.

    Raises: BadValue for a setting out of range.
    """

    scale: float = 1.0
    samples: int | None = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.scale < float("inf"):
            raise BadValue("scale", self.scale, "finite and at least 0")
        if self.samples is not None and not (isinstance(self.samples, int) and self.samples >= 1):
            raise BadValue("samples", self.samples, "an integer of at least 1, or None")

    @property
    def propensity_method(self) -> PropensityMethod:
        """By `samples`."""
        return "quadrature" if self.samples is None else "estimated"

    def standard_error(self, propensity: Array) -> Array:
        """Of estimated propensities, any shape; 0 where they are integrated."""
        xp = array_namespace(propensity)
        if self.samples is None:
            return xp.zeros_like(propensity)
        return xp.sqrt(propensity * (1.0 - propensity) / (self.samples + 1))

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64. Holds [..., samples, A] numbers."""
        table = require_linear(evidence, self)
        mean, mask = self._seen(table, mask)
        like = array_namespace(mean).zeros_like(mean[..., 0], dtype=array_namespace(mean).int64)
        return self._chances(table, mean, mask, Stream(0, "linear Thompson propensities").at(like))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """The noise is `draws.normal(A)` where each action has a theta, else `draws.normal(D)` times the lower Cholesky
        factor of A^-1; exact ties go by `draws.uniform(A)`."""
        table = require_linear(evidence, self)
        mean, mask = self._seen(table, mask)
        width = self._width(table)
        sampled = mean + self._noise(table, draws.normal(width)[..., None, :])[..., 0, :]
        action = pick(sampled, mask, draws)
        return Decision(action, sampled, lambda: self._chances(table, mean, mask, draws))

    def _seen(self, table: LinearTable, mask: Array | None) -> tuple[Array, Array]:
        mean = checked(table.mean())
        return mean, allowed(mean, mask)

    @staticmethod
    def _width(table: LinearTable) -> int:
        """Normals that one sample takes."""
        return int(table.sums.shape[-1] if table.shared else table.shape[-1])

    def _noise(self, table: LinearTable, normal: Array) -> Array:
        """normal: [..., n, width] -> [..., n, A]: x . theta~ less its mean, for n samples."""
        xp = array_namespace(normal)
        if not table.shared:
            return self.scale * xp.sqrt(table.spread())[..., None, :] * normal
        root = table.features @ xp.linalg.cholesky(table.inverse)[..., 0, :, :]
        return self.scale * (normal @ root.swapaxes(-1, -2))

    def _chances(self, table: LinearTable, mean: Array, mask: Array, draws: Draws) -> Array:
        xp = array_namespace(mean)
        if self.samples is None:
            if table.shared:
                raise BadValue("samples", None, "a number: actions that share theta are not independent")
            return gaussian_is_best(mean, self.scale * xp.sqrt(table.spread()), mask)
        width = self._width(table)
        # the first normals are those that the action was chosen by
        normal = draws.normal((self.samples + 1) * width)[..., width:]
        normal = xp.reshape(normal, (*normal.shape[:-1], self.samples, width))
        sampled = mean[..., None, :] + self._noise(table, normal)
        hits = xp.sum(share_ties(sampled, xp.broadcast_to(mask[..., None, :], sampled.shape)), axis=-2)
        return (hits + share_ties(xp.zeros_like(mean), mask)) / (self.samples + 1)
