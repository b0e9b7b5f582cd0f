"""Registries of incidents, one for each user that the API server knows."""

from collections import OrderedDict
from typing import Final

from cognitive_runtime.adapters.kube.client import Caller, KubeClient, Request
from cognitive_runtime.domain import Incidents

MAX_USERS: Final = 64
"""Maximum number of registries. That of the user who used it longest ago is dropped first."""
MAX_USER_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of one user's incidents as JSON. All registries have 256 MiB."""
_PATH: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW: Final = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


class UserIncidents:
    """Incidents by user: no user reads those of another. Belongs to one event loop."""

    def __init__(self, client: KubeClient, max_users: int = MAX_USERS) -> None:
        self._client = client
        self._max_users = max_users
        self._registries: OrderedDict[tuple[str, str], Incidents] = OrderedDict()

    async def of(self, caller: Caller) -> Incidents:
        """Return the registry of a caller.

        Raises:
            CallRefused: The API server refuses the token or does not answer.
        """
        review = await self._client.request(caller, Request("POST", _PATH, body=dict(_REVIEW)))
        user = review["status"]["userInfo"]
        key = (user.get("username", ""), user.get("uid", ""))
        found = self._registries.setdefault(key, Incidents(max_total_bytes=MAX_USER_BYTES))
        self._registries.move_to_end(key)
        while len(self._registries) > self._max_users:
            self._registries.popitem(last=False)
        return found
