"""Phase A: which memories could be recalled at all, before anything is drawn.

Words and vectors each name their best records; records that hang together with those by links follow; filters, validity
and deletion cut. What is left is fused into one relevance in [0, 1], of which turns of a conversation share a part with
their session, cleared of duplicates, grouped so that many tries at one intent do not crowd out the others, and cut to
n <= 50. If the best is not relevant enough, nothing is left.

Weights were chosen by `benchmarks/fusion.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory import dates
from wayfare.memory.credit import read_utilities
from wayfare.memory.decay import faded
from wayfare.memory.index.cache import NamespaceCache, caches
from wayfare.memory.index.fusion import Fused, expanded, fused
from wayfare.memory.opening import Ground
from wayfare.memory.policy import FEATURES, Candidates
from wayfare.memory.records import Record, Utility, checked_name, checked_time
from wayfare.memory.sessions import sessions
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from
from wayfare.memory.timing import timed

__all__ = [
    "LINKS",
    "MODEL_WEIGHTS",
    "MOST",
    "WEIGHTS",
    "Filters",
    "Found",
    "checked_weights",
    "gathered",
    "ranking",
    "weights_for",
]

Floats = NDArray[np.float64]
Vector = NDArray[np.float32]
MOST = 50
"""Candidates at most."""
POOL = 4
"""Each search names so many times more, so that what one of them misses is not thought to have no score there; of all
that they name as many go on."""
WEIGHTS = {"words": 0.9, "vectors": 0.1, "links": 0.2, "sessions": 0.3, "dates": 0.3}
"""Of each search in the sum. sessions: the share of a relevance that comes from the best of its session; 0: nothing
that is known of a conversation has a part (`sessions`). dates: the share that a memory loses which happened at another
time than the query names (`dates`). These are for the lexical vectors, which know nothing of meaning."""
MODEL_WEIGHTS = {**WEIGHTS, "words": 0.5, "vectors": 0.5}
"""With a model's vectors; not tuned, users may (`Memory(weights=...)`)."""
LINKS = {"part_of": 1.0, "derived_from": 0.5, "related": 0.5, "restates": 0.5, "next": 0.3}
"""How much of a score a link of a type passes on; others pass nothing."""
SEEDS = 20
EACH = 4
"""How many of an intent are taken before the next intent's: with one, the first try at a task stands in the way of all
later ones; with all, many tries crowd out what is filed under others. Chosen on pilot seeds of the study `memrl`."""
RELATIVE = 0.2
"""What is less relevant than this share of the best is no candidate: exploring means trying plausible memories."""
HALF_LIFE = 30 * 86_400.0
"""Of the feature `age`: seconds after which it is a half."""
KIND_CLASSES = 4


@dataclass(frozen=True)
class Filters:
    """What may be recalled. kinds, tags: any of them        since, until: when it happened        as_of: time past"""

    kinds: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    as_of: float | None = None

    def __post_init__(self) -> None:
        for name in ("kinds", "tags"):
            given = getattr(self, name)
            if given is None:
                continue
            if isinstance(given, str):
                raise BadValue(name, given, "a list of names, or None")
            for each in given:
                checked_name(name, each)
        for name in ("since", "until", "as_of"):
            checked_time(name, getattr(self, name))


@dataclass(frozen=True)
class Found:
    """The candidates, and how they were found.

    records, spaces: [n] numbers of the records and of their namespaces        paths: namespace of a number
    by: channel -> [n] scores in [0, 1]
    """

    candidates: Candidates
    records: tuple[int, ...] = ()
    spaces: tuple[int, ...] = ()
    by: Mapping[str, Floats] = field(default_factory=dict)
    paths: Mapping[int, str] = field(default_factory=dict)

    def channels(self, i: int) -> dict[str, float]:
        """Which searches found candidate i, with their scores."""
        return {name: float(scores[i]) for name, scores in self.by.items() if scores[i] > 0}

    def fetch(self, tx: Transaction, places: Sequence[int]) -> list[Record]:
        """The records at these places, from the store."""
        if not places:
            return []
        numbers = [self.records[i] for i in places]
        utilities = read_utilities(tx, numbers)
        rows = {
            row[1]: row
            for row in tx.execute(
                f"SELECT ns, {RECORD_COLUMNS} FROM records WHERE record IN ({_marks(numbers)})", numbers
            ).fetchall()
        }
        return [
            record_from(rows[number][1:], self.paths.get(rows[number][0], ""), utilities.get(number, Utility()))
            for number in numbers
        ]


def gathered(
    tx: Transaction,
    ground: Ground,
    query: str,
    vector: Vector | None,
    filters: Filters,
    k1: int,
    floor: float,
    *,
    weights: Mapping[str, float] = WEIGHTS,
    model: str | None = None,
) -> Found:
    """The candidates for a query, in one snapshot.

    vector: of the query, None without an embedder        model: that it comes from, None: the ground's
    k1: how many at most        floor: of the best one's relevance        weights: of `weights_for`
    """
    numbers = {ns: path for path in (ground.namespace, *ground.also_read) if (ns := tx.namespace(path)) is not None}
    spaces = list(numbers)
    parts = [ranking(tx, ground, ns, query, vector, filters, k1, weights, model) for ns in spaces]
    best = max((float(part.relevance[0]) for part in parts if len(part.records)), default=-1.0)
    if best < floor:
        return Found(nothing(), paths=numbers)
    pool: list[Row] = []
    for which, part in enumerate(parts):
        likely = int(np.count_nonzero(part.relevance >= max(floor, RELATIVE * best)))  # a ranking: they come first
        scores, records = part.relevance[:likely].tolist(), part.records[:likely].tolist()
        pool += [(score, -number, which, i) for i, (score, number) in enumerate(zip(scores, records, strict=True))]
    pool.sort(reverse=True)
    pool = pool[: POOL * k1]
    rows = _rows(tx, [-row[1] for row in pool])
    kept = _spread([row for row in pool if -row[1] in rows], rows, tx, k1)
    found = [-row[1] for row in kept]
    names = sorted({name for _, _, which, _ in kept for name in parts[which].by})
    by = {
        name: np.array([float(parts[which].by[name][i]) if name in parts[which].by else 0.0 for *_, which, i in kept])
        for name in names
    }
    relevance = np.clip(np.array([row[0] for row in kept]), 0.0, 1.0)
    seen = _candidates(tx, ground, found, rows, relevance, by)
    return Found(seen, tuple(found), tuple(spaces[row[2]] for row in kept), by, numbers)


def ranking(
    tx: Transaction,
    ground: Ground,
    ns: int,
    query: str,
    vector: Vector | None,
    filters: Filters,
    k1: int,
    weights: Mapping[str, float] = WEIGHTS,
    model: str | None = None,
) -> Fused:
    """What the searches of one namespace find, as one ranking. vector, model: as in `gathered`."""
    cache: NamespaceCache = caches(ground.database)[ns]
    mask = cache.mask(
        kinds=filters.kinds, tags=filters.tags, since=filters.since, until=filters.until, at=ground.clock()
    )
    channels = {}
    if weights["words"] > 0:
        with timed("words"):
            channels["words"] = cache.words(query, POOL * k1, mask, calibrated=True)
    if weights["vectors"] > 0 and vector is not None and _same_space(tx, ground, ns, model):
        with timed("vectors"):
            channels["vectors"] = cache.nearest(vector, POOL * k1, mask)
    talk = None
    if weights["sessions"] > 0:
        talk = sessions(tx, ns, (numbers for numbers, _ in channels.values()))
    counts = {} if talk is None else dict(talk.counts)
    span = dates.named(query) if weights["dates"] > 0 else None
    if span is not None:
        for number in dates.outside(tx, span, (numbers for numbers, _ in channels.values())):
            counts[number] = counts.get(number, 1.0) * (1 - weights["dates"])
    if counts:
        channels = {
            name: (numbers, scores * np.array([counts.get(number, 1.0) for number in numbers.tolist()]))
            for name, (numbers, scores) in channels.items()
        }
    with timed("links"):
        found = _with_links(tx, ground, ns, channels, weights, cache, mask)
    found = found if talk is None else talk.shared(found, weights["sessions"])
    return faded(tx, found, ground.decay, ground.clock())


def _with_links(
    tx: Transaction,
    ground: Ground,
    ns: int,
    channels: Mapping[str, tuple[NDArray[np.int64], Floats]],
    weights: Mapping[str, float],
    cache: NamespaceCache,
    mask: NDArray[np.bool_] | None,
) -> Fused:
    """What the searches found as one ranking, and what hangs together with the best of it."""
    first = fused(channels, weights)
    linked = _linked(tx, ground, ns, first) if weights["links"] > 0 else []
    if not linked:
        return first
    may = {number for number, _ in linked}
    if mask is not None:
        may = cache.passing(list(may), mask)
    living = [(number, score) for number, score in linked if number in may]
    living.sort(key=lambda pair: (-pair[1], pair[0]))
    own = {"links": ([number for number, _ in living], [score for _, score in living])}
    return fused({**channels, **own}, weights)


def checked_weights(weights: Mapping[str, float] | None) -> dict[str, float]:
    """What somebody sets instead of the defaults, checked. Raises: BadValue."""
    given = {} if weights is None else weights
    if not isinstance(given, Mapping) or given.keys() - WEIGHTS.keys():
        raise BadValue("weights", weights, f"numbers by some of {', '.join(WEIGHTS)}")
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise BadValue(f"weights[{name!r}]", weight, "a finite number that is not negative")
        if name in ("sessions", "dates") and weight >= 1:
            raise BadValue(f"weights[{name!r}]", weight, "a share under 1")
    if not {**WEIGHTS, **given}["words"] + {**WEIGHTS, **given}["vectors"] > 0:
        raise BadValue("weights", weights, "words or vectors above 0")
    return {name: float(weight) for name, weight in given.items()}


def weights_for(given: Mapping[str, float], model: str | None) -> dict[str, float]:
    """The weights that hold with this model's vectors. given: as `checked_weights` returns them"""
    lexical = model is None or model.partition(":")[0] == "lexical"
    return {**(WEIGHTS if lexical else MODEL_WEIGHTS), **given}


def _same_space(tx: Transaction, ground: Ground, ns: int, model: str | None) -> bool:
    """Whether the vectors of a namespace come from the query's model."""
    if model is None and ground.embedder is not None:
        model = ground.embedder.model
    row = tx.execute(
        "SELECT s.model FROM namespaces n JOIN spaces s ON s.space = n.space WHERE n.ns = ?", (ns,)
    ).fetchone()
    return row is not None and row[0] == model


def _linked(tx: Transaction, ground: Ground, ns: int, first: Fused) -> list[tuple[int, float]]:
    """Records that hang together with the best ones: (number, score)."""
    if not len(first.records) or tx.execute("SELECT 1 FROM links WHERE ns = ? LIMIT 1", (ns,)).fetchone() is None:
        return []
    best = [int(number) for number in first.records[:SEEDS]]
    ids = dict(tx.execute(f"SELECT id, record FROM records WHERE record IN ({_marks(best)})", best).fetchall())
    score = dict(zip(best, first.relevance[:SEEDS].tolist(), strict=True))
    seeds = {id: score[number] for id, number in ids.items()}
    reached = expanded(tx, ns, seeds, LINKS, depth=1, at=ground.clock())
    found = []
    for part in _parts(sorted(reached)):
        rows = tx.execute(
            f"SELECT id, record FROM records WHERE ns = ? AND id IN ({_marks(part)}) AND status = 'active'", (ns, *part)
        )
        found += [(int(number), reached[id]) for id, number in rows.fetchall()]
    return found


def _rows(tx: Transaction, numbers: Sequence[int]) -> dict[int, tuple[str, int, str, float, bytes]]:
    """Of the active ones: id, version, kind, when it was written, hash of the content."""
    found = {}
    for part in _parts(numbers):
        rows = tx.execute(
            "SELECT record, id, version, kind, coalesce(event_from, created_at), content_hash FROM records "
            f"WHERE record IN ({_marks(part)}) AND status = 'active'",
            part,
        )
        found.update({row[0]: tuple(row[1:]) for row in rows.fetchall()})
    return found


Row = tuple[float, int, int, int]
"""Relevance, number of the record with the sign turned (older ones first where they tie), ranking, place in it."""


def _spread(
    pool: list[Row], rows: Mapping[int, tuple[str, int, str, float, bytes]], tx: Transaction, k1: int
) -> list[Row]:
    """The best k1, without duplicates; where there are more, `EACH` of every intent before more of any."""
    seen: set[bytes] = set()
    distinct = []
    for row in pool:
        content = rows[-row[1]][4]
        if content not in seen:
            seen.add(content)
            distinct.append(row)
    if len(distinct) <= k1:
        return distinct
    intents = _intents(tx, [-row[1] for row in distinct])
    turns: dict[object, int] = {}
    order = []
    for place, row in enumerate(distinct):
        group = intents.get(-row[1], -row[1])
        turns[group] = turns.get(group, -1) + 1
        order.append((turns[group] // EACH, place))
    return [distinct[place] for place in sorted(place for _, place in sorted(order)[:k1])]


def _intents(tx: Transaction, numbers: Sequence[int]) -> dict[int, str]:
    """The intent under which a record is filed, where it has one: the last, where it has several."""
    found: dict[int, str] = {}
    for part in _parts(numbers):
        rows = tx.execute(
            f"SELECT record, text FROM entries WHERE record IN ({_marks(part)}) AND role = 'intent' AND alive = 1"
            " ORDER BY ordinal",
            part,
        )
        found.update({number: " ".join(text.casefold().split()) for number, text in rows.fetchall()})
    return found


def _candidates(
    tx: Transaction,
    ground: Ground,
    numbers: Sequence[int],
    rows: Mapping[int, tuple[str, int, str, float, bytes]],
    relevance: Floats,
    by: Mapping[str, Floats],
) -> Candidates:
    """The numbers that policies see."""
    now, none = ground.clock(), Utility()
    known = read_utilities(tx, numbers)
    utilities = [known.get(number, none) for number in numbers]
    features = np.zeros((len(numbers), len(FEATURES)))
    for column, name in enumerate(("words", "vectors", "links")):
        if name in by:
            features[:, column] = np.clip(by[name], 0.0, 1.0)
    for i, number in enumerate(numbers):
        _, _, kind, written, _ = rows[number]
        features[i, 3] = 0.5 ** (max(0.0, now - written) / HALF_LIFE)
        features[i, 4] = min(1.0, math.log2(1 + utilities[i].recalled) / 16)
        features[i, 5 + crc32(kind.encode()) % KIND_CLASSES] = 1.0
    return Candidates(
        tuple(rows[number][0] for number in numbers),
        tuple(rows[number][1] for number in numbers),
        relevance,
        features,
        np.array([u.n for u in utilities], np.float64),
        np.array([u.total for u in utilities], np.float64),
        np.array([u.squares for u in utilities], np.float64),
        np.array([math.nan if u.q is None else u.q for u in utilities]),
        np.array([u.recalled for u in utilities], np.float64),
    )


def nothing() -> Candidates:
    """No candidates."""
    none = np.zeros(0)
    return Candidates((), (), none, np.zeros((0, len(FEATURES))), none, none, none, none, none)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _parts(values: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    return [values[i : i + size] for i in range(0, len(values), size)]
