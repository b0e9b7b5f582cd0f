"""Serve applications: deployment with detection of conflicts, and their status."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from cognitive_runtime.domain.execution import ApplicationState
from cognitive_runtime.domain.serving import ServeConflict, ServeSpec, ServeUnavailable

_TAKEN: Final = re.compile(r"Prefix (\S+) is being used by application \"?([^\".]+)\"?")
"""Ray Serve's message about a route in use."""


def is_running(name: str) -> bool:
    """Return True if an application runs on the cluster of this process."""
    if not ray.is_initialized():
        return False
    found = serve.status().applications.get(name)
    return found is not None and found.status is ApplicationStatus.RUNNING


def deploy(replica: type[Any], arguments: tuple[Any, ...], spec: ServeSpec, *, waits: bool = True) -> None:
    """Deploy an application, or update it if the same owner has deployed it. Blocks until it runs.

    Args:
        replica: Class of a module; with ``__serve_build_asgi_app__`` if the application has a route.
        arguments: Arguments of its constructor. Ray stores them: they must not contain secrets of the environment.
        spec: The application.
        waits: False: do not wait until the application runs.

    Raises:
        ServeConflict: The name or the route is in use by another owner, or this process is in another namespace.
        RuntimeError: The replicas do not start; Ray's message has the reason.
    """
    _join(spec.namespace)
    _require_own_name(spec)
    make: Any = serve.deployment
    is_served = hasattr(replica, "__serve_build_asgi_app__")
    deployment = make(serve.ingress()(replica) if is_served else replica).options(**_options(spec))
    target = serve.RunTarget(deployment.bind(*arguments), name=spec.name, route_prefix=spec.route_prefix)
    try:
        if spec.host is not None:
            serve.start(http_options={"host": spec.host})
        serve.run_many([target], wait_for_applications_running=waits)
    except (RayServeException, ray.exceptions.RayError) as error:
        _raise_conflict(error)
        raise


def delete(name: str) -> None:
    """Delete an application, without waiting for its end.

    Raises:
        ServeUnavailable: Ray Serve does not answer.
    """
    with _translated():
        serve.delete(name, _blocking=False)


def find(name: str) -> ApplicationState | None:
    """Return the state of an application, or None if there is none.

    Raises:
        ServeUnavailable: Ray Serve does not answer.
    """
    with _translated():
        found = serve.status().applications.get(name)
    if found is None:
        return None
    deployments = found.deployments.values()
    running = sum(count for each in deployments for state, count in each.replica_states.items() if state == "RUNNING")
    message = " ".join([found.message, *(each.message for each in deployments)]).strip()
    return ApplicationState(found.status.value, tuple(found.deployments), running, message)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RayServeException, ray.exceptions.RayError) as error:
        raise ServeUnavailable(f"{type(error).__name__}: {error}") from None


def _options(spec: ServeSpec) -> dict[str, Any]:
    scale: dict[str, Any] = {"num_replicas": spec.num_replicas or 2}
    if spec.autoscaling_config is not None:
        scale = {"autoscaling_config": dict(spec.autoscaling_config)}
    return {
        "name": spec.deployment,
        "ray_actor_options": spec.resources,
        "max_ongoing_requests": spec.max_ongoing_requests,
        "graceful_shutdown_timeout_s": spec.shutdown_s,
        **scale,
    }


def _join(namespace: str | None) -> None:
    if not ray.is_initialized():
        ray.init(namespace=namespace, log_to_driver=False)
        return
    present = ray.get_runtime_context().namespace
    if namespace is not None and present != namespace:
        raise ServeConflict(f"this process has joined Ray in the namespace {present!r}, not in {namespace!r}")


def _require_own_name(spec: ServeSpec) -> None:
    found = serve.status().applications.get(spec.name)
    if found is None or found.status is ApplicationStatus.DELETING:
        return
    deployments = sorted(found.deployments)
    if deployments and spec.deployment not in deployments:
        raise ServeConflict(
            f"the Serve application {spec.name!r} belongs to the deployment {', '.join(deployments)}; "
            "choose another name, or delete it with serve.delete"
        )


def _raise_conflict(error: Exception) -> None:
    found = _TAKEN.search(str(error))
    if found:
        route, owner = found.groups()
        raise ServeConflict(
            f"the route {route} belongs to the Serve application {owner!r}; choose another route_prefix, or delete "
            "the application with serve.delete"
        ) from None
