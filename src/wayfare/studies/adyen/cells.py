"""The parts of the study that take time: all generations of a player, every seed side by side.

Each function is one cell: plain arguments in, arrays named "player|measure" out, [seeds, ...] each. All players meet
the same requests, and the same uniform draw decides whether a request succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.generations import Generation, How, generations
from wayfare.explore.evaluation import DecisionLog, evaluate
from wayfare.explore.rules import Greedy, Scores
from wayfare.worlds.success import SuccessBandit

__all__ = ["ESTIMATORS", "Setting", "measured", "play", "scripted", "tune"]

Floats = NDArray[np.float64]
Measures = dict[str, NDArray[Any]]
ESTIMATORS = ("ips", "snips", "dr")
TUNING_SEED = 1_000_000
TUNING_CONTEXTS = 4000


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: int, total: int, **metrics: float) -> None: ...


@dataclass(frozen=True)
class Setting:
    """What all players of a run share; see the study's `Config`."""

    arms: int
    dimension: int
    chance: float
    requests: int
    waves: int
    delay: int
    updates: int
    judged: int
    device: str

    @property
    def there(self) -> list[float]:
        """[K] chance that each action is allowed."""
        return [1.0] + [self.chance] * (self.arms - 1)

    def world(self, seeds: Sequence[int]) -> SuccessBandit:
        """Each seed is a copy 0 of its own, so that a run is the same in any company."""
        world = SuccessBandit(len(seeds), self.arms, self.dimension, device=self.device)
        world.reset(seed=list(seeds), options={"copy": [0] * len(seeds)})
        return world


def play(
    report: Report, *, name: str, how: How, setting: Setting, seeds: Sequence[int], off_policy: bool = False
) -> Measures:
    """A player's generations. off_policy: also evaluate each model on logs, before it would be launched."""
    found = _run(report, how, setting, seeds)
    levels = np.stack([one.greedy.cpu().numpy() for one in found[1:]], axis=1)  # [S, waves - 1]
    served = np.stack([one.served.cpu().numpy() for one in found], axis=1)
    measures = measured(levels, served)
    measures["entropy curve"] = np.stack([one.entropy.cpu().numpy() for one in found], axis=1)
    measures["positives curve"] = np.stack([one.successes.double().mean(dim=1).cpu().numpy() for one in found], axis=1)
    if off_policy:
        measures |= _off_policy(found, levels)
    return {f"{name}|{measure}": array for measure, array in measures.items()}


def tune(report: Report, *, name: str, hows: Sequence[How], setting: Setting, seeds: Sequence[int]) -> Measures:
    """Of each setting what its policies earned, on other seeds: [settings, seeds]."""
    other = [TUNING_SEED + seed for seed in seeds]
    served = []
    for number, how in enumerate(hows):
        found = _run(_quiet, how, setting, other, TUNING_CONTEXTS)
        served.append(np.mean([one.served.cpu().numpy() for one in found[2:]], axis=0))
        report(number + 1, len(hows))
    return {f"{name}|tuning": np.stack(served)}


def scripted(report: Report, *, setting: Setting, seeds: Sequence[int]) -> Measures:
    """Players that no data can change: the best and the worst that a check could meet.

    oracle, random: exact values of f* and of the uniform policy; steady, rising, see-saw: levels by generation as their
    names say; honest, shrunk: intervals of which all hold the value, or half of them.
    """
    exam = setting.world(seeds).wave(setting.waves * setting.requests, setting.judged, setting.there)
    scores = Scores(exam.chances)
    best = (Greedy().propensities(scores, exam.allowed) * exam.chances).sum(dim=2).mean(dim=1).cpu().numpy()
    share = exam.allowed.double() / exam.allowed.sum(dim=2, keepdim=True)
    chance = (share * exam.chances).sum(dim=2).mean(dim=1).cpu().numpy()
    g = np.arange(setting.waves - 1)
    ones = np.ones((len(best), setting.waves))
    shapes = {
        "oracle": (0.0 * g, best),
        "random": (0.0 * g, chance),
        "steady": (1e-4 * (-1.0) ** (g // 2), best),
        "rising": (1e-3 * g, best),
        "see-saw": (np.where(g == 0, 0.0, -0.02 + 0.01 * (-1.0) ** g), best),
    }
    found: Measures = {}
    for player, (shape, worth) in shapes.items():
        of = measured(best[:, None] + shape, worth[:, None] * ones)
        found |= {f"{player}|{measure}": array for measure, array in of.items()}
    for player, covered in (("honest", 1.0), ("shrunk", 0.5)):
        for estimator in ESTIMATORS:
            found[f"{player}|{estimator} covered"] = covered * ones[:, :2]
    return found


def measured(levels: Floats, served: Floats) -> Measures:
    """levels: [S, waves - 1] what the model of each generation is worth, greedily; the first is fitted to uniform data
    served: [S, waves] what the policy that served is worth

    -> served, of generations from the second model on; shift of these models from the first; their standard deviation
    and lag-1 autocorrelation, demeaned by seed.
    """
    later = levels[:, 1:]
    d = later - later.mean(axis=1, keepdims=True)
    power = (d**2).sum(axis=1)
    along = (d[:, 1:] * d[:, :-1]).sum(axis=1)
    return {
        "served": served[:, 2:].mean(axis=1),
        "shift": later.mean(axis=1) - levels[:, 0],
        "sd": later.std(axis=1, ddof=1),
        "autocorrelation": np.divide(along, power, out=np.zeros_like(along), where=power > 1e-18),
        "exploit curve": levels,
        "served curve": served,
    }


def _run(
    report: Report, how: How, setting: Setting, seeds: Sequence[int], judged: int | None = None
) -> list[Generation]:
    return generations(
        setting.world(seeds), how, seeds, waves=setting.waves, requests=setting.requests, there=setting.there,
        judged=min(setting.judged, judged or setting.judged), delay=setting.delay, fit={"updates": setting.updates},
        report=report,
    )  # fmt: skip


def _off_policy(found: Sequence[Generation], levels: Floats) -> Measures:
    """Intervals of the greedy policy of model g + 1: from the log of wave g - 1, which it was not fitted to where W = 1
    ("covered"), and from that of wave g, which it was ("fitted covered"). [S, pairs], 1 where the value is inside.

    The reward model of the doubly robust estimator is that which served the log, and never saw its rewards.
    """
    measures: dict[str, list[list[float]]] = {}
    for seed in range(len(levels)):
        rows: dict[str, list[float]] = {}
        for g in range(2, len(found) - 1):
            model, truth = found[g + 1].model, levels[seed, g]
            assert model is not None
            for prefix, wave in (("", found[g - 1]), ("fitted ", found[g])):
                log, target, predicted = _log(wave, model, seed)
                for estimator in ESTIMATORS:
                    by = predicted if estimator == "dr" else None
                    told = evaluate(log, target, estimator, model=by)  # type: ignore[arg-type]
                    rows.setdefault(f"{prefix}{estimator} covered", []).append(float(told.low <= truth <= told.high))
                    rows.setdefault(f"{prefix}{estimator} width", []).append((told.high - told.low) / truth)
                rows.setdefault(f"{prefix}effective", []).append(told.effective_sample_size or 0.0)
        for name, values in rows.items():
            measures.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in measures.items()}


def _log(wave: Generation, model: Any, seed: int) -> tuple[DecisionLog, Floats, Floats]:
    allowed = wave.wave.allowed[seed].cpu().numpy()
    log = DecisionLog(
        contexts=None, allowed=allowed, actions=wave.actions[seed].cpu().numpy(),
        rewards=wave.successes[seed].double().cpu().numpy(), propensities=wave.propensities[seed].cpu().numpy(),
    )  # fmt: skip
    assert wave.scores is not None
    scores = model.scores(wave.wave.contexts)[seed].cpu().numpy()
    return log, Greedy().propensities(Scores(scores), allowed), wave.scores[seed].cpu().numpy()


def _quiet(done: int, total: int, **metrics: float) -> None:
    pass
