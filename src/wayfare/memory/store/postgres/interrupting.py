"""Ending what a connection is at: a statement that takes long, or waits for a lock.

PostgreSQL is told over a connection of its own, and may get round to it when that statement is over already. So a
connection that was interrupted once is thrown away: what comes late must not hit whoever has it next.
"""

from __future__ import annotations

import threading
from typing import Any

from wayfare.memory.store.postgres.driver import psycopg

__all__ = ["Interrupt"]

PATIENCE = 5.0
"""Seconds to wait for the server to take notice."""


class Interrupt:
    """Of one connection, while somebody has it. Calling it does not wait."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._guard, self._used = connection, threading.Lock(), False

    def __call__(self) -> None:
        threading.Thread(target=self._cancel, name="wayfare-interrupt", daemon=True).start()

    def _cancel(self) -> None:
        with self._guard:
            if self._connection is None:
                return
            self._used = True
            try:
                self._connection.cancel_safe(timeout=PATIENCE)
            except psycopg().Error:
                pass  # the connection is gone, and the statement with it

    def over(self) -> bool:
        """From here on nothing is interrupted. Whether nothing was."""
        with self._guard:
            self._connection = None
            return not self._used
