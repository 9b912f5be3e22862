"""A small ASGI application over an awaited memory, for uvicorn in the tests: `WAYFARE_TEST_ADDRESS` says where it lies.

POST /remember and /recall, the text in the body and the key in the header `idempotency-key`; GET /worker says its pid.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from wayfare.memory import AsyncMemory

Messages = Callable[[], Awaitable[MutableMapping[str, Any]]]
memory: AsyncMemory


async def app(scope: MutableMapping[str, Any], receive: Messages, send: Callable[[Any], Awaitable[None]]) -> None:
    global memory
    if scope["type"] == "lifespan":
        await receive()
        memory = await AsyncMemory.open(os.environ["WAYFARE_TEST_ADDRESS"], synchronous="NORMAL")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await memory.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    text, key = body.decode(), dict(scope["headers"]).get(b"idempotency-key", b"").decode()
    if scope["path"] == "/remember":
        answer = (await memory.remember(text, idempotency_key=key)).id
    elif scope["path"] == "/recall":
        async with memory.task(key) as task:
            answer = (await memory.recall(text, k=3)).task
            await task.credit(1.0)
    else:
        answer = str(os.getpid())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer.encode()})
