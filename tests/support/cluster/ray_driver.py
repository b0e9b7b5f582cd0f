"""Driver program on a Ray head of the tests. ``python -m support.cluster.ray_driver MODULE FUNCTION ARGUMENT…``.

It joins the head of ``RAY_ADDRESS`` and awaits the function of the module with the arguments.
"""

import asyncio
import importlib
import os
import subprocess
import sys

import ray

from servers.ray_head import RayHead

NAMESPACE = "seedcore"
TIMEOUT_S = 270.0


def drive(head: RayHead, module: str, function: str, *arguments: str, **variables: str) -> None:
    """Run a function as a driver on a head, and fail with its output if it fails."""
    local = {"RAY_ADDRESS": head.gcs_address, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    env = os.environ | local | variables | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", __name__, module, function, *arguments]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-6000:]}"


def main() -> None:
    """Run the function of the command line."""
    module, function, *arguments = sys.argv[1:]
    ray.init(namespace=NAMESPACE, log_to_driver=False, _node_ip_address="127.0.0.1")
    asyncio.run(getattr(importlib.import_module(module), function)(*arguments))


if __name__ == "__main__":
    main()
