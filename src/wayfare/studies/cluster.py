"""Cells on a Ray cluster: the one that RAY_ADDRESS names, else one that is started on this machine.

Source: Moritz et al. 2018, Ray (arXiv 1712.05889). Ray spreads the tasks; there is no scheduler of our own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wayfare.errors import MissingExtra
from wayfare.studies.contract import Cell
from wayfare.studies.processes import THREAD_VARIABLES
from wayfare.studies.work import Ended, Failed, Message, carry_out, one_line

__all__ = ["Ray"]

POLL = 0.25
"""Seconds between looks at what the cells said."""


class Ray:
    """workers: cells at once, None: as many as the cluster has cores for     threads: of each     gpu: a GPU each

    Raises: MissingExtra without ray.
    """

    def __init__(self, workers: int | None, threads: int = 1, gpu: bool = False) -> None:
        self._ray = _import()
        self.workers, self.threads, self.gpu = workers, threads, gpu
        self._started = False

    def messages(self, cells: Sequence[Cell], scratch: Callable[[str], Path]) -> Iterator[Message]:
        """Carry the cells out; each ends with Ended or Failed. Closing it cancels them."""
        if not self._ray.is_initialized():
            self._start()
        yield from self._messages(cells, scratch)

    def close(self) -> None:
        """Stop the cluster that was started here, or leave the one that was joined."""
        if self._started:
            self._ray.shutdown()
            self._started = False

    def _start(self) -> None:
        variables = {**dict.fromkeys(THREAD_VARIABLES, str(self.threads)), "PYTHONPATH": _search_path()}
        options: dict[str, Any] = {
            "include_dashboard": False,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "runtime_env": {"env_vars": variables},
        }
        if "RAY_ADDRESS" not in os.environ and self.workers is not None:
            options["num_cpus"] = self.workers * self.threads
        with _environment_for_start():
            self._ray.init(**options)
        self._started = True

    def _messages(self, cells: Sequence[Cell], scratch: Callable[[str], Path]) -> Iterator[Message]:
        ray = self._ray
        box = ray.remote(num_cpus=0)(_Box).remote()
        work = ray.remote(num_cpus=self.threads, num_gpus=1 if self.gpu else 0, max_retries=0)(_work)
        waiting = deque(cells)
        running: dict[Any, str] = {}
        ended: set[str] = set()
        most = self.workers if self.workers is not None else len(cells)
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    cell = waiting.popleft()
                    running[work.remote(cell, scratch(cell.name), box)] = cell.name
                done, _ = ray.wait(list(running), num_returns=1, timeout=POLL)
                for message in ray.get(box.take.remote()):
                    ended |= {message.cell} if isinstance(message, (Ended, Failed)) else set()
                    yield message
                for task in done:
                    name = running.pop(task)
                    try:
                        ray.get(task)
                    except Exception as error:
                        yield Failed(name, one_line(error), str(error))
                        ended.add(name)
                    if name not in ended:  # its last message came after our look
                        for message in ray.get(box.take.remote()):
                            ended |= {message.cell} if isinstance(message, (Ended, Failed)) else set()
                            yield message
        finally:
            for task in running:
                with contextlib.suppress(Exception):
                    ray.cancel(task, force=True)


class _Box:
    """An actor that holds what cells said until the run looks."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def put(self, message: Message) -> None:
        self._messages.append(message)

    def take(self) -> list[Message]:
        taken, self._messages = self._messages, []
        return taken


def _work(cell: Cell, scratch: Path, box: Any) -> None:
    import ray

    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    carry_out(cell, scratch, lambda message: ray.get(box.put.remote(message)))


def _import() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("--engine ray", "ray") from error
    return ray


def _search_path() -> str:
    """Where this process finds modules, so that a study of the user's own is found on the cluster's workers too."""
    here = [path or str(Path.cwd()) for path in sys.path]
    return os.pathsep.join(dict.fromkeys(here))


@contextlib.contextmanager
def _environment_for_start() -> Iterator[None]:
    """Ray sends usage statistics unless told not to; a run of ours sends nothing."""
    before = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("RAY_USAGE_STATS_ENABLED", None)
