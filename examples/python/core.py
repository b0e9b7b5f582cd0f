"""The six task types with a core in this process."""

import asyncio

from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore, CognitiveTaskType

TASKS = {
    CognitiveTaskType.FAILURE_ANALYSIS: {"incident_id": "db-7", "error_message": "connection refused by db-7:5432"},
    CognitiveTaskType.TASK_PLANNING: {"task_description": "Move the orders database to another node"},
    CognitiveTaskType.DECISION_MAKING: {"decision_context": {"options": ["restart db-7", "fail over to db-8"]}},
    CognitiveTaskType.PROBLEM_SOLVING: {"problem_statement": "Queries take 4 s", "available_tools": ["psql"]},
    CognitiveTaskType.MEMORY_SYNTHESIS: {
        "memory_fragments": [{"content": "db-7 restarted at 02:00"}, {"content": "backups run at 02:00"}],
        "synthesis_goal": "Why does db-7 restart?",
    },
    CognitiveTaskType.CAPABILITY_ASSESSMENT: {
        "performance_data": {"tasks_processed": 40, "success_rate": 0.8},
        "target_capabilities": {"success_rate": 0.95},
    },
}


async def main() -> None:
    """Run the tasks at the same time."""
    async with CognitiveCore() as core:
        contexts = [CognitiveContext("operations", task_type, given) for task_type, given in TASKS.items()]
        for result in await asyncio.gather(*(core.answer(context) for context in contexts)):
            print(result["task_type"], result["thought"] if result["success"] else result["error"])


asyncio.run(main())
