"""Who may come through a server's doors: tokens, each for one namespace and a few scopes.

    tokens = Tokens("agent.db")                                 # or postgresql://...
    text, grant = tokens.issue("support-agent", namespace="org/support", also_read=["org/shared"])
    tokens.verify(text)                                         # the Grant, or None
    tokens.revoke(grant.id)                                     # acts with the next request, in every process

A token is `wayfare_ID_SECRET`. The id may be shown and logged; of the secret, 256 random bits, only a hash is stored,
so that the text exists once: where it was issued. Nothing is remembered between two calls of `verify`: a revocation or
an expiry acts at once, whoever wrote it.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time as clocks
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

from wayfare.errors import BadValue, Damaged
from wayfare.memory.opening import checked_path
from wayfare.memory.records import checked_name
from wayfare.memory.store.addresses import database_at
from wayfare.memory.store.rows import TOKEN_COLUMNS, token_sum

__all__ = ["DEFAULT_SCOPES", "SCOPES", "Grant", "Issued", "Tokens"]

SCOPES = ("read", "write", "credit", "forget", "admin")
"""read: recall and look; write: remember, revise, link; credit: post outcomes; forget: hide and purge; admin: policies,
voiding, upkeep, copies."""
DEFAULT_SCOPES = ("read", "write")
"""Of an agent: it does not credit itself."""
_FORM = re.compile(r"wayfare_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)


@dataclass(frozen=True)
class Grant:
    """What a token allows.

    id: the part of the token that may be shown        name: whose it is, the actor of what is done with it
    namespace: that is read and written, exactly this one        also_read: others that are read
    expires_at: s since the epoch; None never
    """

    id: str
    name: str
    namespace: str
    also_read: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float | None

    def allows(self, scope: str) -> bool:
        """Whether this scope was granted; no scope implies another."""
        return scope in self.scopes


@dataclass(frozen=True)
class Issued:
    """A token in a list: never its secret. state: active | expired | revoked"""

    grant: Grant
    state: str
    created_at: float
    revoked_at: float | None


class Tokens:
    """The tokens of a store, which are no tenant's.

    address: of the store, a file or postgresql://...        clock: s since the epoch
    Raises: as `database_at`.
    """

    def __init__(self, address: str | os.PathLike[str], *, clock: Callable[[], float] = clocks.time) -> None:
        self._database = database_at(address)
        self._clock = clock

    def issue(
        self,
        name: str,
        *,
        namespace: str,
        also_read: Sequence[str] = (),
        scopes: Iterable[str] = DEFAULT_SCOPES,
        expires_in: float | None = None,
    ) -> tuple[str, Grant]:
        """A new token: its text, which cannot be had again, and what it allows.

        name: whose it is; the actor in the history, and whose credits are capped together
        expires_in: seconds; None never        Raises: BadValue; StoreError.
        """
        checked_name("name", name)
        path = checked_path("namespace", namespace)
        others = _others(path, also_read)
        allowed = _checked_scopes(scopes)
        now = float(self._clock())
        expires = None if expires_in is None else now + _seconds(expires_in)
        id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = (id, _hash(id, secret), name, path, json.dumps(others), json.dumps(allowed), now, expires, None)
        with self._database.write() as tx:
            tx.execute(
                f"INSERT INTO tokens ({TOKEN_COLUMNS}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, token_sum(row)),
            )
        return f"wayfare_{id}_{secret}", Grant(id, name, path, tuple(others), frozenset(allowed), expires)

    def verify(self, text: str) -> Grant | None:
        """What the token allows now; None for one that is unknown, revoked or expired.

        Raises: Damaged for a row that does not answer to its checksum; Unavailable.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        id, secret = found.groups()
        with self._database.read() as tx:
            row = tx.execute(f"SELECT {TOKEN_COLUMNS}, checksum FROM tokens WHERE id = ?", (id,)).fetchone()
        issued = None if row is None else _issued(row, self._clock())
        same = compare_digest(_hash(id, secret), _NOBODY if row is None else row[1])
        return issued.grant if issued is not None and same and issued.state == "active" else None

    def revoke(self, id: str) -> Issued:
        """Refuse it from now on. Once more: nothing changes. Raises: BadValue for an id that no token has."""
        checked_name("id", id)
        with self._database.write() as tx:
            row = tx.execute(f"SELECT {TOKEN_COLUMNS}, checksum FROM tokens WHERE id = ?", (id,)).fetchone()
            if row is None:
                raise BadValue("id", id, "the id of a token")
            now = float(self._clock())
            issued = _issued(row, now)
            if issued.revoked_at is not None:
                return issued
            row = (*row[:8], now)
            tx.execute("UPDATE tokens SET revoked_at = ?, checksum = ? WHERE id = ?", (now, token_sum(row), id))
        return _issued((*row, token_sum(row)), now)

    def list(self, namespace: str | None = None) -> Sequence[Issued]:
        """All that were ever issued, oldest first; those of one namespace where it is named."""
        where, values = ("", ()) if namespace is None else (" WHERE namespace = ?", (namespace,))
        with self._database.read() as tx:
            rows = tx.execute(
                f"SELECT {TOKEN_COLUMNS}, checksum FROM tokens{where} ORDER BY created_at, id", values
            ).fetchall()
        now = self._clock()
        return [_issued(row, now) for row in rows]

    def any(self) -> bool:
        """Whether any was ever issued, revoked ones included."""
        with self._database.read() as tx:
            return tx.execute("SELECT id FROM tokens ORDER BY id LIMIT 1").fetchone() is not None

    def close(self) -> None:
        """Close the store."""
        self._database.close()

    def __enter__(self) -> Tokens:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _issued(row: Sequence[Any], now: float) -> Issued:
    id, _, name, namespace, also_read, scopes, created, expires, revoked, stored = row
    if token_sum(row[:9]) != stored:
        raise Damaged(f"token {id} does not answer to its checksum; `wayfare memory doctor`")
    grant = Grant(id, name, namespace, tuple(json.loads(also_read)), frozenset(json.loads(scopes)), expires)
    late = expires is not None and now >= expires
    return Issued(grant, "revoked" if revoked is not None else "expired" if late else "active", created, revoked)


def _hash(id: str, secret: str) -> bytes:
    """32 bytes. A secret of 256 random bits needs no slow hash."""
    return blake2b(f"{id}_{secret}".encode(), digest_size=32, person=b"wayfare token").digest()


def _others(path: str, also_read: Sequence[str]) -> list[str]:
    if isinstance(also_read, str):
        raise BadValue("also_read", also_read, "a list of namespaces")
    others = list(dict.fromkeys(checked_path("also_read", each) for each in also_read))
    if path in others:
        raise BadValue("also_read", path, "other namespaces than the token's own")
    return others


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    given = [scopes] if isinstance(scopes, str) else list(scopes)
    for each in given:
        if each not in SCOPES:
            raise BadValue("scopes", each, f"some of {', '.join(SCOPES)}")
    if not given:
        raise BadValue("scopes", given, f"one at least of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in given]


def _seconds(expires_in: object) -> float:
    number = isinstance(expires_in, int | float) and not isinstance(expires_in, bool)
    if not number or not math.isfinite(expires_in) or not expires_in > 0:  # type: ignore[operator, arg-type]
        raise BadValue("expires_in", expires_in, "seconds, above 0")
    return float(expires_in)  # type: ignore[arg-type]
