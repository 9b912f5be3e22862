"""Every error that Wayfare raises on purpose, in one tree.

    WayfareError
    ├── BadValue         an argument, option or field out of range (also a ValueError)
    ├── MissingExtra     a part needs an optional install (also an ImportError)
    ├── UnknownStudy     no study has that slug
    ├── ResumeRefused    the unfinished run belongs to another config or code version
    ├── RecordRefused    a run that may not enter `results/`
    ├── CellFailed       a cell of a run raised; the message names the cell
    └── Diverged         a learner's values left the range that its rewards allow

The command line prints the message of any of them on one line and exits with 2 (1 for CellFailed).
"""

from __future__ import annotations

__all__ = [
    "BadValue",
    "CellFailed",
    "Diverged",
    "MissingExtra",
    "RecordRefused",
    "ResumeRefused",
    "UnknownStudy",
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
    """|Q| passed r_max / (1 - discount), which no return can reach."""


class CellFailed(WayfareError):
    """A cell of a run raised; what it raised and where stands in the run directory's `error.txt`."""
