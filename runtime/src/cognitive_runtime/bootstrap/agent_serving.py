"""Application of an agent on Ray Serve, which the executor's driver deploys and deletes.

Ray Serve and the HTTP API are imported only for an agent that has an application.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.ray.quota_actor import ray_namespace
from cognitive_runtime.adapters.serve.agent_application import AgentApplication, ServeCalls
from cognitive_runtime.config import ExecutorSettings
from cognitive_runtime.domain.execution import ServeProblem, ServeSettings
from cognitive_runtime.domain.serving import ServeSpec

_LOGGER: Final = logging.getLogger(__name__)
_SHUTDOWN_S: Final = 120.0
"""Longer than the 60 s in which a model answers by default: a call that still runs then is made again."""
_WITHDRAW_S: Final = 2.5
"""Part of the 3 s that Ray gives the driver of a stopped job. Replicas delete an application that is left over."""


def application_name(agent_uid: str) -> str:
    """Return the name of an agent's application."""
    return f"cognitive-{agent_uid}"


class IApplication(Protocol):
    """Application of an agent. Its methods block."""

    def ensure(self) -> ServeProblem | None:
        """Deploy the application if it is absent or has failed, and return why it answers no calls."""

    def withdraw(self) -> None:
        """Delete the application, unless another executor uses it."""


@dataclass
class ApplicationReconciler:
    """Deploys the application whenever it is absent or has failed, and deletes it when the executor ends."""

    make: Callable[[], IApplication]
    """Imports Ray Serve. Raises ``ImportError`` if it is not installed."""
    report: Callable[[ServeProblem | None], Coroutine[Any, Any, None]]
    poll_s: float = 5.0
    unavailable_poll_s: float = 1.0
    _application: IApplication | None = None
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to reconcile the application, in the background."""
        self._task = asyncio.create_task(self._reconcile())

    async def end(self) -> None:
        """Delete the application, unless another executor uses it."""
        if self._task is not None:
            await cancel(self._task)
        if self._application is None:
            return
        try:
            async with asyncio.timeout(_WITHDRAW_S):
                await asyncio.to_thread(self._application.withdraw)
        except Exception as error:  # whatever Ray answers: the replicas delete the application later
            _LOGGER.warning("application not deleted", extra={"event": "ApplicationLeft", "error": repr(error)})

    async def _reconcile(self) -> None:
        shown: ServeProblem | None = None
        while True:
            problem = await asyncio.to_thread(self._ensure)
            if problem != shown:
                _log(problem)
                shown = problem
            try:
                await self.report(problem)
            except Exception as error:  # an actor that died, or a cluster that is away: the next round reports again
                _LOGGER.warning("problem not reported", extra={"event": "OwnerLost", "error": repr(error)})
            await asyncio.sleep(self.poll_s if problem is None else self.unavailable_poll_s)

    def _ensure(self) -> ServeProblem | None:
        try:
            if self._application is None:
                self._application = self.make()
            return self._application.ensure()
        except ImportError as error:
            remedy = "use the runtime's image for head and workers, or install cognitive-runtime[serve] on every node"
            return ServeProblem(
                "ServeUnavailable", f"Ray Serve is not installed on the Ray cluster ({error}); {remedy}."
            )
        except Exception as error:
            _LOGGER.exception("application not deployed", extra={"event": "ApplicationFailed"})
            return ServeProblem("ServeUnavailable", f"{type(error).__name__} while the application was deployed.")


def application_reconciler(
    executor: ExecutorSettings, settings: ServeSettings, submission_id: str
) -> tuple[str, ApplicationReconciler]:
    """Create the executor's owner actor; return its name and the reconciler of the application."""
    from cognitive_runtime.adapters.serve.owner import create_owner, new_owner_name

    namespace, owner = ray_namespace(executor.agent_uid), new_owner_name(submission_id)
    actor = create_owner(namespace, owner)

    async def report(problem: ServeProblem | None) -> None:
        await actor.report.remote(problem)

    return owner, ApplicationReconciler(lambda: _application(executor, settings, owner), report)


def _application(executor: ExecutorSettings, settings: ServeSettings, owner: str) -> AgentApplication:
    from cognitive_runtime.adapters.serve import applications
    from cognitive_runtime.adapters.serve.owner import owner_names
    from cognitive_runtime.bootstrap.serve_agent_replica import AgentReplica, PublicReplica, ReplicaSpec

    name = application_name(executor.agent_uid)
    sharers = sharers_of(executor, settings)
    replica = ReplicaSpec(executor.namespace, executor.agent_uid, name, sharers, settings.public)
    kind = AgentReplica if settings.public is None else PublicReplica
    spec = serve_spec(executor.agent_uid, settings)
    calls = ServeCalls(
        find=partial(applications.find, name),
        deploy=partial(applications.deploy, kind, (replica,), spec, waits=False),
        delete=partial(applications.delete, name),
        owners=partial(owner_names, ray_namespace(executor.agent_uid)),
    )
    return AgentApplication(calls, spec, owner)


def sharers_of(executor: ExecutorSettings, settings: ServeSettings | None) -> int:
    """Return the number of processes that share the agent's rate limits: workers and replicas."""
    return executor.workers + (settings.max_replicas if settings is not None else 0)


def serve_spec(agent_uid: str, settings: ServeSettings) -> ServeSpec:
    """Return the Serve application for an agent's settings. Without a public route, only handles reach it."""
    scale, public = settings.autoscaling, settings.public
    return ServeSpec(
        name=application_name(agent_uid),
        route_prefix=public.prefix if public is not None else None,
        num_replicas=settings.replicas if scale is None else None,
        autoscaling_config=scale
        and {"min_replicas": scale[0], "max_replicas": scale[1], "target_ongoing_requests": scale[2]},
        ray_actor_options={"memory": None, **settings.resources.options()},
        max_ongoing_requests=settings.max_ongoing_requests,
        owner=agent_uid,
        shutdown_s=_SHUTDOWN_S,
        host="0.0.0.0",  # as KubeRay starts Serve; an application without a route stays closed
    )


def _log(problem: ServeProblem | None) -> None:
    if problem is None:
        _LOGGER.info("application runs", extra={"event": "ApplicationRuns"})
    else:
        _LOGGER.warning(problem.message, extra={"event": problem.reason})
