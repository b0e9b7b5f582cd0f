"""Report of every node of a Ray cluster, from a job on the cluster."""

import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from cognitive_runtime.adapters.ray.actors import connect_to_ray, leave_ray
from cognitive_runtime.adapters.ray.nodes import NodeReport, run_on_nodes
from cognitive_runtime.adapters.ray.probe import REPORT_MARK
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings

_NAMESPACE = "cognitive-doctor"


def inspect_node(agent_uid: str | None, files: Sequence[str]) -> dict[str, Any]:
    """Return the runtime version and the files of this node. Runs on the node, in the environment of its workers."""
    settings = DoctorSettings(environ=dict(os.environ), agent_uid=agent_uid)
    spool = next(path for path in (settings.spool_dir, *settings.spool_dir.parents) if path.exists())
    return {
        "runtime": version("cognitive-runtime"),
        "secrets_dir": str(settings.secrets_dir),
        "missing": settings.secrets.missing(files) if settings.secrets else [],
        "can_spool": os.access(spool, os.W_OK),
    }


def report_nodes(agent_uid: str | None, files: Sequence[str]) -> int:
    """Print the reports of all nodes as one line."""
    connect_to_ray(_NAMESPACE)
    try:
        answers = run_on_nodes(inspect_node, agent_uid, tuple(files))
    finally:
        leave_ray()
    sys.stdout.write(f"{REPORT_MARK}{json.dumps([_plain(each) for each in answers])}\n")
    return 0


def _plain(found: NodeReport) -> dict[str, Any]:
    return {"node": found.node, "error": found.error, **(found.answer or {})}
