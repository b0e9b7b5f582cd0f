"""Simple tasks by an agent in this process, complex ones by Ray Serve."""

import asyncio

from cognitive_runtime.cognitive_serve import deploy_cognitive_core
from cognitive_runtime.ray_agent import RayAgent

TASKS = {"Renew a certificate": 0.2, "Move the orders database without downtime": 0.9}
THRESHOLD = 0.5


async def main() -> None:
    """Choose by the complexity of each task."""
    client = deploy_cognitive_core(num_replicas=1)
    async with RayAgent("planner") as agent:
        for task, complexity in TASKS.items():
            if complexity < THRESHOLD:
                result = await agent.plan_complex_task(task)
            else:
                result = await client.plan_task("planner", task)
            print(task, result["success"])


asyncio.run(main())
