"""Status of the core and of its Serve application, as seen from this process."""

import asyncio
import sys
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import get_cognitive_core
from cognitive_runtime.domain import CognitiveTaskType


async def dspy_status(application: str) -> dict[str, Any]:
    """Return which parts are available: a core in this process, and a running Serve application.

    Joins no cluster: without Ray in this process, there is no Serve application.
    """
    return {
        "success": True,
        "cognitive_core_available": get_cognitive_core() is not None,
        "serve_client_available": await asyncio.to_thread(_is_served, application),
        "supported_task_types": [each.value for each in CognitiveTaskType],
        "timestamp": SystemClock().now(),
    }


def _is_served(application: str) -> bool:
    if "ray.serve" not in sys.modules:
        return False
    from cognitive_runtime.adapters.serve.applications import is_running

    return is_running(application)
