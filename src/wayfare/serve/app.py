"""The application: routes, what stands before them, and what begins and ends with it.

app = create_app(Settings("agent.db"))              # any ASGI server runs it; `running` runs it with uvicorn
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

import wayfare
from wayfare.errors import WayfareError
from wayfare.serve import keeping_routes, overview_routes, page, shapes
from wayfare.serve.doors import Doors
from wayfare.serve.gate import Gate
from wayfare.serve.problems import Refused, handled
from wayfare.serve.routes import refusals, router
from wayfare.serve.settings import Settings
from wayfare.serve.telemetry import record

__all__ = ["create_app"]

Attach = Callable[[FastAPI], None]
ABOUT = """The experience memory over HTTP: remember, recall, credit, revise, forget, history.

Every request carries a token, `Authorization: Bearer ...`, which says for which namespace it speaks and what it may do.
A refusal is a problem document (RFC 9457) that names the field, its value and what is allowed."""


def create_app(settings: Settings, attach: tuple[Attach, ...] = ()) -> FastAPI:
    """A server of one store.

    attach: more doors, each called with the application before it starts: they may mount what they like, find tokens
    and memories in `app.state.doors`, and append to `app.state.during` what must be entered while the server runs
    Raises: BadValue; StoreError where the store cannot be opened.
    """
    doors = Doors(settings)
    app = FastAPI(
        title="Wayfare memory", version=wayfare.__version__, description=ABOUT, docs_url=None, redoc_url=None,
        openapi_url=None, lifespan=_during, redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours name no texts
    )  # fmt: skip
    app.state.doors = doors
    app.state.during = list[AbstractAsyncContextManager[Any]]()
    for kind in (WayfareError, RequestValidationError, Refused, HTTPException):
        app.add_exception_handler(kind, handled)
    app.include_router(router)
    app.include_router(overview_routes.router)
    app.include_router(keeping_routes.router)
    _own(app, doors)
    page.attach(app)
    for each in attach:
        each(app)
    app.add_middleware(Gate, doors=doors)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _own(app: FastAPI, doors: Doors) -> None:
    """What is about the server itself."""

    @app.get("/healthz", response_class=PlainTextResponse, responses=refusals(), tags=["server"])
    async def healthz() -> Response:
        """Whether the process lives."""
        return PlainTextResponse("ok")

    @app.get("/readyz", response_class=PlainTextResponse, responses=refusals(), tags=["server"])
    async def readyz() -> Response:
        """Whether the store answers and the server is not being stopped."""
        why = await doors.ready()
        if why:
            raise Refused(503, why, headers={"Retry-After": "1"})
        return PlainTextResponse("ready")

    @app.get("/metrics", response_class=PlainTextResponse, responses=refusals(), tags=["server"])
    async def metrics(request: Request) -> Response:
        """Numbers for Prometheus: from this machine, or with the token that the server was given for them."""
        if not doors.may_measure(request):
            raise Refused(403, "the numbers are read from the server's own machine, or with its --metrics-token")
        text, kind = await doors.measured()
        return Response(text, headers={"Content-Type": kind})

    @app.get("/openapi.json", response_class=JSONResponse, responses=refusals(), tags=["server"])
    async def openapi() -> Response:
        """This document."""
        return JSONResponse(app.openapi())


@asynccontextmanager
async def _during(app: FastAPI) -> AsyncIterator[None]:
    doors: Doors = app.state.doors
    async with AsyncExitStack() as stack:
        for each in app.state.during:
            await stack.enter_async_context(each)
        with _stopping(doors):
            yield
    await asyncio.to_thread(doors.close)


@contextlib.contextmanager
def _stopping(doors: Doors) -> Any:
    """A signal to stop lets what is in hand end first, and refuses what is new; then the server does its own part."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    async def drain(number: int, frame: FrameType | None) -> None:
        end = loop.time() + doors.settings.grace
        while doors.in_hand and loop.time() < end:
            await asyncio.sleep(0.02)
        record(20, "stopping", in_hand=doors.in_hand)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    waiting: list[asyncio.Task[None]] = []

    def begin(number: int, frame: FrameType | None) -> None:
        if doors.draining:  # told twice: at once
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            return
        doors.draining = True
        loop.call_soon_threadsafe(lambda: waiting.append(loop.create_task(drain(number, frame))))

    for number in before:
        signal.signal(number, begin)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: with the token, with problems as their own media type, and with forms that no route's
    signature shows."""
    if app.openapi_schema:
        return app.openapi_schema
    found = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    parts = found.setdefault("components", {})
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    known = parts.setdefault("schemas", {})
    form = shapes.RememberMany.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, each in form.pop("$defs", {}).items():
        known.setdefault(name, each)
    known["RememberMany"] = form
    for path, methods in found["paths"].items():
        for method in methods.values():
            if path.startswith("/v1/"):
                method["security"] = [{"token": []}]
            for status, answer in method["responses"].items():
                if int(status) >= 400:
                    (said,) = answer["content"].values()
                    answer["content"] = {"application/problem+json": said}
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    app.openapi_schema = found
    return found
