"""Memory: what an agent keeps of what it has met. Imports no torch.

transitions     `Transitions`: real steps in a plain list, with surprises, counts and snapshots
"""

from __future__ import annotations

from wayfare.memory.transitions import Snapshot, Transition, Transitions

__all__ = ["Snapshot", "Transition", "Transitions"]
