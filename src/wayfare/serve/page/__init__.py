"""The page that is served with a memory, at `/`: browse, search, what was recalled and why, how far learning has come.

It is made of the files beside this one, as they are: no build step, and nothing is fetched from elsewhere. It speaks to
the same routes as every other client, with the token that its user types in; the browser keeps that for one tab only.

No text of a memory becomes markup: the scripts write texts, never HTML, and the policy that each file is sent with has
the browser refuse it (Trusted Types), as it refuses scripts and styles that are written into the page or come from
elsewhere.
"""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request, Response

__all__ = ["FILES", "attach"]

TYPES = {
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
FILES = tuple(sorted(each.name for each in files(__name__).iterdir() if each.name.rpartition(".")[2] in TYPES))
"""Names of the files of the page."""


def attach(app: FastAPI) -> None:
    """Serve the page: `index.html` at `/`, the others under `/page/`. Needs no token: the files hold no memory."""
    router = APIRouter(include_in_schema=False)
    for name in FILES:
        _file(router, "/" if name == "index.html" else f"/page/{name}", name)
    app.include_router(router)


def _file(router: APIRouter, path: str, name: str) -> None:
    data = files(__name__).joinpath(name).read_bytes()
    tag = f'"{blake2b(data, digest_size=8).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    kind = TYPES[name.rpartition(".")[2]]

    @router.get(path, name=f"page {name}")
    async def file(request: Request) -> Response:
        known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
        if tag in known:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=kind)
