"""R3, an instrument: the control loop of Game of 24 around a simulated model, not language.

The simulated model proposes random legal moves; each is replaced by a faulty one (its result one too high) with chance
FAULTY. It judges whether 24 can still be reached and is wrong with chance MISJUDGED. A fault or a misjudgement whose
feedback is in memory is not repeated: that obedience is built in, and so nothing here says what a language model would
do. What is looked at is what the loops make of it with the same number of calls (a call is one list of proposals or one
judgement):

    RAFA             a beam of one over the remaining moves; the line is carried out as far as it is valid and the exact
                     solver has no objection, and planning goes on from there with the feedback
    ToT              the same beam, from the start each time; hears whether it made 24, and no more
    ToT + feedback   ToT that is given the feedback that RAFA gets
    Reflexion        one proposal a step, no looking ahead; the same feedback

One act is a line of moves; what is kept is its valid prefix. Success is checked by exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.studies.contract import Report
from wayfare.worlds.game24 import TARGET, State, line, moves, play_move, puzzles, start

__all__ = ["FAULTY", "LOOPS", "MISJUDGED", "control"]

FAULTY, MISJUDGED, PROPOSALS = 0.15, 0.25, 8
LOOPS = ("RAFA", "ToT", "ToT + feedback", "Reflexion")
PLAN = 3 * (1 + PROPOSALS)
"""Calls of a beam of one from the start."""
BUDGET = 4 * PLAN


@lru_cache(maxsize=1 << 16)
def _table(state: State) -> tuple[tuple[str, State, State], ...]:
    """(move, what it leads to, what the faulty one is taken to lead to) of each legal move."""
    found = []
    for move in moves(state):
        after = play_move(state, move)
        left = list(after)
        result = next(number for number in after if str(number) == move.split(" = ")[1])
        left.remove(result)
        found.append((move, after, tuple(sorted([*left, result + 1]))))
    return tuple(found)


@lru_cache(maxsize=1 << 17)
def _can(state: State) -> bool:
    return line(state) is not None


class Simulated:
    """The model with its memory, for one puzzle. draws: uniforms; remembers: whether feedback has an effect"""

    def __init__(self, draws: Iterator[float], remembers: bool) -> None:
        self.draws, self.remembers, self.calls = draws, remembers, 0
        self.faults: set[tuple[State, str]] = set()
        self.judged: set[State] = set()

    def propose(self, state: State, n: int) -> list[tuple[str, State, bool]]:
        """Up to n different moves: (move, what it is taken to lead to, whether it is faulty)."""
        self.calls += 1
        table = list(_table(state))
        found = []
        for _ in range(min(n, len(table))):
            move, after, wrong = table.pop(int(next(self.draws) * len(table)))
            faulty = next(self.draws) < FAULTY and not (self.remembers and (state, move) in self.faults)
            found.append((move, wrong if faulty else after, faulty))
        return found

    def judge(self, state: State) -> bool:
        """Whether 24 can be reached, as it seems; a single number is plain to see."""
        self.calls += 1
        wrong = next(self.draws) < MISJUDGED
        if len(state) == 1:
            return state[0] == TARGET
        return _can(state) ^ (wrong and not (self.remembers and state in self.judged))


Line = list[tuple[str, bool]]


def beam_of_one(model: Simulated, state: State, n: int = PROPOSALS) -> Line:
    """A whole line of moves, at each step the first of the proposals that are judged well."""
    found: Line = []
    while len(state) > 1:
        offered = model.propose(state, n)
        good = [model.judge(after) for _, after, _ in offered]
        move, after, faulty = offered[good.index(True) if any(good) else 0]
        found.append((move, faulty))
        state = after
    return found


def blind(model: Simulated, state: State) -> Line:
    """A whole line of first proposals."""
    found: Line = []
    while len(state) > 1:
        move, after, faulty = model.propose(state, 1)[0]
        found.append((move, faulty))
        state = after
    return found


def carry_out(model: Simulated, state: State, planned: Line) -> State:
    """The state after the valid prefix: before the first fault, and before the first state from which the solver says
    that 24 is out of reach; the model hears of that one."""
    for move, faulty in planned:
        if faulty:
            model.faults.add((state, move))
            return state
        after = play_move(state, move)
        if not _can(after):
            model.judged.add(after)
            model.faults.add((state, move))
            return state
        state = after
    return state


def attempt(loop: str, model: Simulated, puzzle: State, budget: int) -> int | None:
    """Calls until the puzzle was solved, None if it was not within the budget."""
    state = puzzle
    while model.calls < budget:
        planned = blind(model, state) if loop == "Reflexion" else beam_of_one(model, state)
        if model.calls > budget:
            return None
        reached = carry_out(model, state, planned)
        if len(reached) == 1 and reached[0] == TARGET:
            return model.calls
        state = reached if loop == "RAFA" else puzzle
    return None


def control(
    report: Report, *, loop: str, seeds: Sequence[int], count: int, budget: int = BUDGET
) -> Mapping[str, NDArray[Any]]:
    """Share of `count` puzzles solved [seeds], mean calls of the solved and unsolved, and success by calls.

    Raises: BadValue for a loop that is none.
    """
    if loop not in LOOPS:
        raise BadValue("loop", loop, f"one of {', '.join(LOOPS)}")
    states = [start(numbers) for numbers in puzzles(count)]
    ends = np.arange(PLAN // 3, budget + 1, PLAN // 3)
    solved, calls, curves = [], [], []
    for i, seed in enumerate(seeds):
        used = []
        for number, puzzle in enumerate(states):
            model = Simulated(_draws(seed, number), remembers=loop != "ToT")
            found = attempt(loop, model, puzzle, budget)
            used.append(np.inf if found is None else found)
        told = np.array(used)
        solved.append(np.isfinite(told).mean())
        calls.append(np.minimum(told, budget).mean())
        curves.append((told[:, None] <= ends).mean(axis=0))
        if i % 10 == 9:
            report(i + 1, len(seeds), solved=float(np.mean(solved)))
    name = f"24 {loop}"
    found_all = {"solved": solved, "calls": calls, "curve": curves, "ends": ends}
    return {f"{name}|{measure}": np.array(value) for measure, value in found_all.items()}


def _draws(seed: int, puzzle: int) -> Iterator[float]:
    """Uniforms of one puzzle, made 512 at a time."""
    turn = 0
    make: Callable[..., Any] = Stream(seed, "simulated model").uniform
    while True:
        yield from make(puzzle, turn, np.arange(512)).tolist()
        turn += 1
