"""Arguments of the command ``serve``."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.domain.object_name import is_object_name

Number = Callable[[str], int]
_DEFAULTS: Final = ClusterSettings()
_CLUSTER: Final = {
    "namespace": "--namespace",
    "agent": "--agent",
    "timeout_seconds": "--timeout-seconds",
    "task_ttl_seconds": "--task-ttl-seconds",
    "on_disconnect": "--on-disconnect",
    "allow_kubeconfig_user": "--allow-kubeconfig-user",
}
"""Options that need a cluster, by the name of their value."""


def add_serve(parser: argparse.ArgumentParser, number: Number) -> None:
    """Add the arguments of ``serve``. ``number`` reads a number from 1 on."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1")
    parser.add_argument("--port", type=number, default=8002, metavar="N", help="port to listen on; default 8002")
    parser.add_argument(
        "--application",
        metavar="NAME",
        help="Ray Serve application that /dspy/status reports; default cognitive_core",
    )
    parser.add_argument(
        "--grace-seconds", type=number, default=10, metavar="S", help="time for running calls to end; default 10"
    )
    _add_cluster(parser.add_argument_group("a cluster in place of a local core"), number)


def cluster_settings(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> ClusterSettings | None:
    """Return the settings of a cluster, None for a local core. Exits if an option needs a cluster and has none."""
    given = {name: getattr(arguments, name) for name in _CLUSTER if getattr(arguments, name) is not None}
    if arguments.kubeconfig is None and not arguments.in_cluster:
        if given:
            parser.error(f"{_CLUSTER[next(iter(given))]} needs --kubeconfig or --in-cluster")
        return None
    if arguments.application is not None:
        parser.error("--application is for a local core, which may be on Ray Serve; leave it out")
    if arguments.in_cluster and arguments.allow_kubeconfig_user:
        parser.error("--allow-kubeconfig-user needs --kubeconfig")
    return ClusterSettings(kubeconfig=arguments.kubeconfig, **_fields(given))


def _add_cluster(group: Any, number: Number) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--kubeconfig", type=Path, metavar="FILE", help="serve the cluster of the current context")
    source.add_argument("--in-cluster", action="store_true", help="serve the cluster of this pod")
    group.add_argument(
        "--namespace", type=_name, metavar="NS", help="namespace of the tasks; default: the context's or the pod's"
    )
    group.add_argument(
        "--agent", type=_name, metavar="NAME", help="CognitiveAgent of all calls; default: the agent_id of each call"
    )
    group.add_argument(
        "--timeout-seconds",
        type=number,
        metavar="S",
        help=f"time limit of a call, which its task survives; default {_DEFAULTS.timeout_s}",
    )
    group.add_argument(
        "--task-ttl-seconds",
        type=number,
        metavar="S",
        help=f"time after its end at which a task is deleted; default {_DEFAULTS.ttl_s}",
    )
    group.add_argument(
        "--on-disconnect",
        choices=("cancel", "leave"),
        help="treatment of the task of a client that goes away; default cancel",
    )
    group.add_argument(
        "--allow-kubeconfig-user",
        action="store_true",
        default=None,
        help="use the identity of the kubeconfig for calls without a token; only on a local --host",
    )


def _name(text: str) -> str:
    if not is_object_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of lower-case letters, digits, - and .")
    return text


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    names = {"timeout_seconds": "timeout_s", "task_ttl_seconds": "ttl_s", "allow_kubeconfig_user": "allows_own"}
    found = {names.get(name, name): value for name, value in given.items()}
    if "on_disconnect" in found:
        found["cancels"] = found.pop("on_disconnect") == "cancel"
    return found
