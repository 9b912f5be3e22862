"""The five boundary codes: what ended with a step.

One gymnasium episode is one *block*: the same task replayed for several inner episodes. `terminated` and `truncated`
speak of the block; the code in `info["boundary"]` speaks of the inner episode too. Learners read the code and never
infer it.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Boundary"]


class Boundary(IntEnum):
    """What ended with the step: nothing, the inner episode, or the whole task (block)."""

    RUNNING = 0
    EPISODE_TERMINATED = 1
    EPISODE_TRUNCATED = 2
    TASK_TERMINATED = 3
    TASK_TRUNCATED = 4
