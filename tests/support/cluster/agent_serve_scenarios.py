"""Looks at an agent's application on Ray Serve. Each runs in a driver of its own."""

import asyncio
from typing import Any

from ray import serve

from support.eventually import eventually_async


async def is_served(agent: str) -> None:
    """The application runs, and has no route."""
    found = await asyncio.to_thread(_application, agent)
    assert found is not None
    assert found.status.value == "RUNNING", found.message
    assert list(found.deployments) == [f"CognitiveCore-{agent}"]


async def is_gone(agent: str) -> None:
    """The application does not exist, or ends."""

    async def is_absent() -> bool:
        found = await asyncio.to_thread(_application, agent)
        return found is None or found.status.value == "DELETING"

    await eventually_async(is_absent, 20)


def _application(agent: str) -> Any:
    return serve.status().applications.get(f"cognitive-{agent}")
