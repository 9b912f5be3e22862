"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed; a player is a memory under a condition (`cells`). Thresholds stand
here, were written before the first recorded run, and have not moved since. Before any memory is run,
`refuse_wrong_checks` puts scripted players in the places: the best must pass and the worst must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.stream_measures import Order
from wayfare.studies import stated
from wayfare.studies.contract import Kind
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.cells import Condition
from wayfare.studies.evo_memory.players import COPY
from wayfare.studies.evo_memory.scripted import RUNGS
from wayfare.studies.evo_memory.streams import STREAMS, StreamName
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "refuse_wrong_checks", "rules", "spearman", "under"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
TESTED = ("quick", "laptop", "full")


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts."""

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = TESTED


def under(name: str, condition: Condition) -> str:
    """The player."""
    return f"{name} {condition}"


def spearman(x: Floats, y: Floats) -> Floats:
    """[S] rank correlation along the last axis of [S, n] each, ties ranked in the mean; 0 where one side is level."""

    def ranks(values: Floats) -> Floats:
        below = (values[..., None, :] < values[..., None]).sum(-1)
        same = (values[..., None, :] == values[..., None]).sum(-1)
        found = below + (same - 1) / 2.0
        return np.asarray(found - found.mean(-1, keepdims=True), np.float64)

    a, b = ranks(np.asarray(x, np.float64)), ranks(np.asarray(y, np.float64))
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.asarray(np.where(size > 0, (a * b).sum(-1) / np.where(size > 0, size, 1.0), 0.0))


class _Asked:
    """Makes the rules of one config."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.orders: tuple[Order, ...] = config.orders  # type: ignore[assignment]

    def at(self, stream: StreamName, order: Order = "random", noise: float = 0.0) -> Condition:
        return Condition(stream, order, noise, self.config.families)

    def scripted(self, stream: StreamName, name: str) -> str:
        return under(name, self.at(stream))

    def above(
        self, name: str, statement: str, kind: Kind, pair: tuple[str, str], conditions: Sequence[Condition],
        threshold: float = 0.0,
    ) -> Rule:  # fmt: skip
        """That the first of a pair has a larger area than the second, in the mean over conditions of one stream."""
        stream = conditions[0].stream

        def gain(look: Look) -> Floats:
            found = [look(under(pair[0], c), "area") - look(under(pair[1], c), "area") for c in conditions]
            return np.asarray(np.mean(found, axis=0), np.float64)

        def cast(first: str, second: str) -> dict[str, str]:
            chosen = dict(zip(pair, (first, second), strict=True))
            return {under(who, c): self.scripted(stream, player) for who, player in chosen.items() for c in conditions}

        low = cast("none", "oracle")
        return Rule(name, statement, kind, "above", threshold, "success", gain, cast("oracle", "none"), low)

    def unrelated(self, stream: StreamName) -> Rule:
        condition = Condition(stream, families=0)
        player, other = under("exprag", condition), under("none", condition)
        none, oracle = self.scripted(stream, "none"), self.scripted(stream, "oracle")
        return Rule(
            f"{stream}: nothing to carry over, nothing gained",
            "Where no task has anything to do with another ExpRAG gains less than 0.02: nothing leaks",
            "instrument", "below", 0.02, "success", lambda look: np.asarray(look(player, "area") - look(other, "area")),
            {player: none, other: none}, {player: oracle, other: none},
        )  # fmt: skip

    def steps(self) -> Rule:
        conditions = [self.at("errands", order) for order in self.orders]

        def saved(look: Look) -> Floats:
            own, other = (
                np.mean([look(under(name, c), "steps") for c in conditions], axis=0) for name in ("remem", "none")
            )
            return np.asarray(1.0 - own / other)

        none, oracle = self.scripted("errands", "none"), self.scripted("errands", "oracle")
        return Rule(
            "errands: ReMem takes fewer steps", "ReMem takes a quarter fewer steps than no memory at least", "claim",
            "above", 0.25, "share of steps", saved,
            {under("remem", c): oracle for c in conditions} | {under("none", c): none for c in conditions},
            {under(name, c): none for c in conditions for name in ("remem", "none")},
        )  # fmt: skip

    def sweep(self, stream: StreamName) -> Rule:
        counts = sorted((*self.config.sweep, self.config.families))
        conditions = [Condition(stream, families=count) for count in counts]

        def risen(look: Look) -> Floats:
            gain = [look(under("exprag", c), "area") - look(under("none", c), "area") for c in conditions]
            similarity = [look(under("exprag", c), "similarity") for c in conditions]
            return spearman(np.stack(similarity, axis=-1), np.stack(gain, axis=-1))

        def ladder(way: str) -> dict[str, str]:
            rungs = {under("exprag", c): f"rung {way} {i % RUNGS}" for i, c in enumerate(conditions)}
            return rungs | {under("none", c): "level" for c in conditions}

        return Rule(
            f"{stream}: the gain rises with similarity",
            f"Over {len(counts)} numbers of families the gain of ExpRAG and the mean similarity of a task to the most "
            "similar one before it have a rank correlation of 0.6 at least, seed by seed",
            "claim", "above", 0.6, "Spearman's rho", risen, ladder("up"), ladder("down"),
        )  # fmt: skip


def rules(config: Config) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    asked, worst = _Asked(config), config.noise[-1]
    found = [
        Rule(
            "the frozen solver reads its context",
            "Four right examples raise the puzzles' solver by 0.3 at least, on families that it was not trained on",
            "instrument", "above", 0.3, "accuracy",
            lambda look: np.asarray(look("solver", "shown 4") - look("solver", "shown 0")),
            {"solver": "reads"}, {"solver": "deaf"},
        )
    ]  # fmt: skip
    if config.unrelated:
        found += [asked.unrelated(stream) for stream in STREAMS]
    for stream in STREAMS:
        clean = [asked.at(stream, order) for order in asked.orders]
        noisy = [asked.at(stream, order, worst) for order in asked.orders]
        found += [
            asked.above(
                f"{stream}: ExpRAG above no memory", "By 0.10 at least, without noise, over all orders", "claim",
                ("exprag", "none"), clean, 0.10,
            ),
            asked.above(
                f"{stream}: ReMem above ExpRAG where failures pass for successes",
                f"With {worst:.0%} of feedback turned round, over all orders", "claim", ("remem", "exprag"), noisy,
            ),
            asked.above(
                f"{stream}: ReMem not below ExpRAG without noise", "By less than 0.02, over all orders", "claim",
                ("remem", "exprag"), clean, -0.02,
            ),
        ]  # fmt: skip
        found += [
            asked.above(
                f"{stream}: ReMem not below ExpRAG at {noise:.0%} noise", "By less than 0.02, in random order", "claim",
                ("remem", "exprag"), [asked.at(stream, noise=noise)], -0.02,
            )
            for noise in config.noise[:-1]
        ]  # fmt: skip
    found.append(asked.steps())
    if len(config.sweep) > 1:
        found += [asked.sweep(stream) for stream in STREAMS]
    for stream in STREAMS:
        clean, noisy = [asked.at(stream, order) for order in asked.orders], [asked.at(stream, noise=worst)]
        found += [
            asked.above(
                f"{stream}: similar above recent", "ExpRAG does better than the last tasks, over all orders", "ours",
                ("exprag", "exprecent"), clean,
            ),
            asked.above(
                f"{stream}: a rule is carried over, not an answer",
                "ExpRAG does better than whoever copies the nearest success, over all orders", "ours",
                ("exprag", COPY), clean,
            ),
            asked.above(
                f"{stream}: successes alone above all", "ExpRAG of what succeeded does better than ExpRAG, without "
                "noise, over all orders", "ours", ("exprag-success", "exprag"), clean,
            ),
            asked.above(
                f"{stream}: ReMem above the strongest simple memory",
                f"ReMem does better than ExpRAG of what succeeded, with {worst:.0%} of feedback turned round, in "
                "random order", "ours", ("remem", "exprag-success"), noisy,
            ),
        ]  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda player, measure: look(cast.get(player, player), measure)).mean())

    stated.refuse_wrong_checks(checked, value)
