"""Cells in processes of this machine, as many at once as there are workers.

A worker is a fresh interpreter (spawn), takes one cell after another, and has a fixed number of threads, so that what
a cell finds does not depend on how many run beside it. Workers ignore Ctrl-C, which is for the run to handle, and end
when the run ends, however it ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue
from wayfare.studies.contract import Cell
from wayfare.studies.work import Ended, Failed, Message, carry_out, one_line

__all__ = ["Processes"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Processes:
    """workers: processes at once, >= 1     threads: of each, >= 1"""

    def __init__(self, workers: int, threads: int = 1) -> None:
        self.workers, self.threads = workers, threads

    def messages(self, cells: Sequence[Cell], scratch: Callable[[str], Path]) -> Iterator[Message]:
        """Carry the cells out, begun in the order given; each ends with Ended or Failed. Closing it ends the workers.

        Raises: BadValue for a cell that cannot be sent to another process.
        """
        packed = deque((cell.name, _packed(cell, scratch(cell.name))) for cell in cells)
        workers = {}
        try:
            for _ in range(min(self.workers, len(packed))):
                worker = _Worker(self.threads)
                workers[worker.connection] = worker
                worker.give(*packed.popleft())
            while workers:
                for connection in wait(list(workers)):
                    worker = workers[connection]  # type: ignore[index]
                    message = worker.next_message()
                    yield message
                    if not isinstance(message, (Ended, Failed)):
                        continue
                    if packed and worker.alive:
                        worker.give(*packed.popleft())
                    else:
                        worker.end()
                        del workers[worker.connection]
                        if packed:  # it died on its cell: another takes the rest
                            worker = _Worker(self.threads)
                            workers[worker.connection] = worker
                            worker.give(*packed.popleft())
        finally:
            for worker in workers.values():
                worker.end()

    def close(self) -> None:
        """Nothing is left to end."""


class _Worker:
    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, os.getpid(), threads), daemon=True)
        with _interrupts_held(), _environment(dict.fromkeys(THREAD_VARIABLES, str(threads))):
            self.process.start()
        theirs.close()
        self.alive = True
        self.cell = ""

    def give(self, cell: str, packed: bytes) -> None:
        self.cell = cell
        with contextlib.suppress(OSError):  # it died: next_message says so
            self.connection.send_bytes(packed)

    def next_message(self) -> Message:
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            code = self.process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return Failed(self.cell, f"its process died ({how})", "")
        return message

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, parent: int, threads: int) -> None:
    """A worker's life: cells in, messages out, until the run closes the connection or is gone."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            name, scratch, packed = pickle.loads(connection.recv_bytes())
            try:
                cell: Cell = pickle.loads(packed)
                _limit_torch(threads)
            except Exception as error:
                connection.send(Failed(name, one_line(error), ""))
                continue
            carry_out(cell, scratch, connection.send)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _limit_torch(threads: int) -> None:
    import sys

    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def _packed(cell: Cell, scratch: Path) -> bytes:
    try:
        return pickle.dumps((cell.name, scratch, pickle.dumps(cell)))
    except Exception as error:
        allowed = f"a function importable by name with plain arguments ({one_line(error)})"
        raise BadValue(f"function of cell '{cell.name}'", cell.function, allowed) from error


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until a child is started: the child inherits the blocked signal, and no half-started one is left."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(changed: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
