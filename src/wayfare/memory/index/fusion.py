"""What several searches found, made one ranking; and what hangs together with it by links.

    found = fused({"words": (records, scores), "vectors": (records, scores)}, {"words": 1.0, "vectors": 0.5})

Two rules. The weighted *sum* takes scores that are comparable between queries, each clipped to [0, 1], and divides by
the sum of the weights of the searches that were made: its value is itself comparable, and can be held against a
floor. *Reciprocal rank* (Cormack, Clarke and Buettcher 2009) looks at ranks alone: sum of w / (60 + rank), scaled so
that first in all searches is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.store.database import Transaction

__all__ = ["Fused", "expanded", "fused", "personalised_pagerank"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Channel = tuple[NDArray[np.integer] | Sequence[int], NDArray[np.floating] | Sequence[float]]
RANK = 60.0
MOST_EXPANDED = 2_000


@dataclass(frozen=True)
class Fused:
    """records [n], best first        relevance [n] in [0, 1]        by: search -> [n] scores in [0, 1], 0: not found"""

    records: Whole
    relevance: Floats
    by: dict[str, Floats] = field(default_factory=dict)


def fused(
    channels: Mapping[str, Channel], weights: Mapping[str, float], *, rule: str = "sum", k: float = RANK
) -> Fused:
    """One ranking of all records that any search found; ties go to the lower number.

    channels: search -> (records, scores), best first        weights: of each, not negative; 0 leaves a search out of it
    rule: "sum" or "rank"        Raises: BadValue.
    """
    if rule not in ("sum", "rank"):
        raise BadValue("rule", rule, "sum or rank")
    for name in channels:
        if not weights.get(name, 0.0) >= 0:
            raise BadValue("weights", weights.get(name), "not negative")
    numbers_of = [np.asarray(found[0], np.int64) for found in channels.values()]
    records = np.unique(np.concatenate(numbers_of)) if numbers_of else np.zeros(0, np.int64)
    total = sum(weights.get(name, 0.0) for name in channels)
    relevance = np.zeros(len(records))
    by: dict[str, Floats] = {}
    for name, (numbers, scores) in channels.items():
        places = np.searchsorted(records, np.asarray(numbers, np.int64))
        value = np.zeros(len(records))
        value[places] = np.clip(np.asarray(scores, np.float64), 0.0, 1.0)
        by[name] = value
        if rule == "rank":
            value = np.zeros(len(records))
            value[places] = (k + 1) / (k + 1 + np.arange(len(places)))
        if total > 0:
            relevance += weights.get(name, 0.0) / total * value
    order = np.lexsort((records, -relevance))
    return Fused(records[order], relevance[order], {name: value[order] for name, value in by.items()})


def expanded(
    tx: Transaction,
    ns: int,
    seeds: Mapping[str, float],
    types: Mapping[str, float],
    *,
    depth: int = 1,
    at: float | None = None,
    most: int = MOST_EXPANDED,
) -> dict[str, float]:
    """Ids that hang together with the seeds by links, either way, with the score of the best path; seeds are left out.

    seeds: id -> score        types: type of link -> factor in [0, 1]; others are not followed
    depth: steps        at: only links that hold then, s since the epoch        most: ids looked at in all

    The score of a path is the seed's score times, for every step, the type's factor and the link's weight, the latter
    at most 1.
    """
    best = dict(seeds)
    front = dict(sorted(seeds.items(), key=lambda pair: (-pair[1], pair[0]))[:most])
    for _ in range(depth):
        new: dict[str, float] = {}
        for source, target, type, weight, begin, end in _links(tx, ns, list(front), list(types)):
            if at is not None and not ((begin is None or begin <= at) and (end is None or at < end)):
                continue
            for here, there in ((source, target), (target, source)):
                if here in front:
                    score = front[here] * types[type] * min(1.0, max(0.0, weight))
                    if score > best.get(there, 0.0):
                        best[there] = new[there] = score
        front = dict(sorted(new.items(), key=lambda pair: (-pair[1], pair[0]))[: most - len(best) + len(new)])
        if not front:
            break
    return {id: score for id, score in best.items() if id not in seeds}


def personalised_pagerank(
    tx: Transaction,
    ns: int,
    seeds: Mapping[str, float],
    types: Mapping[str, float],
    *,
    depth: int = 3,
    restart: float = 0.15,
    rounds: int = 30,
    at: float | None = None,
) -> dict[str, float]:
    """How often a walk over the links within `depth` steps of the seeds is at each id, if at each step it begins anew
    at a seed with chance `restart` (Page et al. 1999; Haveliwala 2002). Sums to 1, seeds included.

    seeds: id -> weight, not negative, together above 0
    """
    if not seeds or min(seeds.values()) < 0 or not sum(seeds.values()) > 0:
        raise BadValue("seeds", dict(seeds), "weights that are not negative and sum to more than 0")
    ids = sorted({*seeds, *expanded(tx, ns, {id: 1.0 for id in seeds}, dict.fromkeys(types, 1.0), depth=depth, at=at)})
    place = {id: i for i, id in enumerate(ids)}
    steps = np.zeros((len(ids), len(ids)))
    for source, target, type, weight, begin, end in _links(tx, ns, ids, list(types)):
        holds = at is None or ((begin is None or begin <= at) and (end is None or at < end))
        if holds and source in place and target in place:
            value = types[type] * max(0.0, weight)
            steps[place[source], place[target]] += value
            steps[place[target], place[source]] += value
    begun = np.array([seeds.get(id, 0.0) for id in ids])
    begun /= begun.sum()
    out = steps.sum(axis=1)
    ends = out == 0
    steps[~ends] /= out[~ends, None]
    mass = begun
    for _ in range(rounds):
        mass = restart * begun + (1 - restart) * (mass @ steps + mass[ends].sum() * begun)
    return {id: float(mass[i]) for id, i in place.items()}


Row = tuple[str, str, str, float, float | None, float | None]


def _links(tx: Transaction, ns: int, ids: Sequence[str], types: Sequence[str]) -> list[Row]:
    """Every link of these types that touches one of the ids, once."""
    found: dict[tuple[str, str, str], Row] = {}
    kinds = ", ".join("?" * len(types))
    for start in range(0, len(ids) if types else 0, 400):
        part = ids[start : start + 400]
        marks = ", ".join("?" * len(part))
        for end in ("source", "target"):
            for row in tx.execute(
                "SELECT source, target, type, weight, valid_from, valid_to FROM links"
                f" WHERE ns = ? AND {end} IN ({marks}) AND type IN ({kinds})",
                (ns, *part, *types),
            ):
                found[row[0], row[2], row[1]] = row
    return [found[key] for key in sorted(found)]
