"""Cancellation of a call whose client goes away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from cognitive_runtime.adapters.asyncio_tasks import cancel

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before the reply."""


async def until_disconnect(request: Request, call: Coroutine[Any, Any, T]) -> T:
    """Return the result of a call, and cancel it when the client goes away. The body must have been read.

    Raises:
        ClientGone: The client went away.
    """
    answering = asyncio.create_task(call)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        raise ClientGone
    finally:
        await cancel(answering, leaving)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
