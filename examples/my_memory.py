"""A memory of your own in twenty lines: keeps what worked, shows what shares the most words with the task.

wayfare stream --memory examples/my_memory.py:MyMemory
"""

from wayfare.memory.modules import Finished, Found
from wayfare.memory.modules.frames import case, joined


class MyMemory:
    def __init__(self, k: int = 4) -> None:
        self.k = k
        self.kept: list[tuple[set[str], str]] = []

    def search(self, task: str) -> list[Found]:
        words = set(task.lower().split())
        scored = [Found(str(i), text, len(words & others)) for i, (others, text) in enumerate(self.kept)]
        return sorted(scored, key=lambda found: -found.score)[: self.k]

    def synthesise(self, task: str, found: list[Found]) -> str:
        return joined([each.text for each in found])

    def update(self, finished: Finished) -> None:
        if finished.feedback == 1:
            self.kept.append((set(finished.task.lower().split()), case(finished)))
