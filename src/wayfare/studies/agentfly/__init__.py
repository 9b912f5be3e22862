"""Does a frozen agent get better when it learns which past case to show itself, and not just the most similar one?

Zhou et al. 2025, "AgentFly: Fine-tuning LLM Agents without Fine-tuning LLMs" (Memento, arXiv 2508.16153). Cases are
(state, plan, reward); a retrieval policy mu draws one by exp(Q(s, c) / alpha), the frozen model acts with it in its
prompt, the outcome is kept as a new case and teaches Q. Claimed: higher success than without cases and than with the
most similar ones, most where tasks are new, and with few cases at a time.

    world       topics and cues (`topics`): similarity sees an irrelevant topic, a small cue decides which of 6
                strategies is right; 50 logged cases, 22 % of them successes; 3,000 tasks
    policy      frozen: follows examples that succeeded, avoids what failed, else does anything
    players     a random case; the most similar; the most similar success, by embeddings or by standardised features;
                MemRL's values without context; a kernel over raw states, and one whose metric is learned (episodic
                control); soft-Q and greedy Q of the released net; the truth
    K           1, 2, 4, 8 cases: the best by Q as released, and draws by exp(Q / alpha), which for K > 1 are ours
    sequence    three steps, where a case decides which can be chosen next: soft backups against exact soft values
    online      the bank begins empty; five passes over 200 tasks, then topics never seen
    full        a question file, a planner and an executor behind OpenAI-compatible endpoints, a local encoder

Q is learned while tasks are played, from outcomes alone: by classification where one decision is all (online, from a
replay; the published log is trained on offline, which `learn.case_learner.fit` does and the full scale uses), by
temporal differences with a delayed target in the sequence. Choices are made by the policies of `wayfare.memory`, and
the study holds its arrays equal, choice by choice, to a `Memory` in a file (`through_memory`).

This module knows the question and its knobs; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads
it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.memory.candidates import MOST
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; success is a probability."""

    cases: int = 50
    """Logged cases in the bank: as many as a Memory weighs for a query."""
    tasks: int = 3000
    """Tasks that are played, once each."""
    late: int = 500
    """Last tasks that count as the end."""
    strategies: int = 6
    """What can be done: S."""
    topics: int = 8
    """Irrelevant topics; as many others are met at the end of the online part."""
    dimension: int = 16
    """Of a topic's vector."""
    spread: float = 0.3
    """Length of what a task adds to its topic's centre, which has length 1."""
    cue: float = 0.25
    """Length of the cue that decides."""
    noise: float = 0.3
    """Of the cue, as a share of its length."""
    right: float = 0.85
    """Success of the right strategy."""
    lucky: float = 0.10
    """Success of a wrong one."""
    copy: float = 0.9
    """How often the frozen policy does as most of the examples that succeeded did."""
    avoid: float = 0.8
    """How often, where it does not copy, it leaves out what has failed."""
    alpha: float = 0.1
    """Temperature of soft-Q."""
    ks: tuple[int, ...] = (1, 2, 4, 8)
    """Cases shown at once, to compare."""
    k: int = 4
    """Cases shown where it is not compared: the published best."""
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of the net, of which one is chosen on other seeds."""
    bandwidths: tuple[float, ...] = (0.3, 0.6, 1.2)
    """Of the raw kernel, of which one is chosen on other seeds."""
    tuning_seeds: int = 3
    """Those other seeds."""
    tuning_tasks: int = 3000
    """Tasks of theirs."""
    updates: int = 1500
    """Of the sequential part."""
    online_tasks: int = 200
    """Tasks of the online part; 0 leaves it out."""
    passes: int = 5
    """Passes over them."""
    other: int = 200
    """Tasks of topics never seen, at its end."""
    memory_tasks: int = 60
    """Tasks that are also played by a Memory in a file; 0 leaves that out."""
    memory_seeds: int = 2
    """Seeds of it."""
    questions: str = ""
    """Full scale: a file of questions, a JSON object a line with `question` and `answer`."""
    planner: str = "gpt-4.1"
    """Full scale: name of the model that plans."""
    executor: str = "o4-mini"
    """Full scale: name of the model that carries steps out."""
    endpoint: str = ""
    """Full scale: address of their server, up to /v1."""
    executor_endpoint: str = ""
    """Full scale: address of the executor's server; empty: the planner's."""
    encoder: str = ""
    """Full scale: folder of a checkpoint that reads queries and cases (any encoder of transformers)."""
    tools: str = ""
    """Full scale: command line of an MCP server for the executor; empty: no tools."""
    rounds: int = 3
    """Full scale: plans of an attempt at most."""
    steps: int = 4
    """Full scale: steps of a plan at most."""
    uses: int = 3
    """Full scale: tools used for a step at most."""
    most_calls: int = 0
    """Full scale: calls that may be made; what a run can take is told when this is less."""
    ledger_folder: str = "."
    """Full scale: where answers that were paid for are kept."""

    AT_LEAST: ClassVar = {
        "cases": 2, "tasks": 30, "late": 1, "strategies": 2, "topics": 1, "dimension": 2, "k": 2, "tuning_seeds": 1,
        "tuning_tasks": 30, "updates": 20, "online_tasks": 0, "passes": 2, "other": 1, "memory_tasks": 0,
        "memory_seeds": 1, "rounds": 1, "steps": 1, "uses": 0, "most_calls": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if self.cases > MOST:
            raise BadValue("cases", self.cases, f"at most {MOST}, as many as a Memory weighs for a query")
        for name in ("right", "copy"):
            if not 0 < getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1, both excluded")
        if not 0 <= self.avoid <= 1:
            raise BadValue("avoid", self.avoid, "from 0 to 1")
        if not 0 <= self.lucky < self.right:
            raise BadValue("lucky", self.lucky, f"from 0 to below right = {self.right:g}")
        for name in ("spread", "cue", "noise", "alpha"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")
        for name in ("rates", "bandwidths"):
            given = getattr(self, name)
            if not given or not all(0 < each < float("inf") for each in given):
                raise BadValue(name, given, "one at least, each above 0")
        if 1 not in self.ks or self.k not in self.ks or any(k < 1 for k in self.ks) or max(self.ks) <= self.k:
            raise BadValue("ks", self.ks, f"at least 1 each, among them 1, k = {self.k} and a larger one")
        if self.late > self.tasks:
            raise BadValue("late", self.late, f"at most tasks = {self.tasks}")
        if self.memory_seeds > self.seeds:
            raise BadValue("memory_seeds", self.memory_seeds, f"at most seeds = {self.seeds}")


LAPTOP = Config(scale="laptop", seeds=10, seed=500)
QUICK = replace(
    LAPTOP, scale="quick", seeds=3, seed=0, tasks=2000, late=300, tuning_seeds=1, tuning_tasks=1000, memory_seeds=1,
    memory_tasks=30,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=2, tasks=40, late=20, tuning_tasks=34, rates=(3e-3,), bandwidths=(0.6,), cases=20,
    updates=40, online_tasks=10, passes=2, other=5, memory_tasks=8,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1, memory_seeds=1)

STUDY = Study(
    slug="agentfly",
    title="A frozen agent that learns which past case to show itself",
    paper=("Zhou et al. 2025, AgentFly: Fine-tuning LLM Agents without Fine-tuning LLMs (Memento), arXiv 2508.16153"),
    claim=(
        "With a frozen policy, drawing past cases by learned soft Q-values raises success above the most similar cases "
        "and the most similar successes; its soft backups find the soft values; failed cases, shown as such, help."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 90, "laptop": 350, "full": 20000},
    run="wayfare.studies.agentfly.experiment:run",
    ready="wayfare.studies.agentfly.experiment:ready",
)
