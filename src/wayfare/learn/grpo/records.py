"""What a run writes down: metrics a step, answers with what they were paid, seconds apart from both.

    metrics.jsonl       one line a logged step: {"step", "epoch", metrics by TRL's names}
    completions.jsonl   one line an answer, where asked for; also those whose reward function raised
    seconds.jsonl       how long steps took: not in metrics.jsonl, which is the same in every run of one seed
    tensorboard/        the same metrics, where asked for
    lock                held by the run that writes here

A checkpoint notes how long the files are, and a resumed run cuts them there: their content is that of a run which was
never stopped.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from wayfare.errors import BadValue, MissingExtra, ResumeRefused
from wayfare.learn.rollouts import RolloutBatch
from wayfare.locks import lock

__all__ = ["Records", "completion_rows"]

METRICS, COMPLETIONS, SECONDS = "metrics.jsonl", "completions.jsonl", "seconds.jsonl"


class Records:
    """folder: None writes nothing        tensorboard: whether metrics also go there        main: false on ranks above 0

    Raises: MissingExtra for tensorboard where it is not installed.
    """

    def __init__(self, folder: Path | None, *, tensorboard: bool = False, main: bool = True) -> None:
        self.folder = folder if main else None
        self._open: dict[str, TextIO] = {}
        self._board: Any = None
        self._held: IO[bytes] | None = None
        if self.folder is None:
            return
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtra("report_to tensorboard", "tensorboard") from None
            self._board = SummaryWriter(str(self.folder / "tensorboard"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other run writes into the folder meanwhile; within itself it changes nothing.

        Raises: ResumeRefused while another run does; BadValue for a folder that cannot be made.
        """
        if self.folder is None or self._held is not None:
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("ab")
        except OSError as error:
            raise BadValue("output_dir", str(self.folder), f"a folder to write in ({error.strerror})") from error
        with file:
            if not lock(file):
                raise ResumeRefused(
                    f"another run is writing into {self.folder}: wait until it has ended, or write into another folder"
                )
            self._held = file
            try:
                yield
            finally:
                self._held = None

    def metrics(self, step: int, told: Mapping[str, float]) -> None:
        """One line; what is not finite becomes null."""
        if self.folder is None:
            return
        plain = {name: value if math.isfinite(value) else None for name, value in told.items()}
        self._line(METRICS, {"step": step, **plain})
        if self._board is not None:
            for name, value in told.items():
                self._board.add_scalar(name, value, step)

    def seconds(self, step: int, told: Mapping[str, float]) -> None:
        """One line."""
        if self.folder is not None:
            self._line(SECONDS, {"step": step, **{name: round(value, 6) for name, value in told.items()}})

    def completions(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Lines that `completion_rows` made, on the disk when this returns."""
        if self.folder is None:
            return
        for row in rows:
            self._line(COMPLETIONS, row)
        self._synced(COMPLETIONS)

    def lengths(self) -> dict[str, int]:
        """Bytes of each file, on the disk when this returns: what a checkpoint notes."""
        if self.folder is None:
            return {}
        for name in self._open:
            self._synced(name)
        return {name: (self.folder / name).stat().st_size for name in (METRICS, COMPLETIONS) if self._there(name)}

    def cut(self, lengths: Mapping[str, int]) -> None:
        """Take files back to what they were when `lengths` was taken."""
        if self.folder is None:
            return
        self.close()
        for name in (METRICS, COMPLETIONS):
            if self._there(name):
                os.truncate(self.folder / name, lengths.get(name, 0))

    def close(self) -> None:
        """Files are on the disk and closed; the next line opens them again."""
        for name in list(self._open):
            self._synced(name)
            self._open.pop(name).close()
        if self._board is not None:
            self._board.flush()

    def _there(self, name: str) -> bool:
        return self.folder is not None and (self.folder / name).exists()

    def _line(self, name: str, row: Mapping[str, Any]) -> None:
        assert self.folder is not None
        if name not in self._open:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._open[name] = (self.folder / name).open("a", encoding="utf-8")
        self._open[name].write(json.dumps(row, ensure_ascii=False) + "\n")
        self._open[name].flush()

    def _synced(self, name: str) -> None:
        if name in self._open:
            self._open[name].flush()
            os.fsync(self._open[name].fileno())


def completion_rows(
    batch: RolloutBatch, step: int, names: Sequence[str], logged: Mapping[str, Sequence[Any]] | None = None
) -> list[dict[str, Any]]:
    """One row an answer: step, prompt, completion, each reward, bonus, reward, advantage; what is not known is null."""
    rows = []
    for number in range(len(batch)):
        row: dict[str, Any] = {
            "step": step,
            "key": None if batch.prompt_key is None else int(batch.prompt_key[number]),
            "group": int(batch.group_id[number]),
            "prompt": None if batch.prompts is None else batch.prompts[number],
            "completion": None if batch.texts is None else batch.texts[number],
        }
        for column, name in enumerate(names):
            row[name] = None if batch.rewards_per_func is None else _number(batch.rewards_per_func[number, column])
        for field in ("bonus", "reward"):
            value = getattr(batch, field)
            row[field] = None if value is None else _number(value[number])
        known = batch.advantages is not None and batch.advantages.ndim == 1
        row["advantage"] = _number(batch.advantages[number]) if known and batch.advantages is not None else None
        for name, values in (logged or {}).items():
            row[name] = values[number] if number < len(values) else None
        rows.append(row)
    return rows


def _number(value: Any) -> float | None:
    told = float(value)
    return told if math.isfinite(told) else None
