"""Application of an agent on Ray Serve, which its executor keeps deployed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from cognitive_runtime.adapters.serve.applications import delete, deploy
from cognitive_runtime.adapters.serve.owner import owner_names
from cognitive_runtime.domain.execution import ServeProblem
from cognitive_runtime.domain.serving import ServeConflict, ServeSpec

_SHOWN_CHARS: Final = 400
"""Maximum length of Ray Serve's text in a problem."""
_REDEPLOY_S: Final = 30.0
"""Pause before an application whose deployment failed is deployed again, such as for a secret that is mounted late."""


@dataclass
class AgentApplication:
    """Application of one agent. Its methods block."""

    replica: type[Any]
    arguments: tuple[Any, ...]
    spec: ServeSpec
    namespace: str
    """Ray namespace of the agent."""
    owner: str
    """Name of this executor's owner actor."""
    monotonic: Callable[[], float] = time.monotonic
    _deployed_at_s: float = field(default=float("-inf"))
    _failure: str = ""

    def ensure(self) -> ServeProblem | None:
        """Deploy the application if it is absent or has failed, and return why it answers no calls."""
        try:
            found = self._find()
            if self._must_deploy(found):
                deploy(self.replica, self.arguments, self.spec, waits=False)
                self._deployed_at_s = self.monotonic()
                found = self._find()
            return self._problem(found)
        except ServeConflict as error:
            return ServeProblem("RouteTaken", str(error))
        except (RayServeException, RayError, OSError, RuntimeError) as error:
            return _unavailable(f"Ray Serve answers with {type(error).__name__}: {error}")

    def withdraw(self) -> None:
        """Delete the application, unless another executor of the agent uses it."""
        if not any(name != self.owner for name in owner_names(self.namespace)) and self._is_own(self._find()):
            delete(self.spec.name)

    def _must_deploy(self, found: ApplicationStatusOverview | None) -> bool:
        """Return True for the first deployment; later only the newest executor deploys again."""
        if self._deployed_at_s == float("-inf"):
            return True
        is_gone = found is None or found.status is ApplicationStatus.DELETING
        has_failed = found is not None and found.status is ApplicationStatus.DEPLOY_FAILED
        is_due = has_failed and self.monotonic() - self._deployed_at_s >= _REDEPLOY_S
        return (is_gone or is_due) and owner_names(self.namespace)[-1:] == [self.owner]

    def _problem(self, found: ApplicationStatusOverview | None) -> ServeProblem | None:
        if found is None:
            return _unavailable("The agent's application is absent; it is deployed again.")
        running = found.deployments.get(self.spec.deployment)
        if running is not None and _running_replicas(running.replica_states) > 0:
            self._failure = ""
            return None
        if found.status is ApplicationStatus.DEPLOY_FAILED:
            self._failure = found.message
        detail = self._failure or found.message or (running.message if running is not None else "")
        return _unavailable(f"No replica of the agent's application runs ({found.status.value}). {detail}")

    def _find(self) -> ApplicationStatusOverview | None:
        return serve.status().applications.get(self.spec.name)

    def _is_own(self, found: ApplicationStatusOverview | None) -> bool:
        return found is not None and self.spec.deployment in found.deployments


def _running_replicas(states: Any) -> int:
    return sum(count for state, count in states.items() if str(getattr(state, "value", state)) == "RUNNING")


def _unavailable(text: str) -> ServeProblem:
    return ServeProblem("ServeUnavailable", " ".join(text.split())[:_SHOWN_CHARS])
