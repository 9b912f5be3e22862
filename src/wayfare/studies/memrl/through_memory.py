"""The same player through the public face: a `Memory` in a file, tasks, credit and all.

    "t17"                  the intent under which a record is filed
    "t17 by s3"            the record: at task 17 strategy 3 was played
    "q17"                  what is asked: the same task in other words; only vectors are searched

What the array path does with the library's own way to find candidates must be this, choice by choice.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory import Memory
from wayfare.studies.memrl.bank import Arm, Bank
from wayfare.studies.memrl.cells import Report, episode, play_seed
from wayfare.studies.memrl.families import Families, Setting

__all__ = ["TaskVectors", "compare", "play_memory"]

VECTORS = {"words": 0.0, "vectors": 1.0}
"""Of the searches in relevance: it is the cosine."""


class TaskVectors:
    """An embedder that knows the tasks of one seed. A record's text has no vector: it is found by its intent alone."""

    def __init__(self, families: Families) -> None:
        self.model = f"twin-families:{families.seed}"
        self.dimension = families.vectors.shape[1]
        self._rows = {f"{letter}{i}": row for i, row in enumerate(families.vectors) for letter in "tq"}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[N, D]; zeros for a record's text, the first axis for what is neither."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text in self._rows:
                row[:] = self._rows[text]
            elif " by " not in text:
                row[0] = 1.0
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """[D]"""
        found: NDArray[np.float32] = self.embed([text])[0]
        return found


def play_memory(families: Families, arm: Arm, passes: int, file: Path) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """[passes, T] strategy of the first item shown, -1 for none; and the strategy played.

    arm: without `beta`, by rounds; of the labels only `written`, a tag of the record
    """
    assert arm.policy is not None and not arm.beta and arm.phase == "rounds" and arm.label in ("", "written")
    shown = np.full((passes, families.tasks), -1, np.int8)
    played = np.zeros((passes, families.tasks), np.int8)
    with Memory(
        file, embedder=TaskVectors(families), policy=arm.policy, credit_rule=arm.credit, k1=arm.k1,
        weights=VECTORS, synchronous="NORMAL", seed=families.seed,
    ) as memory:  # fmt: skip
        for turn in range(passes):
            for i, task in enumerate(families.order(turn)):
                with memory.task(episode(task, turn)) as job:
                    recall = memory.recall(f"q{task}", k=arm.k2, tags=[arm.label] if arm.label else None)
                    strategies = [int(item.record.content.rpartition("s")[2]) for item in recall]
                    which = families.copied(task, turn, len(strategies))
                    strategy = families.own(task, turn) if which is None else strategies[which]
                    reward = families.reward(task, turn, strategy)
                    job.credit(reward, used=[] if which is None else [recall.ids[which]])
                memory.remember(
                    f"t{task} by s{strategy}", kind="experience", keys=[("intent", f"t{task}")],
                    tags=["written"] if reward else (),
                )  # fmt: skip
                shown[turn, i], played[turn, i] = strategies[0] if strategies else -1, strategy
    return shown, played


def compare(
    report: Report, *, arms: Mapping[str, Arm], setting: Setting, seeds: Sequence[int], passes: int
) -> Mapping[str, NDArray[Any]]:
    """Both ways, for some passes: the share of episodes in which they show and play the same, [players * seeds]."""
    found = []
    folder = Path(mkdtemp())
    try:
        for name, arm in arms.items():
            for seed in seeds:
                families = Families(setting, seed)
                bank = Bank(families.vectors, seed=seed)
                arrays = play_seed(families, arm, bank, passes)
                shown, played = play_memory(families, arm, passes, folder / f"{name}-{seed}.db")
                found.append(float(((arrays.shown == shown) & (arrays.played == played)).mean()))
                report(len(found), len(arms) * len(seeds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    episodes = passes * setting.families * setting.per_family
    return {"memory|agreement": np.array(found), "memory|episodes": np.full(len(found), episodes)}
