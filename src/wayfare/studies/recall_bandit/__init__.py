"""Does a memory that learns from outcomes which memories to recall beat similarity, without ever earning much less?

Our own question: the default of `wayfare.memory.Memory`, a safe mixture of similarity and a Thompson policy over sets,
whose share grows only as outcomes prove it. Nobody has published the combination; its parts are named where they stand
(`memory.policy`, `explore.rules.floor`, `explore.evaluation.slates`). The agent is simulated, a stand-in for a language
model: it follows one of the memories that it is shown at random, or, in a variant, the best of them.

    stream     2,000 tasks of 20 families over a memory that grows; with probability m a memory whose advice works has a
               near-duplicate that is more relevant and whose advice fails; in a variant they change places half way
    arms       similarity (baseline), recency, MemRL's rule tuned on other streams, epsilon, inverse gap, Thompson, the
               safe mixture with default settings, the best set among the same candidates (oracle)
    floor      broken: over a block of 50 tasks the exact expected reward of the mixture is below (1 - alpha) V_b
    desk       the same question through the public API, with real texts in a real file: what a default memory is worth
               after 50, 200 and 1,000 credited tasks, beyond one with `policy="similarity"`

The streams run the memory's own policies, coin, floor, credit and estimators, on arrays instead of a file. At scale
`full` the agent is still simulated; streams are longer and more.

This module knows the question and its knobs; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads
it. All but the figures runs on the base install.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; values are expected rewards of a task."""

    tasks: int = 2000
    """Tasks of a stream: T."""
    families: int = 20
    """Kinds of problem."""
    originals: int = 6
    """Memories of a family whose advice works; half are there at the start."""
    k: int = 3
    """Memories shown in a task of a stream."""
    misled: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    """m: chances that a memory has a near-duplicate whose advice fails."""
    floor_streams: int = 200
    """Streams on which broken floors are counted, shared out evenly over m; the first `seeds` of each are compared."""
    tuning_seeds: int = 3
    """Other streams of each m on which MemRL's rule is tuned."""
    logs: int = 200
    """Streams whose logs judge another policy; 0 leaves them out."""
    log_tasks: int = 250
    """Tasks of such a log."""
    looks: tuple[int, ...] = (50, 200, 1000)
    """Credited tasks after which the desk's memories are compared."""
    desk_k: int = 5
    """Memories shown in a task of the desk."""
    desk_misled: float = 0.5
    """Chance that a problem of the desk has near-duplicates whose advice fails."""

    AT_LEAST: ClassVar = {
        "tasks": 100, "families": 1, "originals": 2, "k": 1, "tuning_seeds": 1, "logs": 0, "log_tasks": 50, "desk_k": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if self.tasks % 100:
            raise BadValue("tasks", self.tasks, "a multiple of 100: blocks of 50, and a drift between two of them")
        if (
            not self.misled
            or not all(0 <= m <= 1 for m in self.misled)
            or list(self.misled) != sorted(set(self.misled))
        ):
            raise BadValue("misled", self.misled, "chances from 0 to 1, rising")
        if not {0.0, 0.5} <= set(self.misled):
            raise BadValue("misled", self.misled, "0 and 0.5 among others: checks ask for them")
        if not 0 <= self.desk_misled <= 1:
            raise BadValue("desk_misled", self.desk_misled, "from 0 to 1")
        if not self.looks or self.looks[0] < 1 or list(self.looks) != sorted(set(self.looks)):
            raise BadValue("looks", self.looks, "numbers of tasks, rising")
        if self.floor_streams < self.seeds * len(self.misled):
            raise BadValue("floor_streams", self.floor_streams, f"at least seeds for each m = {self.seeds} each")


LAPTOP = Config(scale="laptop", seeds=20, seed=200)
QUICK = replace(LAPTOP, scale="quick", seeds=3, seed=0, floor_streams=12, tuning_seeds=1, logs=10, looks=(50, 200))
SMOKE = replace(
    LAPTOP, scale="smoke", seeds=2, seed=0, tasks=100, families=4, originals=4, misled=(0.0, 0.5), floor_streams=4,
    tuning_seeds=1, logs=2, log_tasks=50, looks=(10, 20),
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=100, tasks=10_000, families=50, floor_streams=1000, tuning_seeds=10, logs=1000
)

STUDY = Study(
    slug="recall-bandit",
    title="A memory that learns what to recall, above a floor (the agent is simulated)",
    paper="ours; MemRL's rule after arXiv 2601.03192, the pseudo-inverse estimator after arXiv 1605.04812",
    claim=(
        "Recall as a safe mixture, with default settings, closes at least half of the gap from similarity to the best "
        "memories where similarity misleads, gives up at most 2 % where it does not, is above MemRL's tuned rule, and "
        "keeps its floor."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 20, "quick": 150, "laptop": 1500, "full": 60000},
    run="wayfare.studies.recall_bandit.experiment:run",
)
