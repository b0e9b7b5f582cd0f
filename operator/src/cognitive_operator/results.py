"""Reads the results of tasks back, for programs and for the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.connection import NatsConnection, NatsSettings
from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.object_bucket import read_object
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.config import Config
from cognitive_operator.errors import ObjectNotFoundError
from cognitive_operator.reconcile.task.result import result_of

CONNECT_TIMEOUT_S: Final = 10.0


async def read_result(
    namespace: str, name: str, *, nats_url: str = Config.nats_url, nats_creds: str | None = None
) -> dict[str, Any]:
    """Return the result of a task, also a large one, whose size and SHA-256 are then checked.

    Args:
        namespace: The task's namespace, in the cluster of this pod or of the kubeconfig.
        name: The task.
        nats_url: The broker; only a result above 16 KiB needs it.
        nats_creds: Path of a NATS credentials file.

    Raises:
        ResultError: The task has no result, or the object is gone or not what the status tells of. Do not retry.
        ObjectNotFoundError: There is no such task.
        TransientError: The API server or the broker does not answer, or refuses the right. Retry.
        KubeConfigError: There is no cluster.
    """
    async with KubeApi.connect() as kube:
        body = await kube.get(TASK_PLURAL, namespace, name)
    if body is None:
        raise ObjectNotFoundError(f"task {namespace}/{name} does not exist")
    return await result_of(body, _Objects(NatsSettings(nats_url, nats_creds)))


@dataclass(frozen=True)
class _Objects:
    """Connects only when there is something to read. Implements ``ObjectReader``."""

    settings: NatsSettings

    async def read(self, bucket: str, name: str) -> bytes:
        async with _connected(self.settings) as connection:
            return await read_object(JetStream(connection), bucket, name)


@asynccontextmanager
async def _connected(settings: NatsSettings) -> AsyncIterator[NatsConnection]:
    """Yield a connection that is up, or one whose every call says why it is not."""
    changed = asyncio.Event()
    connection = NatsConnection(settings, changed.set)
    connection.start()
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await changed.wait()
        except TimeoutError:
            pass
        yield connection
    finally:
        await connection.close()
