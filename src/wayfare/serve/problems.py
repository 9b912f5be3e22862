"""Refusals as they leave a server: one table from errors to HTTP, and problem documents (RFC 9457).

A document names the field, its value (shortened) and what is allowed, where the error does. It never holds a traceback,
and nothing of another tenant's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from wayfare.errors import (
    BadValue,
    Damaged,
    MissingExtra,
    NoSuchRecord,
    OutcomeConflict,
    ReadOnly,
    StoreError,
    Unavailable,
    VersionConflict,
    WayfareError,
)

__all__ = ["Refused", "named", "problem", "refusal_of"]

TITLES = {
    400: "bad-request", 401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed",
    408: "too-slow", 409: "conflict", 412: "version-conflict", 413: "too-large", 415: "unsupported-media-type",
    422: "bad-value", 429: "too-many-requests", 500: "internal-error", 503: "unavailable",
}  # fmt: skip
"""Status -> kind of problem."""
STATUS: tuple[tuple[type[WayfareError], int], ...] = (
    (BadValue, 422), (NoSuchRecord, 404), (VersionConflict, 409), (OutcomeConflict, 409), (ReadOnly, 403),
    (Unavailable, 503), (Damaged, 503), (MissingExtra, 503), (StoreError, 409),
)  # fmt: skip
"""The first that fits."""
LONGEST_VALUE, MOST_ERRORS = 100, 20
AGAIN = "1"
"""Seconds after which to come again when the store did not answer."""


class Refused(HTTPException):
    """A request that is not heard. fields: added to the document"""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.fields = fields


def shortened(value: object) -> Any:
    """A value as it may be shown: short."""
    if value is None or (isinstance(value, bool | int) and len(str(value)) <= LONGEST_VALUE):
        return value
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def problem(request: Request, status: int, detail: str, headers: Mapping[str, str], **fields: Any) -> Response:
    """The document, as a response."""
    kind = TITLES.get(status, "problem")
    request.scope.setdefault("state", {})["problem"] = kind
    body = {
        "type": f"urn:wayfare:{kind}", "title": kind.replace("-", " "), "status": status, "detail": detail,
        "request_id": request.scope.get("state", {}).get("request_id", ""), **fields,
    }  # fmt: skip
    text = json.dumps(body, allow_nan=False)
    return Response(text, status, {**headers}, media_type="application/problem+json")


def refusal_of(error: WayfareError, conditional: bool = False) -> Refused:
    """What an error of the library means to who asked. conditional: the request said which version it meant, in a
    header."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    if isinstance(error, BadValue):
        value = shortened(error.value)
        detail = f"{error.field} must be {error.allowed}"
        return Refused(status, detail, field=error.field, value=value, allowed=error.allowed)
    if isinstance(error, VersionConflict):
        return Refused(
            412 if conditional else status, str(error), id=error.id, expected=error.expected, found=error.found
        )
    if isinstance(error, Unavailable):
        return Refused(status, "the store does not answer now; nothing was changed that was not acknowledged",
                       headers={"Retry-After": AGAIN})  # fmt: skip
    if isinstance(error, Damaged):
        return Refused(status, "the store is damaged in what was asked for; its owner must look: wayfare memory doctor")
    if isinstance(error, ReadOnly):
        return Refused(status, "nothing can be written here")
    return Refused(status, str(error) if status != 500 else "this cannot be answered")


def named(errors: list[Any]) -> Refused:
    """What a form did not fit, from pydantic's list."""
    listed = []
    for each in errors[:MOST_ERRORS]:
        field = ".".join(map(str, each["loc"])) or "body"
        listed.append({"field": field, "value": shortened(each.get("input")), "allowed": each["msg"]})
    first = listed[0]
    return Refused(422, f"{first['field']}: {first['allowed']}", **first, errors=listed)


async def handled(request: Request, error: Exception) -> Response:
    """Any error, as a response: the handler of all kinds that `install` registers."""
    if isinstance(error, RequestValidationError | ValidationError):
        error = named(list(error.errors()))
    elif isinstance(error, WayfareError):
        request.scope.setdefault("state", {})["error"] = type(error).__name__
        error = refusal_of(error, "if-match" in request.headers)
    if isinstance(error, Refused):
        return problem(request, error.status_code, str(error.detail), error.headers or {}, **error.fields)
    if isinstance(error, HTTPException):
        detail = {404: "there is nothing under this address", 405: "not by this method"}.get(error.status_code, "")
        return problem(request, error.status_code, detail or str(error.detail), error.headers or {})
    return problem(request, 500, "this is a fault of the server; its log names it by the request_id", {})
