"""A core on Ray Serve, called by its client."""

import asyncio

from cognitive_runtime.cognitive_serve import CognitiveCoreClient, ServeConflict, deploy_cognitive_core


async def main() -> None:
    """Deploy a core, call it, and see that its route belongs to it."""
    deploy_cognitive_core(num_replicas=1, name="operations", route_prefix="/operations")
    client = CognitiveCoreClient("operations")
    print(await client.health())
    print((await client.plan_task("planner", "Renew the certificates"))["success"])
    try:
        deploy_cognitive_core(name="other", route_prefix="/operations")
    except ServeConflict as error:
        print(error)


asyncio.run(main())
