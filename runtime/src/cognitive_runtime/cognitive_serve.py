"""Public: a cognitive core on Ray Serve, its client, and the status of both."""

import os
from collections.abc import Mapping
from typing import Any

from cognitive_runtime.bootstrap.core_serving import CognitiveCoreClient, deploy
from cognitive_runtime.bootstrap.status import dspy_status
from cognitive_runtime.domain.serving import (
    DEFAULT_APPLICATION,
    DEFAULT_ROUTE,
    ServeConflict,
    ServeSpec,
    ServeUnavailable,
)
from cognitive_runtime.llm_config import LLMConfig, environment_without_keys

__all__ = ["CognitiveCoreClient", "ServeConflict", "ServeUnavailable", "deploy_cognitive_core", "get_dspy_status"]


def deploy_cognitive_core(
    llm_provider: str | None = None,
    model: str | None = None,
    num_replicas: int | None = None,
    name: str = DEFAULT_APPLICATION,
    route_prefix: str | None = DEFAULT_ROUTE,
    *,
    ray_actor_options: Mapping[str, Any] | None = None,
    autoscaling_config: Mapping[str, Any] | None = None,
    max_ongoing_requests: int = 100,
    namespace: str | None = None,
    owner: str = "",
    config: LLMConfig | None = None,
    token: str | None = None,
) -> CognitiveCoreClient:
    """Deploy a core on Ray Serve, or update the one that the same owner has deployed. Blocks until it runs.

    Replicas take the ``LLM_*`` variables of this process and read the key of their provider from the environment of
    their own node. A key is sent to them only within ``config``, or if ``configure_llm_openai`` was called.

    Args:
        llm_provider: Provider, over ``LLM_PROVIDER``.
        model: Model, over ``LLM_MODEL``.
        num_replicas: Number of replicas; None: 2, or autoscaling.
        name: Name of the application.
        route_prefix: Route of the HTTP API; None: the application has none.
        ray_actor_options: Options of each replica's actor, such as ``num_cpus`` and ``memory`` in bytes; default
            1 CPU and 2 GiB.
        autoscaling_config: Ray Serve's settings, such as ``min_replicas`` and ``max_replicas``.
        max_ongoing_requests: Calls that a replica answers at the same time.
        namespace: Ray namespace that this process joins.
        owner: Owner of the application. A name that another owner uses is a conflict.
        config: Configuration of the model from code.
        token: Bearer token of the HTTP API; None: that of the nodes' environment, if there is one.

    Raises:
        ServeConflict: The name or the route is in use by another owner; the message names it.
        ValueError: An argument is out of range.
        RuntimeError: The replicas do not start.
    """
    spec = ServeSpec(
        name=name,
        route_prefix=route_prefix,
        num_replicas=num_replicas,
        autoscaling_config=autoscaling_config,
        ray_actor_options=dict(ray_actor_options or {}),
        max_ongoing_requests=max_ongoing_requests,
        owner=owner,
        namespace=namespace,
    )
    named = {"LLM_PROVIDER": llm_provider, "LLM_MODEL": model}
    changes = environment_without_keys(os.environ) | {key: text for key, text in named.items() if text}
    deploy(spec, changes, config, token)
    return CognitiveCoreClient(name)


async def get_dspy_status(application: str = DEFAULT_APPLICATION) -> dict[str, Any]:
    """Return which parts are available: a core in this process, and a running Serve application."""
    return await dspy_status(application)
