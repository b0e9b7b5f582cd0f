"""A worker in a process of its own, without Ray, which a test may kill.

``python -m support.servers.worker_process NAMESPACE AGENT WORKER CONCURRENCY`` reads its settings from the environment.
"""

import asyncio
import os
import sys

from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core
from cognitive_runtime.config import read_settings


async def main() -> None:
    """Run the worker until the process is killed."""
    namespace, agent_uid, name, concurrency = sys.argv[1:]
    settings = read_settings(os.environ)
    identity = WorkerIdentity(namespace, agent_uid, name, settings.submission_id, "Embedded")
    await HostedWorker(WorkerSpec(identity, int(concurrency)), settings, make_cognitive_core).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
