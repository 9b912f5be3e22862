"""Can a memory be text, a cache of activations or weights, and can a scheduler choose between them?

Li et al. 2025, "MemOS: A Memory OS for AI System" (arXiv 2507.03724). A memory is one resource in three
forms, moved between them: a text that is read often is read once and kept as keys and values, what is stable goes into
an adapter, and weights are written back as text. Claimed: a cache answers as the text does, and sooner; parameters
answer without any text; a scheduler picks the form that costs least.

    model        a transformer of 4 layers and 0.9 million weights, trained from nothing in the run to look facts up in
                 lists that it has never seen: who lives where (`people.py`)
    activation   A: logits and tokens with the facts as text against those with a cache that was stored and loaded;
                 the time to the first token, at five lengths; and what laying caches end to end does
    parameter    B: 50 facts distilled into an adapter; asked without any text, written back as text, taken out again;
                 what 200 other facts suffer
    scheduler    C: queries by Zipf's law, facts edited at random. Always text, cache or adapter, thresholds of
                 frequency tuned on other seeds, and a cost model with a bandit. What a query costs in each form is
                 measured once, in this run, and stored in the findings; every policy is judged on that table
    lifecycle    D: random operations on a cube against a reference in memory, killed on the way
    full         a model of any size by path or name, memories of 8k tokens, LoCoMo's questions

The official implementation has no parameter memory (its load does nothing) and lays caches end to end. This module
knows the question and its knobs and imports no torch; `plan.py` says what is run, `experiment.py` runs it and
`outcome.py` reads it.
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
    """Knobs of the study; costs are in milliseconds."""

    models: int = 2
    """Trained; the seeds share them in turns."""
    first_updates: int = 2800
    """Of the small net, from nothing."""
    updates: int = 600
    """Of the net that it is grown to."""
    learning_rate: float = 3e-3
    """Peak of AdamW's, of the small net."""
    lengths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    """Tokens of a memory, two a fact."""
    questions: int = 24
    """Asked of each memory in part A."""
    repeats: int = 15
    """Timings of each form, taken in turns; their median is reported."""
    facts: int = 50
    """Distilled into an adapter."""
    others: int = 200
    """Facts that an adapter was not told: what they suffer."""
    distil_updates: int = 300
    """Of an adapter."""
    scheduler_seeds: int = 10
    """Seeds of part C."""
    tuning_seeds: int = 3
    """Other seeds, on which the thresholds of frequency are chosen."""
    memories: int = 60
    """Memories that are asked, in part C."""
    queries: int = 6000
    """Queries of a workload."""
    every: float = 100.0
    """Milliseconds from a query to the next: what a training takes longer is a delay in queries."""
    background: float = 0.01
    """Price of a millisecond of training, for which nobody waits, in milliseconds of a query, where somebody does."""
    wrong: float = 200.0
    """Price of a wrong or stale answer, in milliseconds."""
    operations: int = 10_000
    """Of part D; 0 leaves it out."""
    operation_seeds: int = 5
    """Seeds that these are divided among."""
    kills: int = 4
    """Times that a seed's operations are killed on the way."""
    model: str = "tiny-random"
    """Full scale: name or path of a causal model."""
    memory_tokens: int = 8192
    """Full scale: tokens of a memory in the table of costs."""
    locomo: str = ""
    """Full scale: path of locomo10.json; empty: that part is left out."""
    conversations: int = 10
    """Full scale: of that file."""
    adapter_updates: int = 200
    """Full scale: of an adapter for one memory; 0 leaves adapters out."""

    AT_LEAST: ClassVar = {
        "models": 1, "first_updates": 1, "updates": 1, "questions": 1, "repeats": 3, "facts": 2, "others": 2,
        "distil_updates": 1, "scheduler_seeds": 1, "tuning_seeds": 1, "memories": 6, "queries": 10, "operations": 0,
        "operation_seeds": 1, "kills": 0, "memory_tokens": 1024, "conversations": 1, "adapter_updates": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 < self.learning_rate < 1:
            raise BadValue("learning_rate", self.learning_rate, "above 0 and below 1")
        if not self.lengths or any(length < 8 or length > MOST or length % 2 for length in self.lengths):
            raise BadValue("lengths", self.lengths, f"even numbers from 8 to {MOST}: two words a fact")
        if list(self.lengths) != sorted(set(self.lengths)):
            raise BadValue("lengths", self.lengths, "rising")
        if self.facts + self.others > MOST // 2:
            raise BadValue("others", self.others, f"at most {MOST // 2 - self.facts}: there are {MOST // 2} people")
        for name in ("every", "background", "wrong"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")


MOST = 1120

LAPTOP = Config(scale="laptop", seeds=5, seed=400)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, models=1, seed=0, scheduler_seeds=5, tuning_seeds=2, queries=3000, operations=1000,
    operation_seeds=2, kills=1,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", first_updates=12, updates=3, lengths=(16, 32), questions=3, repeats=3, facts=4, others=8,
    distil_updates=3,
    scheduler_seeds=2, tuning_seeds=1, memories=6, queries=120, operations=20, operation_seeds=1, kills=0,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1, seed=0)

STUDY = Study(
    slug="memos",
    title="One memory as text, as activations and as weights, and a scheduler that chooses",
    paper="Li et al. 2025, MemOS: A Memory OS for AI System, arXiv 2507.03724",
    claim=(
        "A stored cache of activations answers exactly as the text does, an adapter answers without any text and can "
        "be written back, and a scheduler over the forms costs no more than the best fixed form and less on a mixed "
        "load."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 15, "quick": 330, "laptop": 430, "full": 20000},
    run="wayfare.studies.memos.experiment:run",
    ready="wayfare.studies.memos.full:ready",
)
