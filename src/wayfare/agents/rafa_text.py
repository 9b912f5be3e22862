"""The loop of `rafa` around a language model: three prompts over what really happened, a tree, one act, plan again.

    model = TextRoles(game, speak)                   # speak: prompt -> answer
    result = play_text(game, model, task, calls=60)

Elite, Model and Critic are prompts that hold the rules, the snapshot (latest surprises first, then what else happened,
and the reflections) and the state as text. A new snapshot is taken when a prediction was wrong or a reflection was
written. An answer that cannot be read is asked for again TRIES times; then the Elite's falls back on legal moves, the
Model's on "nothing changes", the Critic's is unknown; all are counted.

Source: Liu et al. 2023 (arXiv 2309.17382); prompts ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wayfare.errors import BadValue
from wayfare.learn.search import Predicted, Roles, breadth_first
from wayfare.memory.transitions import Snapshot, Transitions

__all__ = ["Speak", "TextGame", "TextResult", "TextRoles", "play_text"]

Speak = Callable[[str], str]
"""A prompt, and what the model says to it."""
TRIES = 2
SHOWN = 12


class TextGame(Protocol):
    """A game as text. States and moves hash; moves are lines of text."""

    name: str
    rules: str
    limit: int

    def begin(self, task: int) -> Hashable: ...

    def text(self, state: Any) -> str: ...

    def read(self, text: str) -> Any:
        """The state in a text that `text` could have written; None if there is none."""
        ...

    def legal(self, state: Any) -> Sequence[str]: ...

    def step(self, state: Any, move: str) -> tuple[Any, float, bool]:
        """What really happens: the state, its reward in [0, 1], whether it is over."""
        ...

    def reflection(self, state: Any) -> str:
        """What is told of a failed attempt that ended in `state`."""
        ...


@dataclass
class TextRoles:
    """Elite, Model and Critic of one game, asked through `speak`.

    asked: prompts sent; characters: of prompts and answers together; unread: answers that could not be read
    """

    game: TextGame
    speak: Speak
    asked: int = 0
    characters: int = 0
    unread: int = 0
    prompts: list[str] = field(default_factory=list)

    def propose(self, state: Any, memory: Snapshot, n: int) -> list[str]:
        """Moves named in the answer, in its order."""
        legal = list(self.game.legal(state))
        if not legal:
            return []
        question = f"Name the {n} best moves from here, one a line, best first. Write each as one of:\n"
        prompt = self.prompt(state, memory, question + "\n".join(legal[:40]) + "\nMoves:")

        def read(answer: str) -> list[str] | None:
            at = {move: answer.find(move) for move in legal}
            named = sorted((move for move in legal if at[move] >= 0), key=lambda move: at[move])
            return named[:n] or None

        return self._ask(prompt, read) or []

    def predict(self, state: Any, action: Any, memory: Snapshot) -> Predicted:
        """The state that the answer describes, with the reward it names; nothing changes where it names none."""
        question = (
            f"Move: {action}\nWhat is the position after this move (and after what others do then)? Write it in the "
            "same form, then 'reward:' with a number from 0 to 1, then 'over: yes' or 'over: no'.\nPosition:"
        )

        def read(answer: str) -> Predicted | None:
            body, _, rest = answer.partition("reward:")
            reached = self.game.read(body)
            if reached is None:
                return None
            number = re.search(r"[01](?:\.\d+)?", rest)
            return reached, float(number[0]) if number else 0.0, "over: yes" in rest

        return self._ask(self.prompt(state, memory, question), read) or (state, 0.0, False)

    def value(self, state: Any, memory: Snapshot) -> float | None:
        """The answer's first number, from 0 to 10, as a share; None without one."""

        def read(answer: str) -> float | None:
            number = re.search(r"\d+(?:\.\d+)?", answer)
            return None if number is None or float(number[0]) > 10 else float(number[0]) / 10

        question = "How likely is success from here, from 0 (impossible) to 10 (certain)? Answer with a number:"
        found: float | None = self._ask(self.prompt(state, memory, question), read)
        return found

    def prompt(self, state: Any, memory: Snapshot, question: str) -> str:
        """Rules, what happened, reflections, position, question."""
        items = sorted(memory.items[-200:], key=lambda item: (item.surprise, item.number))[-SHOWN:]
        told = [
            f"{self.game.text(item.state)}\nmove: {item.action}\n-> {self.game.text(item.reached)}\nreward: "
            f"{item.reward:g}" + (" (not as expected)" if item.surprise else "")
            for item in items
        ]
        parts = [self.game.rules]
        if told:
            parts.append("What really happened so far:\n" + "\n\n".join(told))
        if memory.notes:
            parts.append("Remember:\n" + "\n".join(memory.notes[-5:]))
        return "\n\n".join([*parts, f"Position now:\n{self.game.text(state)}", question])

    def _ask(self, prompt: str, read: Callable[[str], Any]) -> Any:
        for _ in range(TRIES):
            answer = self.speak(prompt)
            self.asked += 1
            self.characters += len(prompt) + len(answer)
            found = read(answer)
            if found is not None:
                return found
            self.unread += 1
        return None


@dataclass(frozen=True)
class TextResult:
    """One task. reward: the last one; asked, characters, unread, fallbacks: counted; refreshes: snapshots taken"""

    reward: float
    steps: int
    attempts: int
    asked: int
    characters: int
    unread: int
    fallbacks: int
    refreshes: int


def play_text(
    game: TextGame,
    roles: TextRoles,
    task: int,
    *,
    calls: int,
    depth: int = 2,
    breadth: int = 2,
    buffer: Transitions | None = None,
    attempts: int = 3,
    seed: int = 0,
) -> TextResult:
    """Play a task, again after a failed attempt, until it is solved or `calls` prompts are spent.

    buffer: what is remembered from before; a new one if not given. Only real transitions enter it.
    calls is looked at before each plan: the last plan may go beyond it.

    Raises: BadValue for calls or attempts below 1.
    """
    if calls < 1 or attempts < 1:
        raise BadValue("calls", (calls, attempts), "at least 1, and so must be attempts")
    buffer = buffer if buffer is not None else Transitions()
    asked = Roles(roles, roles, roles, legal=game.legal, seed=seed)
    before = (roles.asked, roles.characters, roles.unread)
    view, refreshes, steps, reward, attempt = buffer.snapshot(), 0, 0, 0.0, 0
    while attempt < attempts and reward < 1.0:
        attempt += 1
        state, over = game.begin(task), False
        for _ in range(game.limit):
            if over or roles.asked - before[0] >= calls:
                break
            if buffer.moved(view):
                view, refreshes = buffer.snapshot(), refreshes + 1
            found = breadth_first(asked, state, view, depth=depth, breadth=breadth, discount=0.9)
            if not found.actions:
                break
            move = str(found.actions[0])
            guess = found.predicted[0][:2] if found.predicted else None
            reached, reward, over = game.step(state, move)
            buffer.remember(state, move, reached, reward, predicted=guess)
            state, steps = reached, steps + 1
        if reward < 1.0:
            buffer.note(game.reflection(state))
        if roles.asked - before[0] >= calls:
            break
    return TextResult(
        reward, steps, attempt, roles.asked - before[0], roles.characters - before[1], roles.unread - before[2],
        asked.calls.fallbacks, refreshes,
    )  # fmt: skip
