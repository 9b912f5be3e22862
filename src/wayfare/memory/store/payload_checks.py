"""What the doctor asks of the bytes that records carry: are they whole, and does anything name them?"""

from __future__ import annotations

from hashlib import sha256

from wayfare.errors import WayfareError
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.looking import Findings

__all__ = ["payloads"]


def payloads(tx: Transaction, found: Findings) -> None:
    """Every payload that a version names is there and whole, and nothing is there that none names."""
    for (ns,) in tx.execute("SELECT ns FROM namespaces ORDER BY ns").fetchall():
        sizes: dict[str, int] = {}
        for digest in payload_rows.stored(tx, ns):
            whole = sha256()
            sizes[digest] = 0
            try:
                for part, data in payload_rows.pieces(tx, ns, digest):
                    if part != sizes[digest] // payload_rows.PIECE:
                        found.add("damage", "payloads", f"payload {digest}: a piece before {part} is missing")
                    whole.update(data)
                    sizes[digest] += len(data)
            except WayfareError as error:
                found.add("damage", "payloads", str(error))
                continue
            if whole.hexdigest() != digest:
                found.add("damage", "payloads", f"payload {digest}: the bytes do not answer to their digest")
        unnamed = set(sizes)
        try:
            for id, version, info in payload_rows.named(tx, ns):
                unnamed.discard(info.digest)
                if sizes.get(info.digest) != info.size:
                    name = f"version {version} of record {id!r}"
                    found.add(
                        "damage", "payloads", f"{name}: of its payload {info.digest} there are"
                        f" {sizes.get(info.digest, 0)} of {info.size} bytes",
                    )  # fmt: skip
        except WayfareError:
            continue  # a version is damaged, which is said elsewhere: who names what is not known
        for digest in sorted(unnamed):
            found.add("damage", "payloads", f"payload {digest}: no version of any record names it")
