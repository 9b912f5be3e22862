"""Complete agents: memory, exploration and learner put together, one agent a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.agents.in_context import Agent, AgentConfig, Row, Trajectory

__all__ = ["Agent", "AgentConfig", "Row", "Trajectory"]

_HOMES = dict.fromkeys(__all__, "wayfare.agents.in_context")


def __getattr__(name: str) -> Any:
    """Import an agent when it is first asked for: torch stays out until then."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
