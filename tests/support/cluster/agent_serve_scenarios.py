"""Looks at an agent's application on Ray Serve. Each runs in a driver of its own."""

import asyncio
from typing import Any

from ray import serve

from support.eventually import eventually_async


async def is_served(agent: str) -> None:
    """The application runs, as soon as Serve has replaced replicas that died, and has no route."""

    async def is_running() -> bool:
        found = await asyncio.to_thread(_application, agent)
        assert found is not None
        assert list(found.deployments) == [f"CognitiveCore-{agent}"]
        assert found.status.value == "RUNNING", (found.status.value, found.message)
        return True

    await eventually_async(is_running, 20)


async def is_gone(agent: str) -> None:
    """The application does not exist, or ends."""

    async def is_absent() -> bool:
        found = await asyncio.to_thread(_application, agent)
        return found is None or found.status.value == "DELETING"

    await eventually_async(is_absent, 20)


def _application(agent: str) -> Any:
    return serve.status().applications.get(f"cognitive-{agent}")


async def take_name(agent: str) -> None:
    """Deploy another application under the agent's name and route."""
    await asyncio.to_thread(_deploy_stranger, f"cognitive-{agent}", "/cognitive/default/sre")


async def free_name(agent: str) -> None:
    """Require that the other application was left alone, then delete it."""
    found = await asyncio.to_thread(_application, agent)
    assert list(found.deployments) == ["Stranger"], found
    await asyncio.to_thread(serve.delete, f"cognitive-{agent}")


def _deploy_stranger(name: str, route: str) -> None:
    class Stranger:  # local, so that Ray sends it by value: replicas cannot import this module
        async def __call__(self, _: Any) -> str:
            return "stranger"

    deployment: Any = serve.deployment(ray_actor_options={"num_cpus": 0.1})(Stranger)
    serve.run(deployment.bind(), name=name, route_prefix=route)
