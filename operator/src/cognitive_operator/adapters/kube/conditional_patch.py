"""Conditional patches of custom resources: applied only if the object is unchanged since it was read."""

from dataclasses import dataclass

from cognitive_operator.adapters.kube.client import MERGE_PATCH, KubeClient
from cognitive_operator.adapters.kube.paths import custom_path
from cognitive_operator.errors import ConflictError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body


@dataclass(frozen=True)
class Patch:
    """Content of a patch, which includes the preconditions."""

    content: Body | list[Body]
    content_type: str = MERGE_PATCH
    subresource: str = ""
    """Suffix of the object's path, such as ``/status``; empty: the object itself."""


def preconditions_of(body: Body) -> Body:
    """Return the metadata by which a merge patch holds only for this object in this state."""
    return {"resourceVersion": body["metadata"]["resourceVersion"], "uid": body["metadata"]["uid"]}


async def patch_if_same(client: KubeClient, plural: str, body: Body, patch: Patch) -> Body:
    """Send a patch of ``body``; return the new object.

    Raises:
        ConflictError: The object changed since ``body`` was read.
        ObjectNotFoundError: The object is gone, or another one has its name.
    """
    metadata = body["metadata"]
    path = custom_path(metadata["namespace"], plural, metadata["name"])
    try:
        return await client.request("PATCH", f"{path}{patch.subresource}", patch.content, patch.content_type)
    except ConflictError as error:  # the API server answers 409 for a changed object and for a recreated one
        present = await client.get(path)
        if present is not None and present["metadata"]["uid"] == metadata["uid"]:
            raise
        place = f"{plural} {metadata['namespace']}/{metadata['name']}"
        raise ObjectNotFoundError(f"{place} (uid {metadata['uid']}) no longer exists") from error
