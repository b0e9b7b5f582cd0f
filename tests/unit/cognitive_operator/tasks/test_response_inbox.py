"""An inbox that ends leaves what it has fetched to the broker, which delivers it again to the next leader."""

import asyncio
from typing import Any

import pytest

from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.inbox import InboxSettings, ResponseInbox
from support.eventually import eventually_async
from support.fakes.broker import FakeResponses
from support.fakes.kube import FakeResources


@pytest.mark.parametrize("error", [None, BrokerUnavailableError("away")])
async def test_an_inbox_that_ends_stops_to_fetch(error: Exception | None) -> None:
    responses, nothing = FakeResponses(), None
    if error is not None:
        responses.recorder.effects["responses.fetch"] = error
    port: Any = nothing
    settings = InboxSettings(b"m" * 32, 0.0, 0.001)
    inbox = ResponseInbox(responses, FakeResources(), port, Index(), port, charge=port, settings=settings)
    running = asyncio.create_task(paced(inbox, responses))

    async def fetched() -> bool:
        return len(responses.recorder.of("responses.fetch")) > 1

    await eventually_async(fetched, 2.0, 0.001)
    assert "responses.stop" not in responses.recorder.names
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert responses.recorder.names[-1] == "responses.stop"


async def paced(inbox: ResponseInbox, responses: FakeResponses) -> None:
    """Run an inbox whose fetches take a moment, as those of a broker."""
    fetch = responses.fetch

    async def slow(batch: int, timeout_s: float) -> Any:
        await asyncio.sleep(0)
        return await fetch(batch, timeout_s)

    responses.fetch = slow  # type: ignore[method-assign]
    await inbox.run()
