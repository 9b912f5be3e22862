"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.statistics import holm, paired_p
from wayfare.studies.contract import Check, Table
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.cells import EDGES, PROBES, Condition
from wayfare.studies.evo_memory.checks import Rule, under
from wayfare.studies.evo_memory.plan import base, parts
from wayfare.studies.evo_memory.players import MEMORIES, label_of
from wayfare.studies.evo_memory.streams import STREAMS, StreamName
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "main", "notes", "tables"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
REFERENCES = ("none", "exprag")


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    return rule.on(seeds_interval(values), len(values), "" if config.scale in rule.scales else "needs quick scale")


def main(config: Config, measures: Measures, stream: StreamName, name: str, measure: str) -> NDArray[np.float64]:
    """[seeds, ...] of a memory without noise, in the mean over the orders."""
    conditions = [base(config, stream, order) for order in config.orders]  # type: ignore[arg-type]
    found = [measures[under(name, condition), measure] for condition in conditions]
    return np.asarray(np.mean(found, axis=0), np.float64)


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """By file name."""
    return {
        "memories": _memories(config, measures),
        "tests": _tests(config, measures),
        "orders": _by_order(config, measures),
        "noise": _by_noise(config, measures),
        "families": _by_families(config, measures),
        "similarity": _by_similarity(config, measures),
        "small": _small(config, measures),
        "instrument": Table(
            "what the puzzles' solver makes of examples, on families that it was not trained on",
            ("examples", "accuracy", "95 % +-"),
            tuple(
                (name, float(measures["solver", name].mean()), half_width(measures["solver", name])) for name in PROBES
            ),
        ),
    }  # fmt: skip


MEASURED = {
    "success": "area", "first third": "first third", "last third": "last third", "progress": "progress",
    "steps": "steps", "asked again at the end": "asked again", "forgetting": "forgetting",
    "words of context": "context tokens", "items kept at the end": "items", "failures of the module": "failures",
    "seconds in the module": "seconds",
}  # fmt: skip
"""Column -> measure."""


def _memories(config: Config, measures: Measures) -> Table:
    rows = []
    for stream in STREAMS:
        for name in MEMORIES:
            area = main(config, measures, stream, name, "area")
            told = [float(main(config, measures, stream, name, measure).mean()) for measure in MEASURED.values()]
            rows.append((stream, label_of(name), len(area), told[0], half_width(area), *told[1:]))
    first, *rest = MEASURED
    return Table(
        f"memories without noise, in the mean over {len(config.orders)} order{'s' * (len(config.orders) > 1)}",
        ("stream", "memory", "seeds", first, "95 % +-", *rest), tuple(rows),
    )  # fmt: skip


def _tests(config: Config, measures: Measures) -> Table:
    """Every memory against none and against ExpRAG, one family of paired tests."""
    found = []
    for stream in STREAMS:
        for reference in REFERENCES:
            other = main(config, measures, stream, reference, "area")
            for name in MEMORIES:
                if name not in REFERENCES[: REFERENCES.index(reference) + 1]:
                    own = main(config, measures, stream, name, "area")
                    told = seeds_interval(own - other)
                    p = paired_p(own, other) if len(own) > 1 else float("nan")
                    found.append((stream, label_of(name), label_of(reference), told.estimate, told.low, told.high, p))
    values = np.array([row[-1] for row in found])
    adjusted = holm(values) if np.isfinite(values).all() else values
    return Table(
        f"paired differences in success without noise; Holm over all {len(found)}",
        ("stream", "memory", "against", "difference", "low", "high", "p", "p by Holm"),
        tuple((*row, float(p)) for row, p in zip(found, adjusted, strict=True)),
    )


def _by_order(config: Config, measures: Measures) -> Table:
    """Success in each order, and what the order changes."""
    rows = []
    easy, hard = "easy-hard", "hard-easy"
    for stream in STREAMS:
        for name in MEMORIES:
            each = {order: measures[under(name, base(config, stream, order)), "area"] for order in config.orders}  # type: ignore[arg-type]
            blocked = measures.get((under(name, base(config, stream, "blocked")), "area"))
            effect = each[easy] - each[hard] if {easy, hard} <= set(each) else None
            rows.append(
                (
                    stream, label_of(name), *(float(each[order].mean()) for order in config.orders),
                    None if blocked is None else float(blocked.mean()),
                    None if effect is None else float(effect.mean()), None if effect is None else half_width(effect),
                )
            )  # fmt: skip
    columns = ("stream", "memory", *config.orders, "blocked", "easy-hard minus hard-easy", "95 % +-")
    return Table("success by order, without noise", columns, tuple(rows))


def _by_noise(config: Config, measures: Measures) -> Table:
    rows = [
        (
            stream, label_of(name), noise,
            float((area := measures[under(name, base(config, stream, noise=noise)), "area"]).mean()), half_width(area),
            float(measures[under(name, base(config, stream, noise=noise)), "steps"].mean()),
            float(measures[under(name, base(config, stream, noise=noise)), "operation prune"].mean()),
        )
        for stream in STREAMS for name in MEMORIES for noise in (0.0, *config.noise)
    ]  # fmt: skip
    columns = ("stream", "memory", "feedback turned round", "success", "95 % +-", "steps", "items pruned")
    return Table("success by noise of the feedback, in random order", columns, tuple(rows))


def _by_families(config: Config, measures: Measures) -> Table:
    rows = []
    for stream in STREAMS:
        for count in sorted((*config.sweep, config.families, *([0] if config.unrelated else []))):
            condition = Condition(stream, families=count)
            none = measures[under("none", condition), "area"]
            rows.append(
                (
                    stream, count or "all different",
                    float(measures[under("exprag", condition), "similarity"].mean()), float(none.mean()),
                    *(
                        value
                        for name in ("exprag", "remem")
                        for gain in [measures[under(name, condition), "area"] - none]
                        for value in (float(gain.mean()), half_width(gain))
                    ),
                )
            )  # fmt: skip
    columns = (
        "stream", "families", "similarity to the nearest before", "success without a memory", "gain of ExpRAG",
        "95 % +-", "gain of ReMem", "95 % +- ",
    )  # fmt: skip
    return Table("gain by similarity of the tasks", columns, tuple(rows))


def _by_similarity(config: Config, measures: Measures) -> Table:
    """Success given how similar the most similar task before was: where near-duplicates would show."""
    edges = [f"{low:g} to {min(high, 1):g}" for low, high in pairwise(EDGES)]
    rows = []
    for stream in STREAMS:
        for name in MEMORIES:
            found = measures[under(name, base(config, stream)), "by similarity"]
            told = [float(np.nanmean(column)) if np.isfinite(column).any() else None for column in found.T]
            rows.append((stream, label_of(name), *told))
    return Table("success by similarity to the most similar task before", ("stream", "memory", *edges), tuple(rows))


def _small(config: Config, measures: Measures) -> Table:
    rows = [
        (
            part.condition.stream, label_of(name), part.condition.budget,
            float((area := measures[under(name, part.condition), "area"]).mean()), half_width(area),
            float(measures[under(name, part.condition), "context tokens"].mean()),
        )
        for part in parts(config) if part.condition.budget < 1
        for name in part.names
    ]  # fmt: skip
    columns = ("stream", "memory", "share of the budget", "success", "95 % +-", "words of context")
    return Table("with a smaller budget, in random order", columns, tuple(rows))


def notes(config: Config, measures: Measures, checks: Sequence[Check]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    asked = {
        name: sum(float(main(config, measures, stream, "remem", f"operation {name}").mean()) for stream in STREAMS)
        for name in ("search", "think", "refine", "prune", "merge", "act", "forced act")
    }
    mix = ", ".join(f"{name} {count:.0f}" for name, count in asked.items())
    found = [
        "Success is over whole streams, learning included. Every task is answered before any memory hears of it; what "
        "it hears is right or wrong (turned round with the chance that is told), never the answer.",
        f"One solver, one prompt frame, k = {config.k}, {config.puzzle_words} words of context for puzzles and "
        f"{config.errand_words} for errands. Memories that a language model serves elsewhere run by their rules here.",
        "Without a memory the puzzles' solver guesses: what a memory can store is at first wrong most of the time.",
        "Worlds are ours, and were not chosen blindly: of errands, several versions of what the planner makes of a "
        "failure, of habit, places and the cap on steps were tried on other seeds with no memory, ExpRAG, ReMem, MemRL "
        "and an oracle in view, and one was taken that leaves room for every claim. Thresholds are those from before.",
        f"ReMem's inner operations, a stream of each kind: {mix}.",
    ]
    if checks and not checks[0].holds:
        found.append("The instrument does not hold: nothing further is claimed.")
    if config.scale == "smoke":
        found.append("Smoke: the solver has hardly learned; this run shows that the parts fit together.")
    return found
