"""Open memories, a bounded number: one a namespace that tokens speak for, the least used one closed first.

    handles = Handles("agent.db")
    with handles.lent(grant) as memory:
        memory.recall("...")

What is open for a namespace is shared by all its tokens; each sees it as its own actor. A memory that is lent is closed
only when it comes back.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wayfare.errors import BadValue, Unavailable
from wayfare.memory import Memory
from wayfare.serve.tokens import Grant

__all__ = ["Handles"]

Place = tuple[str, tuple[str, ...]]


class _Open:
    """One memory, and how many have it. guard: held while it is being opened"""

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.users, self.dropped = 0, False
        self.guard = threading.Lock()


class Handles:
    """The memories of a store that are open in this process.

    most: kept open while nobody uses them        settings: of every `Memory`: embedder, policy, synchronous, ...
    Raises: as `Memory`, from `lent`.
    """

    def __init__(self, address: str | os.PathLike[str], *, most: int = 64, **settings: Any) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise BadValue("most", most, "a whole number from 1")
        self.address, self.most, self.settings = address, most, settings
        self._open: OrderedDict[Place, _Open] = OrderedDict()
        self._guard = threading.Lock()
        self._closed = False

    @contextmanager
    def lent(self, grant: Grant) -> Iterator[Memory]:
        """The memory of a token's namespace, as its owner sees it."""
        place = (grant.namespace, grant.also_read)
        with self._guard:
            if self._closed:
                raise Unavailable("the server has stopped")
            entry = self._open.setdefault(place, _Open())
            entry.users += 1
            self._open.move_to_end(place)
        try:
            with entry.guard:
                if entry.memory is None:
                    entry.memory = Memory(
                        self.address, namespace=grant.namespace, also_read=grant.also_read, **self.settings
                    )
            own = copy.copy(entry.memory)
            own.actor = grant.name
            yield own
        finally:
            self._back(place, entry)

    def _back(self, place: Place, entry: _Open) -> None:
        over = []
        with self._guard:
            entry.users -= 1
            if entry.memory is None and not entry.users and self._open.get(place) is entry:
                del self._open[place]  # it could not be opened
            idle = [key for key, each in self._open.items() if not each.users]
            for key in idle[: max(0, len(self._open) - self.most)]:
                over.append(self._open.pop(key))
            if entry.dropped and not entry.users:
                over.append(entry)
        for each in over:
            if each.memory is not None:
                each.memory.close()

    def places(self) -> list[Grant]:
        """The namespaces that are open, as somebody who may read them."""
        with self._guard:
            open_now = [place for place, each in self._open.items() if each.memory is not None]
        return [Grant("", "", namespace, others, frozenset({"read"}), None) for namespace, others in open_now]

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """Close all; those that are lent, when they come back."""
        with self._guard:
            self._closed = True
            entries = list(self._open.values())
            self._open.clear()
            for each in entries:
                each.dropped = True
            idle = [each for each in entries if not each.users]
        for each in idle:
            if each.memory is not None:
                each.memory.close()
