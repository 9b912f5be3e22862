"""What a value of cases is learned from: rows of a query, a case that was shown for it, and how it went.

    rows = CaseRows(queries, cases, rewards, questions=..., propensities=...)
    rows, dropped = guarded(rows, never=evaluation_questions)
    train, held = split_by_question(rows, 0.2)

Three ways in which such a log deceives, each of which the released data shows (of its 874 training queries 863 are also
in the evaluation file, and 157 rows show a query its own case), are closed here: a row whose case is of the query's own
question is dropped, what is evaluated on is dropped, and the held-out rows are of other questions. A missing reward is
no failure: its row is dropped, and counted.

*Credit.* One outcome is written for every case that was shown, as published; what was often shown is then often learned
from. With the chances of being shown, `inverse_propensity` gives weights to the rows that undo this; it does not tell
apart cases that were shown together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue

__all__ = [
    "CaseRows",
    "area_under_curve",
    "case_text",
    "guarded",
    "inverse_propensity",
    "same_question",
    "split_by_question",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CaseRows:
    """N rows. queries: asked        cases: shown, as texts        rewards: [N] in [0, 1], NaN where none was said

    questions: of the cases, "" where unknown        propensities: [N] chance of the case to be shown, 1 where unknown
    Raises: BadValue.
    """

    queries: tuple[str, ...]
    cases: tuple[str, ...]
    rewards: Floats
    questions: tuple[str, ...] = ()
    propensities: Floats | None = None

    def __post_init__(self) -> None:
        count = len(self.queries)
        object.__setattr__(self, "queries", tuple(self.queries))
        object.__setattr__(self, "cases", tuple(self.cases))
        object.__setattr__(self, "questions", tuple(self.questions) or ("",) * count)
        rewards = np.asarray(self.rewards, np.float64)
        chances = np.ones(count) if self.propensities is None else np.asarray(self.propensities, np.float64)
        object.__setattr__(self, "rewards", rewards)
        object.__setattr__(self, "propensities", chances)
        if not len(self.cases) == len(self.questions) == count or rewards.shape != (count,):
            raise BadValue("rows", [count, len(self.cases), len(self.questions), *rewards.shape], "all of one length")
        told = rewards[~np.isnan(rewards)]
        if not ((told >= 0) & (told <= 1)).all():
            raise BadValue("rewards", told.tolist(), "from 0 to 1, or NaN where none was said")
        if chances.shape != (count,) or not ((chances > 0) & (chances <= 1)).all():
            raise BadValue("propensities", chances.tolist(), f"{count} chances above 0 and up to 1")

    def __len__(self) -> int:
        return len(self.queries)

    def taken(self, places: Sequence[int] | NDArray[np.int64]) -> CaseRows:
        """Some of the rows, in this order."""
        chosen = [int(i) for i in places]
        assert self.propensities is not None
        return CaseRows(
            tuple(self.queries[i] for i in chosen), tuple(self.cases[i] for i in chosen), self.rewards[chosen],
            tuple(self.questions[i] for i in chosen), self.propensities[chosen],
        )  # fmt: skip


def case_text(question: str, plan: str) -> str:
    """A case as it is stored and as the encoder reads it, as released."""
    return f"[CASE] {question} [PLAN] {plan}"


def same_question(text: str) -> str:
    """What two spellings of one question have in common: case and white space do not count."""
    return " ".join(text.casefold().split())


def guarded(rows: CaseRows, never: Collection[str] = ()) -> tuple[CaseRows, dict[str, int]]:
    """The rows that may be learned from, and how many were dropped, by reason.

    never: questions that something is evaluated on; neither queries nor cases may be of them
    """
    shut = {same_question(each) for each in never}
    kept, dropped = [], Counter[str]()
    for i, (query, question) in enumerate(zip(rows.queries, rows.questions, strict=True)):
        asked, of = same_question(query), same_question(question)
        if math.isnan(rows.rewards[i]):
            dropped["no reward"] += 1
        elif asked == of:
            dropped["the query's own case"] += 1
        elif asked in shut or (of and of in shut):
            dropped["evaluated on"] += 1
        else:
            kept.append(i)
    return rows.taken(kept), dict(dropped)


def split_by_question(rows: CaseRows, held_out: float, seed: int = 0) -> tuple[CaseRows, CaseRows]:
    """(to learn from, held out): all rows of one question lie on one side, which a hash of it decides.

    held_out: share of the questions, in the mean. A held-out question is no case of the rows to learn from, either.
    Raises: BadValue for a share that is none.
    """
    if not 0 < held_out < 1:
        raise BadValue("held_out", held_out, "between 0 and 1, both excluded")

    def out(question: str) -> bool:
        told = blake2b(f"{seed} {same_question(question)}".encode(), digest_size=8).digest()
        return int.from_bytes(told, "big") < held_out * 2**64

    learn, held = [], []
    for i, (query, question) in enumerate(zip(rows.queries, rows.questions, strict=True)):
        if out(query):
            held.append(i)
        elif not (question and out(question)):
            learn.append(i)
    return rows.taken(learn), rows.taken(held)


def inverse_propensity(propensities: ArrayLike, clip: float = 20.0) -> Floats:
    """[N] weights min(1 / P, clip), of mean 1. Raises: BadValue for a clip below 1."""
    if not (math.isfinite(clip) and clip >= 1):
        raise BadValue("clip", clip, "finite and at least 1")
    weights = np.minimum(1.0 / np.asarray(propensities, np.float64), clip)
    found: Floats = weights / weights.mean() if len(weights) else weights
    return found


def area_under_curve(scores: ArrayLike, successes: ArrayLike) -> float:
    """Of the receiver operating characteristic: how often a success scores above a failure, ties counted half.

    successes: [N] bool; NaN where there are none, or no failures. Source: Mann & Whitney 1947.
    """
    x, good = np.asarray(scores, np.float64), np.asarray(successes, np.bool_)
    many, few = int(good.sum()), int((~good).sum())
    if not many or not few:
        return math.nan
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[good].sum() - many * (many + 1) / 2) / (many * few))
