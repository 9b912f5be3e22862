"""Approximate search among many vectors: a sieve of bits, then exact scores of what is left.

Vectors are centred and turned by a fixed random rotation, after which every coordinate says about as much as any
other. Two bits of each are kept: its sign, and whether it is larger than usual (values -3, -1, 1, 3, about the best
four for a normal distribution: Max 1960). A dot product with a question that is coded alike is then a matter of
exclusive or and of counting ones. Three sieves:

    signs       of all vectors; the best `looked` go on
    both bits   of these; the best `kept` go on
    exact       float32, then float64, as in `vectors`

An estimate of <x, q> is a <x - c, c> + g(x) <code(x), code(q)>, with c the centre, q = a c + rest, and g(x) the factor
that makes the code's product with x itself right (Gao and Long, "RaBitQ", SIGMOD 2024, eq. 13, there for one bit).

How many go on is measured: 64 stored vectors and the questions that came last are searched exactly, and the counts are
the least that keep `RECALL` of their ten best. Where that takes too many, the search stays exact. Codes are not stored
in the file: computing them costs 5 microseconds a vector, and a file that holds each vector once can be purged in one
place. The work is done a slice at a time, one before each search; until it is done, searches are exact. So the first
search of a process waits for none of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.vectors import Matrix, scored

__all__ = ["FEWEST", "RECALL", "Signs"]

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]
FEWEST = 20_000
"""Below, the exact search is as quick."""
RECALL, AIM = 0.98, 0.99
"""Share of the ten best that must be found, and the share at which the counts are set."""
TEN = 10
SMALLEST_SHARE = 0.05
"""Of the entries that a filter lets pass; with fewer the exact search is as quick."""
SLICE = 4_096
"""Vectors that are coded before one search."""
CHUNK = 16_384
"""Vectors whose bits are compared at once: they fit the second-level cache."""
PROBES, ASKED, PROBES_AT_ONCE = 64, 64, 4
LEAST_LOOKED, LEAST_KEPT = 1_000, 100
MOST_LOOKED = 0.34
"""Share of all vectors in the second sieve; with more, the exact search is as quick."""
GROWTH = 1.25
"""How much the space grows before the counts are measured again."""
LARGE = 0.9957
"""In standard deviations: what is more than usual (Max 1960, four equally spaced levels)."""
SEED = 20_240_501


@dataclass(frozen=True)
class _Counts:
    """looked, kept: how many pass the first and the second sieve, of `rows`        recall: of the probes' ten best"""

    looked: int
    kept: int
    recall: float
    rows: int

    @property
    def useful(self) -> bool:
        return self.recall >= RECALL and self.looked <= MOST_LOOKED * self.rows


@dataclass(frozen=True)
class _Question:
    """centre: a        signs, large [W]: its bits        one, two: worth of a unit of the product of signs, codes"""

    centre: float
    signs: Words
    large: Words
    one: float
    two: float


class Signs:
    """Codes of the rows of a matrix, which they follow. Not for several threads at once, but for `search`."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.width = -(-matrix.dimension // 64)
        self.rows = 0
        self._centred = 0
        self._centre = np.zeros(matrix.dimension, np.float32)
        self._rotation: Vectors | None = None
        self._codes = np.zeros((2 * self.width, 0), np.uint64)
        self._one, self._two, self._along = (np.zeros(0, np.float32) for _ in range(3))
        self._counts: _Counts | None = None
        self._ranks: list[NDArray[np.float64]] = []
        self._probes: Vectors | None = None
        self._own: Whole = np.zeros(0, np.int64)
        self._asked: deque[Vector] = deque(maxlen=ASKED)
        self._measured_with = 0
        self._searches = 0

    @property
    def approximation(self) -> dict[str, float] | None:
        """kept: candidates that are scored exactly; looked: those whose both bits are compared; recall: estimated share
        of the ten best that is found. None while searches are exact."""
        if self._counts is None or not self._counts.useful:
            return None
        return {"kept": self._counts.kept, "looked": self._counts.looked, "recall": self._counts.recall}

    # Following the matrix

    def erase(self, ordinals: Whole) -> None:
        """Leave nothing of these rows."""
        gone = ordinals[ordinals < self.rows]
        self._codes[:, gone] = 0
        for column in (self._one, self._two, self._along):
            column[gone] = 0.0
        self._asked.clear()  # a question may be the very text
        self._begin_probes()

    def current(self) -> Signs:
        """Itself, or one to be begun where there are twice as many vectors as the centre was taken of: a search that
        goes on meanwhile keeps the old one."""
        if not self._centred or self.matrix.rows <= 2 * self._centred:
            return self
        new = Signs(self.matrix)
        new._rotation, new._asked, new._searches = self._rotation, self._asked, self._searches
        return new

    def advance(self, vector: Vector) -> None:
        """Do the next slice of what is to be done; before a search for `vector`, and none before the first."""
        self._asked.append(vector)
        self._searches += 1
        if self.matrix.rows < FEWEST or self._searches == 1:
            return
        if not self._centred:
            self._begin()
        if self.rows < self.matrix.rows:
            self._code(min(self.matrix.rows, self.rows + SLICE))
        elif self._counts is None or self._stale():
            self._measure()

    def _begin(self) -> None:
        """Fix the centre, of up to 8,192 vectors spread over the matrix, and code everything from the start."""
        n = self.matrix.rows
        sample = self.matrix.take(np.unique(np.linspace(0, n - 1, min(n, 8_192)).astype(np.int64)))
        sample = sample[sample.any(axis=1)]
        if len(sample):
            self._centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        if self._rotation is None:
            bits = 64 * self.width
            random = np.random.Generator(np.random.Philox(SEED)).standard_normal((bits, bits))
            self._rotation = np.linalg.qr(random)[0][: self.matrix.dimension].astype(np.float32)
        self._centred = n

    def _code(self, end: int) -> None:
        """Of the rows up to `end`."""
        self._grow(end)
        assert self._rotation is not None
        ordinals = np.arange(self.rows, end)
        given = self.matrix.take(ordinals)
        there = given.any(axis=1)
        centred = given - self._centre
        turned = centred @ self._rotation
        signs, large, one, two = _coded(turned.astype(np.float32, copy=False))
        squares = np.einsum("ij,ij->i", turned, turned)
        part = slice(self.rows, end)
        self._codes[: self.width, part] = signs.T
        self._codes[self.width :, part] = large.T
        self._one[part] = np.where(there, squares / np.maximum(one, 1e-30), 0.0)
        self._two[part] = np.where(there, squares / np.maximum(two, 1e-30), 0.0)
        self._along[part] = np.where(there, centred @ self._centre, 0.0)
        self.rows = end

    def _grow(self, rows: int) -> None:
        """Room for so many; a search goes on with the arrays that it holds."""
        if rows <= self._codes.shape[1]:
            return
        room = max(self.matrix.rows, rows + rows // 4)
        codes = np.empty((2 * self.width, room), np.uint64)
        codes[:, : self.rows] = self._codes[:, : self.rows]
        self._codes = codes
        for name in ("_one", "_two", "_along"):
            column = np.empty(room, np.float32)
            column[: self.rows] = getattr(self, name)[: self.rows]
            setattr(self, name, column)

    # How many are enough

    def _begin_probes(self) -> None:
        self._ranks, self._probes = [], None

    def _stale(self) -> bool:
        assert self._counts is not None
        grown = self.rows > GROWTH * self._counts.rows
        return grown or (self._measured_with < ASKED // 2 and len(self._asked) == ASKED)

    def _measure(self) -> None:
        """Some of the probes; the counts once all are done."""
        if self._probes is None:
            among = np.flatnonzero(self._one[: self.rows])
            if len(among) <= PROBES:
                return
            self._own = among[np.linspace(0, len(among) - 1, PROBES).astype(np.int64)]
            asked = list(self._asked)
            self._measured_with = len(asked)
            self._probes = np.concatenate((self.matrix.take(self._own), np.array(asked, np.float32)))
            self._own = np.concatenate((self._own, np.full(len(asked), -1)))
        begun = sum(len(ranks) for ranks in self._ranks)
        probes = self._probes[begun : begun + PROBES_AT_ONCE]
        if len(probes):
            self._ranks.append(self._ranked(probes, self._own[begun : begun + len(probes)]))
            return
        ranks = np.concatenate(self._ranks)
        groups = [group.reshape(-1, 2) for group in (ranks[:PROBES], ranks[PROBES:])]  # stored texts, and questions
        kept = max(LEAST_KEPT, *(_enough(group[:, 1]) for group in groups))
        looked = max(LEAST_LOOKED, 2 * kept, *(_enough(group[:, 0]) for group in groups))
        found = [((group[:, 0] < looked) & (group[:, 1] < kept)).mean() for group in groups if len(group)]
        self._counts = _Counts(looked, kept, float(min(found)), self.rows)
        self._begin_probes()

    def _ranked(self, probes: Vectors, own: Whole) -> NDArray[np.float64]:
        """[p, 10, 2]: how many vectors each sieve puts before each of the ten best; a probe is not its own."""
        scores = np.concatenate([part @ probes.T for part in self.matrix.parts(self.rows)]).T
        ranks = np.empty((len(probes), TEN, 2))
        there = self._one[: self.rows] != 0
        for i, (probe, number) in enumerate(zip(probes, own.tolist(), strict=True)):
            exact = np.where(there, scores[i], -np.inf)
            if number >= 0:
                exact[number] = -np.inf
            best = np.argpartition(exact, len(exact) - TEN)[-TEN:]
            question = self._question(probe)
            sieves = self._first(question, self.rows), self._second(question, None, self.rows)
            for sieve, estimates in enumerate(sieves):
                estimates[exact == -np.inf] = -np.inf
                ranks[i, :, sieve] = len(estimates) - np.searchsorted(np.sort(estimates), estimates[best], side="right")
        return ranks

    # Searching

    def ready(self, rows: int, passing: int) -> bool:
        """Whether `search` is to be used among `rows` of which so many pass a filter."""
        counts = self._counts
        if counts is None or not counts.useful or rows < FEWEST or rows - self.rows > SLICE:
            return False
        return passing > max(SMALLEST_SHARE * rows, 2 * counts.looked)

    def search(
        self, vector: Vector, rows: int, owners: Whole, k: int, allowed: Flags | None
    ) -> tuple[Whole, Floats] | None:
        """As `vectors.nearest`; None where it found fewer than k records, so that the exact search must answer."""
        counts = self._counts
        if counts is None:
            return None
        coded = min(rows, self.rows)
        scale = max(1.0, k / TEN) ** 0.5 * max(1.0, coded / counts.rows)
        looked, kept = int(counts.looked * scale), int(max(counts.kept * scale, 4 * k))
        question = self._question(vector)
        estimates = self._first(question, coded)
        if allowed is not None:
            np.copyto(estimates, -np.inf, where=~allowed[:coded])
        among = _best(estimates, looked)
        among = among[_best(self._second(question, among, coded), kept)]
        if rows > coded:  # the newest have no codes yet
            newest = np.arange(coded, rows)
            among = np.concatenate((among, newest if allowed is None else newest[allowed[coded:rows]]))
        records, scores = scored(self.matrix, vector, among, owners, k)
        return (records, scores) if len(records) == k else None

    def _question(self, vector: Vector) -> _Question:
        assert self._rotation is not None
        length = float(np.dot(self._centre, self._centre))
        along = float(np.dot(vector, self._centre)) / length if length > 1e-12 else 0.0
        turned = ((vector - np.float32(along) * self._centre) @ self._rotation)[None]
        signs, large, one, two = _coded(turned)
        square = float(np.dot(turned[0], turned[0]))
        return _Question(along, signs[0], large[0], square / max(one[0], 1e-30), square / max(two[0], 1e-30))

    def _first(self, question: _Question, rows: int) -> Vector:
        """Estimates from the signs, of all rows."""
        found = np.empty(rows, np.float32)
        bits, factor, one = np.float32(64 * self.width), np.float32(question.centre), np.float32(question.one)
        for start in range(0, rows, CHUNK):
            end = min(rows, start + CHUNK)
            part = found[start:end]
            np.multiply(_differing(self._codes[: self.width, start:end], question.signs), np.float32(-2), out=part)
            part += bits
            part *= one
            part *= self._one[start:end]
            if factor:
                part += factor * self._along[start:end]
        return found

    def _second(self, question: _Question, ordinals: NDArray[np.integer] | None, rows: int) -> Vector:
        """Estimates from both bits, of the ordinals (ascending), or of all rows."""
        some = slice(0, rows) if ordinals is None else ordinals
        w = self.width
        total = np.full(rows if ordinals is None else len(ordinals), 9 * 64 * w, np.float32)
        for plane, weight in ((0, 2), (w, 1)):
            codes = self._codes[plane : plane + w, :rows] if ordinals is None else np.empty((w, len(total)), np.uint64)
            if ordinals is not None:
                for i in range(w):
                    np.take(self._codes[plane + i], ordinals, out=codes[i], mode="clip")
            for bits, times in ((question.signs, 2), (question.large, 1)):
                total -= np.float32(2 * weight * times) * _differing(codes, bits)
        total *= np.float32(question.two)
        total *= self._two[some]
        if question.centre:
            total += np.float32(question.centre) * self._along[some]
        return total


def _coded(turned: Vectors) -> tuple[Words, Words, Floats, Floats]:
    """signs, large [m, W]; products of each row [m] with its signs, and with its code."""
    usual = LARGE * np.sqrt(np.einsum("ij,ij->i", turned, turned) / turned.shape[1])[:, None]
    above = turned > 0
    sizes = np.abs(turned)
    large = sizes > usual
    one = sizes.sum(axis=1, dtype=np.float64)
    two = one + 2.0 * (sizes * large).sum(axis=1, dtype=np.float64)
    # The value is 2 s + b with s, b in {-1, 1}: b is 1 for 3 and for -1.
    return _packed(above), _packed(above == large), one, two


def _packed(bits: Flags) -> Words:
    return np.packbits(bits, axis=1).view(np.uint64)


def _differing(codes: Words, bits: Words) -> NDArray[np.uint16]:
    """How many of the bits of each column differ from `bits` [W]. codes [W, m]"""
    width, m = codes.shape
    total = np.zeros(m, np.uint16)
    different, ones, sums = np.empty(m, np.uint64), np.empty(m, np.uint8), np.empty(m, np.uint8)
    for start in range(0, width, 3):  # three times 64 is the most that a byte holds
        for i in range(start, min(width, start + 3)):
            np.bitwise_xor(codes[i], bits[i], out=different)
            np.bitwise_count(different, out=sums if i == start else ones)
            if i > start:
                sums += ones
        total += sums
    return total


def _best(estimates: Vector, count: int) -> NDArray[np.intp]:
    """Places of the best `count` that are above -inf, ascending; more where they tie."""
    if count >= len(estimates):
        return np.flatnonzero(estimates > -np.inf)
    least = np.partition(estimates, len(estimates) - count)[len(estimates) - count]
    return np.flatnonzero(estimates >= max(least, np.finfo(np.float32).min))


def _enough(ranks: NDArray[np.float64]) -> int:
    """How many must go on so that `AIM` of the best do, and a quarter more: the probes are few."""
    return int(1.25 * np.quantile(ranks, AIM)) + 1 if len(ranks) else 1
