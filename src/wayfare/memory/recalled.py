"""What a recall returns, and how its items become a block of text for a prompt.

    recall = memory.recall("user cannot log in", k=5)
    recall.text                                     # delimited, labelled with sources, within the token budget
    [item.record.content for item in recall]        # or the records themselves, best first
    recall.why                                      # a line an item: why it is here

Recalled text is data that somebody once wrote. The block says so, labels each text with its id, kind, source and date,
and takes the edge off a text that contains the block's own marks, so that no memory can end the block early or pass for
another. It does *not* keep a model from following an instruction that stands in a memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.records import Record

__all__ = ["Recall", "RecalledItem", "count_tokens", "rendered", "shortened"]

_MARK = re.compile(r"<(?=\s*/?\s*memor(?:y|ies)\b)", re.IGNORECASE)
OPENING, CLOSING = "<memories>", "</memories>"
CUT = " [...]"


@dataclass(frozen=True)
class RecalledItem:
    """One memory that was recalled.

    relevance: to the query, [0, 1]        score: by the policy that chose it        propensity: chance of being shown
    by: which searches found it and with what score        text: what `Recall.text` shows of it
    """

    record: Record
    relevance: float
    score: float
    propensity: float
    by: dict[str, float]
    text: str = ""

    @property
    def id(self) -> str:
        """Of the record."""
        return self.record.id

    @property
    def why(self) -> str:
        """In one line."""
        found = ", ".join(f"{channel} {score:.2f}" for channel, score in self.by.items() if score > 0)
        utility = self.record.utility
        mean = utility.mean
        credited = "not credited yet" if mean is None else f"mean reward {mean:.2f} over {utility.n:.3g} credits"
        return (
            f"{self.id}: relevance {self.relevance:.2f} ({found or 'by filter'}); {credited};"
            f" chance of being shown {self.propensity:.2f}"
        )


@dataclass(frozen=True)
class Recall:
    """What one call of `recall` found, best first. A stored `Recall` is a receipt: its id is what a credit may name.

    items: of at most k memories        text: the block for a prompt, "" when nothing was recalled
    logged: whether the receipt is stored; `reason` says why not. A credit may then be given with this object itself.
    side: that the task fell to: baseline | incumbent | challenger | fixed        policy: its id
    probability: of this set of memories, under the whole mixture; None where no probability is known
    considered: candidates before the draw
    """

    id: str
    task: str
    query: str
    items: tuple[RecalledItem, ...]
    text: str
    logged: bool
    reason: str
    policy: str
    side: str
    probability: float | None
    considered: int
    namespace: str = "default"
    receipt: Any = field(default=None, repr=False, compare=False)

    def __iter__(self) -> Iterator[RecalledItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the records, in the order shown."""
        return tuple(item.id for item in self.items)

    @property
    def why(self) -> str:
        """Which side and policy chose, and a line an item."""
        if not self.items:
            return f"nothing recalled: {self.reason or 'no memory is relevant enough'}"
        chance = "unknown" if self.probability is None else f"{self.probability:.3g}"
        drawn = f"{len(self.items)} of {self.considered} candidates; chance of this set {chance}"
        head = f"{self.side} policy {self.policy}; {drawn}"
        return "\n".join([head, *(item.why for item in self.items)])


def count_tokens(text: str) -> int:
    """An estimate that needs no tokeniser: four bytes of UTF-8 a token, at least one."""
    return max(1, -(-len(text.encode("utf-8", "surrogatepass")) // 4))


def shortened(text: str, tokens: int, count: Callable[[str], int] = count_tokens) -> str:
    """The longest beginning of `text`, cut at white space where there is some, that counts at most `tokens`."""
    if count(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle] + CUT) <= tokens else (low, middle - 1)
    start = text[:low]
    cut = start.rstrip().rsplit(None, 1)
    if low < len(text) and not text[low].isspace() and len(cut) == 2 and len(cut[0]) > low // 2:
        start = cut[0]
    return start.rstrip() + CUT if start.strip() else ""


def _label(record: Record) -> str:
    source = next((p.uri for p in record.provenance if p.uri), "")
    when = record.event_from if record.event_from is not None else record.created_at
    parts = [f'id="{record.id}"', f'kind="{_attribute(record.kind)}"']
    if source:
        parts.append(f'source="{_attribute(source)}"')
    if record.namespace not in ("", "default"):
        parts.append(f'namespace="{_attribute(record.namespace)}"')
    with suppress(OverflowError, OSError, ValueError):  # a time that no calendar knows is left out
        parts.append(f'date="{datetime.fromtimestamp(when, UTC):%Y-%m-%d}"')
    return " ".join(parts)


def _attribute(text: str) -> str:
    return " ".join(text[:200].split()).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _one(record: Record, text: str) -> str:
    return f"<memory {_label(record)}>\n{_MARK.sub('&lt;', text)}\n</memory>"


def rendered(
    records: Sequence[Record], budget_tokens: int | None = None, count: Callable[[str], int] = count_tokens
) -> tuple[str, list[str]]:
    """The block, and what it shows of each record.

    budget_tokens: for the whole block, marks and labels included. Each record gets an equal part of what is left, what
    one does not use passes to those below it; a record whose label alone does not fit shows nothing.
    Raises: BadValue for a budget below 1.
    """
    if budget_tokens is not None and (isinstance(budget_tokens, bool) or not isinstance(budget_tokens, int)):
        raise BadValue("budget_tokens", budget_tokens, "a whole number of tokens")
    if budget_tokens is not None and budget_tokens < 1:
        raise BadValue("budget_tokens", budget_tokens, "at least 1")
    if not records:
        return "", []
    if budget_tokens is None:
        shown = [record.content for record in records]
        return "\n".join([OPENING, *map(_one, records, shown), CLOSING]), shown
    left = budget_tokens - count(OPENING + "\n\n" + CLOSING)
    shown, blocks = [], []
    for i, record in enumerate(records):
        part = left // (len(records) - i)
        frame = count(_one(record, "") + "\n")
        text = shortened(record.content, part - frame, count) if part > frame else ""
        block = _one(record, text) if text else ""
        while block and count(block + "\n") > part:  # counts of parts need not add up
            text = shortened(text.removesuffix(CUT), count(text) - 1, count)
            block = _one(record, text) if text else ""
        shown.append(text)
        if block:
            blocks.append(block)
            left -= count(block + "\n")
    return ("\n".join([OPENING, *blocks, CLOSING]) if blocks else ""), shown
