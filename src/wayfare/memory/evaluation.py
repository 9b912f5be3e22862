"""What an evaluation found, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayfare.explore.evaluation.evaluate import FEW
from wayfare.explore.evaluation.slate_estimates import Additivity, SlateEstimate
from wayfare.memory.policy import Policy

__all__ = ["Evaluation", "rests_on_enough"]

NAMES = {
    "dr": "doubly robust",
    "snips": "self-normalised inverse propensities",
    "ips": "inverse propensities",
    "additive": "pseudo-inverse",
    "additive-dr": "doubly robust pseudo-inverse",
    "item": "item by item",
}
ASSUMES = {
    "dr": "nothing of how a reward comes about",
    "snips": "nothing of how a reward comes about",
    "ips": "nothing of how a reward comes about",
    "additive": "that a reward is the sum of what each shown memory adds",
    "additive-dr": "that a reward is the sum of what each shown memory adds",
    "item": "that what a memory was credited with, it would have been credited with beside any others",
}

FEWEST = 20
"""Tasks on which a normal interval may rest where they weigh about the same."""
UNSEEN, DEVIATIONS = 0.02, 3.0
"""How far the mean weight may be from 1: this much, or so many of its standard errors."""


def rests_on_enough(name: str, told: SlateEstimate) -> bool:
    """Whether a normal interval can be believed: no handful of tasks carries the sum, and the weights average 1, as
    they do unless some of what the policy would show is so rare in the log that it never came up."""
    size = told.effective_sample_size or 0.0
    if not (size >= FEW or (size >= FEWEST and size >= told.n / 2)):
        return False
    if name == "item" or told.mean_weight is None:
        return True
    error = told.mean_weight * math.sqrt(max(0.0, told.n / size - 1) / told.n)
    return abs(told.mean_weight - 1) <= max(UNSEEN, DEVIATIONS * error)


@dataclass(frozen=True)
class Evaluation:
    """What a policy would have earned per task, in the situations recorded, with the memory as it stood.

    recommended, why: which of the `estimates` is the answer, and why        refused: the others, with the reason
    baseline_estimate: of the k most relevant, on the same tasks; None where the log does not say
    additivity: whether the log speaks against an additive reward; None where that cannot be tested
    left_out: tasks not used, by reason        several: tasks used that recalled more than once
    used_said: share of the outcomes that say which memories were used
    Estimates are of rewards in [0, 1]; `value`, `low`, `high`, `logged`, `baseline` and `gain` in the `reward_range`.
    """

    policy: Policy
    recommended: str
    why: str
    estimates: Mapping[str, SlateEstimate]
    refused: Mapping[str, str]
    baseline_estimate: SlateEstimate | None
    additivity: Additivity | None
    left_out: Mapping[str, int]
    several: int
    used_said: float
    reward_range: tuple[float, float] = (0.0, 1.0)

    @property
    def estimate(self) -> SlateEstimate:
        """The recommended one."""
        return self.estimates[self.recommended]

    def _given(self, unit: float) -> float:
        """A reward in the declared range; estimates that chance carried out of it are brought back."""
        low, high = self.reward_range
        return low + min(1.0, max(0.0, unit)) * (high - low)

    @property
    def value(self) -> float:
        """Per task."""
        return self._given(self.estimate.value)

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self._given(self.estimate.low)

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self._given(self.estimate.high)

    @property
    def logged(self) -> float:
        """What was earned in the same tasks."""
        return self._given(self.estimate.logged)

    @property
    def baseline(self) -> float | None:
        """What showing the most relevant would have earned."""
        return None if self.baseline_estimate is None else self._given(self.baseline_estimate.value)

    @property
    def gain(self) -> tuple[float, float, float]:
        """Value less `logged`, and the interval of that, paired by task."""
        span = self.reward_range[1] - self.reward_range[0]
        more, low, high = self.estimate.gain
        return more * span, low * span, high * span

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to doubt."""
        return self.estimate.cautions

    @property
    def text(self) -> str:
        """What was estimated, from how many tasks, how sure, and what it assumes."""
        told, (more, least, most) = self.estimate, self.gain
        percent = f"{100 * told.level:g} %"
        verdict = "no clear difference from what the log earned"
        if least > 0:
            verdict = "more than the log earned"
        elif most < 0:
            verdict = "less than the log earned"
        lines = [
            f"{self.policy.id} would have earned {self.value:.4g} per task ({percent} interval {self.low:.4g} to "
            f"{self.high:.4g})",
            f"The log earned {self.logged:.4g}; difference {more:+.4g} [{least:+.4g}, {most:+.4g}]: {verdict}.",
        ]
        if self.baseline_estimate is not None and self.policy.rule != "similarity":
            ends = self._given(self.baseline_estimate.low), self._given(self.baseline_estimate.high)
            lines.append(
                f"The most relevant memories alone would have earned {self.baseline:.4g} "
                f"[{ends[0]:.4g}, {ends[1]:.4g}]."
            )
        lines += [
            "In the situations recorded, with the memory as it stood then; not what it would have become.",
            "",
            f"Estimated: {NAMES[self.recommended]}, from {told.n:,} tasks with an outcome"
            + (f" ({self.several:,} tasks recalled more than once)" if self.several else "")
            + f"; as good as about {told.effective_sample_size or 0:,.0f} tasks of the policy's own, largest weight "
            f"{told.largest_weight:.3g}.",
            f"Chosen because {self.why}.",
            f"It assumes {ASSUMES[self.recommended]}; that the outcomes are right; and, for tasks without one, that "
            "it is missing for reasons that have nothing to do with how they went.",
        ]
        if told.waiting:
            shares = ", ".join(f"{side} {100 * known / whole:.0f} %" for side, (known, whole) in told.credited.items())
            ends = self._given(told.worst[0]), self._given(told.worst[1])
            lines.append(
                f"{told.waiting:,} tasks have no outcome (with one: {shares}). Had all of them gone as badly or as "
                f"well as possible: {ends[0]:.4g} to {ends[1]:.4g}."
            )
        unsaid = ""
        if self.used_said < 0.9:
            unsaid = (
                f" (only {100 * self.used_said:.0f} % of the outcomes say what was used; the others are shared out "
                "equally, which draws this towards what the log earned)"
            )
        others = [name for name in ("dr", "additive-dr", "item") if name != self.recommended]
        for name in others:
            if name in self.estimates:
                other = self.estimates[name]
                aside = unsaid if name == "item" else ""
                doubt = "" if rests_on_enough(name, other) else "; it rests on so little that its interval means little"
                lines.append(
                    f"Beside it, {NAMES[name]}: {self._given(other.value):.4g} [{self._given(other.low):.4g}, "
                    f"{self._given(other.high):.4g}], assuming {ASSUMES[name]}{aside}{doubt}."
                )
            elif name in self.refused:
                lines.append(f"Not {NAMES[name]}: {self.refused[name]}.")
        if self.additivity is not None:
            lines.append(f"{str(self.additivity).capitalize()}.")
        lines += [f"Left out: {count:,} tasks, {reason}." for reason, count in self.left_out.items()]
        lines += [f"Caution: {caution}." for caution in self.cautions if "had no outcome" not in caution]  # said above
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        tested = self.additivity
        return {
            "policy": self.policy.id,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.estimate.level,
            "logged": self.logged,
            "baseline": self.baseline,
            "gain": list(self.gain),
            "reward_range": list(self.reward_range),
            "tasks": self.estimate.n,
            "without_outcome": self.estimate.waiting,
            "several_recalls": self.several,
            "used_said": self.used_said,
            "recommended": self.recommended,
            "why": self.why,
            "estimates": {name: self._plain(each) for name, each in self.estimates.items()},
            "refused": dict(self.refused),
            "baseline_estimate": None if self.baseline_estimate is None else self._plain(self.baseline_estimate),
            "additivity": None if tested is None else {name: _number(value) for name, value in vars(tested).items()},
            "left_out": dict(self.left_out),
            "cautions": list(self.cautions),
            "text": self.text,
        }

    def _plain(self, told: SlateEstimate) -> dict[str, Any]:
        """One estimate, its values in the declared range."""
        return {
            "value": self._given(told.value),
            "low": self._given(told.low),
            "high": self._given(told.high),
            "tasks": told.n,
            "effective_sample_size": told.effective_sample_size,
            "largest_weight": told.largest_weight,
            "mean_weight": told.mean_weight,
            "without_support": told.no_overlap,
            "worst": [self._given(end) for end in told.worst],
            "credited": {side: list(pair) for side, pair in told.credited.items()},
            "choices": told.choices,
            "cautions": list(told.cautions),
        }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
