"""Statuses of custom resources (port ``Statuses``)."""

from typing import Any

from cognitive_operator.adapters.kube.client import JSON_PATCH, KubeClient
from cognitive_operator.adapters.kube.conditional_patch import Patch, patch_if_same, preconditions_of
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.ports.kube import Body


class KubeStatuses:
    """Writes statuses. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def patch(self, plural: str, body: Body, status: Body) -> Body:
        """Merge-patch the status of ``body`` on the condition of its resourceVersion; return the new object.

        Raises:
            ConflictError: The object changed since ``body`` was read.
            ObjectNotFoundError: The object is gone, or another one has its name.
        """
        if _holds_null(status.get("result")):
            patch = Patch(_replacement(body, status), JSON_PATCH, subresource="/status")
        else:
            patch = Patch({"status": status, "metadata": preconditions_of(body)}, subresource="/status")
        return await patch_if_same(self._client, plural, body, patch)


def _replacement(body: Body, status: Body) -> list[Body]:
    """Return the JSON patch of a status whose result holds nulls, which a merge patch would take out of it."""
    metadata = body["metadata"]
    plain = {name: value for name, value in status.items() if name != "result"}
    whole = merge_patch(body.get("status") or {}, plain) | {"result": status["result"]}
    return [
        {"op": "replace", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/status", "value": whole},
    ]


def _holds_null(value: Any) -> bool:
    """Return True if an object at any depth of a value has a null."""
    if isinstance(value, dict):
        return any(each is None or _holds_null(each) for each in value.values())
    return isinstance(value, list) and any(_holds_null(each) for each in value)
