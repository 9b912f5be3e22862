"""Exact BM25 over the living entries of one namespace (Robertson and Zaragoza 2009).

    score(q, d) = w(role of d) sum_t q_t idf(t) f (k1 + 1) / (f + k1 (1 - b + b |d| / mean))
    idf(t) = ln(1 + (N - n_t + 1/2) / (n_t + 1/2))

f: times of word t in entry d, at most 255; q_t: weight in the query (`queries`); N, n_t and the mean length are of
living entries, so that what is forgotten, or written in another namespace, has no part in any score.

Rarest words come first. As soon as the words that are left cannot lift an entry without any of the words before among
the best k (MaxScore: Turtle and Flood 1995), they only add to the entries that are already there, and of these only
to those that can still get among the best. What is returned is what the exhaustive sum returns: every entry's terms
are added in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.ranking import best_records

__all__ = ["K1", "B", "Corpus", "Occurrences", "ceiling", "search"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
K1, B = 1.2, 0.75
PRUNED = 500
"""A word in no more entries than this is simply added up."""


@dataclass(frozen=True)
class Corpus:
    """The entries of a namespace at one moment, [n] each.

    owners: records        lengths: in words        alive        living, words: how many live, and their words together
    weights: of each entry by its role; None where all are 1
    """

    owners: Whole
    lengths: NDArray[np.int32]
    alive: Flags
    living: int
    words: int
    weights: Floats | None = None

    def __len__(self) -> int:
        return len(self.owners)


@dataclass(frozen=True)
class Occurrences:
    """Where a word of the query stands.

    count: weight in the query, say how often it stands there        ordinals [m] ascending, times [m]: in the entries
    """

    count: float
    ordinals: NDArray[np.int32]
    times: NDArray[np.uint8]


@dataclass
class _Term:
    """A word with its weight. bound: no entry gets more from it."""

    ordinals: NDArray[np.int32]
    times: NDArray[np.uint8]
    frequency: int
    weight: float
    bound: float

    def share(self, corpus: Corpus, ordinals: NDArray[np.intp], times: NDArray[np.uint8]) -> Floats:
        """What the word adds to the score of entries that hold it."""
        mean = corpus.words / corpus.living
        norm = corpus.lengths[ordinals] * (K1 * B / mean) + K1 * (1 - B)
        f = times.astype(np.float64)
        return self.weight * f / (f + norm)


def idf(living: int, frequency: int) -> float:
    """Inverse document frequency; above 0 for any word."""
    return math.log1p((living - frequency + 0.5) / (frequency + 0.5))


def _terms(found: Sequence[Occurrences], corpus: Corpus) -> list[_Term]:
    """The words that some living entry holds, rarest first."""
    terms = []
    whole = corpus.living == len(corpus)
    for each in found:
        frequency = len(each.ordinals) if whole else int(np.count_nonzero(corpus.alive[each.ordinals]))
        if frequency:
            weight = each.count * idf(corpus.living, frequency) * (K1 + 1)
            most = float(each.times.max())
            bound = weight * most / (most + K1 * (1 - B))
            terms.append(_Term(each.ordinals, each.times, frequency, weight, bound))
    return sorted(terms, key=lambda term: (term.frequency, -term.weight, int(term.ordinals[0])))


def ceiling(found: Sequence[Occurrences], corpus: Corpus) -> float:
    """The score of an entry of mean length and weight 1 that holds every word of the query once; 0 without words."""
    total = 0.0
    for each in found:
        frequency = int(np.count_nonzero(corpus.alive[each.ordinals]))
        total += each.count * idf(corpus.living, frequency)
    return total


def search(found: Sequence[Occurrences], corpus: Corpus, k: int, allowed: Flags | None = None) -> tuple[Whole, Floats]:
    """The best k records and their scores; records without any word of the query are not among them.

    allowed [n]: entries that may be found; they must be alive. None: all that are.
    """
    terms = _terms(found, corpus) if corpus.living else []
    if allowed is None and corpus.living < len(corpus):
        allowed = corpus.alive
    sums = np.zeros(len(corpus))
    heaviest = 1.0 if corpus.weights is None else float(corpus.weights.max(initial=0.0))
    for i, term in enumerate(terms):
        if i and term.frequency > PRUNED:
            rest = sum(each.bound for each in terms[i:]) * (1 + 1e-9)
            candidates = np.flatnonzero(sums)
            values = _weighted(sums, candidates, corpus)
            least = _least(values, candidates, corpus, k)
            if least is not None and rest * heaviest < least:
                return _finish(terms[i:], corpus, sums, candidates, values, least, k)
        ordinals, times = term.ordinals.astype(np.intp), term.times
        if allowed is not None:
            kept = allowed[ordinals]
            ordinals, times = ordinals[kept], times[kept]
        sums[ordinals] += term.share(corpus, ordinals, times)
    candidates = np.flatnonzero(sums)
    return _best(_weighted(sums, candidates, corpus), candidates, corpus, k)


def _best(values: Floats, ordinals: NDArray[np.intp], corpus: Corpus, k: int) -> tuple[Whole, Floats]:
    if corpus.weights is not None:  # a role of weight 0 finds nothing
        ordinals, values = ordinals[values > 0], values[values > 0]
    return best_records(values, ordinals, corpus.owners, k)


def _weighted(sums: Floats, ordinals: NDArray[np.intp], corpus: Corpus) -> Floats:
    values = sums[ordinals]
    return values if corpus.weights is None else values * corpus.weights[ordinals]


def _least(values: Floats, ordinals: NDArray[np.intp], corpus: Corpus, k: int) -> float | None:
    """The score of the k-th best record so far; None while there are fewer."""
    if len(values) < k:
        return None
    records, scores = best_records(values, ordinals, corpus.owners, k)
    return float(scores[-1]) if len(records) == k else None


def _finish(
    terms: Sequence[_Term],
    corpus: Corpus,
    sums: Floats,
    candidates: NDArray[np.intp],
    values: Floats,
    least: float,
    k: int,
) -> tuple[Whole, Floats]:
    """Add the words that are left to the entries that can still be among the best."""
    for i, term in enumerate(terms):
        rest = sum(each.bound for each in terms[i:]) * (1 + 1e-9)
        weights = 1.0 if corpus.weights is None else corpus.weights[candidates]
        candidates = candidates[values + rest * weights >= least]
        places = np.searchsorted(term.ordinals, candidates.astype(np.int32))
        places[places == len(term.ordinals)] = 0
        held = term.ordinals[places] == candidates
        ordinals, places = candidates[held], places[held]
        sums[ordinals] += term.share(corpus, ordinals, term.times[places])
        values = _weighted(sums, candidates, corpus)
        least = _least(values, candidates, corpus, k) or least
    return _best(values, candidates, corpus, k)
