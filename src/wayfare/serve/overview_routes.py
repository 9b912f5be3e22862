"""Routes that look into a memory without leaving a trace, and one that says what a token may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from wayfare.memory.records import LONGEST_NAME
from wayfare.serve import overview_shapes as shapes
from wayfare.serve.doors import as_json
from wayfare.serve.routes import Guarded, Id, TaskId, refusals, told, verb
from wayfare.serve.shapes import One
from wayfare.serve.tokens import SCOPES

__all__ = ["router"]

router = APIRouter(prefix="/v1", route_class=Guarded)
ReceiptId = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="of a recall")]


@router.get("/token", response_model=shapes.Owner, responses=refusals())
async def token(request: Request) -> Response:
    """Whose token this is, and what it allows."""
    grant = request.state.grant
    answer = {
        "id": grant.id, "name": grant.name, "namespace": grant.namespace, "also_read": list(grant.also_read),
        "scopes": [scope for scope in SCOPES if grant.allows(scope)], "expires_at": grant.expires_at,
    }  # fmt: skip
    return Response(as_json(answer), media_type="application/json")


@router.get("/search", response_model=shapes.SearchedFor, responses=refusals())
@verb("search")
async def search(request: Request, ask: Annotated[shapes.Search, Query()]) -> Response:
    return await told(request, ask)


@router.get("/tasks", response_model=shapes.TaskPage, responses=refusals())
@verb("tasks")
async def tasks(request: Request, ask: Annotated[shapes.Tasks, Query()]) -> Response:
    return await told(request, ask)


@router.get("/tasks/{id:path}", response_model=shapes.TaskWhole, responses=refusals(404))
@verb("task")
async def task(request: Request, id: TaskId) -> Response:
    return await told(request, One(id=id))


@router.get("/receipts/{id}/candidates", response_model=shapes.ConsideredFor, responses=refusals(404))
@verb("considered")
async def considered(request: Request, id: ReceiptId) -> Response:
    return await told(request, One(id=id))


@router.get("/memories/{id}/recalls", response_model=shapes.RecallPage, responses=refusals(404))
@verb("recalls")
async def recalls(request: Request, id: Id, ask: Annotated[shapes.Recalls, Query()]) -> Response:
    return await told(request, shapes.RecallsOf(id=id, **ask.model_dump(exclude_unset=True)))


@router.get("/memories/{id}/utility", response_model=shapes.Course, responses=refusals(404))
@verb("course")
async def course(request: Request, id: Id, ask: Annotated[shapes.Points, Query()]) -> Response:
    return await told(request, shapes.CourseOf(id=id, **ask.model_dump(exclude_unset=True)))


@router.get("/floor/history", response_model=shapes.FloorHistory, responses=refusals())
@verb("floor_history")
async def floor_history(request: Request, ask: Annotated[shapes.Events, Query()]) -> Response:
    return await told(request, ask)
