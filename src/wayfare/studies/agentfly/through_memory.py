"""The same choices through the public face: a `Memory` in a file, its policies, its scorer, tasks and credit.

    "case 7 plays 3"       a record of kind `case`, found by the vector of its task alone
    "task 812"             what is asked; only vectors are searched

The net that the array path learns is the scorer of the Memory's policy, by way of the features of a text. What the
array path shows must be what the Memory shows, choice by choice.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.learn.case_scorer import CaseScorer
from wayfare.learn.case_values import CaseValueNet, FeatureEncoder
from wayfare.memory import Memory
from wayfare.memory.candidates import MOST
from wayfare.memory.policy import Policy
from wayfare.studies.agentfly.arms import Arm
from wayfare.studies.agentfly.bank import Bank
from wayfare.studies.agentfly.cells import Player, Report, episode
from wayfare.studies.agentfly.topics import Setting, Topics

__all__ = ["TopicVectors", "compare"]

VECTORS = {"words": 0.0, "vectors": 1.0, "links": 0.0, "sessions": 0.0, "dates": 0.0}
"""Of the searches in relevance: it is the cosine."""


class TopicVectors:
    """An embedder that knows the tasks of one seed. A record's own text has no vector."""

    def __init__(self, topics: Topics) -> None:
        self.model = f"topics:{topics.seed}"
        self.dimension = topics.vectors.shape[1]
        self._rows = topics.vectors

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[N, D]; zeros for a record's text, the first axis for what is neither."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text.startswith("task "):
                row[:] = self._rows[int(text[5:])]
            elif not text.startswith("case "):
                row[0] = 1.0
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """[D]"""
        found: NDArray[np.float32] = self.embed([text])[0]
        return found


def _scorer(player: Player, bank: Bank) -> CaseScorer:
    """The player's net, which reads texts by their features."""
    assert player.net is not None

    def features(text: str) -> Sequence[float]:
        kind, _, number = text.partition(" ")
        found = bank.question(int(number)) if kind == "task" else bank.features(int(number.split()[0]))
        told: list[float] = found.tolist()
        return told

    of = player.net.net
    twin = CaseValueNet(
        FeatureEncoder(features, of.width), hidden=of.rise.bias.shape[-1], dropout=of.dropout, seeds=of.seeds
    )
    twin.rise, twin.fall = of.rise, of.fall  # the very weights, which go on learning
    return CaseScorer(twin)


def _agreed(arm: Arm, setting: Setting, seed: int, tasks: int, file: Path) -> float:
    """Share of tasks in which both show the same cases in the same order."""
    topics = Topics(setting, seed)
    player = Player(arm, [topics])
    bank, same = player.banks[0], 0
    assert arm.policy is not None and arm.source in ("", "net")
    scorer = _scorer(player, bank) if arm.source else None
    policy = arm.policy
    if scorer is not None:
        policy = Policy(arm.policy.rule, temperature=arm.policy.temperature, scorer=scorer)
    with Memory(
        file, embedder=TopicVectors(topics), policy=policy, k1=MOST, weights=VECTORS, synchronous="NORMAL", seed=seed
    ) as memory:
        for case in range(len(bank)):
            memory.remember(
                f"case {case} plays {bank.strategy[case]}", kind="case", keys=[("question", f"task {bank.task[case]}")],
                tags=["succeeded"] if bank.succeeded(case) else (),
            )  # fmt: skip
        for count in range(tasks):
            task = setting.cases + count
            shown, chances = player.recall([task], episode(task))
            told = player.examples(bank, shown[0])
            reward = topics.reward(task, 0, topics.act(task, 0, told))
            with memory.task(episode(task)) as job:
                recall = memory.recall(f"task {task}", k=arm.k, tags=["succeeded"] if arm.successes else None)
                job.credit(reward)
            same += [int(item.record.content.split()[1]) for item in recall] == shown[0]
            player.learn([task], shown, chances, [reward], count)
            if scorer is not None:
                scorer.changed()
    return same / tasks


def compare(
    report: Report, *, arms: Mapping[str, Arm], setting: Setting, seeds: Sequence[int], tasks: int
) -> Mapping[str, NDArray[Any]]:
    """Both ways, for some tasks: the share of them in which they show the same, [players * seeds]."""
    found: list[float] = []
    folder = Path(mkdtemp())
    try:
        for name, arm in arms.items():
            for seed in seeds:
                file = folder / f"{len(found)}.db"
                found.append(_agreed(arm, setting, seed, tasks, file))
                report(len(found), len(arms) * len(seeds), **{name.replace(" ", "_"): found[-1]})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"memory|agreement": np.array(found), "memory|tasks": np.full(len(found), float(tasks))}
