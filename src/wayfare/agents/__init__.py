"""Complete agents: memory, exploration and learner put together, one agent a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.agents.bandit_player import BanditPlayer, Played, Telling
    from wayfare.agents.conditions import AgentConfig, Row
    from wayfare.agents.generations import Generation, How
    from wayfare.agents.in_context import Agent, State, Trajectory
    from wayfare.agents.mcp_tools import McpTools
    from wayfare.agents.memento import Attempt, Memento
    from wayfare.agents.memos import ActivationToText, ParameterToText, TextToActivation, TextToParameter
    from wayfare.agents.memos_activation import ActivationMemory
    from wayfare.agents.memos_lora import ParameterMemory
    from wayfare.agents.memos_reader import MemoryReader
    from wayfare.agents.memos_scheduler import FormScheduler
    from wayfare.agents.rafa import Rafa, Way
    from wayfare.agents.remem import ReMemAgent
    from wayfare.agents.safe_tabular import SafePlan, SafeTabular
    from wayfare.agents.streaming import Stream, StreamResult, StreamRunner, StreamTask
    from wayfare.agents.text_in_context import TextAgent, TextConfig

__all__ = [
    "ActivationMemory",
    "ActivationToText",
    "Agent",
    "AgentConfig",
    "Attempt",
    "BanditPlayer",
    "FormScheduler",
    "Generation",
    "How",
    "McpTools",
    "Memento",
    "MemoryReader",
    "ParameterMemory",
    "ParameterToText",
    "Played",
    "Rafa",
    "ReMemAgent",
    "Row",
    "SafePlan",
    "SafeTabular",
    "State",
    "Stream",
    "StreamResult",
    "StreamRunner",
    "StreamTask",
    "Telling",
    "TextAgent",
    "TextConfig",
    "TextToActivation",
    "TextToParameter",
    "Trajectory",
    "Way",
]

_HOMES = {
    "ActivationMemory": "wayfare.agents.memos_activation",
    "ActivationToText": "wayfare.agents.memos",
    "Agent": "wayfare.agents.in_context",
    "AgentConfig": "wayfare.agents.conditions",
    "Attempt": "wayfare.agents.memento",
    "BanditPlayer": "wayfare.agents.bandit_player",
    "FormScheduler": "wayfare.agents.memos_scheduler",
    "Generation": "wayfare.agents.generations",
    "How": "wayfare.agents.generations",
    "McpTools": "wayfare.agents.mcp_tools",
    "Memento": "wayfare.agents.memento",
    "MemoryReader": "wayfare.agents.memos_reader",
    "ParameterMemory": "wayfare.agents.memos_lora",
    "ParameterToText": "wayfare.agents.memos",
    "Played": "wayfare.agents.bandit_player",
    "Rafa": "wayfare.agents.rafa",
    "ReMemAgent": "wayfare.agents.remem",
    "Row": "wayfare.agents.conditions",
    "SafePlan": "wayfare.agents.safe_tabular",
    "SafeTabular": "wayfare.agents.safe_tabular",
    "State": "wayfare.agents.in_context",
    "Stream": "wayfare.agents.streaming",
    "StreamResult": "wayfare.agents.streaming",
    "StreamRunner": "wayfare.agents.streaming",
    "StreamTask": "wayfare.agents.streaming",
    "Telling": "wayfare.agents.bandit_player",
    "TextAgent": "wayfare.agents.text_in_context",
    "TextConfig": "wayfare.agents.text_in_context",
    "TextToActivation": "wayfare.agents.memos",
    "TextToParameter": "wayfare.agents.memos",
    "Trajectory": "wayfare.agents.in_context",
    "Way": "wayfare.agents.rafa",
}


def __getattr__(name: str) -> Any:
    """Import an agent when it is first asked for: torch stays out until then."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
