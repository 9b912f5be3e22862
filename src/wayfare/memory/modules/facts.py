"""Facts, extracted and kept up to date: one value at a time for each attribute of an entity.

    facts e(m_t) of a finished task;  each is added, changes the value that stood, or is there already;  what turned
    out wrong is taken back;  recall: the k most relevant facts

After Chhikara et al. 2025, "Mem0: Building Production-Ready AI Agents with Scalable Long-Term Memory" (arXiv
2504.19413): extraction, then ADD, UPDATE, DELETE or NOOP. There both phases are a language model's; so they are here
with `complete` (the second is `planners.LanguageModelPlanner`). Without one, rules extract: what a trajectory says of
where things are or of what something is ("the mug is in cabinet 2", "found mug in cabinet 2", "door: locked"), and of a
task that succeeded without one its answer. The second phase is `planners.KeyValue`: the value before is kept as past.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wayfare.memory.cards import Forgetting, Formation, Function, Updating
from wayfare.memory.modules.answered import in_json
from wayfare.memory.modules.frames import block, case
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.modules.stored import CASES, Stored
from wayfare.memory.operations import Add, Archive
from wayfare.memory.planners import KeyValue, LanguageModelPlanner
from wayfare.memory.records import Key

__all__ = ["Fact", "Facts", "extracted"]

ANSWER = "Answer"
PLACE = re.compile(
    r"^(?:you )?(?:see |saw )?(?:the |an? )?(.+?) (?:is|are|was|were) (in|on|at|under|inside) (.+?)[.!]?$", re.I
)
FOUND = re.compile(r"^(?:you )?(?:found|find|finds) (?:the |an? )?(.+?) (in|on|at|under|inside) (.+?)[.!]?$", re.I)
NAMED = re.compile(r"^([^:]{1,60}): (.{1,120})$")

PROMPT = """From this finished task, list the facts worth knowing for tasks like it: of the world, or what answers what.

{case}

Answer with JSON only: {{"facts": [{{"entity": "...", "attribute": "...", "value": "..."}}]}}.
An empty list is an answer.
"""


@dataclass(frozen=True)
class Fact:
    """entity's attribute is value"""

    entity: str
    attribute: str
    value: str

    def add(self) -> Add:
        """As a record."""
        text = block("Fact", self.entity, {self.attribute: self.value})
        meta = {"entity": self.entity, "attribute": self.attribute, "value": self.value}
        return Add(text, kind="fact", keys=(Key("entity", self.entity),), meta=meta)


def extracted(finished: Finished) -> list[Fact]:
    """By the rules: of two values for one attribute the later line counts."""
    found: dict[tuple[str, str], Fact] = {}
    for line in finished.trajectory.splitlines():
        for pattern in (FOUND, PLACE):
            if (match := pattern.match(line.strip())) is not None:
                entity, preposition, place = match.groups()
                _take(found, entity, "place", f"{preposition.lower()} {place}")
                break
        else:
            if (match := NAMED.match(line.strip())) is not None:
                _take(found, *match.groups())
    if finished.feedback is not None and finished.feedback >= 0.5 and not finished.trajectory.strip():
        _take(found, finished.task, ANSWER, finished.answer)
    return list(found.values())


def _take(found: dict[tuple[str, str], Fact], entity: str, attribute: Any = "", value: Any = None) -> None:
    if value is None:  # "door: locked"
        attribute, value = "state", attribute
    fact = Fact(" ".join(entity.split()), str(attribute).strip(), str(value).strip())
    if fact.entity and fact.attribute and fact.value:
        found[fact.entity.casefold(), fact.attribute.casefold()] = fact


class Facts(Stored):
    """Facts with one value at a time."""

    card = replace(
        CASES, function={Function.FACTUAL_ENVIRONMENT}, formation={Formation.DISTILLATION},
        updating={Updating.EXTERNAL}, forgetting={Forgetting.IMPORTANCE},
        learns_from_outcome=True,
    )  # fmt: skip
    label = "facts (Mem0-like)"

    def settings(self) -> dict[str, Any]:
        """The second phase is the memory's planner."""
        planner = KeyValue() if self._complete is None else LanguageModelPlanner(self.asked)
        return {**super().settings(), "planner": planner}

    def update(self, finished: Finished) -> None:
        """(3)"""
        if self._complete is not None:
            facts: Iterable[Fact] = self._told(finished)
        else:
            self._take_back(finished)
            facts = extracted(finished)
        drafts = [fact.add() for fact in facts]
        if drafts:
            done = self.memory.engine.plan_and_add(drafts)
            self.operations.update(result.op for result in done)

    def _told(self, finished: Finished) -> list[Fact]:
        said = in_json(self.asked(PROMPT.format(case=case(finished)))).get("facts")
        found: dict[tuple[str, str], Fact] = {}
        for each in said if isinstance(said, list) else ():
            if isinstance(each, dict) and all(
                isinstance(each.get(name), str) for name in ("entity", "attribute", "value")
            ):
                _take(found, each["entity"], each["attribute"], each["value"])
        return list(found.values())

    def _take_back(self, finished: Finished) -> None:
        """An answer that failed is a fact no more."""
        if finished.feedback is None or finished.feedback >= 0.5 or not finished.answer.strip():
            return
        draft = Fact(" ".join(finished.task.split()), ANSWER, finished.answer.strip()).add()
        tag = KeyValue().tag(draft)
        standing: Sequence[Any] = self.memory.list(kind="fact", tags=[tag] if tag else []).records
        wrong = [Archive(each.id, "it failed") for each in standing if each.content == draft.content]
        if wrong:
            self.memory.apply(wrong)
            self.operations.update(["ARCHIVE"])
