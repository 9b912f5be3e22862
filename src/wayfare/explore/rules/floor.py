"""A floor under learning: how much of the traffic a learned policy may have, as the outcomes prove what it is worth.

Tasks fall to one of three sides by a coin with known shares: the *baseline* b (share rho), the *incumbent* w (sigma),
and while one is on trial a *challenger* w' (tau). Wanted at every time, with rewards r in [0, 1],

    V(mixture) >= (1 - alpha) V_b                                                                                 (1)

Before any evidence rho = 1 - alpha gives (1) in every situation, since r >= 0. Evidence lets rho fall: with P_c(task)
the chance of what the task showed under side c, and P its chance under the mixture, for a ratio c

    a = r P_w / P,  b = r P_b / P,  K(c) = mean_h prod_t (1 + h rho_t (a_t / c - b_t)),  h in H                   (2)

is a supermartingale if V_w < c V_b throughout (each factor is at least 1 - h > 0). c is *certified* once K(c) reaches
1 / delta_j (Ville), delta_j = 6 delta / (pi^2 j^2) for the j-th policy, and if all ratios below it on the ladder .05,
.10, ..., 1.50 are: one policy is falsely certified with probability at most delta_j, all together at most delta. With
c* the largest certified,

    rho = the share of the safe side in SafeMix((c*, 1), 1 - alpha), never under rho_min                          (3)

so that the baseline stays measured. A challenger with certified c'* gets tau = alpha / 2 while

    rho + c* sigma + c'* tau >= 1 - alpha,   rho + sigma + tau = 1                                                (4)

and is *promoted* when the test (2) of it against the incumbent, in the baseline's place, passes at c = 1; it is
*retired* when the reverse passes: the incumbent against it.

*Alarm.* The reverse of (2), the baseline against the incumbent at c = 1, runs as a CUSUM: for each bet S <- max(S, 1)
times its factor, and their mean. At `alarm` (10^3) the certificates are given back and the incumbent begins again at
alpha; where it had earned none since the last alarm it is *retired*: its share is rho_min, until the ladder is climbed
again.

Tasks that could only show one set say nothing about the difference of policies, whatever came of them; they are left
out, so that a store that is still small certifies nothing. Assumption, not tested by (2): the incumbent's advantage
does not shrink once it is certified. The alarm covers the rest, empirically.

Sources: Ville 1939; betting confidence sequences Waudby-Smith & Ramdas 2024 (arXiv 2010.09686); e-detectors Shin,
Ramdas & Rinaldo 2023 (arXiv 2203.03532); (3) Li et al. 2023 (arXiv 2306.06265). Their combination for recall is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.rules.safe_mix import SafeMix

__all__ = ["LADDER", "Event", "Floor", "FloorSettings"]

Floats = NDArray[np.float64]
LADDER = tuple(round(0.05 * i, 2) for i in range(1, 31))
"""Ratios c, each certified only after those below it."""
BETS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
"""H of (2)."""
LOWEST = -1e6
"""Of a logarithm of wealth: lost for good, and JSON has no -inf."""


@dataclass(frozen=True)
class FloorSettings:
    """alpha: what share of the baseline's value may be given up        delta: chance of any false certificate
    rho_min: what the baseline keeps        alarm: of the CUSUM

    Raises: BadValue.
    """

    alpha: float = 0.2
    delta: float = 0.05
    rho_min: float = 0.05
    alarm: float = 1e3

    def __post_init__(self) -> None:
        for name, low, high in (("alpha", 0.0, 1.0), ("delta", 0.0, 1.0), ("rho_min", 0.0, 0.5)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value < high:
                raise BadValue(name, value, f"above {low:g} and below {high:g}")
        if not (math.isfinite(self.alarm) and self.alarm > 1):
            raise BadValue("alarm", self.alarm, "a finite number above 1")


@dataclass(frozen=True)
class Event:
    """What an outcome led to. name: certified | promoted | retired | alarm        detail: numbers that explain it."""

    name: str
    detail: dict[str, Any] = field(default_factory=dict)


class _Wealth:
    """The bets of (2) for some ratios. logs: [C, H], logarithms of the products."""

    def __init__(self, ratios: tuple[float, ...], logs: Any = None) -> None:
        self.ratios = np.array(ratios)[:, None]
        self.logs: Floats = np.zeros((len(ratios), len(BETS))) if logs is None else np.array(logs, np.float64)

    def bet(self, share: float, better: float, worse: float) -> Floats:
        """share: of the side that `worse` stands for, at the draw; better, worse: r P / P(task). -> [C] log K."""
        x = share * (better / self.ratios - worse)
        self.logs = np.maximum(self.logs + np.log1p(np.array(BETS) * x), LOWEST)
        return self.level()

    def level(self) -> Floats:
        """[C], log of the mean over bets."""
        top = self.logs.max(axis=1)
        found: Floats = top + np.log(np.exp(self.logs - top[:, None]).mean(axis=1))
        return found


class _Trial:
    """What is known of one learned policy against the baseline: its ladder. certified: rungs reached."""

    def __init__(self, number: int, certified: int = 0, logs: Any = None, tasks: int = 0) -> None:
        self.number, self.certified, self.tasks = number, certified, tasks
        self.wealth = _Wealth(LADDER, logs)

    @property
    def ratio(self) -> float:
        """c*, 0 before the first rung."""
        return LADDER[self.certified - 1] if self.certified else 0.0

    def see(self, delta: float, share: float, a: float, b: float) -> bool:
        """One task; whether it certified another rung."""
        self.tasks += 1
        level = self.wealth.bet(share, a, b)
        least, before = -math.log(_delta(delta, self.number)), self.certified
        while self.certified < len(LADDER) and level[self.certified] >= least:
            self.certified += 1
        return self.certified > before

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number, "certified": self.certified, "tasks": self.tasks, "logs": self.wealth.logs.tolist(),
        }  # fmt: skip

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> _Trial:
        return cls(kept["number"], kept["certified"], kept["logs"], kept["tasks"])


def _delta(delta: float, number: int) -> float:
    return 6.0 * delta / (math.pi * number) ** 2


class Floor:
    """The state of one mixture; advanced by one outcome after another, saved and loaded exactly.

    settings: see `FloorSettings`

    `shares()` are the coin's for the next task; `update` takes the outcome of one, with the shares that its coin had.
    """

    def __init__(self, settings: FloorSettings | None = None) -> None:
        self.settings = settings or FloorSettings()
        self.incumbent = _Trial(1)
        self.challenger: _Trial | None = None
        self.policies = 1
        self.suspended = False
        """Whether certificates are set aside: shares credited differ by side, and nobody knows why."""
        self.retired = False
        self._duel: tuple[_Wealth, _Wealth] | None = None
        self._cusum = _Wealth((1.0,))

    @property
    def certified(self) -> float:
        """c*, the ratio to the baseline that the incumbent has proved."""
        return 0.0 if self.suspended else self.incumbent.ratio

    def shares(self) -> dict[str, float]:
        """Of each side in the coin; they sum to one."""
        settings = self.settings
        least = 1.0 - settings.alpha
        tau = 0.0 if self.challenger is None else settings.alpha / 2
        rho = self._rho(tau)
        if self.retired and self.incumbent.ratio < least:
            rho = 1.0 - tau - settings.rho_min
        return {"baseline": rho, "incumbent": 1.0 - rho - tau, "challenger": tau}

    def _rho(self, tau: float) -> float:
        """The smallest share of the baseline that keeps (4)."""
        settings = self.settings
        ratio = self.challenger.ratio if self.challenger is not None and not self.suspended else 0.0
        floor = (1.0 - settings.alpha - ratio * tau) / (1.0 - tau)  # what the two others owe of what they share
        rho = float(SafeMix().mix(np.array([self.certified, 1.0]), floor).rho) * (1.0 - tau)
        return min(max(rho, settings.rho_min), 1.0 - tau)

    def challenge(self) -> None:
        """Put another policy on trial; one that was is forgotten."""
        self.policies += 1
        self.challenger = _Trial(self.policies)
        self._duel = (_Wealth((1.0,)), _Wealth((1.0,)))

    def withdraw(self) -> None:
        """End the trial without a verdict."""
        self.challenger, self._duel = None, None

    def begin_again(self) -> None:
        """Another incumbent, of which nothing is known yet."""
        self.policies += 1
        self.incumbent, self.retired, self._cusum = _Trial(self.policies), False, _Wealth((1.0,))
        self.withdraw()

    def anew(self) -> Floor:
        """The same policies, of which nothing has been seen yet: for outcomes that are to be read again."""
        floor = Floor(self.settings)
        floor.policies, floor.incumbent = self.policies, _Trial(self.incumbent.number)
        if self.challenger is not None:
            floor.challenger, floor._duel = _Trial(self.challenger.number), (_Wealth((1.0,)), _Wealth((1.0,)))
        return floor

    def update(self, reward: float, chances: Mapping[str, float], shares: Mapping[str, float]) -> list[Event]:
        """One outcome.

        reward: in [0, 1]        chances: of what the task showed, under each side
        shares: of the sides, as it was drawn; a side of another name is a part of the mixture and nothing else
        Raises: BadValue, before anything changes.
        """
        if not 0 <= reward <= 1:
            raise BadValue("reward", reward, "from 0 to 1")
        sides = [side for side, share in shares.items() if share > 0]
        for side in sides:
            if not 0 <= chances.get(side, -1.0) <= 1 + 1e-9:
                raise BadValue("chances", dict(chances), f"a probability for {side}")
        total = math.fsum(shares[side] * chances[side] for side in sides)
        if not total > 0:
            raise BadValue("chances", dict(chances), "above 0 for a side with a share")
        if all(chances[side] >= 1.0 for side in sides):
            return []
        ratios = {side: reward * chances[side] / total for side in sides}
        events: list[Event] = []
        if "baseline" in ratios and "incumbent" in ratios:
            events += self._see_incumbent(shares, ratios)
        if self.challenger is not None and {"baseline", "incumbent", "challenger"} <= ratios.keys():
            events += self._see_challenger(shares, ratios)
        return events

    def _see_incumbent(self, shares: Mapping[str, float], ratios: Mapping[str, float]) -> list[Event]:
        events = []
        if self.incumbent.see(self.settings.delta, shares["baseline"], ratios["incumbent"], ratios["baseline"]):
            events.append(Event("certified", {"ratio": self.incumbent.ratio, "tasks": self.incumbent.tasks}))
            self.retired = self.retired and self.incumbent.ratio < 1.0 - self.settings.alpha
        np.maximum(self._cusum.logs, 0.0, out=self._cusum.logs)
        level = self._cusum.bet(shares["incumbent"], ratios["baseline"], ratios["incumbent"])
        if level[0] >= math.log(self.settings.alarm):
            lost = self.incumbent.ratio
            self.policies += 1
            self.incumbent, self._cusum, self.retired = _Trial(self.policies), _Wealth((1.0,)), lost == 0.0
            events.append(Event("retired" if self.retired else "alarm", {"side": "incumbent", "ratio": lost}))
        return events

    def _see_challenger(self, shares: Mapping[str, float], ratios: Mapping[str, float]) -> list[Event]:
        trial, duel = self.challenger, self._duel
        assert trial is not None and duel is not None
        events = []
        if trial.see(self.settings.delta, shares["baseline"], ratios["challenger"], ratios["baseline"]):
            events.append(Event("certified", {"side": "challenger", "ratio": trial.ratio, "tasks": trial.tasks}))
        better = duel[0].bet(shares["incumbent"], ratios["challenger"], ratios["incumbent"])
        worse = duel[1].bet(shares["challenger"], ratios["incumbent"], ratios["challenger"])
        least = -math.log(_delta(self.settings.delta, trial.number))
        if better[0] >= least:
            self.incumbent, self.retired, self._cusum = trial, False, _Wealth((1.0,))
            self.withdraw()
            events.append(Event("promoted", {"tasks": trial.tasks, "ratio": trial.ratio}))
        elif worse[0] >= least:
            self.withdraw()
            events.append(Event("retired", {"side": "challenger", "tasks": trial.tasks}))
        return events

    def to_json(self) -> dict[str, Any]:
        """All of it; `from_json` gives an equal one."""
        return {
            "settings": asdict(self.settings),
            "incumbent": self.incumbent.to_json(),
            "challenger": None if self.challenger is None else self.challenger.to_json(),
            "duel": None if self._duel is None else [wealth.logs.tolist() for wealth in self._duel],
            "cusum": self._cusum.logs.tolist(),
            "policies": self.policies,
            "suspended": self.suspended,
            "retired": self.retired,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Floor:
        """From what `to_json` gave."""
        floor = cls(FloorSettings(**kept["settings"]))
        floor.incumbent = _Trial.of(kept["incumbent"])
        floor.challenger = None if kept["challenger"] is None else _Trial.of(kept["challenger"])
        if kept["duel"] is not None:
            first, second = (_Wealth((1.0,), logs) for logs in kept["duel"])
            floor._duel = (first, second)
        floor._cusum, floor.policies = _Wealth((1.0,), kept["cusum"]), kept["policies"]
        floor.suspended, floor.retired = kept["suspended"], kept["retired"]
        return floor
