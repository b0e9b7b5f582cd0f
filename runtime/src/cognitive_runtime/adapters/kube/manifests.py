"""Names of the API group, and the CognitiveTask of a call."""

from typing import Any, Final

from cognitive_runtime.domain import CognitiveContext

GROUP: Final = "cognitive.seedcore.io"
API_VERSION: Final = f"{GROUP}/v1alpha1"
CREATED_BY: Final = f"{GROUP}/created-by"
"""Label of tasks that an HTTP API creates."""
HTTP_API: Final = "http-api"


def tasks_path(namespace: str, name: str = "") -> str:
    """Return the path of the tasks of a namespace, or of one of them."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/cognitivetasks/{name}".rstrip("/")


def agent_path(namespace: str, name: str) -> str:
    """Return the path of an agent."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/cognitiveagents/{name}"


def task_manifest(context: CognitiveContext, agent: str, ttl_s: int) -> dict[str, Any]:
    """Return the CognitiveTask of a call. The API server chooses its name.

    Args:
        context: The call.
        agent: Name of the CognitiveAgent.
        ttl_s: Seconds after its end at which the task is deleted.
    """
    words = context.task_type.value.split("_")
    return {
        "apiVersion": API_VERSION,
        "kind": "CognitiveTask",
        "metadata": {"generateName": f"http-{'-'.join(words)}-", "labels": {CREATED_BY: HTTP_API}},
        "spec": {
            "agentRef": {"name": agent},
            "type": "".join(each.capitalize() for each in words),
            "input": dict(context.input_data),
            "ttlSecondsAfterFinished": ttl_s,
        },
    }
