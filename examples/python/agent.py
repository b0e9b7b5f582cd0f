"""An agent in this process: incidents, counters and energy."""

import asyncio

from cognitive_runtime.ray_agent import RayAgent


async def main() -> None:
    """Analyse an incident and let the agent assess itself."""
    async with RayAgent("operations", {"E": 0.2, "S": 0.7, "O": 0.1}) as agent:
        incident_id = await agent.log_incident({"error_message": "connection refused by db-7:5432"}, 0.8)
        print((await agent.reason_about_failure(incident_id))["thought_process"])
        print((await agent.reason_about_failure("unknown"))["error"])
        await agent.assess_capabilities({"success_rate": 0.95})
        print(agent.get_summary_stats())
        print(agent.get_energy_state())


asyncio.run(main())
