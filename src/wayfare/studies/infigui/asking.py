"""How arms ask and pay: one slot or a list, and by what.

`OneSlot` puts the mode word of one answer in a prompt's place of that of a list: the base knows both, so that all arms
begin from the same weights and read the same screens. `Paid` scores answers by the task's own rules and tells the run
what they looked like, by the release's names, apart for hard and easy intents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

from wayfare.worlds.verifiable import IconGrounding
from wayfare.worlds.verifiable.efficiency import Score

__all__ = ["OneSlot", "Paid", "one_slot"]

Log = Callable[[str, float], None]


def one_slot(prompt: str) -> str:
    """The prompt that asks for one answer where this one asks for a list."""
    return prompt.replace("list ", "single ", 1)


class OneSlot:
    """See `wayfare.learn.grpo.seams.Transform`."""

    def encode(self, row: Mapping[str, Any]) -> str:
        """The row's prompt, asking for one slot."""
        return one_slot(row["prompt"])

    def parse(self, text: str) -> str:
        """The answer as it is."""
        return text


class Paid:
    """mode: what is asked for; a list where one slot is wanted cannot be read        paid, gate: as the task's

    Logged a step, of "hard" and "easy" intents and of each hard one ("intent3"):
    equal: share of groups whose rewards are all equal; first_correct, has_correct: shares of answers; num_pred: slots
    proposed on average.
    """

    def __init__(
        self, task: IconGrounding, mode: Literal["single", "list"] = "list",
        paid: Literal["rank efficiency", "any hit"] = "rank efficiency", gate: bool = True,
    ) -> None:  # fmt: skip
        self.task = replace(task, mode=mode, paid=paid, gate=gate)

    def __call__(
        self, *, prompts: Sequence[str], completions: Sequence[str], target: Sequence[int], hard: Sequence[bool],
        log_metric: Log, **columns: Any,
    ) -> list[float]:  # fmt: skip
        found = [self.task.score(text, slot, self.task.mode) for text, slot in zip(completions, target, strict=True)]
        kinds: dict[str, list[tuple[str, Score]]] = {}
        for prompt, is_hard, score in zip(prompts, hard, found, strict=True):
            for kind in ("hard", prompt.split(" ")[1]) if is_hard else ("easy",):
                kinds.setdefault(kind, []).append((prompt, score))
        for kind, told in kinds.items():
            _log(kind, told, log_metric)
        return [score["score"] for score in found]


def _log(kind: str, told: Iterable[tuple[str, Score]], log_metric: Log) -> None:
    groups: dict[str, list[Score]] = {}
    for prompt, score in told:
        groups.setdefault(prompt, []).append(score)
    each = [score for scores in groups.values() for score in scores]
    log_metric(f"{kind}/equal", fmean(len({score["score"] for score in scores}) == 1 for scores in groups.values()))
    log_metric(f"{kind}/first_correct", fmean(score["first_correct"] for score in each))
    log_metric(f"{kind}/has_correct", fmean(score["has_correct"] for score in each))
    log_metric(f"{kind}/num_pred", fmean(score["num_pred"] for score in each))
