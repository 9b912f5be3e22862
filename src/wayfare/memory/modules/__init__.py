"""Memories for streams of tasks, each a way to use one `Memory`: what is searched, shown and kept.

protocol    `MemoryModule`: search, synthesise, update
"""

from wayfare.memory.modules.protocol import Finished, Found, MemoryModule

__all__ = ["Finished", "Found", "MemoryModule"]
