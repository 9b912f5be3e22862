"""Memory networks: what a policy keeps inside itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.networks.memory import KINDS, MemoryNetwork, memory_network

__all__ = ["KINDS", "MemoryNetwork", "memory_network"]


def __getattr__(name: str) -> Any:
    """Import the networks when one is first asked for: torch stays out until then."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("wayfare.networks.memory"), name)
