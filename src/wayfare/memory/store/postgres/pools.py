"""Connections to PostgreSQL, one pool an address and process, shared by every memory of the process.

A child of a fork makes pools of its own: its parent's connections are its parent's. A pool keeps no connection open
that nobody needs for long, and one that the server has closed is thrown away where it is found.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from wayfare.errors import Unavailable
from wayfare.memory.store.postgres.driver import psycopg_pool, register_vector, without_password
from wayfare.memory.store.stops import current_stop

__all__ = ["LARGEST", "Pool", "pool_for"]

LARGEST = 16
"""Connections of a process to one database; PostgreSQL's own limit is 100 for all."""
PATIENCE = 5.0
"""Seconds to wait for a server that does not answer; for a connection that another thread holds the timeout counts."""
IDLE = 120.0


class Pool:
    """Connections to one address. Made by `pool_for`, closed with the last memory that uses it."""

    def __init__(self, address: str) -> None:
        self.address, self.users, self.pid = address, 0, os.getpid()
        self._pool: Any = None
        self._guard = threading.Lock()

    def take(self, timeout: float) -> Any:
        """A connection. Raises: Unavailable where the server does not answer, or every one is in use for too long."""
        from psycopg_pool import PoolClosed, PoolTimeout

        end = time.monotonic() + timeout
        while True:
            pool = self._opened()
            try:
                return pool.getconn(timeout=min(PATIENCE, timeout))
            except PoolTimeout as error:
                current_stop().check()
                if pool.get_stats().get("pool_size", 0) == 0 or time.monotonic() > end:
                    raise Unavailable(f"{without_password(self.address)}: {_why(self.address, error)}") from error
            except PoolClosed as error:
                raise Unavailable(f"{without_password(self.address)} has been closed") from error

    def give(self, connection: Any) -> None:
        """Back, to be used again; a broken one is thrown away."""
        self._pool.putconn(connection)

    def _opened(self) -> Any:
        with self._guard:
            if self._pool is None:
                self._pool = psycopg_pool().ConnectionPool(
                    self.address, min_size=0, max_size=LARGEST, max_idle=IDLE, reconnect_timeout=1.0, open=True,
                    kwargs={"autocommit": True}, configure=register_vector, name="wayfare",
                )  # fmt: skip
            return self._pool

    def close(self) -> None:
        """Close every connection."""
        if self._pool is not None and self.pid == os.getpid():
            self._pool.close()


def _why(address: str, error: Exception) -> str:
    """What the server says when it is asked directly: the pool keeps that to its log."""
    import psycopg

    try:
        psycopg.connect(address, connect_timeout=3).close()
    except psycopg.Error as refused:
        return f"the server does not answer: {' '.join(str(refused).split())}"
    return f"no connection came free: {error}"


_GUARD = threading.Lock()
_POOLS: dict[str, Pool] = {}
_ORPHANS: list[Pool] = []
"""A parent's, in its child: kept, so that nothing of them is closed."""


def pool_for(address: str) -> tuple[Pool, Callable[[], None]]:
    """The process's pool for an address, and what gives it back."""
    with _GUARD:
        pool = _POOLS.get(address)
        if pool is None:
            pool = _POOLS[address] = Pool(address)
        pool.users += 1

    def release() -> None:
        with _GUARD:
            pool.users -= 1
            over = pool.users == 0
            if over and _POOLS.get(address) is pool:
                del _POOLS[address]
        if over:
            pool.close()

    return pool, release


def _in_child() -> None:
    global _GUARD
    _GUARD = threading.Lock()
    _ORPHANS.extend(_POOLS.values())
    _POOLS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
