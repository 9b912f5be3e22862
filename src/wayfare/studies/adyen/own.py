"""Your own log in shadow mode: `wayfare run adyen --log my.csv --context amount hour ...`.

Every period a model is fitted to the periods before, made a policy, and evaluated on that period's log; nobody is
served. Each check is 'ours': one log carries no claim.
"""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.shadow import Period, shadow
from wayfare.errors import BadValue, MissingExtra
from wayfare.explore.evaluation import DecisionLog
from wayfare.explore.oracles import EstimatorOracle, LogisticOracle, Oracle
from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.report.statistics import mean_interval
from wayfare.studies.adyen import Config
from wayfare.studies.contract import Arrays, Cell, Check, Figure, Findings, Progress, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["evaluate_log", "oracle_for", "read_log", "refuse_unfit", "run_own"]

DAY = 86_400.0
MEASURES = ("value", "low", "high")


def refuse_unfit(config: Config) -> None:
    """Raises: BadValue for a log that is not there or lacks a column; MissingExtra for a library that is not there."""
    if not config.log:
        return
    path = Path(config.log)
    if not path.is_file():
        raise BadValue("log", config.log, "a file")
    if not config.context:
        raise BadValue("context", config.context, "the columns of the log that describe a decision")
    with open(path, newline="", encoding="utf-8-sig") as file:
        columns = next(csv.reader(file), [])
    wanted = [config.action, config.reward, config.propensity, *config.context, *config.allowed]
    for name in [*wanted, *filter(None, [config.time])]:
        if name not in columns:
            raise BadValue("column", name, f"one of {', '.join(columns) or 'those of a header line'}")
    if config.oracle == "xgboost" and find_spec("xgboost") is None:
        raise MissingExtra("oracle='xgboost'", "xgboost")
    if config.oracle == "boosting" and find_spec("sklearn") is None:
        raise MissingExtra("oracle='boosting'", "lab")


def oracle_for(name: str, actions: int, seed: int = 0) -> Oracle:
    """boosting, xgboost or logistic. Boosted trees are overconfident off their support, and exploration inherits that:
    they are calibrated on held-out rows, three folds, by a logistic curve (Platt).

    Raises: MissingExtra for a library that is not there.
    """
    if name == "logistic":
        return LogisticOracle(actions)
    make: Callable[[], Any]
    if name == "xgboost":
        try:
            XGBClassifier = importlib.import_module("xgboost").XGBClassifier
        except ModuleNotFoundError as error:
            raise MissingExtra("oracle='xgboost'", "xgboost") from error
        make = lambda: XGBClassifier(n_estimators=100, max_depth=4, learning_rate=0.1, n_jobs=1, random_state=seed)  # noqa: E731
    else:
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ModuleNotFoundError as error:
            raise MissingExtra("oracle='boosting'", "lab") from error
        make = lambda: HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15, random_state=seed)  # noqa: E731
    return EstimatorOracle(lambda: _Calibrated(make), actions, "joined")


class _Calibrated:
    """A classifier calibrated on held-out folds where each label has rows enough for that."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def fit(self, x: Any, y: Any) -> _Calibrated:
        from sklearn.calibration import CalibratedClassifierCV

        enough = min(np.bincount(y, minlength=2)) >= 30
        made = CalibratedClassifierCV(self._make(), method="sigmoid", cv=3) if enough else self._make()
        self._fitted = made.fit(x, y)
        self.classes_ = self._fitted.classes_
        return self

    def predict_proba(self, x: Any) -> Any:
        return self._fitted.predict_proba(x)


def read_log(config: Config) -> tuple[DecisionLog, NDArray[np.int64]]:
    """The log and the period of each row, in the order of time where it is known.

    Raises: BadValue with line and column of what cannot be read.
    """
    log = DecisionLog.from_csv(
        config.log, context=config.context, action=config.action, reward=config.reward, propensity=config.propensity,
        allowed=config.allowed or None, time=config.time or None,
    )  # fmt: skip
    order = np.arange(len(log))
    if log.time is not None:
        order[np.argsort(log.time, kind="stable")] = np.arange(len(log))
        if config.period_days > 0:
            return log, ((log.time - log.time.min()) // (config.period_days * DAY)).astype(np.int64)
    # a short rest at the end belongs to the last whole period
    return log, np.minimum(order // config.requests, max(0, len(log) // config.requests - 1))


def evaluate_log(report: Callable[..., None], *, config: Config) -> Arrays:
    """One cell: all periods. Arrays [periods]."""
    log, periods = read_log(config)
    found = shadow(
        log, oracle_for(config.oracle, log.shape[1], config.seed), periods,
        rule="SquareCB" if config.rule == "SquareCB" else "FastCB", greed=config.greed, memory=config.memory or None,
        least_effective=config.least_effective,
    )  # fmt: skip
    report(1, 1)
    return {
        **{
            f"{name} {measure}": np.array([getattr(getattr(one, name), measure) for one in found])
            for name in ("ips", "snips", "dr")
            for measure in MEASURES
        },
        "period": np.array([one.number for one in found]),
        "rows": np.array([one.rows for one in found]),
        "fitted": np.array([one.fitted for one in found]),
        "gamma": np.array([one.gamma for one in found]),
        "logged": np.array([one.dr.logged for one in found]),
        "effective": np.array([one.dr.effective_sample_size or 0.0 for one in found]),
        "calibration": np.array([one.calibration for one in found]),
        "against": np.array([_told(one) for one in found]),
        "waiting": np.array([log.waiting]),
        "actions": np.array(log.names),
    }


def _told(period: Period) -> str:
    return "; ".join(period.against)


def run_own(config: Config, progress: Progress) -> Findings:
    """Evaluate candidates on the user's log, period by period.

    Raises: BadValue for what the log lacks.
    """
    refuse_unfit(config)
    cell = Cell("shadow", evaluate_log, seconds=30, kwargs={"config": config})
    found = progress.cells([cell])["shadow"]
    gain = found["dr value"] - found["logged"]
    if len(gain) > 1:
        interval = mean_interval(gain)
        estimate, low, high, method = interval.estimate, interval.low, interval.high, interval.method
    else:
        estimate, method = float(gain[0]), "one period: the interval of its decisions"
        low, high = (float((found[f"dr {end}"] - found["logged"])[0]) for end in ("low", "high"))
    checks = [
        Check(
            name="candidates against the log",
            statement=f"{config.rule} on a model of the periods before earns more than the policy that wrote the log",
            kind="ours", estimate=estimate, low=low, high=high, rule="above", threshold=0.0, unit="success rate",
            n_seeds=len(gain), method=f"doubly robust; {method}, over periods",
        )
    ]  # fmt: skip
    names = [
        "period", "rows", "fitted", "gamma", "logged", *(f"{e} {m}" for e in ("ips", "snips", "dr") for m in MEASURES),
        "effective", "calibration", "against",
    ]  # fmt: skip
    rows = [tuple(_plain(found[name][i]) for name in names) for i in range(len(gain))]
    columns = [{"against": "speaks against a launch", "effective": "effective rows"}.get(name, name) for name in names]
    refused = sum(bool(text) for text in found["against"].tolist())
    notes = [
        f"Log: {config.log}. Model: {config.oracle}; gamma = {config.greed:g} sqrt(K m), K = {len(found['actions'])}.",
        f"Decisions without a reward yet: {int(found['waiting'][0]):,}, left out. That is fair only where the delay "
        "has nothing to do with the reward: choose periods that end long enough ago.",
        f"Candidates that should not be launched on this log: {refused} of {len(gain)}.",
        "Nobody was served. What a candidate does to the next log cannot be seen in shadow mode.",
    ]
    return Findings(
        tables={"periods": Table("candidates by period", columns, rows)},
        figures=[
            Figure(
                "shadow", "What each period's candidate would have earned (doubly robust) and what the log earned.",
                lambda: _drawn(found),
            )
        ],
        checks=checks, notes=notes,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    plain = value.item()
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _drawn(found: Arrays) -> Drawing:
    figure, axes = panels(columns=1, width=7.0, height=3.8)
    curve_with_band(axes[0], found["period"], found["dr value"][None], "candidate", dashed=False)
    colour = axes[0].get_lines()[-1].get_color()
    axes[0].vlines(found["period"], found["dr low"], found["dr high"], color=colour, alpha=0.5)
    curve_with_band(axes[0], found["period"], found["logged"][None], "log", dashed=False)
    axes[0].set(xlabel="period", ylabel="success rate")
    label_ends(axes[0])
    return figure
