"""MCP over streamable HTTP, at /mcp of a server: each request is answered by itself.

    app = create_app(settings, attach=(attach,))

**Stateless.** No session is opened: each request brings its token, which is looked up in the store, and any worker can
answer it. So a token that is revoked is refused with the next request, there is no session that could be taken over,
and a server that was started again goes on. Nothing is lost by it: a memory has nothing to tell unasked. Answers are
JSON; there is no stream to open with GET.
"""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Request
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.authentication import AuthCredentials
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wayfare.errors import WayfareError
from wayfare.serve.doors import Doors
from wayfare.serve.mcp.calls import served
from wayfare.serve.problems import Refused, problem, refusal_of
from wayfare.serve.settings import LOCAL_NAMES, Settings
from wayfare.serve.tokens import Grant

__all__ = ["PATH", "Verifier", "attach"]

PATH = "/mcp"


class Granted(AccessToken):
    """A token as the SDK knows it. grant: what it allows"""

    grant: Grant


class Verifier(TokenVerifier):
    """The SDK's way to ask whose a token is: of the store, each time."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def verify_token(self, token: str) -> Granted | None:
        """What the token allows now; None for one that is unknown, revoked or expired. Raises: StoreError."""
        grant = await self._doors.verified(token)
        if grant is None:
            self._doors.telemetry.refused.labels("token").inc()
            return None
        return _granted(grant, token)


def attach(app: FastAPI) -> None:
    """Serve MCP at /mcp of the app: for `create_app(settings, attach=(attach,))`."""
    doors: Doors = app.state.doors
    limits = doors.settings.limits
    manager = StreamableHTTPSessionManager(
        served(doors.do, _grant, limits), stateless=True, json_response=True,
        security_settings=_walls(doors.settings), max_request_body_size=limits.body,
    )  # fmt: skip
    door = _Door(doors, manager.handle_request)
    for path in (PATH, f"{PATH}/"):
        app.router.routes.append(Route(path, endpoint=door, methods=["POST"], include_in_schema=False))
    app.state.during.append(manager.run())


class _Door:
    """The ASGI app behind the route: it says in the scope whose request it is, as the SDK's own middleware would."""

    def __init__(self, doors: Doors, app: ASGIApp) -> None:
        self._doors = doors
        self._app = RequireAuthMiddleware(app, [])
        self._tokens = BearerAuthBackend(Verifier(doors))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request.state.route = PATH  # for the log
        try:
            await self._admit(request)
        except WayfareError as error:
            refused = refusal_of(error)
        except Refused as error:
            refused = error
        else:
            await self._app(scope, receive, send)
            return
        response = problem(request, refused.status_code, refused.detail, refused.headers or {}, **refused.fields)
        await response(scope, receive, send)

    async def _admit(self, request: Request) -> None:
        """Raises: Refused, where no token is given and one is needed, or too many requests are; StoreError."""
        if "authorization" not in request.headers:  # the owner of this machine, or nobody
            owner = await self._doors.admit(request, None)
            request.scope["auth"], request.scope["user"] = AuthCredentials(), AuthenticatedUser(_granted(owner, ""))
            return
        found = await self._tokens.authenticate(request)
        if found is None:
            return  # the SDK refuses it, with 401
        request.scope["auth"], request.scope["user"] = found
        request.state.grant = _grant(request)
        wait = self._doors.buckets.wait(request.state.grant.id)
        if wait:
            after = {"Retry-After": str(max(1, math.ceil(wait)))}
            raise Refused(429, "too many requests of this token", headers=after)


def _granted(grant: Grant, text: str) -> Granted:
    return Granted(token=text, client_id=grant.id, subject=grant.name, scopes=sorted(grant.scopes), grant=grant)


def _grant(request: Any) -> Grant:
    granted: Granted = request.scope["user"].access_token
    return granted.grant


def _walls(settings: Settings) -> TransportSecuritySettings:
    """The names by which the server may be called, and the pages that may call it, as the SDK takes them."""
    own = f"[{settings.host}]" if ":" in settings.host else settings.host
    hosts = [each for name in {*LOCAL_NAMES, own, *settings.hosts} for each in (name, f"{name}:*")]
    pages = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[*pages, *settings.origins])
