"""Is the answer of `evaluate` right? The policy that it speaks of is run live, and the answer is held against it.

    python benchmarks/evaluate_live.py                    # ten seeds, five policies, some four minutes
    python benchmarks/evaluate_live.py --reward best --seeds 3

A desk of problems with four notes each, of which the best-worded are wrong more often than not. A memory learns for a
while and is then frozen (`Memory.freeze`), since an evaluation is of the situations recorded, with the memory as it
stood. A copy of the file serves so many tasks under the default safe policy: that is the log. `evaluate` says from it
what each other policy would have earned in the same tasks (`fitted_through` leaves out those from before the freeze).
Then each of them is run: on fresh copies of the frozen file, with the same tasks in the same order and luck of its own,
several times over, so that what it earns is known well.

Only the public API is used. Printed: the answer and its interval, what the policy earned live, and whether that is
inside; at the end how many were, with a Clopper-Pearson interval. 95 in 100 should be, less what the live runs' own
luck takes, which is printed too: a mean of 800 tasks is itself off by .015.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.memory import Memory, Policy
from wayfare.report.statistics import share_interval

THINGS = ("invoice", "password", "router", "printer", "calendar", "backup")
NOTES = {
    "{0} fails after update, {0} fails again, when it fails update: restart it": 0.1,
    "{0} fails: ask somebody about the update": 0.2,
    "{0}: clear what is stored of it, then the update": 0.95,
    "{0}: wait until it fails no more": 0.05,
}
"""What a note says of a thing, and how often its advice works; the more it resembles the question the worse."""
REWARDS = ("mean", "best")
TARGETS: Mapping[str, Policy] = {
    "similarity": Policy("similarity"),
    "thompson": Policy("thompson"),
    "thompson, explore 1": Policy("thompson", explore=1.0),
    "memrl": Policy("memrl", epsilon=0.1),
    "boltzmann, explore 0.5": Policy("boltzmann", explore=0.5),
}
K = 2
NOON = 1_700_000_000.0


@dataclass(frozen=True)
class Answer:
    """One policy of one seed. live, error: what it earned and the standard error of that        refused: the reason"""

    seed: int
    policy: str
    estimator: str
    value: float
    low: float
    high: float
    logged: float
    live: float
    error: float
    inside: bool
    refused: str = ""


def held_against_live(
    seed: int,
    before: int,
    tasks: int,
    passes: int,
    reward: str,
    place: Path,
    targets: Mapping[str, Policy] = TARGETS,
) -> list[Answer]:
    """Log, ask, and run what was asked about. before: tasks learned from        place: an empty folder"""
    frozen = place / "frozen.db"
    with _opened(frozen, seed) as memory:
        memory.remember_many([text.format(thing) for thing in THINGS for text in NOTES])
        _, end = _work(memory, seed, "before", before, reward)
        memory.freeze()
    log = _copy(frozen, place / "log.db")
    with _opened(log, seed) as memory:
        _work(memory, seed, "log", tasks, reward)
    answers = []
    for name, rule in targets.items():
        policy, earned = rule.with_(fitted_through=end), list[float]()
        for one in range(passes):
            path = _copy(frozen, place / "live.db")
            with _opened(path, 1_000 * (one + 1) + seed, policy=policy) as memory:
                earned += _work(memory, seed, "log", tasks, reward, luck=f"live {name} {one}")[0]
        mean = sum(earned) / len(earned)
        error = (sum((each - mean) ** 2 for each in earned) / len(earned) / len(earned)) ** 0.5
        with _opened(log, seed, read_only=True) as memory:
            try:
                told = memory.evaluate(policy)
            except BadValue as reason:
                answers.append(
                    Answer(seed, name, "", *[float("nan")] * 4, mean, error, False, refused=str(reason))  # type: ignore
                )
                continue
        inside = told.low <= mean <= told.high
        answers.append(
            Answer(seed, name, told.recommended, told.value, told.low, told.high, told.logged, mean, error, inside)
        )
    return answers


def _opened(path: Path, seed: int, **given: Any) -> Memory:
    return Memory(path, seed=seed, synchronous="NORMAL", clock=lambda: NOON, **given)


def _copy(source: Path, target: Path) -> Path:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    return Path(shutil.copy(source, target))


def _work(memory: Memory, seed: int, part: str, tasks: int, reward: str, luck: str = "luck") -> tuple[list[float], int]:
    """Serve the tasks of a part, which are the same for a seed whoever serves them; rewards, and where the log ends."""
    which, chances = Stream(seed, f"problems {part}"), Stream(seed, f"{luck} {part}")
    rewards, end = [], 0
    for i in range(tasks):
        thing = THINGS[int(which.integers(len(THINGS), i))]
        with memory.task(f"{part}-{i}") as task:
            recall = memory.recall(f"{thing} fails after update", k=K)
            works = [_works(item.record.content) for item in recall]
            p = sum(works) / len(works) if reward == "mean" else max(works)
            earned = float(float(chances.uniform(i)) < p)
            end = task.credit(earned).seq
        rewards.append(earned)
    return rewards, end


def _works(content: str) -> float:
    return next(chance for text, chance in NOTES.items() if content.endswith(text.removeprefix("{0}").split("{0}")[-1]))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--before", type=int, default=300, help="tasks that are learned from before the freeze")
    parser.add_argument("--tasks", type=int, default=400, help="tasks in the log, and in each live run")
    parser.add_argument("--passes", type=int, default=3, help="how often each policy is run live")
    parser.add_argument("--reward", choices=REWARDS, default="mean", help="of the shown notes' chances: mean or best")
    parser.add_argument("--json", type=Path, help="write every answer there")
    given = parser.parse_args(words)
    answers: list[Answer] = []
    print(f"{'seed':>4}  {'policy':24} {'answer':>7} {'interval':>16} {'live':>6}  inside  by")
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as place:
            found = held_against_live(seed, given.before, given.tasks, given.passes, given.reward, Path(place))
        for a in found:
            said = f"{a.value:7.3f} [{a.low:6.3f}, {a.high:6.3f}]" if not a.refused else f"{'refused':>24}"
            inside = "-" if a.refused else "yes" if a.inside else "NO"
            print(
                f"{seed:4}  {a.policy:24} {said} {a.live:6.3f}  {inside:6}  {a.estimator or a.refused[:80]}", flush=True
            )
        answers += found
    told = [a for a in answers if not a.refused]
    inside = sum(a.inside for a in told)
    share = share_interval(inside, len(told))
    print(f"\nThe log earned {sum(a.logged for a in told) / len(told):.3f} per task.")
    print(
        f"{inside} of {len(told)} live values are inside the interval: {share.estimate:.3f} [{share.low:.3f}, "
        f"{share.high:.3f}]; {expected(told):.3f} are to be expected with the luck of the live runs, "
        f"0.95 without; {len(answers) - len(told)} questions were refused."
    )
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(a) for a in answers], indent=1))
    return 0


def expected(told: Sequence[Answer]) -> float:
    """Share of intervals that a live mean falls into if they hold the truth 95 times in 100: both have errors."""
    normal, sure = NormalDist(), NormalDist().inv_cdf(0.975)
    shares = []
    for answer in told:
        error = (answer.high - answer.low) / 2 / sure
        width = sure * error / (error**2 + answer.error**2) ** 0.5
        shares.append(2 * normal.cdf(width) - 1)
    return sum(shares) / len(shares)


if __name__ == "__main__":
    raise SystemExit(main())
