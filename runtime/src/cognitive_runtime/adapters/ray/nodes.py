"""Runs a function on every node of a Ray cluster, from a job on that cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_ANSWER_S: Final = 45.0
"""Longer than a node needs to start its first worker."""


@dataclass(frozen=True)
class NodeReport:
    """Result of one node."""

    node: str
    """IP address of the node."""
    answer: Any = None
    error: str | None = None
    """Reason why there is no answer."""


def run_on_nodes(function: Callable[..., Any], *arguments: Any) -> list[NodeReport]:
    """Call a module-level function on every live node. Ray serializes it by name."""
    cluster: Any = ray
    nodes = [node for node in cluster.nodes() if node["Alive"]]
    asked = [(node["NodeManagerAddress"], _call(node["NodeID"], function, arguments)) for node in nodes]
    ray.wait([reference for _, reference in asked], num_returns=len(asked), timeout=_ANSWER_S)
    return [_answer(address, reference) for address, reference in asked]


def _call(node_id: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    remote: Any = ray.remote(function)
    return remote.options(num_cpus=0, max_retries=0, scheduling_strategy=here).remote(*arguments)


def _answer(address: str, reference: Any) -> NodeReport:
    try:
        return NodeReport(address, ray.get(reference, timeout=0))
    except RayError as error:
        cause = error.__cause__ or error
        return NodeReport(address, error=f"{type(cause).__name__}: {cause}".splitlines()[0][:200])
