"""What is asked and answered where a memory is looked after: copies, upkeep, quotas, a person's data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wayfare.serve.shapes import LAST, MOST_AT_ONCE, Answer, Asked, Name, Reason, Sought

__all__ = [
    "Audit", "Audited", "CopyOf", "CopyPage", "Erase", "Erased", "Limit", "QuotaOf", "Snapshot", "Snapshots", "Undo",
    "Unmake", "Upkeep", "Upkept",
]  # fmt: skip

Count = Annotated[int | None, Field(ge=0, le=LAST)]


class Snapshot(Asked):
    """Keep the memory as it stands now, in a bundle beside it."""

    label: Annotated[str, Field(max_length=200)] = ""


class Snapshots(Sought):
    """Every copy that was made of the namespace, oldest first."""

    what: Literal["snapshot", "export", "backup", "branch"] | None = None
    all: Annotated[bool, Field(description="those that are gone, too")] = False


class Unmake(Asked):
    """Delete a copy, by its id or label."""

    name: Name


class Audit(Sought):
    """What is wrong with the memory, by counts and ids; it reads all of it."""

    threshold: Annotated[float, Field(gt=0, le=1, description="from which similarity on texts are near")] = 0.92


class Upkeep(Asked):
    """Merge near duplicates, or sweep up what has lost its sources; says first what it would do."""

    job: Literal["duplicates", "stale"]
    dry_run: bool = True
    limit: Annotated[int | None, Field(ge=1, le=MOST_AT_ONCE, description="steps of this run at most")] = None


class Undo(Asked):
    """Take the last merge into a memory back."""

    id: Name
    reason: Reason = ""


class Limit(Asked):
    """Limit what the namespace may hold; what is not named stays, null takes a limit away."""

    records: Count = None
    bytes: Count = None
    writes_a_day: Count = None
    reason: Reason = ""


class Erase(Asked):
    """Purge everything of one person; says first what it would take."""

    subject: Name
    derived: Literal["purge", "keep"] = "purge"
    tasks: list[Name] = Field(default_factory=list, max_length=MOST_AT_ONCE)
    dry_run: bool = True


class CopyOf(Answer):
    """A copy of the memory. seq: the last change in it        gone_at: when it was deleted"""

    id: str
    what: str
    label: str
    digest: str
    seq: int
    created_at: float
    gone_at: float | None


class CopyPage(Answer):
    """Copies, oldest first."""

    copies: list[CopyOf]


class Audited(Answer):
    """Groups of ids, pairs, and triples; `wayfare.memory.upkeep.audit` says what each is."""

    statuses: dict[str, int]
    threshold: float
    duplicates: list[list[str]]
    near: list[list[str]]
    echoes: list[list[str]]
    never: list[str]
    orphans: list[list[str]]
    provenance: list[list[str]]
    stale: list[list[str]]


class Upkept(Answer):
    """What a job would do, or has done. more: steps that the limit left        looked: memories looked at"""

    job: str
    dry_run: bool
    steps: list[dict[str, Any]]
    more: int
    looked: int


class QuotaOf(Answer):
    """[used, allowed]; null: no limit"""

    records: list[int | None]
    bytes: list[int | None]
    writes_a_day: list[int | None]


class Erased(Answer):
    """What was erased, or would be. kept: made from it, as it was        copies: that still hold it"""

    subject: str
    records: list[str]
    derived: list[str]
    kept: list[str]
    receipts: int
    copies: list[CopyOf]
    dry: bool
