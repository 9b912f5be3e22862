"""Does a memory make the same frozen model better as it goes through a stream of tasks, and which memory?

Wei, Sachdeva, Coleman et al. 2025, "Evo-Memory: Benchmarking LLM Agent Test-time Learning with Self-Evolving Memory"
(arXiv 2511.20857). Static benchmarks become streams; every memory is search, synthesise, update around one frozen model
with one prompt frame and one budget. Claimed: to recall similar finished tasks (ExpRAG) already helps; an agent that
also prunes and reorders its memory (ReMem) does better where failures are stored, and takes fewer steps; the gain grows
with how similar the tasks of a stream are.

    puzzles    stream A: rows of numbers with hidden rules, families by name (`worlds.puzzles`); the frozen solver is a
               small transformer, trained in the run on other families, that applies the rule of what it is shown
    errands    stream B: a house in which things have hidden places (`worlds.household`); the frozen solver is a planner
               that follows what it is shown
    memories   the shipped modules of `memory.modules`, all with k = 4 and one budget; and `copy`: the answer of the
               most similar success, without a model
    scripted   an oracle that shows successes of the right family; a memory that shows any finished tasks

What is crossed: all memories x 3 orders without noise; all memories in random order at each noise, ExpRAG and ReMem in
the other orders at the worst; ExpRAG and ReMem over numbers of families, over streams in which nothing can be carried
over, over half a budget and family by family. Every task is answered before any memory hears of it. The study says
nothing where its own instrument fails: the solver must gain .3 from four right examples.

`bench.py` compares a memory of your own; `full.py` runs task lists with hosted models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from wayfare.errors import BadValue
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; success is a share of tasks."""

    puzzles: int = 200
    """Tasks of a stream of puzzles."""
    errands: int = 150
    """Tasks of a stream of errands."""
    families: int = 10
    """Families of a stream: names of puzzles, things of errands."""
    sweep: tuple[int, ...] = (2, 5, 20, 40)
    """Other numbers of families, for the gain by similarity; empty leaves that part out."""
    noise: tuple[float, ...] = (0.1, 0.3)
    """Chances that feedback is turned round, besides none; the last is what the claim about failures is made at."""
    orders: tuple[str, ...] = ("random", "easy-hard", "hard-easy")
    """In which a stream comes; the first is random."""
    k: int = 4
    """Finished tasks that are shown at most."""
    puzzle_words: int = 110
    """Budget of a context, in words, where puzzles are asked: about five of them."""
    errand_words: int = 500
    """... and where errands are."""
    half: float = 0.5
    """Share of the budget that the smaller one is; 0 leaves that part out."""
    unrelated: int = 4
    """Streams of each seed in which nothing can be carried over; 0 leaves that part out."""
    reask: int = 20
    """Tasks asked again at the end."""
    size: Literal["xs", "s", "m"] = "s"
    """Of the puzzles' solver."""
    updates: int = 800
    """Of its training."""
    rows: int = 32
    """Sequences of an update."""
    probe: int = 200
    """Puzzles of each length by which its instrument is read, a seed."""
    places: int = 24
    """Places of a house."""
    habit: float = 0.95
    """Chance that a thing lies in its place."""
    cap: int = 60
    """Steps of an errand."""
    tasks: str = ""
    """Full scale: a file of tasks, a JSON object a line with `task` and `answer`."""
    model: str = "gpt-4o-mini"
    """Full scale: name of the model that answers, and that memories ask."""
    endpoint: str = ""
    """Full scale: address of its server, up to /v1."""
    full_words: int = 2000
    """Full scale: budget of a context, in words."""
    most_calls: int = 0
    """Full scale: calls that may be made; what a run takes is told when this is less."""
    ledger_folder: str = "."
    """Full scale: where answers that were paid for are kept."""

    AT_LEAST: ClassVar = {
        "puzzles": 3, "errands": 3, "k": 1, "puzzle_words": 1, "errand_words": 1, "unrelated": 0, "reask": 0,
        "updates": 8, "rows": 1, "probe": 1, "places": 2, "cap": 1, "full_words": 1, "most_calls": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not self.orders or self.orders[0] != "random" or not set(self.orders) <= set(ORDERS):
            raise BadValue("orders", self.orders, f"'random' and then any of {', '.join(ORDERS[1:])}")
        for name in ("orders", "noise", "sweep"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise BadValue(name, getattr(self, name), "each once")
        if not self.noise or not all(0 < noise < 0.5 for noise in self.noise):
            raise BadValue("noise", self.noise, "one number at least, each above 0 and below 0.5")
        if not all(2 <= count <= MOST for count in (self.families, *self.sweep)):
            raise BadValue("families and sweep", (self.families, *self.sweep), f"each from 2 to {MOST}")
        if self.families in self.sweep:
            raise BadValue("sweep", self.sweep, f"others than families = {self.families}")
        if not 0 <= self.half < 1:
            raise BadValue("half", self.half, "at least 0 and below 1")


ORDERS = ("random", "easy-hard", "hard-easy")
MOST = 40

LAPTOP = Config(scale="laptop", seeds=10, seed=500)
QUICK = replace(
    LAPTOP, scale="quick", seeds=3, seed=0, puzzles=60, errands=50, families=5, sweep=(2, 20), noise=(0.3,),
    orders=("random", "easy-hard"), unrelated=1, half=0.0, updates=300, reask=10,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=2, puzzles=6, errands=6, families=2, sweep=(), orders=("random",), updates=8, rows=4,
    probe=5, reask=2, size="xs", unrelated=0,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1, sweep=(), unrelated=0, half=0.0)

STUDY = Study(
    slug="evo-memory",
    title="Streams of tasks: which memory makes a frozen model better as it goes",
    paper=(
        "Wei, Sachdeva, Coleman et al. 2025, Evo-Memory: Benchmarking LLM Agent Test-time Learning with Self-Evolving "
        "Memory, arXiv 2511.20857"
    ),
    claim=(
        "Recalling similar finished tasks raises a frozen model's success along a stream; a memory that refines itself "
        "does better still where failures are stored, takes fewer steps, and gains grow with the similarity of tasks."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 8, "quick": 120, "laptop": 900, "full": 20000},
    run="wayfare.studies.evo_memory.experiment:run",
    ready="wayfare.studies.evo_memory.experiment:ready",
)
