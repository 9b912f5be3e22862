"""How memories that need torch are tried by the probes of `wayfare.memory.probes`: adapters, a class each."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from wayfare.learn.sequences import Replay, Sequences
from wayfare.memory.probes.subject import Hit

__all__ = ["ReplaySubject"]

MOST = 4_096


class ReplaySubject:
    """A replay: an item is a sequence of one step, whose reward is the number of its text.

    What is recalled is what sampling can give: every sequence that it holds, whatever is asked.
    """

    card = Replay.card

    def __init__(self, capacity: int = MOST) -> None:
        self.replay = Replay(capacity)
        self.texts: list[str] = []

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> str:
        """See `Subject`."""
        number = len(self.texts)
        self.texts.append(f"{key} {text}")
        nothing = torch.zeros(1, 2, 1, dtype=torch.bool)
        step = torch.zeros(1, 1, 1)
        obs = torch.zeros(1, 2, 1, 1)
        self.replay.add(Sequences(obs, step.long(), torch.full_like(step, float(number)), step.to(torch.int8), nothing))
        return str(number)

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """See `Subject`."""
        if not self.replay.size:
            return []
        each = (torch.arange(self.replay.size, dtype=torch.float64) + 0.5) / self.replay.size
        numbers = self.replay.sample(each.unsqueeze(0)).reward.flatten().long().tolist()
        return [(str(number), self.texts[number]) for number in numbers]

    def size(self) -> int:
        """See `Subject`."""
        return self.replay.size

    def reset_context(self) -> None:
        """An episode ends: the replay stays."""
