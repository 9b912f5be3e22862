"""Every error that Wayfare raises on purpose, in one tree.

    WayfareError
    ├── BadValue         an argument, option or field out of range (also a ValueError)
    ├── MissingExtra     a part needs an optional install (also an ImportError)
    ├── UnknownStudy     no study has that slug
    ├── ResumeRefused    the unfinished run belongs to another config or code version
    ├── RecordRefused    a run that may not enter `results/`
    ├── CellFailed       a cell of a run raised; the message names the cell
    ├── RewardFailed     a reward function raised, or gave what is no reward; the message names it and the row
    ├── ServerFailed     an inference server that draws for a training run did not answer as it must
    ├── ProcessFailed    another process of the same training run raised, so that this one cannot go on
    ├── Diverged         a learner's values left the range that its rewards allow, or are no numbers any more
    └── StoreError       a memory's store
        ├── NoSuchRecord     no memory of that namespace has the id (also a KeyError)
        │   └── NoSuchReceipt    no recall of it has
        ├── VersionConflict  the record has moved on since the version that was expected
        ├── OutcomeConflict  the task already has another outcome from that source, or a key another request
        ├── QuotaExceeded    the namespace may not hold that much, or not so much more today
        ├── ReadOnly         the store was opened, or lies, where nothing can be written
        ├── Unavailable      busy for too long, disk full, or closed: nothing was changed
        └── Damaged          a row or page does not answer to its checksum; `wayfare memory doctor`

The command line prints the message of any of them on one line and exits with 2 (1 for CellFailed).
"""

from __future__ import annotations

__all__ = [
    "BadValue",
    "CellFailed",
    "Damaged",
    "Diverged",
    "MissingExtra",
    "NoSuchReceipt",
    "NoSuchRecord",
    "NoSuchTask",
    "OutcomeConflict",
    "ProcessFailed",
    "QuotaExceeded",
    "ReadOnly",
    "RecordRefused",
    "ResumeRefused",
    "RewardFailed",
    "ServerFailed",
    "StoreError",
    "Unavailable",
    "UnknownStudy",
    "VersionConflict",
    "WayfareError",
]


class WayfareError(Exception):
    """Root of the tree: catch it to catch everything that Wayfare refuses."""


class BadValue(WayfareError, ValueError):
    """`field` got `value`; `allowed` completes the sentence "field must be ..."."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field, self.value, self.allowed = field, value, allowed
        super().__init__(f"{field} must be {allowed}, got {value!r}")

    def __reduce__(self) -> tuple[type[BadValue], tuple[str, object, str]]:
        return type(self), (self.field, self.value, self.allowed)


class MissingExtra(WayfareError, ImportError):
    """`part` needs an extra that is not installed; the message names the command that installs it."""

    def __init__(self, part: str, extra: str) -> None:
        self.part, self.extra = part, extra
        super().__init__(f"{part} needs an extra: pip install 'wayfare[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.part, self.extra)


class UnknownStudy(WayfareError):
    """No study answers to that slug."""


class ResumeRefused(WayfareError):
    """The run directory was begun with another config or code version."""


class RecordRefused(WayfareError):
    """Only finished laptop or full runs of a committed tree are recorded."""


class Diverged(WayfareError):
    """|Q| passed r_max / (1 - discount), which no return can reach; or losses, or chances, are no numbers any more."""


class CellFailed(WayfareError):
    """A cell of a run raised; what it raised and where stands in the run directory's `error.txt`."""


class RewardFailed(WayfareError):
    """`function` raised or answered out of what a reward may be; `reason` says which, and at which row."""

    def __init__(self, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        super().__init__(f"reward function {function!r} {reason}")

    def __reduce__(self) -> tuple[type[RewardFailed], tuple[str, str]]:
        return type(self), (self.function, self.reason)


class ServerFailed(WayfareError):
    """The server's address and what it said, after the last attempt."""


class ProcessFailed(WayfareError):
    """Another process of the same training run raised; its own message says what."""


class StoreError(WayfareError):
    """What a memory's store refuses or cannot do; nothing was changed."""


class NoSuchRecord(StoreError, KeyError):
    """The namespace holds no memory with that id."""

    def __init__(self, id: object) -> None:
        self.id = id
        super().__init__(f"no memory has the id {id!r} in this namespace")

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[NoSuchRecord], tuple[object]]:
        return type(self), (self.id,)


class NoSuchReceipt(NoSuchRecord):
    """No recall of the namespace left a receipt with that id."""

    def __init__(self, id: object) -> None:
        super().__init__(id)
        self.args = (f"no receipt has the id {id!r} in this namespace",)


class NoSuchTask(NoSuchRecord):
    """Nothing was recalled in the namespace in a task with that id."""

    def __init__(self, id: object) -> None:
        super().__init__(id)
        self.args = (f"no task that recalled something has the id {id!r} in this namespace",)


class VersionConflict(StoreError):
    """The record is at another version than was expected: read it again, then decide."""

    def __init__(self, id: str, expected: int, found: int) -> None:
        self.id, self.expected, self.found = id, expected, found
        super().__init__(f"memory {id} is at version {found}, not {expected}: read it again, then decide")

    def __reduce__(self) -> tuple[type[VersionConflict], tuple[str, int, int]]:
        return type(self), (self.id, self.expected, self.found)


class OutcomeConflict(StoreError):
    """Said before, and otherwise; the message names both."""


class QuotaExceeded(StoreError):
    """A write would take a namespace over its quota: `used` of the `allowed` are used, and it asked for `more`."""

    def __init__(self, quota: str, used: int, allowed: int, more: int) -> None:
        self.quota, self.used, self.allowed, self.more = quota, used, allowed, more
        super().__init__(
            f"the quota of {quota} does not allow it: {used} of {allowed} are used, and {more} more were asked for"
        )

    def __reduce__(self) -> tuple[type[QuotaExceeded], tuple[str, int, int, int]]:
        return type(self), (self.quota, self.used, self.allowed, self.more)


class ReadOnly(StoreError):
    """Nothing can be written here."""


class Unavailable(StoreError):
    """Busy for too long, disk full, or closed."""


class Damaged(StoreError):
    """What was read is not what was written; `wayfare memory doctor` says what can be saved."""
