"""Memories for streams of tasks, each a way to use one `Memory`: what is searched, shown and kept.

protocol    `MemoryModule`: search, synthesise, update        frames    how what is kept is shown, and read back
stored      what all modules share: one memory

nothing     no memory                                         history   the last tasks, or all of them
similar     ExpRAG: similar tasks; or those that succeeded
"""

from wayfare.memory.modules.protocol import Finished, Found, MemoryModule

__all__ = ["Finished", "Found", "MemoryModule"]
