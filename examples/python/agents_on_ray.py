"""Agents as Ray actors, which reason at the same time."""

import asyncio

import ray

from cognitive_runtime.ray_agent import RayAgent


async def main() -> None:
    """Plan three tasks with three agents."""
    ray.init(namespace="operations", log_to_driver=False)
    agents = [RayAgent.options(name=f"planner-{number}").remote(f"planner-{number}") for number in range(3)]
    tasks = ["Move the orders database", "Renew the certificates", "Upgrade the cluster"]
    plans = [agent.plan_complex_task.remote(task) for agent, task in zip(agents, tasks, strict=True)]
    for result in await asyncio.gather(*plans):
        print(result["agent_id"], result["success"], result["energy_cost"])


asyncio.run(main())
