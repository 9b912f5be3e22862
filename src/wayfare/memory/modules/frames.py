"""The one frame in which every module shows what it has kept, and how it is read back.

    Task: put a clean mug on the desk            a block, at most one of each field
    Steps:
      go to cabinet 2
      take mug
    Answer: done
    Outcome: success                             success, failure or unknown; a share where feedback was neither 0 nor 1

Blocks stand apart by an empty line; within one there is none, and a line that goes on is indented: what a task or an
answer says cannot pass for a field or for another block. The head is Task for a case, Insight, Workflow or Fact for
what was made of cases. Published comparisons let each memory bring a prompt of its own and so compare prompts, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from wayfare.errors import BadValue
from wayfare.memory.modules.protocol import Finished

__all__ = ["Block", "Head", "block", "case", "joined", "outcome", "read"]

Head = Literal["Task", "Insight", "Workflow", "Fact"]
HEADS: tuple[str, ...] = get_args(Head)
INDENT = "  "
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Block:
    """head: what it is        text: what stands behind the head        fields: the others, by name, in their order"""

    head: Head
    text: str
    fields: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    @property
    def answer(self) -> str:
        """'' where none is told."""
        return self.fields.get("Answer", "")

    @property
    def steps(self) -> tuple[str, ...]:
        """A line a step."""
        return tuple(self.fields.get("Steps", "").splitlines())

    @property
    def feedback(self) -> float | None:
        """As it was told to the memory, None where that is unknown; 1 for what was made of successes."""
        said = self.fields.get("Outcome", "" if self.head == "Task" else "success")
        name, _, share = said.partition(" ")
        if share:
            return float(share.strip("()"))
        return {"success": 1.0, "failure": 0.0}.get(name)

    def __str__(self) -> str:
        return "\n".join([_told(self.head, self.text), *(_told(name, said) for name, said in self.fields.items())])


def block(head: Head, text: str, fields: Mapping[str, str] | None = None) -> str:
    """The text of a block. Fields that are empty are left out. Raises: BadValue for a head that is none."""
    if head not in HEADS:
        raise BadValue("head", head, f"one of {', '.join(HEADS)}")
    return str(Block(head, text, {name: said for name, said in (fields or {}).items() if said.strip()}))


def case(finished: Finished) -> str:
    """A finished task as a block: what ExpRAG calls an experience, with its outcome told."""
    told = {"Steps": finished.trajectory, "Answer": finished.answer, "Outcome": outcome(finished.feedback)}
    return block("Task", finished.task, told)


def outcome(feedback: float | None) -> str:
    """In a word; with the share where it is neither 0 nor 1."""
    if feedback is None:
        return "unknown"
    name = "success" if feedback >= 0.5 else "failure"
    return name if feedback in (0.0, 1.0) else f"{name} ({feedback:.2f})"


def joined(blocks: Sequence[str]) -> str:
    """Blocks as a context."""
    return "\n\n".join(blocks)


def read(context: str) -> list[Block]:
    """The blocks of a context, in their order; what is no block is left out, of one that was cut the rest."""
    found: list[Block] = []
    for part in context.split("\n\n"):
        told: dict[str, list[str]] = {}
        body: list[str] = []
        for line in part.split("\n"):
            if line.startswith(INDENT) and told:
                body.append(line.removeprefix(INDENT))
                continue
            name, colon, text = line.partition(":")
            if not colon or (not told and name not in HEADS):
                break
            body = told.setdefault(name, [])
            if text.strip():
                body.append(text.removeprefix(" "))
        if told:
            (head, text), *fields = ((name, "\n".join(lines)) for name, lines in told.items())
            found.append(Block(head, text, dict(fields)))  # type: ignore[arg-type]
    return found


def _told(name: str, text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    if name != "Steps" and lines:
        return "\n".join([f"{name}: {lines[0]}", *(INDENT + line for line in lines[1:])])
    return "\n".join([f"{name}:", *(INDENT + line for line in lines)])
