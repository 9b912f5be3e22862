"""What a verb of the doors is, and how what the library answers becomes what JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from pydantic import BaseModel

from wayfare.errors import BadValue
from wayfare.memory import Memory, Record
from wayfare.memory.receipts import Receipt
from wayfare.serve import shapes

__all__ = ["Answer", "Verb", "plain", "receipt_of", "record_of"]

Answer = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """A verb as the doors know it.

    scope: that it needs        ask, answer: the forms of request and answer        writes: takes an idempotency key
    """

    name: str
    scope: str
    ask: type[BaseModel]
    answer: type[BaseModel]
    act: Callable[[Memory, Any, str | None], Answer]
    writes: bool

    @property
    def says(self) -> str:
        """What it does, in a line."""
        return (self.ask.__doc__ or "").strip().splitlines()[0]

    def __call__(self, memory: Memory, ask: BaseModel, key: str | None = None) -> Answer:
        """Do it. Raises: BadValue, also for a key where nothing is written; StoreError."""
        if key is not None and not self.writes:
            raise BadValue("idempotency_key", key, f"left out: {self.name} writes nothing that could be written twice")
        return self.act(memory, ask, key)


def plain(value: Any) -> Any:
    """What JSON can hold: dataclasses as objects, tuples as lists, a number that is not finite as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "item"):  # a number of NumPy's
        return plain(value.item())
    return str(value)


def record_of(record: Record) -> Answer:
    """A memory, as every door shows it."""
    found = {name: getattr(record, name) for name in shapes.Memory.model_fields}
    found["tags"], found["meta"] = list(record.tags), dict(record.meta)
    found["provenance"] = [
        {"uri": each.uri, "span": None if each.span is None else list(each.span), "actor": each.actor,
         "parents": list(each.parents)}
        for each in record.provenance
    ]  # fmt: skip
    carried = record.payload
    found["payload"] = None if carried is None else {
        "digest": carried.digest, "size": carried.size, "media_type": carried.media_type,
    }  # fmt: skip
    found["utility"] = {**asdict(record.utility), "mean": record.utility.mean}
    return found


def receipt_of(receipt: Receipt, now: Mapping[str, Record]) -> Answer:
    """A receipt, with the memories that it showed as they stand now."""
    seen = receipt.candidates
    relevance = [None] * len(receipt.shown) if seen is None else [float(seen.relevance[i]) for i in receipt.slate]
    return {
        "id": receipt.id, "seq": receipt.seq, "task": receipt.task, "time": receipt.time, "query": receipt.query,
        "side": receipt.side, "policy": receipt.policies.get(receipt.side),
        "probability": plain(receipt.probability) if receipt.shares else None,
        "sides": plain(receipt.probabilities), "shares": plain(receipt.shares),
        "considered": None if seen is None else len(seen),
        "shown": [
            {"id": id, "version": version, "propensity": chance, "relevance": near,
             "memory": record_of(now[id]) if id in now else None}
            for (id, version), chance, near in zip(receipt.shown, receipt.inclusion, relevance, strict=True)
        ],
    }  # fmt: skip
