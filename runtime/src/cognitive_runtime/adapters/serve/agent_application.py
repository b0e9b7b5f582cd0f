"""Application of an agent, which its executor keeps deployed. It imports no Ray Serve."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.domain.execution import ApplicationState, ServeProblem
from cognitive_runtime.domain.serving import ServeConflict, ServeSpec

_SHOWN_CHARS: Final = 400
"""Maximum length of Ray Serve's text in a problem."""
_REDEPLOY_S: Final = 30.0
"""Pause before an application whose deployment failed is deployed again, such as for a secret that is mounted late."""


@dataclass(frozen=True)
class ServeCalls:
    """Calls of Ray Serve about one application. All of them block, and raise ``ServeUnavailable`` or Ray's errors."""

    find: Callable[[], ApplicationState | None]
    """Returns the state of the application."""
    deploy: Callable[[], None]
    """Deploys it without waiting until it runs. Raises ``ServeConflict`` if another owner has its name or route."""
    delete: Callable[[], None]
    owners: Callable[[], list[str]]
    """Returns the names of the agent's executors that live, the newest last."""


@dataclass
class AgentApplication:
    """Application of one agent. Its methods block."""

    calls: ServeCalls
    spec: ServeSpec
    owner: str
    """Name of this executor's owner actor."""
    monotonic: Callable[[], float] = time.monotonic
    _deployed_at_s: float | None = None
    _failure: str = field(default="")

    def ensure(self) -> ServeProblem | None:
        """Deploy the application if it is absent or has failed, and return why it answers no calls."""
        try:
            found = self.calls.find()
            if self._must_deploy(found):
                self.calls.deploy()
                self._deployed_at_s = self.monotonic()
                found = self.calls.find()
            return self._problem(found)
        except ServeConflict as error:
            return ServeProblem("RouteTaken", str(error))
        except (OSError, RuntimeError) as error:
            return _unavailable(f"Ray Serve does not answer: {error}")

    def withdraw(self) -> None:
        """Delete the application, unless another executor of the agent uses it."""
        if any(name != self.owner for name in self.calls.owners()):
            return
        found = self.calls.find()
        if found is not None and self.spec.deployment in found.deployments:
            self.calls.delete()

    def _must_deploy(self, found: ApplicationState | None) -> bool:
        """Return True for the first deployment; later only the newest executor deploys again."""
        if self._deployed_at_s is None:
            return True
        is_gone = found is None or found.status == "DELETING"
        has_failed = found is not None and found.status == "DEPLOY_FAILED"
        is_due = has_failed and self.monotonic() - self._deployed_at_s >= _REDEPLOY_S
        return (is_gone or is_due) and self.calls.owners()[-1:] == [self.owner]

    def _problem(self, found: ApplicationState | None) -> ServeProblem | None:
        if found is None:
            return _unavailable("The agent's application is absent; it is deployed again.")
        if found.running > 0:
            self._failure = ""
            return None
        if found.status == "DEPLOY_FAILED":
            self._failure = found.message
        return _unavailable(
            f"No replica of the agent's application runs ({found.status}). {self._failure or found.message}"
        )


def _unavailable(text: str) -> ServeProblem:
    return ServeProblem("ServeUnavailable", " ".join(text.split())[:_SHOWN_CHARS])
