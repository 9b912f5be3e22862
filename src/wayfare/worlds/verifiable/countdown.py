"""Countdown: reckon with each of a few numbers once, from left to right, to reach a goal.

    3 7 2 > 1 3 :        prompt: the numbers in any order, the goal
    3 * 2 = 6 , 6 + 7 = 1 3        completion

The corpus asks only problems of the training split. Its completion is a right trace with probability `hint_rate`, and
otherwise a legal trace of the same numbers with another result: so a perfect reader of the corpus solves a problem at
rate `hint_rate`, while traces with every result are in its repertoire. Problems are asked as often as traces reach
them.

    operators (1, 1, 1e-5), balanced     a support hole: the corpus hardly knows `*`, half of the rows need it
    corrupted 0.05                       a tail of noise: completions with one wrong digit, or a stray word
    TaggedCountdown                      `< trace > answer`, with two easy rewards for form beside the hard one

Task of the language-RL studies (RAPO, arXiv 2510.03865; Memory-R+, arXiv 2504.02273; EAD, arXiv 2510.05251, and
others); its sizes and corpora are ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import (
    Row,
    Split,
    by_rank,
    counted,
    number_of,
    scored,
    share,
    spelled,
    text_of,
)
from wayfare.worlds.verifiable.countdown_traces import OPERATORS, Traces, read, traces

__all__ = ["Countdown", "TaggedCountdown"]

Ints = NDArray[np.int64]
_INTEGER = re.compile(r"(?:0|[1-9][0-9]{0,3})")


@dataclass(frozen=True)
class Countdown:
    """numbers: 3 or 4        hint_rate: share of right traces in the corpus
    operators: rates of + - * in the corpus, up to a factor; a trace is drawn in proportion to the product of its rates
    corrupted: share of the corpus's completions that are spoilt
    balanced: as many rows that can be solved without `*` as rows that cannot
    seed: of the split, and of how rows are shown

    Columns: numbers (as shown), goal, needs_times, solutions (different right traces).
    Raises: BadValue.
    """

    numbers: int = 3
    hint_rate: float = 0.3
    operators: tuple[float, float, float] = (1.0, 1.0, 1.0)
    corrupted: float = 0.0
    balanced: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.numbers not in (3, 4):
            raise BadValue("numbers", self.numbers, "3 or 4")
        share("hint_rate", self.hint_rate)
        share("corrupted", self.corrupted)
        rates = self.operators
        if len(rates) != len(OPERATORS) or not all(0 <= rate < np.inf for rate in rates) or not sum(rates) > 0:
            raise BadValue("operators", rates, "three rates of at least 0, not all of them 0")

    @property
    def name(self) -> str:
        return f"countdown{self.numbers}{'-hole' if self.balanced else ''}"

    @property
    def words(self) -> tuple[str, ...]:
        """Ten digits and seven signs."""
        return (*"0123456789", *OPERATORS, "=", ",", ">", ":")

    @property
    def max_completion(self) -> int:
        """15 for three numbers, 23 for four."""
        return self._longest_trace + 1

    def rows(self, split: Split) -> list[Row]:
        """Every problem of the split, or, balanced, as many as both halves have. Raises: BadValue."""
        wanted = np.flatnonzero(self._split == number_of(split))
        wanted = wanted[np.argsort(Stream(self.seed, "order").uniform(wanted), kind="stable")]
        if self.balanced:
            halves = [wanted[self._needs_times[wanted] == needs] for needs in (False, True)]
            fewer = min(map(len, halves))
            wanted = np.stack([half[:fewer] for half in halves], axis=1).reshape(-1)
        all_traces = self._traces
        shown = self._shown(wanted, Stream(self.seed, "shown"), wanted)
        return [
            {
                "prompt": self._prompt(numbers, int(all_traces.goal[problem])),
                "index": int(problem),
                "numbers": [int(number) for number in numbers],
                "goal": int(all_traces.goal[problem]),
                "needs_times": bool(self._needs_times[problem]),
                "solutions": int(all_traces.first[problem + 1] - all_traces.first[problem]),
            }
            for problem, numbers in zip(wanted, shown, strict=True)
        ]

    def verify(self, text: str, numbers: Sequence[int], goal: int) -> float:
        """1 for a right trace that ends in the goal, else 0."""
        return float(read(text, numbers) == goal)

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each. Reads the columns numbers and goal. Raises: BadValue."""
        return scored(self.verify, completions, columns, ("numbers", "goal"), longest=self._longest_text)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it is a right trace of the row's numbers, whatever its result."""
        return read(text, row["numbers"]) is not None

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Traces as the module says. Raises: BadValue."""
        counted("count", count)
        draw, each = Stream(seed, f"corpus of {self.name}"), np.arange(count)
        problems = self._asked(draw, each)
        completions = self._completions(problems, draw)
        if self.corrupted:
            spoilt = draw.uniform(each, lane=90) < self.corrupted
            for i in np.flatnonzero(spoilt):
                completions[i] = self._spoilt(completions[i], self._columns(int(problems[i])), draw, int(i))
        shown = self._shown(problems, draw, each)
        goals = self._traces.goal[problems]
        return [
            (self._prompt(numbers, int(goal)), completion)
            for numbers, goal, completion in zip(shown, goals, completions, strict=True)
        ]

    def oracle(self, row: Row) -> str:
        """The first of its right traces."""
        return self._traces.texts[int(self._traces.first[row["index"]])]

    def floor(self, row: Row, draw: Draws) -> str:
        """Any legal trace of its numbers, all alike likely."""
        return self._traces.texts[self._any_trace(row, draw)]

    @property
    def _longest_trace(self) -> int:
        return {3: 14, 4: 22}[self.numbers]

    @property
    def _longest_text(self) -> int:
        return 8 * self.max_completion

    @property
    def _traces(self) -> Traces:
        return traces(self.numbers)

    @cached_property
    def _split(self) -> Ints:
        return by_rank(len(self._traces.goal), self.seed)

    @cached_property
    def _needs_times(self) -> NDArray[np.bool_]:
        fewest = np.minimum.reduceat(self._traces.uses[:, 2], self._traces.first[:-1])
        found: NDArray[np.bool_] = fewest > 0
        return found

    @cached_property
    def _upto(self) -> NDArray[np.float64]:
        """[N + 1] sums of the traces' rates."""
        rates = np.asarray(self.operators, np.float64) ** self._traces.uses
        return np.concatenate([[0.0], rates.prod(axis=1).cumsum()])

    @staticmethod
    def _prompt(numbers: Sequence[int], goal: int) -> str:
        return f"{' '.join(map(str, numbers))} > {spelled(goal)} :"

    def _columns(self, problem: int) -> tuple[tuple[int, ...], int]:
        return self._traces.numbers[self._traces.chosen[problem]], int(self._traces.goal[problem])

    def _shown(self, problems: Ints, draw: Stream, copies: Ints) -> Ints:
        """[B, n] the numbers of each problem in an order of its own."""
        sets = np.array(self._traces.numbers)[self._traces.chosen[problems]]
        lanes = np.arange(self.numbers)
        order = np.argsort(draw.uniform(copies[:, None], 1, lanes), axis=1)
        return np.take_along_axis(sets, order, axis=1)

    def _any_trace(self, row: Row, draw: Draws) -> int:
        chosen = int(self._traces.chosen[row["index"]])
        begin, end = int(self._traces.opens[chosen]), int(self._traces.opens[chosen + 1])
        return begin + int(float(draw.uniform()) * (end - begin))

    def _asked(self, draw: Stream, each: Ints) -> Ints:
        """Problems of the training split, as often as traces reach them."""
        first = self._traces.first
        mass = (self._upto[first[1:]] - self._upto[first[:-1]]) * (self._split == 0)
        upto = mass.cumsum()
        drawn = np.searchsorted(upto, draw.uniform(each, lane=0) * upto[-1], side="right")
        problems: Ints = np.minimum(drawn, np.flatnonzero(mass)[-1])
        assert (self._split[problems] == 0).all(), "a problem that is held out must not be in a corpus"
        return problems

    def _tried(self, problems: Ints, draw: Stream, attempt: int) -> Ints:
        """A trace of each problem's numbers: right with probability `hint_rate`, else with another result."""
        each = np.arange(len(problems))
        lane = 10 + 2 * attempt
        first, opens, upto = self._traces.first, self._traces.opens, self._upto
        begin, end = first[problems], first[problems + 1]
        chosen = self._traces.chosen[problems]
        all_begin, all_end = opens[chosen], opens[chosen + 1]
        inside = upto[end] - upto[begin]
        outside = (upto[begin] - upto[all_begin]) + (upto[all_end] - upto[end])
        right = (draw.uniform(each, lane=lane) < self.hint_rate) | (outside <= 0)
        u = draw.uniform(each, lane=lane + 1)
        among = upto[begin] + u * inside
        others = upto[all_begin] + u * outside
        others = np.where(others < upto[begin], others, others + inside)
        found = np.searchsorted(upto, np.where(right, among, others), side="right") - 1
        found = np.clip(found, np.where(right, begin, all_begin), np.where(right, end, all_end) - 1)
        strayed = ~right & (found >= begin) & (found < end)  # by rounding at the interval's edge
        return np.where(strayed, np.where(end < all_end, end, begin - 1), found).astype(np.int64)

    def _completions(self, problems: Ints, draw: Stream) -> list[str]:
        texts = self._traces.texts
        return [texts[i] for i in self._tried(problems, draw, 0)]

    def _spoilt(self, completion: str, columns: tuple[tuple[int, ...], int], draw: Stream, copy: int) -> str:
        """With one digit changed or one word put in, and wrong by it."""
        vocabulary, words = self.words, completion.split()
        for turn in range(1, 100):
            u, place, word = draw.uniform(copy, turn, 91 + np.arange(3))
            changed = list(words)
            digits = [i for i, each in enumerate(words) if each.isdigit()]
            if u < 0.5 and digits:
                changed[digits[int(place * len(digits))]] = "0123456789"[int(word * 10)]
            else:
                changed.insert(int(place * (len(words) + 1)), vocabulary[int(word * len(vocabulary))])
            spoilt = " ".join(changed)
            if spoilt != completion and not self.verify(spoilt, *columns):
                return spoilt
        raise AssertionError("a completion that nothing spoils")


@dataclass(frozen=True)
class TaggedCountdown(Countdown):
    """Countdown with `< trace > answer` for completions: form is easy to earn, and a short trace earns it sooner.

    untagged: share of the corpus's completions that stop before `>`
    shortened: share whose trace stops after a step less, or is the goal alone

    `reward` asks for a right trace and the goal as the answer; the goal alone, which the prompt tells, earns nothing.
    `reward_functions` and `reward_weights` put the two rewards for form beside it.
    """

    hint_rate: float = 0.05
    untagged: float = 0.5
    shortened: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        share("untagged", self.untagged)
        share("shortened", self.shortened)

    @property
    def name(self) -> str:
        return f"{super().name}-tags"

    @property
    def words(self) -> tuple[str, ...]:
        return (*super().words, "<")

    @property
    def max_completion(self) -> int:
        return self._longest_trace + 5

    @property
    def reward_functions(self) -> tuple[Callable[..., list[float]], ...]:
        """Right, has an answer, has a trace that ends in a number; each 0 or 1."""
        return self.reward, self.has_answer, self.has_trace

    @property
    def reward_weights(self) -> tuple[float, ...]:
        """2, a half and a half: those of the release (Memory-R)."""
        return 2.0, 0.5, 0.5

    def verify(self, text: str, numbers: Sequence[int], goal: int) -> float:
        trace, answer = self.parts(text)
        right = trace is not None and answer is not None and answer == str(goal) and read(trace, numbers) == goal
        return float(right)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether there is a right trace of the row's numbers, and an answer."""
        trace, answer = self.parts(text)
        return trace is not None and answer is not None and read(trace, row["numbers"]) is not None

    def parts(self, text: str) -> tuple[str | None, str | None]:
        """(trace, answer) without spaces; None for one that is not there, both for other tags than the two."""
        text = text.replace(" ", "")
        if not text.startswith("<") or text.count("<") != 1 or text.count(">") > 1:
            return None, None
        trace, tag, answer = text[1:].partition(">")
        return trace or None, answer if tag and _INTEGER.fullmatch(answer) else None

    def has_answer(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """1 where a whole number stands behind the tag."""
        return [float(self._parts(each)[1] is not None) for each in completions]

    def has_trace(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """1 where there is a trace and it ends in a digit."""
        return [float((self._parts(each)[0] or " ")[-1] in "0123456789") for each in completions]

    def oracle(self, row: Row) -> str:
        return f"< {super().oracle(row)} > {spelled(row['goal'])}"

    def floor(self, row: Row, draw: Draws) -> str:
        trace = self._any_trace(row, draw)
        return f"< {self._traces.texts[trace]} > {spelled(int(self._traces.goal[self._traces.problem[trace]]))}"

    def _parts(self, completion: Any) -> tuple[str | None, str | None]:
        text = text_of(completion)
        return (None, None) if text is None or len(text) > self._longest_text else self.parts(text)

    def _completions(self, problems: Ints, draw: Stream) -> list[str]:
        each = np.arange(len(problems))
        bare, short = (draw.uniform(each, lane=lane) for lane in (80, 81))
        found = []
        for i, trace in enumerate(super()._completions(problems, draw)):
            goal = spelled(int(self._traces.goal[problems[i]]))
            if short[i] < self.shortened:
                trace = trace.rpartition(" , ")[0] if short[i] < self.shortened / 2 else goal
            found.append(f"< {trace}" if bare[i] < self.untagged else f"< {trace} > {goal}")
        return found
