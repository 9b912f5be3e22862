"""A support desk whose best-worded notes are wrong for some problems: through the public API, with real texts.

Every problem has five notes whose advice works, in their own words. For some problems each of them has a near-duplicate
that repeats the customers' words and whose advice fails. A simulated agent, the stand-in for a language model, reads
the five notes that it is given and follows one of them at random; the task succeeds with the chance of that note's
advice, which is small when the note was meant for another problem. The harness credits the task with whether it did.

What a memory has learned after n credited tasks is asked of its file, opened read-only: the mean chance of what it
shows in tasks that it has not met and that credit nothing. All texts, tasks and outcomes come from the seed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.memory import Memory

__all__ = ["Problems", "serve", "work"]

THINGS = ("invoice", "password", "router", "printer", "calendar", "backup")
TROUBLES = (("is lost after the update", "lost in an update"), ("shows an error at every start", "error at start"))
CAUSES = ("stale cache", "wrong region", "expired token", "full disk", "old driver", "blocked port", "bad permissions")
REMEDIES = (
    "clear it and sign in again", "ask for the account's region", "restart the sync service", "reissue the token",
    "free some space first", "reinstall from the portal", "open the port", "reset the profile",
)  # fmt: skip
GREETINGS = ("", "hello, ", "urgent: ", "again, ", "since today ", "for a colleague: ")
ENDINGS = ("what can I do?", "please help", "can you fix it?", "who can help me?", "it worked last week")
NOTES = 5
RIGHT, WRONG, FOREIGN = (0.75, 0.9), (0.05, 0.2), 0.1
"""Chances that advice works: that is right, that is wrong, that was meant for another problem."""
HELD_OUT = 100


@dataclass(frozen=True)
class Note:
    """text, the problem that it is for, and how often its advice works there."""

    text: str
    problem: int
    chance: float


class Problems:
    """The desk of one seed. misled: chance that a problem has near-duplicates whose advice fails."""

    def __init__(self, seed: int, misled: float) -> None:
        self.seed = seed
        self.spoken = [f"my {thing} {said}" for thing in THINGS for said, _ in TROUBLES]
        self.notes: list[Note] = []
        uniform = Stream(seed, "chance of a note").uniform
        wrong = np.asarray(Stream(seed, "misled problems").uniform(np.arange(len(self.spoken)))) < misled
        causes = np.asarray(
            Stream(seed, "causes").uniform(np.arange(len(self.spoken))[:, None], np.arange(len(CAUSES)))
        )
        for i, spoken in enumerate(self.spoken):
            thing, (_, meant) = THINGS[i // len(TROUBLES)], TROUBLES[i % len(TROUBLES)]
            for j, cause in enumerate(np.argsort(causes[i])[:NOTES].tolist()):
                remedy = REMEDIES[(i + j) % len(REMEDIES)]
                low, high = RIGHT
                worth = low + (high - low) * float(uniform(i, j, 0))
                self.notes.append(Note(f"{thing} {meant}, {CAUSES[cause]}: {remedy}.", i, worth))
                if wrong[i]:
                    low, high = WRONG
                    worth = low + (high - low) * float(uniform(i, j, 1))
                    other = REMEDIES[(i + j + 3) % len(REMEDIES)]
                    text = f"Customer says: {spoken}, what can I do? With a {CAUSES[cause]}, {other}."
                    self.notes.append(Note(text, i, worth))

    def ask(self, stream: str, i: int) -> tuple[int, str]:
        """The problem of task i, and the customer's words."""
        draw = Stream(self.seed, stream)
        problem = int(draw.integers(len(self.spoken), i, 0))
        greeting, ending = GREETINGS[int(draw.integers(len(GREETINGS), i, 1))], ENDINGS[int(draw.integers(5, i, 2))]
        return problem, f"{greeting}{self.spoken[problem]}, {ending}"

    def worth(self, problem: int, texts: Sequence[str]) -> list[float]:
        """How often the advice of these notes works for a problem."""
        known = {note.text: note for note in self.notes}
        return [known[text].chance if known[text].problem == problem else FOREIGN for text in texts]

    def best(self, k: int) -> float:
        """Mean over the held-out tasks of what the k best notes are worth."""
        by_problem = []
        for problem in range(len(self.spoken)):
            worth = sorted(self.worth(problem, [note.text for note in self.notes]), reverse=True)
            by_problem.append(float(np.mean(worth[:k])))
        return float(np.mean([by_problem[self.ask("held-out tasks", i)[0]] for i in range(HELD_OUT)]))


def serve(
    problems: Problems, path: Path, policy: str, looks: Sequence[int], k: int, used: bool, tell: Callable[[int], None]
) -> NDArray[np.float64]:
    """Work through tasks with one memory; what it is worth on the held-out tasks after each number of `looks`.

    used: whether the harness says which note was followed
    """
    found = []
    with Memory(path, policy=policy, seed=problems.seed) as memory:
        memory.remember_many([{"text": note.text, "kind": "note"} for note in problems.notes])
    for begin, end in zip((0, *looks), looks, strict=False):
        with Memory(path, policy=policy, seed=problems.seed) as memory:
            for i in range(begin, end):
                _task(memory, problems, i, k, used)
                tell(i)
        found.append(_held_out(problems, path, policy, k))
    return np.array(found)


def _task(memory: Memory, problems: Problems, i: int, k: int, used: bool) -> None:
    problem, words = problems.ask("tasks", i)
    with memory.task(f"ticket-{i}") as task:
        recall = memory.recall(words, k=k)
        worth = problems.worth(problem, [item.record.content for item in recall])
        followed = int(float(Stream(problems.seed, "which is followed").uniform(i)) * len(worth))
        reward = float(float(Stream(problems.seed, "luck").uniform(i)) < worth[followed])
        task.credit(reward, used=[recall.ids[followed]] if used else None)


def _held_out(problems: Problems, path: Path, policy: str, k: int) -> float:
    """Mean chance of what is shown in tasks that were not worked on; the file stays as it is."""
    found = []
    with Memory(path, policy=policy, seed=problems.seed, read_only=True) as memory:
        for i in range(HELD_OUT):
            problem, words = problems.ask("held-out tasks", i)
            shown = memory.recall(words, k=k, task=f"held-out-{i}")
            found.append(float(np.mean(problems.worth(problem, [item.record.content for item in shown]))))
    return float(np.mean(found))


def work(
    report: Callable[..., None], *, name: str, seeds: Sequence[int], looks: Sequence[int], k: int, misled: float,
    used: bool,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """One cell: each seed's desk with a default memory and with `policy="similarity"`, on the same tasks.

    Returns "name|measure" [seeds, looks]: learned, similarity; and best [seeds].
    """
    rows: dict[str, list[NDArray[np.float64]]] = {"safe": [], "similarity": []}
    best, whole, done = [], len(seeds) * 2 * max(looks), 0

    def tell(_: int) -> None:
        nonlocal done
        done += 1
        if done % 50 == 0:
            report(done, whole)

    for seed in seeds:
        problems = Problems(seed, misled)
        best.append(problems.best(k))
        with tempfile.TemporaryDirectory() as folder:
            for policy, found in rows.items():
                found.append(serve(problems, Path(folder) / f"{policy}.db", policy, looks, k, used, tell))
    return {
        f"{name}|learned": np.stack(rows["safe"]),
        f"{name}|similarity": np.stack(rows["similarity"]),
        f"{name}|best": np.array(best),
    }
