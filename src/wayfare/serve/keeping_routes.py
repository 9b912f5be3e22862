"""Routes by which a memory is looked after: snapshots, the audit, upkeep, quotas, a person's data."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from wayfare.serve import keeping_shapes as shapes
from wayfare.serve.routes import Guarded, Key, refusals, told, verb
from wayfare.serve.shapes import DoneMany, Everything

__all__ = ["router"]

router = APIRouter(prefix="/v1", route_class=Guarded)


@router.get("/snapshots", response_model=shapes.CopyPage, responses=refusals())
@verb("snapshots")
async def snapshots(request: Request, ask: Annotated[shapes.Snapshots, Query()]) -> Response:
    return await told(request, ask)


@router.post("/snapshot", response_model=shapes.CopyOf, responses=refusals(409))
@verb("snapshot")
async def snapshot(request: Request, ask: shapes.Snapshot) -> Response:
    return await told(request, ask)


@router.post("/delete_snapshot", response_model=shapes.CopyOf, responses=refusals(409))
@verb("delete_snapshot")
async def delete_snapshot(request: Request, ask: shapes.Unmake) -> Response:
    return await told(request, ask)


@router.get("/audit", response_model=shapes.Audited, responses=refusals())
@verb("audit")
async def audit(request: Request, ask: Annotated[shapes.Audit, Query()]) -> Response:
    return await told(request, ask)


@router.post("/upkeep", response_model=shapes.Upkept, responses=refusals(409))
@verb("upkeep")
async def upkeep(request: Request, ask: shapes.Upkeep) -> Response:
    return await told(request, ask)


@router.post("/undo_merge", response_model=DoneMany, responses=refusals(404, 409))
@verb("undo_merge")
async def undo_merge(request: Request, ask: shapes.Undo, key: Key = None) -> Response:
    return await told(request, ask, key)


@router.get("/quota", response_model=shapes.QuotaOf, responses=refusals())
@verb("quota")
async def quota(request: Request) -> Response:
    return await told(request, Everything())


@router.post("/set_quota", response_model=shapes.QuotaOf, responses=refusals(409))
@verb("set_quota")
async def set_quota(request: Request, ask: shapes.Limit) -> Response:
    return await told(request, ask)


@router.post("/erase", response_model=shapes.Erased, responses=refusals(409))
@verb("erase")
async def erase(request: Request, ask: shapes.Erase) -> Response:
    return await told(request, ask)
