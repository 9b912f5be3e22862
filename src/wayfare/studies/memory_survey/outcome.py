"""What came out: agreement of cards, populated leaves, what was foretold, and from them checks, tables and notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.cards import AXES, Form, MemoryCard
from wayfare.memory.probes.checking import PROBES
from wayfare.memory.probes.degenerate import DEGENERATE, MISLABELLED
from wayfare.memory.probes.shipped import SHIPPED
from wayfare.studies.contract import Check, Table
from wayfare.studies.memory_survey import Config
from wayfare.studies.memory_survey.cells import PLAYERS, card_of
from wayfare.studies.memory_survey.checks import Rule
from wayfare.studies.memory_survey.families import FAMILIES
from wayfare.studies.memory_survey.plan import names
from wayfare.studies.memory_survey.predicting import SHORT, gains
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables", "with_cards"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
FIELDS = tuple(field for _, _, field, *_ in PROBES)
TRIED = tuple(axis for axis in AXES if axis in FIELDS)
"""Axes that a probe bears on."""


def tried(card: MemoryCard, axis: str) -> frozenset[Any]:
    """The leaves of a card that the probes can bear out: a memory in several forms is tried by its texts alone."""
    leaves: frozenset[Any] = getattr(card, axis)
    return leaves & {Form.TOKEN} or leaves if axis == "form" else leaves


def with_cards(config: Config, measures: Measures) -> Measures:
    """And what follows from the probes: agreement, leaves, what is foretold, what is caught."""
    probed = names(config)
    agrees = np.stack([measures[name, "agrees"] for name in probed])  # [classes, seeds, 10]
    cards = {name: card_of(name) for name in probed}
    claimed = {(axis, leaf) for card in cards.values() for axis in TRIED for leaf in tried(card, axis)}
    held = [
        {
            (axis, leaf) for i, name in enumerate(probed) if agrees[i, seed].all()
            for axis in TRIED for leaf in tried(cards[name], axis)
        }
        for seed in range(agrees.shape[1])
    ]  # fmt: skip
    passed = {name: measures[name, "passed"].mean(axis=0) > 0.5 for name in probed}
    told = gains(cards, passed)
    found = dict(measures)
    found["cards", "agreement"] = agrees.mean(axis=(0, 2))
    found["cards", "leaves"] = np.array([len(claimed & each) / len(claimed) for each in held])
    found["prediction", "gain"] = np.array([card - label for card, label in told.values()])
    found["prediction", "card"] = np.array([card for card, _ in told.values()])
    found["prediction", "label"] = np.array([label for _, label in told.values()])
    wrong = [f"wrong {which}" for which in MISLABELLED] + [kind.__name__ for kind in DEGENERATE]
    rows = [measures[name, "caught"] for name in wrong if (name, "caught") in measures]
    found["wrong", "caught"] = np.mean(rows, axis=0) if rows else np.full(1, np.nan)
    return found


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found. That all of a finite list hold is counted, not estimated: its interval is a point."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    reason = "" if config.scale in rule.scales else "needs quick scale"
    if rule.rule == "within" and np.isfinite(values).all():
        low, mean, high = float(values.min()), float(values.mean()), float(values.max())
        return Check(
            name=rule.name, statement=rule.statement, kind=rule.kind, estimate=mean, low=low, high=high, rule=rule.rule,
            threshold=rule.threshold, unit=rule.unit, n_seeds=len(values),
            method=f"least and largest over {rule.over}", reason=reason,
        )  # fmt: skip
    return rule.on(seeds_interval(values), len(values), reason)


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """Scores by family, probes by class, leaves by axis, what was foretold."""
    scores = [
        (
            player, function or "baseline",
            *(x for family in FAMILIES for x in _score(measures[player, family])),
        )
        for player, (_, function) in PLAYERS.items()
    ]  # fmt: skip
    columns = ("player", "function", *(x for family in FAMILIES for x in (family, f"95 % +- of {family}")))
    probed = names(config)
    outcomes = [
        (name, *(_seen(measures, name, i) for i in range(len(PROBES))), float(measures[name, "agrees"].mean()))
        for name in probed
    ]
    cards = {name: card_of(name) for name in probed}
    waiting = {each.name: each.card() for each in SHIPPED if each.waits}
    leaves = []
    for axis, kind in AXES.items():
        for leaf in kind:
            of = [name for name, card in cards.items() if leaf in tried(card, axis)]
            good = [name for name in of if measures[name, "agrees"].all()]
            wait = [name for name, card in (cards | waiting).items() if leaf in getattr(card, axis) and name not in of]
            state = (
                ("populated" if axis in TRIED else "claimed; no probe") if good
                else "not populated" if of else "claimed, not tried" if wait else "unclaimed"
            )  # fmt: skip
            leaves.append((axis, leaf.value, state, ", ".join(good or of or wait)))
    told = gains(cards, {name: measures[name, "passed"].mean(axis=0) > 0.5 for name in probed})
    return {
        "families": Table("scores by family of tasks", columns, tuple(scores)),
        "probes": Table(
            "what each memory did in each probe",
            ("memory", *(f"{number} {title}" for number, title, *_ in PROBES), "share that agrees with its card"),
            tuple(outcomes),
        ),
        "leaves": Table("places on the axes", ("axis", "leaf", "state", "by"), tuple(leaves)),
        "prediction": Table(
            "balanced accuracy of what is foretold, each class by the others",
            ("memory", "label", "by its card", "by its label"),
            tuple((name, "short" if name in SHORT else "long", *each) for name, each in told.items()),
        ),
    }  # fmt: skip


def _score(values: NDArray[Any]) -> tuple[float, float | None]:
    return float(values.mean()), half_width(values)


def _seen(measures: Measures, name: str, i: int) -> str:
    if not measures[name, "applicable"][:, i].any():
        return "not applicable"
    share = float(measures[name, "passed"][:, i].mean())
    return "pass" if share == 1 else "fail" if share == 0 else f"pass {share:.0%}"


def notes(config: Config, measures: Measures, best: Mapping[str, tuple[str, str]]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    waiting = ", ".join(each.name for each in SHIPPED if each.waits)
    return [
        "A probe that fails is no fault: it says that a memory does not do this. What counts is whether its card says "
        "so.",
        f"Tried are {len(names(config))} classes. Not tried: {waiting}, which need a trained reader; places that only "
        "they claim are listed as claimed, not tried, and so are the caches and adapters of Cube. Memory networks have "
        "no card yet.",
        "No probe bears on function and formation: the function shows in the families of tasks, and what is formed in "
        "what is held. P3 does not tell a graph from layers.",
        "The families are ours, made so that each needs what one function is for; that the functions dissociate there "
        "says that the memories do what they are for, not how much real tasks need it.",
        f"The best of each function were chosen on {config.tuning_seeds} other seeds: "
        + "; ".join(f"{family}: {mine} against {other}" for family, (mine, other) in best.items())
        + ". The memories of the span family are explicit, none is a network.",
        "The cards were written with the probes at hand: four of them were found wrong by a probe and put right before "
        "this study ran. That cards agree says that nothing has moved since, and that other words change nothing; and "
        "what a card foretells is foretold from classes whose cards agree.",
        "Short-term or long-term is read off the names of the classes: "
        + ", ".join(sorted(SHORT & set(names(config))))
        + " short-term, all others long-term.",
    ]
