"""Which operation is next: drawn from the seed, its number, and how the reference stands."""

from __future__ import annotations

import random
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.studies.memos.reference import Item

__all__ = ["CHANGEABLE", "KINDS", "Operation", "drawn", "identity"]

KINDS = {
    "add": 12, "derive": 6, "update": 14, "activate": 6, "freeze": 5, "thaw": 5, "archive": 7, "restore": 7,
    "merge": 5, "unmerge": 3, "rollback": 12, "forget": 2, "migrate": 1, "fuse": 2,
}  # fmt: skip
"""How often each is drawn."""
CHANGEABLE = ("generated", "activated")
SUITABLE = {
    "update": CHANGEABLE, "merge": CHANGEABLE, "freeze": CHANGEABLE, "archive": CHANGEABLE, "unmerge": CHANGEABLE,
    "activate": ("generated",), "thaw": ("frozen",), "restore": ("archived",),
    "rollback": ("generated", "activated", "archived", "merged"),
    "forget": ("generated", "activated", "archived", "merged", "frozen"),
}  # fmt: skip
"""States from which an operation is drawn more often than not; from any other it must be refused."""
FEWEST, MOST = 6, 40
"""Memories of a cube: below, only additions are drawn; above, none."""
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Operation = dict[str, Any]


def drawn(cubes: Mapping[str, Mapping[str, Item]], seed: int, number: int) -> Operation:
    """The operation of that number, some of them such as must be refused."""
    draw = random.Random(f"{seed} {number}")
    cube = draw.choice("ab")
    items = cubes[cube]
    living = [item for item in items.values() if not item.gone]
    kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
    if len(living) < FEWEST:
        kind = "add"
    elif len(living) >= MOST and kind in ("add", "derive"):
        kind = "forget"
    op: Operation = {"kind": kind, "cube": cube}
    if kind in ("migrate", "fuse"):
        return op
    fresh = f"{kind} {number} of seed {seed}"
    if kind in ("add", "derive"):
        op |= {"id": identity(f"{cube} {seed} {number}"), "text": fresh, "mark": draw.choice(["generated", ""])}
        if kind == "add" and living and draw.random() < 0.1:
            op["text"] = draw.choice(living).now.text
        if kind == "derive":
            sources = [item for item in living if item.form != "parameter" and item.now.status == "active"]
            if not sources:
                return op | {"kind": "add"}
            source = draw.choice(sources)
            form = "parameter" if source.form == "activation" else draw.choice(["activation", "parameter"])
            op |= {"source": source.id, "form": form, "payload": number}
        return op
    fitting = [item for item in living if item.state in SUITABLE[kind] and (kind != "unmerge" or item.took)]
    one = draw.choice(fitting if fitting and draw.random() < 0.85 else living)
    op["id"] = one.id
    if kind == "update":
        op["text"] = fresh if draw.random() < 0.7 else None
        op["payload"] = number if one.form != "token" and (op["text"] is None or draw.random() < 0.5) else None
        if op["text"] is None and op["payload"] is None:
            op["text"] = draw.choice(living).now.text
    elif kind == "rollback":
        op["version"] = draw.randint(1, len(one.past) + draw.choice([-1, -1, -1, 0]) or 1)
        if one.past[min(op["version"], len(one.past)) - 1].status == "superseded":
            op["version"] = 1
    elif kind == "merge":
        texts = [item for item in fitting if item.form == "token"]
        texts = texts if draw.random() < 0.85 else [item for item in living if item.form == "token"]
        taken = draw.sample(texts, min(len(texts), draw.choice([1, 2, 3])))
        rest = [item for item in texts if item not in taken]
        if not taken:
            return {
                "kind": "add",
                "cube": cube,
                "id": identity(f"{cube} {seed} {number}"),
                "text": fresh,
                "mark": "",
            }
        op["ids"] = [item.id for item in taken]
        into = draw.choice(rest).id if rest and draw.random() < 0.6 else None
        op |= {"id": into or identity(f"{cube} {seed} {number}"), "text": None if into else fresh}
    return op


def identity(text: str) -> str:
    """26 characters, always the same."""
    digest = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")
    return "".join(ALPHABET[(digest >> (5 * place)) % 32] for place in range(26))
