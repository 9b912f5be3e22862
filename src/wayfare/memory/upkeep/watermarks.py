"""How far a job has come: the last change of the namespace that a finished run has seen, and which were its own.

A run's own changes do not wake it again. They cannot be told by numbers alone, since others write between them: so the
places of its own rows in the log are kept, as ranges, until the watermark has passed them. Each step and its range
are one transaction; a run that was killed has forgotten nothing.

A row that does not answer to its checksum is taken for none: the job looks at everything again, which changes nothing
that it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import JobRow, read_job, write_job

__all__ = ["Watermark", "changes", "read_watermark", "write_watermark"]


@dataclass(frozen=True)
class Watermark:
    """through: seq of the last change that has been dealt with; 0 before the first run has finished

    own: [first, last] of rows that the job wrote itself after that        due: when time alone gives more to do
    """

    through: int = 0
    own: tuple[tuple[int, int], ...] = ()
    due: float | None = None

    def wrote(self, first: int, last: int) -> Watermark:
        """After a transaction of its own, with these rows of the log."""
        own = [*self.own, (first, last)]
        if len(own) > 1 and own[-2][1] + 1 == first:
            own[-2:] = [(own[-2][0], last)]
        return replace(self, own=tuple(own))

    def finished(self, sequence: int, due: float | None) -> Watermark:
        """After a run that was planned at `sequence` and has come to its end."""
        through = max(self.through, sequence)
        for first, last in self.own:
            if first <= through + 1:
                through = max(through, last)
        return Watermark(through, tuple(each for each in self.own if each[1] > through), due)


def read_watermark(tx: Transaction, ns: int, name: str) -> Watermark:
    """Of a job, by `name_of`."""
    row = read_job(tx, ns, name)
    if row is None:
        return Watermark()
    body = json.loads(row.body)
    return Watermark(row.through, tuple((first, last) for first, last in body["own"]), body["due"])


def write_watermark(tx: Transaction, ns: int, name: str, mark: Watermark, time: float) -> None:
    """Keep it."""
    body = json.dumps({"own": mark.own, "due": mark.due})
    write_job(tx, ns, name, JobRow(mark.through, body), time)


def changes(
    tx: Transaction, ns: int, mark: Watermark, silent: Iterable[str], heeds_own: bool = False
) -> frozenset[str] | None:
    """Ids of what others have changed since; None: it may be anything. silent, heeds_own: as `Job` has them"""
    if mark.through == 0:
        return None
    quiet = sorted(silent)
    rows = tx.execute(
        f"SELECT seq, id FROM log WHERE ns = ? AND seq > ? AND op NOT IN ({', '.join('?' * len(quiet))}) ORDER BY seq",
        (ns, mark.through, *quiet),
    )
    found: set[str] = set()
    for seq, id in rows:
        if not heeds_own and any(first <= seq <= last for first, last in mark.own):
            continue
        if id is None:
            return None
        found.add(id)
    return frozenset(found)
