"""What full scales with hosted models share: a file of tasks, an embedder by name, and a price told before anything.

{"task": "Which year ...?", "answer": "1969"}          a line of the file; "aliases": [...] are answers as well;
                                                       "held_out": true for what is met once, at the end
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wayfare.agents.text_solver import words_of
from wayfare.errors import BadValue
from wayfare.memory.embedding import Embedder, embedder_from
from wayfare.memory.embedding.endpoint import Endpoint

__all__ = ["Task", "embedder_at", "mean_length", "read_tasks", "refuse_too_few_calls"]


@dataclass(frozen=True)
class Task:
    """A line of the file. aliases: other right answers"""

    task: str
    answer: str
    held_out: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """Any of them is right."""
        return self.answer, *self.aliases


def read_tasks(file: str, name: str = "task") -> list[Task]:
    """Of a file of JSON lines. name: of what is asked, in the file and, with an s, in the config

    Raises: BadValue naming the file, or the line that is no task.
    """
    field = f"{name}s"
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(field, file, f"a readable file of JSON lines ({error})") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            aliases = tuple(map(str, row.get("aliases", ())))
            task = Task(row[name], str(row["answer"]), bool(row.get("held_out", False)), aliases)
            if not (isinstance(task.task, str) and task.task.strip() and all(map(words_of, task.answers))):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadValue(f"{field}, line {number}", line[:80], f'an object with "{name}" and "answer"') from None
        found.append(task)
    if all(each.held_out for each in found):
        raise BadValue(field, file, f"a file with one {name} at least that is not held out")
    return found


def mean_length(tasks: Sequence[Task]) -> float:
    """Characters of what is asked."""
    return sum(len(each.task) for each in tasks) / len(tasks)


def embedder_at(model: str, endpoint: str) -> Embedder | str:
    """`lexical` and `none` by their names, any other model behind an OpenAI-compatible server."""
    return Endpoint(model, endpoint) if model not in ("lexical", "none") else embedder_from(model) or "none"


def refuse_too_few_calls(allowed: int, wanted: int, tokens: float) -> None:
    """Before anything is asked. wanted: calls that a run may make        tokens: that they read, roughly

    Raises: BadValue where fewer are allowed.
    """
    if allowed < wanted:
        raise BadValue(
            "most_calls", allowed,
            f"at least {wanted}: so many calls may be made, reading about {tokens / 1e6:.2f} million tokens",
        )  # fmt: skip
