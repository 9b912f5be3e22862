"""A run's metrics for TensorBoard, beside metrics.jsonl: `tensorboard --logdir RUN_DIR/tensorboard`."""

from __future__ import annotations

import shutil
import time
from typing import Any

from wayfare.errors import MissingExtra
from wayfare.studies.runs import RunDirectory

__all__ = ["EventFiles"]


class EventFiles:
    """One series a cell and metric. Begun anew from metrics.jsonl, so that a resumed run has no double points.

    Raises: MissingExtra without tensorboard.
    """

    def __init__(self, run: RunDirectory) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise MissingExtra("--tensorboard", "tensorboard") from error
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder = run.path / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self._writer: Any = EventFileWriter(str(folder))
        for line in run.metrics():
            ours = ("cell", "done", "total", "seconds")
            self.add(line["cell"], line["done"], {k: v for k, v in line.items() if k not in ours and v is not None})

    def add(self, cell: str, done: float, metrics: dict[str, float]) -> None:
        """One point of each metric at step `done`."""
        values = [self._summary.Value(tag=f"{cell}/{name}", simple_value=value) for name, value in metrics.items()]
        event = self._event(wall_time=time.time(), step=int(done), summary=self._summary(value=values))
        self._writer.add_event(event)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
