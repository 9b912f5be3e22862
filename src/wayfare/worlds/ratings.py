"""Films and the people who rate them, as a contextual bandit: an arm is a film, the context says who asks.

    ratings = read_ratings("ratings.csv")           # a MovieLens file of your own: this library carries none
    ratings = synthetic_ratings()                   # or made up: people and films of low rank
    world = ratings_bandit(ratings, films=10, rank=5, num_envs=64)

As in EVOLvE: the matrix of people by the most-rated films, 0 where a rating is missing, is replaced by its rank-k
singular value decomposition U S V'. A person's context is their row of U; film k pays that person (U S V')_k, without
noise, so that rewards are linear in the context with weights S V'_k of each film's own.

Source: Nie et al. 2024 (arXiv 2410.06238), section on contextual bandits; the synthetic generator is ours.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.tables import TableBandit
from wayfare.worlds.world import number, whole

__all__ = ["Ratings", "low_rank", "rating_matrix", "ratings_bandit", "read_ratings", "synthetic_ratings"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ratings:
    """One entry a rating, all [n].

    users, items: int64, the file's own numbers        values: float64
    """

    users: Integers
    items: Integers
    values: Floats


def read_ratings(path: str | Path) -> Ratings:
    """A file with a line for each rating: user, item, rating and perhaps more, which is not read.

    Fields are separated by tabs (MovieLens 100k, `u.data`), `::` (1M, `ratings.dat`) or commas (20M and later,
    `ratings.csv`); a first line that is not of numbers is taken for a header.

    Raises: BadValue for a file that is not there, has no ratings, or has a line that is none, by its number.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadValue("path", str(path), f"a file that can be read ({error.strerror})") from error
    lines = text.replace("::", "\t").replace(",", "\t").splitlines()
    header = 1 if lines and not _is_rating(lines[0]) else 0
    body = lines[header:]
    if not any(line.strip() for line in body):
        raise BadValue("path", str(path), "a file with ratings in it")
    try:
        table = np.loadtxt(io.StringIO("\n".join(body)), delimiter="\t", usecols=(0, 1, 2), ndmin=2)
        if not np.isfinite(table).all() or (table[:, :2] != np.floor(table[:, :2])).any():
            raise ValueError
    except ValueError as error:
        for place, line in enumerate(body, header + 1):
            if line.strip() and not _is_rating(line):
                raise BadValue(f"line {place}", line, "user, item and rating, in numbers") from error
        raise
    users, items = table[:, :2].astype(np.int64).T
    return Ratings(users, items, table[:, 2])


def synthetic_ratings(
    users: int = 1000, items: int = 100, rank: int = 5, seed: int = 0, *, noise_sd: float = 0.5, rated: float = 0.3
) -> Ratings:
    """People and films of `rank` hidden tastes each; every rating is a whole number from 1 to 5.

    score = 3.5 + appeal_i + p_u . q_i / sqrt(rank) + noise,    p, q, noise / noise_sd ~ N(0, 1),  appeal ~ N(0, 0.5^2)

    Better-liked films are rated more often: film i by a share of the people that grows with its appeal, `rated` on
    average (at most 1).

    Raises: BadValue for an argument out of range.
    """
    for field, value in (("users", users), ("items", items), ("rank", rank)):
        whole(field, value, 1)
    whole("seed", seed, 0)
    number("noise_sd", noise_sd, 0.0)
    if number("rated", rated, 0.0, 1.0) == 0.0:
        raise BadValue("rated", rated, "above 0")
    who, what, taste = np.arange(users), np.arange(items), np.arange(rank)
    p = Stream(seed, "people").normal(who[:, None], 0, taste)
    q = Stream(seed, "films").normal(what[:, None], 0, taste)
    appeal = 0.5 * Stream(seed, "appeal").normal(what)
    noise = noise_sd * Stream(seed, "rating noise").normal(who[:, None], what)
    score = 3.5 + appeal + p @ q.T / np.sqrt(rank) + noise
    weight = np.exp(appeal)
    share = np.minimum(rated * weight / weight.mean(), 1.0)
    seen = Stream(seed, "rated").uniform(who[:, None], what) < share
    row, column = np.nonzero(seen)
    return Ratings(row, column, np.clip(np.rint(score[row, column]), 1.0, 5.0))


def rating_matrix(ratings: Ratings, films: int) -> tuple[Floats, Integers, Integers]:
    """The most-rated films (of equally many ratings, the smaller number first) and all who rated one of them.

    Returns: [U, films] ratings, 0 where there is none, the last one where there are several; [U] users, ascending;
    [films] items, most-rated first. Raises: BadValue where there are fewer films.
    """
    whole("films", films, 1)
    items, index, counts = np.unique(ratings.items, return_inverse=True, return_counts=True)
    if len(items) < films:
        raise BadValue("films", films, f"at most {len(items)}, as many as were rated")
    chosen = np.argsort(-counts, kind="stable")[:films]
    column = np.full(len(items), -1)
    column[chosen] = np.arange(films)
    here = column[index] >= 0
    users, row = np.unique(ratings.users[here], return_inverse=True)
    matrix = np.zeros((len(users), films))
    matrix[row, column[index[here]]] = ratings.values[here]
    return matrix, users, items[chosen]


def low_rank(matrix: Floats, rank: int) -> tuple[Floats, Floats]:
    """matrix: [U, K] -> contexts [U, r], the left singular vectors, and means [U, K], the best matrix of rank
    r = min(rank, U, K). Of each singular vector the largest entry is positive, so that every machine finds the same.
    """
    whole("rank", rank, 1)
    left, size, right = np.linalg.svd(matrix, full_matrices=False)
    left, size, right = left[:, :rank], size[:rank], right[:rank]
    sign = np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    sign = np.where(sign == 0, 1.0, sign)
    return left * sign, (left * size) @ right


def ratings_bandit(
    ratings: Ratings,
    films: int = 10,
    rank: int = 5,
    num_envs: int = 1,
    *,
    people: slice | None = None,
    scaled: bool = False,
    **arguments: Any,
) -> TableBandit:
    """See the module. `arguments` are those of `TableBandit`.

    people: which rows of the matrix take part, say slice(100, None) to keep the first 100 for training (the
        decomposition is of all rows)
    scaled: contexts times sqrt(U), so that their numbers are about 1 in size: what a ridge penalty of 1 expects

    Raises: BadValue for more films than were rated, or a choice of people that leaves none.
    """
    matrix, _, items = rating_matrix(ratings, films)
    contexts, means = low_rank(matrix, rank)
    if scaled:
        contexts = contexts * np.sqrt(len(matrix))
    chosen = people or slice(None)
    if not len(contexts[chosen]):
        raise BadValue("people", people, f"a slice that leaves some of {len(contexts)}")
    return TableBandit(contexts[chosen], means[chosen], num_envs, arm_names=[str(i) for i in items], **arguments)


def _is_rating(line: str) -> bool:
    fields = line.split("\t")[:3]
    try:
        user, item, value = map(float, fields)
    except ValueError:
        return False
    return user.is_integer() and item.is_integer() and bool(np.isfinite(value))
