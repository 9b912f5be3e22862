"""What the doors of one server share: tokens, open memories, threads to work in, and how busy it is.

    doors = Doors(settings)
    grant = await doors.admit(request, "read")          # who asks, or Refused
    answer = await doors.do(grant, "recall", ask)       # the verb, in a thread of its own

Where nobody waits for an answer any more (the server stops, and what is in hand has had its time), a change that is not
committed is stopped; one that is stands, and its idempotency key tells so.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from wayfare.errors import StoreError, Unavailable
from wayfare.memory.asynchronous import awaited_in
from wayfare.serve.handles import Handles
from wayfare.serve.problems import Refused
from wayfare.serve.rates import Buckets
from wayfare.serve.settings import Settings, is_local
from wayfare.serve.telemetry import Telemetry
from wayfare.serve.tokens import SCOPES, Grant, Tokens
from wayfare.serve.verbs import VERBS, Answer

__all__ = ["Doors"]

PATIENCE = 5.0
"""Seconds that a store may take to say that it is there."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Doors:
    """Made once a process, before it listens. Raises: as `Tokens`."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.draining, self.in_hand = settings, False, 0
        self.telemetry = Telemetry()
        self.tokens = Tokens(settings.address)
        self.handles = Handles(
            settings.address, most=settings.memories, embedder=settings.embedder, policy=settings.policy,
            synchronous=settings.synchronous,
        )  # fmt: skip
        self.buckets = Buckets(settings.limits.rate, settings.limits.burst)
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="wayfare")
        self._looking = ThreadPoolExecutor(2, thread_name_prefix="wayfare-door")
        self._owner = Grant("local", "", settings.namespace, (), frozenset(SCOPES), None)
        self._any_token = False

    async def do(self, grant: Grant, verb: str, ask: BaseModel, key: str | None = None) -> Answer:
        """What a verb answers to a token. Raises: Refused without its scope; BadValue; StoreError."""
        needed = VERBS[verb]
        self.allow(grant, needed.scope)

        def act() -> Answer:
            with self.handles.lent(grant) as memory, self.telemetry.recalling():
                return needed(memory, ask, key)

        answer = await awaited_in(self._threads, act, stepwise=verb == "recall")
        self.telemetry.told(verb, answer)
        return answer

    # Who asks

    async def admit(self, request: Request, scope: str | None) -> Grant:
        """Whose request it is; `scope`: that it needs. Raises: Refused: 401, 403 or 429; StoreError."""
        said = request.headers.get("authorization")
        if said is None:
            grant = await self._unnamed(request)
        else:
            kind, _, text = said.strip().partition(" ")
            if kind.lower() != "bearer":
                raise self._unknown("the Authorization header must be: Bearer TOKEN")
            found = await self.verified(text)
            if found is None:
                raise self._unknown("the token is not known, or has been revoked, or has expired")
            grant = found
        request.state.grant = grant
        wait = self.buckets.wait(grant.id)
        if wait:
            raise Refused(429, "too many requests of this token", headers={"Retry-After": str(max(1, math.ceil(wait)))})
        if scope is not None:
            self.allow(grant, scope)
        return grant

    async def verified(self, token: str) -> Grant | None:
        """What a token allows now, by the store; None for one that is unknown, revoked or expired."""
        return await awaited_in(self._looking, lambda: self.tokens.verify(token.strip()))

    async def _unnamed(self, request: Request) -> Grant:
        """The owner of this machine, where nobody else can reach the server and no token was ever made."""
        if not self.settings.local:
            raise self._unknown("a token is needed: Authorization: Bearer TOKEN")
        if any(name in request.headers for name in FORWARDED):
            raise self._unknown("a proxy stands before this server: give it tokens and --behind-proxy")
        if not self._any_token:
            self._any_token = await awaited_in(self._looking, self.tokens.any)
        if self._any_token:
            raise self._unknown("a token is needed: Authorization: Bearer TOKEN")
        return self._owner

    def allow(self, grant: Grant, scope: str) -> None:
        """Raises: Refused unless the scope was granted."""
        if not grant.allows(scope):
            self.telemetry.refused.labels("scope").inc()
            raise Refused(
                403, f"the token has not the scope {scope!r}", scope=scope,
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )  # fmt: skip

    def _unknown(self, why: str) -> Refused:
        self.telemetry.refused.labels("token").inc()
        return Refused(401, why, headers={"WWW-Authenticate": "Bearer"})

    def may_measure(self, request: Request) -> bool:
        """Whether the numbers may be read: with the token for them, or from this machine itself."""
        wanted = self.settings.metrics_token
        if wanted is not None:
            said = request.headers.get("authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(said, f"Bearer {wanted}".encode())
        near = request.client is not None and is_local(request.client.host)
        return near and not self.settings.behind_proxy and not any(name in request.headers for name in FORWARDED)

    # How it stands

    async def ready(self) -> str:
        """Why nothing can be answered now; "" when all is well."""
        if self.draining:
            return "the server is being stopped"
        try:
            await asyncio.wait_for(awaited_in(self._looking, self.tokens.any), PATIENCE)
        except TimeoutError:
            return f"the store has not answered for {PATIENCE:g} s"
        except Unavailable:
            return "the store does not answer"
        except StoreError as error:
            return f"the store refuses: {type(error).__name__}"
        return ""

    async def measured(self) -> tuple[bytes, str]:
        """All numbers, as Prometheus reads them, and their media type."""

        def look() -> None:
            for grant in self.handles.places():
                try:
                    with self.handles.lent(grant) as memory:
                        share = memory.floor()["shares"].get("baseline", 0.0)
                except StoreError:
                    continue
                self.telemetry.rho.labels(self.telemetry.few("namespace", grant.namespace)).set(1.0 - share)

        await awaited_in(self._looking, look)
        return self.telemetry.exposition()

    def close(self) -> None:
        """Wait for what has begun, then close the store."""
        self._threads.shutdown(wait=True)
        self._looking.shutdown(wait=True)
        self.handles.close()
        self.tokens.close()


def as_json(answer: Any) -> bytes:
    """A document. Half characters, which Python lets a memory's meta hold, leave as escapes."""
    try:
        return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()
