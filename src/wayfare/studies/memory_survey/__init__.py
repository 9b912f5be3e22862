"""Is a taxonomy of memories more than words: do memories behave as their cards say, and does that tell them apart?

Hu, Liu, Yue, Zhang et al. 2025, "Memory in the Age of AI Agents" (survey; arXiv 2512.13564v1): forms, functions and
dynamics cover the memories of agents, and short-term and long-term do not. It claims coverage, not a score; what is
asked here is our restatement, with the probes of `wayfare.memory.probes`.

    cards        every memory that comes with Wayfare lives through ten probes, and its card must say what was seen
    leaves       every place on an axis that a tried memory claims is held by one whose probes pass
    caught       ten cards with one wrong field each, and five memories that are none
    dissociation three families of tasks, one for each function of a memory, played by eight memories and by none:
                 facts after many sessions in which they change; tasks like earlier ones, where doing has to be learned;
                 a span of codes under interference, when the context holds a few observations
    prediction   what a class will do in each probe, foretold from its card, or from whether it is short- or long-term;
                 each class by the others alone

Context and number of items shown are the same for all memories. The reader is frozen and scripted: it believes what is
shown first. The memories of the third family are explicit (`working`); no network is trained here.
    full         a model behind an OpenAI-compatible endpoint answers P6 and P9 from what memories show it

This module knows the question and its knobs; `plan` says what is run, `experiment` runs it and `outcome` reads it.
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
    """Knobs of the study; scores are shares."""

    probe_seeds: int = 3
    """Times that every memory is probed, with other words each."""
    probed: tuple[str, ...] = ()
    """Names of the memories that are probed; none given: all that can be."""
    tuning_seeds: int = 3
    """Other seeds on which the best memory of each function is chosen."""
    sessions: int = 50
    """Sessions in which facts are told."""
    told: int = 4
    """Facts told in a session."""
    entities: int = 16
    """Things that are somewhere, and are moved."""
    groups: int = 8
    """Groups of tasks that are solved in the same way."""
    practice: int = 96
    """Tasks before the test, of all groups by turns."""
    fresh: int = 24
    """New tasks of the same groups, in the test."""
    ways: int = 6
    """Ways to solve a task, of which one is right."""
    right: float = 0.85
    """Success of the right way."""
    lucky: float = 0.1
    """Success of a wrong way."""
    steps: int = 40
    """Observations of a task in hand."""
    span: int = 8
    """Codes to be kept in order."""
    context: int = 64
    """Words of a context, for every memory."""
    k: int = 4
    """Items that a memory shows at most, where it chooses."""
    questions: int = 24
    """Full scale: facts that the model is asked for."""
    model: str = "gpt-4o-mini"
    """Full scale: name of the model that answers."""
    endpoint: str = ""
    """Full scale: address of its server, up to /v1."""
    embedding_model: str = "lexical"
    """Full scale: name of the model that embeds, or lexical."""
    embedding_endpoint: str = ""
    """Full scale: address of its server; empty: the model's."""
    most_calls: int = 0
    """Full scale: calls that may be made; what a run takes is told when this is less."""
    ledger_folder: str = "."
    """Full scale: where answers that were paid for are kept."""

    AT_LEAST: ClassVar = {
        "probe_seeds": 1, "tuning_seeds": 1, "sessions": 1, "told": 1, "entities": 2, "groups": 2, "fresh": 1,
        "ways": 2, "steps": 12, "span": 2, "context": 8, "k": 1, "questions": 2, "most_calls": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 <= self.lucky < self.right <= 1:
            raise BadValue("lucky", self.lucky, f"from 0 to below right = {self.right:g}, which is at most 1")
        if self.practice < self.groups:
            raise BadValue("practice", self.practice, f"at least groups = {self.groups}")
        from wayfare.memory.probes.shipped import SHIPPED

        known = [each.name for each in SHIPPED if not each.waits]
        for name in self.probed:
            if name not in known:
                raise BadValue("probed", name, f"of {', '.join(known)}")


LAPTOP = Config(scale="laptop", seeds=10, seed=700)
QUICK = replace(LAPTOP, scale="quick", seeds=4, seed=0, probe_seeds=1, tuning_seeds=2)
SMOKE = replace(
    QUICK, scale="smoke", seeds=2, tuning_seeds=1, probed=("ExpRecent", "Transitions"), sessions=6,
    entities=4, groups=3, practice=6, fresh=3, steps=12, span=3,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1)

STUDY = Study(
    slug="memory-survey",
    title="A taxonomy of memories, made to be checked",
    paper=(
        "Hu, Liu, Yue, Zhang et al. 2025, Memory in the Age of AI Agents (survey: forms, functions and dynamics), "
        "arXiv 2512.13564"
    ),
    claim=(
        "Memories are told apart by form, function and dynamics: each behaves as its card says, the three functions "
        "dissociate in experiment, and the card foretells behaviour better than short-term and long-term do."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 6, "quick": 60, "laptop": 110, "full": 3000},
    run="wayfare.studies.memory_survey.experiment:run",
    ready="wayfare.studies.memory_survey.experiment:ready",
)
