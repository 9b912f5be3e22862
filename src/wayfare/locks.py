"""One process at a time: an advisory lock on an open file, which goes with its holder, however that ends.

Where the system or the disk has no such locks whoever asks has it: there it is the user's to keep others out.
"""

from __future__ import annotations

from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock"]


def lock(file: IO[Any], *, wait: bool = False) -> bool:
    """Whether the file is this holder's now, until it closes it. wait: until another has closed it"""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return True
    return True
