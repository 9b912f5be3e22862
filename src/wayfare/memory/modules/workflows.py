"""Workflows: what several successful tasks have in common, with what differs between them left open.

    a task that succeeded is a workflow of its own        (its words and its steps)
    two whose tasks share a pattern become one: words that differ in the same place are slots <1>, <2>, also in the
    steps; of the steps those stay that both have, in their order (longest common subsequence)
    a workflow is shown filled in: its slots take the words that the new task has in their place

After Wang et al. 2024, "Agent Workflow Memory" (arXiv 2409.07429, the online variant): induction from trajectories that
are judged successful, example-specific values abstracted, sub-routines that recur kept. There a language model induces;
so it does here with `complete`. Without one, the rules above. Of tasks without steps the answers must be one pattern.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from wayfare.memory.cards import Consolidation, Formation, Function, Updating
from wayfare.memory.modules.answered import in_json
from wayfare.memory.modules.frames import block, case
from wayfare.memory.modules.protocol import Finished, Found
from wayfare.memory.modules.stored import CASES, Stored
from wayfare.memory.operations import Add, Merge, Operation, Update
from wayfare.memory.planners import Neighbour, RulePlanner
from wayfare.memory.records import Key, Record

__all__ = ["Workflow", "Workflows", "common"]

KIND = "workflow"
LIKE = 0.5
"""Share of a task's words that two tasks have in common, in their order, if they are of one pattern."""
KEPT = 0.5
"""Share of the longer one's steps that must be common, else the two stay apart."""
SLOT = re.compile(r"<\d+>")

PROMPT = """From this task, which succeeded, write down the routine that tasks like it share. Put <1>, <2>, ... in the
place of values that belong to this task alone.

{case}

Answer with JSON only: {{"goal": "...", "steps": ["...", "..."]}}
"""


@dataclass(frozen=True)
class Workflow:
    """goal: words of the task, slots among them        steps: in their order        answer: where all have one"""

    goal: tuple[str, ...]
    steps: tuple[str, ...]
    answer: str = ""

    def filled(self, task: str) -> Workflow:
        """With a task's words in the slots; those of them that find no place stay open."""
        values = _bound(self.goal, tuple(task.split()))

        def fill(text: str) -> str:
            return SLOT.sub(lambda slot: values.get(slot[0], slot[0]), text)

        return Workflow(tuple(map(fill, self.goal)), tuple(map(fill, self.steps)), fill(self.answer))

    def __str__(self) -> str:
        return block("Workflow", " ".join(self.goal), {"Steps": "\n".join(self.steps), "Answer": self.answer})


def common(a: Workflow, b: Workflow) -> Workflow | None:
    """What two have in common; None where that is not a pattern of both."""
    if not _alike(a.goal, b.goal):
        return None
    goal: list[str] = []
    fills: list[tuple[str, str, str]] = []
    number = max((int(word[1:-1]) for word in (*a.goal, *b.goal) if SLOT.fullmatch(word)), default=0)
    for op, i, j, m, n in SequenceMatcher(None, a.goal, b.goal, autojunk=False).get_opcodes():
        if op == "equal":
            goal += a.goal[i:j]
        else:
            number += 1
            fills.append((f"<{number}>", " ".join(a.goal[i:j]), " ".join(b.goal[m:n])))
            goal.append(f"<{number}>")
    first, second = [(slot, mine) for slot, mine, _ in fills], [(slot, theirs) for slot, _, theirs in fills]
    left, right = [_opened(step, first) for step in a.steps], [_opened(step, second) for step in b.steps]
    answer = _opened(a.answer, first)
    same = answer == _opened(b.answer, second)
    kept: list[str] = []
    for start, _, size in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
        kept += left[start : start + size]
    if len(kept) < KEPT * max(len(left), len(right)) or not (kept or same):
        return None
    return _numbered(Workflow(tuple(goal), tuple(kept), answer if same else ""))


def _numbered(found: Workflow) -> Workflow:
    """With the slots of the goal counted from 1."""
    slots = dict.fromkeys(word for word in found.goal if SLOT.fullmatch(word))
    names = {slot: f"<{i}>" for i, slot in enumerate(slots, 1)}
    goal, *steps, answer = (
        SLOT.sub(lambda slot: names.get(slot[0], slot[0]), text)
        for text in (" ".join(found.goal), *found.steps, found.answer)
    )
    return Workflow(tuple(goal.split()), tuple(steps), answer)


def _alike(a: Sequence[str], b: Sequence[str]) -> bool:
    same = sum(each.size for each in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return same >= LIKE * max(len(a), len(b))


def _opened(step: str, fills: Sequence[tuple[str, str]]) -> str:
    """A step with slots in the place of the values that fill them."""
    for slot, value in sorted(fills, key=lambda fill: -len(fill[1])):
        if value:
            step = re.sub(rf"(?<!\S){re.escape(value)}(?!\S)", lambda _, slot=slot: slot, step)  # type: ignore[misc]
    return step


def _bound(goal: tuple[str, ...], words: tuple[str, ...]) -> dict[str, str]:
    """slot -> the words of a task in its place."""
    found: dict[str, str] = {}
    for op, i, j, m, n in SequenceMatcher(None, goal, words, autojunk=False).get_opcodes():
        slots = [word for word in goal[i:j] if SLOT.fullmatch(word)]
        if op == "replace" and len(slots) == 1 and j - i == 1:
            found[slots[0]] = " ".join(words[m:n])
        elif op == "replace" and j - i == n - m:
            found.update({slot: word for slot, word in zip(goal[i:j], words[m:n], strict=True) if slot in slots})
    return found


class Workflows(Stored):
    """The k workflows whose goals are most like the task, filled in."""

    card = replace(
        CASES, function={Function.SKILL}, formation={Formation.DISTILLATION, Formation.CONSTRUCTION},
        consolidation={Consolidation.LOCAL}, updating={Updating.EXTERNAL}, learns_from_outcome=True,
    )  # fmt: skip
    label = "workflows (AWM-like)"

    def settings(self) -> dict[str, Any]:
        """The rule is the memory's planner."""
        return {**super().settings(), "planner": RulePlanner((_induced,), nearest=4)}

    def search(self, task: str) -> Sequence[Found]:
        """(1)"""
        items = self.memory.recall(task, self.k)
        return [Found(item.id, str(_workflow(item.record.meta).filled(task)), item.relevance) for item in items]

    def update(self, finished: Finished) -> None:
        """(3) Only what succeeded."""
        if finished.feedback is None or finished.feedback < 0.5:
            return
        steps = tuple(line.strip() for line in finished.trajectory.splitlines() if line.strip())
        found = Workflow(tuple(finished.task.split()), steps, " ".join(finished.answer.split()))
        if self._complete is not None:
            found = self._told(finished) or found
        done = self.memory.engine.plan_and_add([_draft(found)])
        self.operations.update(result.op for result in done)

    def _told(self, finished: Finished) -> Workflow | None:
        said = in_json(self.asked(PROMPT.format(case=case(finished))))
        goal, steps = said.get("goal"), said.get("steps")
        if not isinstance(goal, str) or not goal.strip() or not isinstance(steps, list):
            return None
        kept = tuple(" ".join(step.split()) for step in steps if isinstance(step, str) and step.strip())
        return Workflow(tuple(goal.split()), kept) if kept else None


def _draft(found: Workflow, seen: int = 1) -> Add:
    goal = " ".join(found.goal)
    meta = {"goal": list(found.goal), "steps": list(found.steps), "answer": found.answer, "seen": seen}
    return Add(str(found), kind=KIND, keys=(Key("intent", goal),), meta=meta)


def _workflow(meta: Mapping[str, Any]) -> Workflow:
    return Workflow(tuple(meta["goal"]), tuple(meta["steps"]), meta["answer"])


def _induced(draft: Add, neighbours: Sequence[Neighbour]) -> Operation | None:
    """The rule: what the draft and the nearest workflow of its pattern have in common takes the place of that one."""
    mine = _workflow(draft.meta)
    for record in (each.record for each in neighbours):
        found = common(_workflow(record.meta), mine)
        if found is not None:
            return _taken_in(record, found)
    return None


def _taken_in(record: Record, found: Workflow) -> Operation:
    made = _draft(found, int(record.meta.get("seen", 1)) + 1)
    if made.content == record.content:
        return Update(record.id, {"meta": made.meta}, "seen again")
    return Merge((record.id,), made, "what it has in common with another success")
