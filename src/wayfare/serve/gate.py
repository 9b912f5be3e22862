"""What every request passes before anything else: who is called, from which page, how much comes, and is there room.

A page that has rebound its own name to this machine calls by that name, so a `Host` that is not the server's is
refused, on localhost too; so is an `Origin` of another page. The body is counted while it comes. Every answer carries
the request's id and headers that keep a browser from misusing it; a line of the log tells of it, without its texts.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wayfare.memory.ids import new_id
from wayfare.serve.doors import Doors
from wayfare.serve.problems import Refused, problem
from wayfare.serve.telemetry import ACCESS, record

__all__ = ["Gate"]

ALWAYS = ("/healthz", "/readyz", "/metrics")
"""Answered while the server stops, and however much it has in hand."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Where a route has not said otherwise."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Gate:
    """ASGI middleware around all routes. `doors.in_hand` counts what has passed it and is not answered yet."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        said = headers.get("x-request-id", "")
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = said if _ID.fullmatch(said) else new_id()
        counted = _Counted(receive, self.doors.settings.limits.body, self.doors.settings.limits.seconds)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(raw=message.setdefault("headers", []))
                out["X-Request-ID"] = state["request_id"]
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                if self.doors.draining:
                    out["Connection"] = "close"
            await send(message)

        self.doors.in_hand += 1
        telemetry = self.doors.telemetry
        telemetry.in_hand.set(self.doors.in_hand)
        with telemetry.span(scope) as span:
            try:
                refused = self._refused(scope, headers)
                if refused is None:
                    await self._through(scope, counted, answer, lambda: status)
                else:
                    await self._say(refused, scope, counted, answer)
            finally:
                self.doors.in_hand -= 1
                telemetry.in_hand.set(self.doors.in_hand)
                self._tell(scope, state, status, time.perf_counter() - began, span)

    async def _through(self, scope: Scope, counted: _Counted, answer: Send, status: Any) -> None:
        try:
            await self.app(scope, counted, answer)
        except Refused as error:  # a body that came too late or too large for a part that knows no problems
            if not status():
                await self._say(error, scope, counted, answer)
        except Exception:
            ACCESS.error("a fault", exc_info=True, extra={"fields": {"request_id": scope["state"]["request_id"]}})
            if not status():
                await self._say(Refused(500, "a fault of the server; its log names it by the request_id"), scope,
                                counted, answer)  # fmt: skip

    async def _say(self, refused: Refused, scope: Scope, counted: _Counted, answer: Send) -> None:
        response = problem(
            Request(scope), refused.status_code, str(refused.detail), refused.headers or {}, **refused.fields
        )
        await response(scope, counted, answer)

    def _refused(self, scope: Scope, headers: Headers) -> Refused | None:
        settings = self.doors.settings
        host = headers.get("host", "")
        if not settings.called(host):
            return Refused(400, "the Host header must name this server: --allow-host", field="Host", value=host[:100])
        for origin in headers.getlist("origin"):
            if not settings.admits(origin, host):
                return Refused(
                    403, "this page may not call: --allow-origin", field="Origin", value=origin[:100],
                )  # fmt: skip
        if scope["path"] not in ALWAYS:
            if self.doors.draining:
                return Refused(503, "the server is being stopped", headers={"Retry-After": "5"})
            if self.doors.in_hand > settings.limits.at_once:
                return Refused(503, "the server has its hands full", headers={"Retry-After": "1"})
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length[:20]) > settings.limits.body:
            return _too_large(settings.limits.body)
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            return Refused(415, "the body must not be compressed", headers={"Accept-Encoding": "identity"})
        return None

    def _tell(self, scope: Scope, state: MutableMapping[str, Any], status: int, seconds: float, span: Any) -> None:
        route = getattr(scope.get("route"), "path", None) or state.get("route") or "none"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.doors.telemetry.requests.labels(route, method, str(status)).observe(seconds)
        grant = state.get("grant")
        if span is not None:
            span.update_name(f"{method} {route}")
            for name, value in (("http.route", route), ("http.response.status_code", status)):
                span.set_attribute(name, value)
            if grant is not None:
                span.set_attribute("wayfare.namespace", grant.namespace)
        quiet = route in ALWAYS and status < 400
        fields = {"request_id": state["request_id"], "method": method, "route": route, "status": status,
                  "ms": round(seconds * 1e3, 2)}  # fmt: skip
        if grant is not None:
            fields |= {"token": grant.id, "namespace": grant.namespace}
        if state.get("error"):
            fields["error"] = state["error"]
        record(logging.DEBUG if quiet else logging.INFO, "request", **fields)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _Counted:
    """What a client sends, up to so many bytes, within so many seconds. Raises: Refused."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most, self._left = receive, most, most
        self._end = time.monotonic() + seconds
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:  # what comes now is the end of the connection, however late
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, self._end - time.monotonic()))
        except TimeoutError:
            raise Refused(408, "the body did not come in time", headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._left < 0:
                raise _too_large(self._most)
        return message


def _too_large(most: int) -> Refused:
    return Refused(413, f"a request may have {most} bytes at most; send less at once", headers={"Connection": "close"})
