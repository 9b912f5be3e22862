"""The verbs under /v1, one route each: who may, what comes in, what goes out.

A request is admitted before its body is read. The body is JSON, strictly; a version travels as `ETag` and comes back as
`If-Match`; what writes takes an `Idempotency-Key`. No route takes a namespace: it is the token's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from wayfare.errors import BadValue
from wayfare.memory.records import LONGEST_NAME
from wayfare.serve import shapes
from wayfare.serve.doors import Doors, as_json
from wayfare.serve.problems import Refused, named
from wayfare.serve.strict import StrictRequest, strict_lines
from wayfare.serve.verbs import VERBS

__all__ = ["JSON_LINES", "router"]

JSON_LINES = "application/x-ndjson"
LISTS = ("kind", "tags", "types")
"""What may be said several times in an address."""
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=LONGEST_NAME, pattern=r"^[\x21-\x7e]+$",
        description="the same key with the same request again changes nothing and is answered as the first time",
    ),
]  # fmt: skip
Match = Annotated[
    str | None, Header(alias="If-Match", max_length=100, description="the ETag of the version that is meant")
]
NoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", max_length=1_000, description="ETags of versions that the caller has")
]
Id = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="of a memory")]
TaskId = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="of a task, or of a receipt")]
Lines = TypeAdapter(list[shapes.NewMemory])


class Guarded(APIRoute):
    """A route that lets nobody's body be read before it knows who asks, and reads it strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original = super().get_route_handler()
        scope: str | None = getattr(self.endpoint, "scope_needed", None)
        media = getattr(self.endpoint, "media", ("application/json",)) if self.body_field or self.openapi_extra else ()

        async def handler(request: Request) -> Response:
            doors: Doors = request.app.state.doors
            await doors.admit(request, scope)
            _once(request)
            if media:
                kind, _, parameters = request.headers.get("content-type", "").partition(";")
                charset = re.search(r"charset=\"?([^\s\";]*)", parameters, re.IGNORECASE)
                utf8 = charset is None or charset[1].lower() in ("utf-8", "utf8")
                if kind.strip().lower() not in media or not utf8:
                    raise Refused(415, f"the body must be {' or '.join(media)}, in UTF-8")
            return await original(StrictRequest(request.scope, request.receive))

        return handler


def _once(request: Request) -> None:
    """Raises: Refused for a name in the address that is said twice and is no list: which of them would be meant?"""
    names = [name for name, _ in request.query_params.multi_items() if name not in LISTS]
    for name in names:
        if names.count(name) > 1:
            raise Refused(422, f"{name} must be said once", field=f"query.{name[:100]}", allowed="said once")


def refusals(*more: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for the OpenAPI document."""
    return {status: {"model": shapes.Problem, "description": WHY[status]} for status in (*ALWAYS, *more)}


WHY = {
    400: "not JSON, or not as strict as it must be; or another server's Host", 401: "no token, or not a good one",
    403: "not with this token, or from this page", 404: "no such memory, receipt or address",
    405: "not by this method", 408: "the body did not come in time",
    409: "said before, and otherwise; or refused as the memory stands", 412: "the memory has moved on",
    413: "too large", 415: "not the media type that is read here", 422: "a value that is not allowed",
    429: "too many requests of this token", 500: "a fault of the server", 503: "the store or the server cannot now",
}  # fmt: skip
ALWAYS = (400, 401, 403, 408, 413, 415, 422, 429, 503)

router = APIRouter(prefix="/v1", route_class=Guarded)


def verb(name: str) -> Callable[[Any], Any]:
    """Says which verb a route is, and thereby which scope it needs."""

    def named_so(endpoint: Any) -> Any:
        endpoint.scope_needed, endpoint.verb = VERBS[name].scope, name
        endpoint.__doc__ = VERBS[name].says
        return endpoint

    return named_so


async def told(request: Request, ask: BaseModel, key: str | None = None, name: str | None = None) -> Response:
    """What the route's verb answers."""
    doors: Doors = request.app.state.doors
    chosen = name or request.scope["endpoint"].verb
    answer = await doors.do(request.state.grant, chosen, ask, key)
    headers = {"ETag": f'"{answer["version"]}"'} if answer.get("version") is not None else {}
    return Response(as_json(answer), headers=headers, media_type="application/json")


def expecting(ask: Any, match: str | None) -> Any:
    """The request with the version that its header names."""
    if match is None or match.strip() == "*":
        return ask
    tag = re.fullmatch(r'"([1-9][0-9]{0,14})"', match.strip())
    if tag is None:
        raise Refused(412, f"no version has the ETag {match[:100]}", field="If-Match", value=match[:100])
    if ask.expect not in (None, int(tag[1])):
        raise BadValue("expect", ask.expect, f"the version of the If-Match header, {tag[1]}, or left out")
    return ask.model_copy(update={"expect": int(tag[1])})


# Writing


@router.post("/remember", response_model=shapes.Done, responses=refusals(404, 409))
@verb("remember")
async def remember(request: Request, ask: shapes.Remember, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post(
    "/remember/batch", response_model=shapes.DoneMany, responses=refusals(409),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/RememberMany"}},
                JSON_LINES: {"schema": {"type": "string", "description": "a memory, as JSON, on each line"}},
            },
        }
    },
)  # fmt: skip
@verb("remember_many")
async def remember_many(request: Request, key: Key = None) -> Response:
    limits = request.app.state.doors.settings.limits
    try:
        if request.headers["content-type"].partition(";")[0].strip().lower() == JSON_LINES:
            values = strict_lines(await request.body(), limits, shapes.MOST_AT_ONCE)
            ask = shapes.RememberMany(memories=Lines.validate_python(values))
        else:
            ask = shapes.RememberMany.model_validate(await StrictRequest(request.scope, request.receive).json())
    except ValidationError as error:
        raise named(list(error.errors())) from None
    return await told(request, ask, key)


remember_many.media = ("application/json", JSON_LINES)


@router.post("/remember/dialogue", response_model=shapes.DoneMany, responses=refusals(409))
@verb("remember_dialogue")
async def remember_dialogue(request: Request, ask: shapes.RememberDialogue, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/revise", response_model=shapes.Done, responses=refusals(404, 409, 412))
@verb("revise")
async def revise(request: Request, ask: shapes.Revise, key: Key = None, match: Match = None) -> Response:
    return await told(request, expecting(ask, match), key)


@router.post("/archive", response_model=shapes.Done, responses=refusals(404, 409, 412))
@verb("archive")
async def archive(request: Request, ask: shapes.Archive, key: Key = None, match: Match = None) -> Response:
    return await told(request, expecting(ask, match), key)


@router.post("/link", response_model=shapes.Done, responses=refusals(404, 409))
@verb("link")
async def link(request: Request, ask: shapes.Tie, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/unlink", response_model=shapes.Done, responses=refusals(404, 409))
@verb("unlink")
async def unlink(request: Request, ask: shapes.Untie, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/forget", response_model=shapes.Forgotten, responses=refusals(404, 409, 412))
@verb("forget")
async def forget(request: Request, ask: shapes.Forget, key: Key = None, match: Match = None) -> Response:
    return await told(request, expecting(ask, match), key)


# Recalling and crediting


@router.post("/recall", response_model=shapes.Recalled, responses=refusals())
@verb("recall")
async def recall(request: Request, ask: shapes.Recall) -> Response:
    return await told(request, ask)


@router.post("/showed", response_model=shapes.Recalled, responses=refusals(404, 409))
@verb("showed")
async def showed(request: Request, ask: shapes.Showed, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/credit", response_model=shapes.Credited, responses=refusals(409))
@verb("credit")
async def credit(request: Request, ask: shapes.Credit, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/tasks/{id}/outcome", response_model=shapes.Credited, responses=refusals(409))
@verb("credit")
async def outcome(request: Request, id: TaskId, ask: shapes.Outcome, key: Key = None) -> Response:
    return await told(request, shapes.Credit(task=id, **ask.model_dump(exclude_unset=True)), key)


# Looking


@router.get("/memories", response_model=shapes.Page, responses=refusals())
@verb("list")
async def list_memories(request: Request, ask: Annotated[shapes.List, Query()]) -> Response:
    return await told(request, ask)


@router.get(
    "/memories/{id}", response_model=shapes.Memory,
    responses={304: {"description": "the caller has this version"}, **refusals(404)},
)  # fmt: skip
@verb("get")
async def get(request: Request, id: Id, ask: Annotated[shapes.AsOf, Query()], known: NoneMatch = None) -> Response:
    answer = await told(request, shapes.Get(id=id, as_of=ask.as_of))
    tag = answer.headers["ETag"]
    tags = {each.strip().removeprefix("W/") for each in (known or "").split(",")}
    return Response(status_code=304, headers={"ETag": tag}) if tags & {tag, "*"} else answer


@router.get("/memories/{id}/history", response_model=shapes.History, responses=refusals(404))
@verb("history")
async def history(request: Request, id: Id) -> Response:
    return await told(request, shapes.One(id=id))


@router.get("/memories/{id}/links", response_model=shapes.LinksOf, responses=refusals(404))
@verb("links")
async def links(request: Request, id: Id, ask: Annotated[shapes.LinkFilters, Query()]) -> Response:
    return await told(request, shapes.Links(id=id, **ask.model_dump(exclude_unset=True)))


@router.get("/memories/{id}/credits", response_model=shapes.CreditsOf, responses=refusals(404))
@verb("credits")
async def credits_of(request: Request, id: Id) -> Response:
    return await told(request, shapes.One(id=id))


@router.get("/receipts", response_model=shapes.ReceiptPage, responses=refusals())
@verb("receipts")
async def receipts(request: Request, ask: Annotated[shapes.Receipts, Query()]) -> Response:
    return await told(request, ask)


@router.get("/receipts/{id}", response_model=shapes.Receipt, responses=refusals(404))
@verb("receipt")
async def receipt(
    request: Request, id: Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="of a recall")]
) -> Response:
    return await told(request, shapes.One(id=id))


@router.get("/stats", response_model=shapes.Stats, responses=refusals())
@verb("stats")
async def stats(request: Request) -> Response:
    return await told(request, shapes.Everything())


@router.get("/floor", response_model=shapes.Floor, responses=refusals())
@verb("floor")
async def floor(request: Request) -> Response:
    return await told(request, shapes.Everything())


@router.get("/policies", response_model=shapes.Policies, responses=refusals())
@verb("policies")
async def policies(request: Request) -> Response:
    return await told(request, shapes.Everything())


@router.get("/evaluate", response_model=shapes.Evaluated, responses=refusals())
@verb("evaluate")
async def evaluate(request: Request, ask: Annotated[shapes.Evaluate, Query()]) -> Response:
    return await told(request, ask)


# Governing


@router.post("/void", response_model=shapes.Voided, responses=refusals(409))
@verb("void")
async def void(request: Request, ask: shapes.Void, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/freeze", response_model=shapes.Nothing, responses=refusals(409))
@verb("freeze")
async def freeze(request: Request, ask: shapes.Why, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/thaw", response_model=shapes.Nothing, responses=refusals(409))
@verb("thaw")
async def thaw(request: Request, ask: shapes.Why, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/refit", response_model=shapes.PolicyOf, responses=refusals(409))
@verb("refit")
async def refit(request: Request, key: Key = None) -> Response:
    return await told(request, shapes.Everything(), key)


@router.post("/rollback", response_model=shapes.PolicyOf, responses=refusals(409))
@verb("rollback")
async def rollback(request: Request, ask: shapes.Rollback, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.post("/reset_utility", response_model=shapes.Counted, responses=refusals(404, 409))
@verb("reset_utility")
async def reset_utility(request: Request, ask: shapes.ResetUtility, key: Key = None) -> Response:
    return await told(request, ask, key)
