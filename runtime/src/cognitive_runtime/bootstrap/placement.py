"""Placement of a worker's requests: in the worker, or in the agent's application on Ray Serve.

Ray is imported only for an agent that has an application.
"""

from cognitive_runtime.adapters.worker.lazy_reasoner import LazyReasoner
from cognitive_runtime.adapters.worker.ports import IApplicationWatch
from cognitive_runtime.application import PlacedReasoner
from cognitive_runtime.domain import IReasoner
from cognitive_runtime.domain.execution import ServeTarget


def placed_reasoner(local: IReasoner, target: ServeTarget | None) -> IReasoner:
    """Return the reasoner of a worker. The first call of an application imports Ray Serve."""
    if target is None:
        return local
    application = target.application

    def load() -> IReasoner:
        from cognitive_runtime.adapters.serve.handle import ServeHandle
        from cognitive_runtime.adapters.serve.remote_reasoner import RemoteReasoner

        return RemoteReasoner(application, ServeHandle(application))

    return PlacedReasoner(local, LazyReasoner(load))


def application_watch(agent_uid: str, target: ServeTarget | None) -> IApplicationWatch | None:
    """Return the watch of the application that a worker calls, or None if it calls none."""
    if target is None:
        return None
    from cognitive_runtime.adapters.ray.quota_actor import ray_namespace
    from cognitive_runtime.adapters.serve.watch import owner_watch

    return owner_watch(ray_namespace(agent_uid), target.owner)
