"""Reads the results of tasks, for programs and for the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.object_bucket import ObjectBucket
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.config import Config
from cognitive_operator.errors import ObjectNotFoundError
from cognitive_operator.reconcile.task.result import result_of

CONNECT_TIMEOUT_S: Final = 10.0


async def read_result(
    namespace: str, name: str, *, nats_url: str = Config.nats_url, nats_creds: str | None = None
) -> dict[str, Any]:
    """Return the result of a task. The size and SHA-256 of a result above 16 KiB are verified.

    Args:
        namespace: The task's namespace, in the cluster of this pod or of the kubeconfig.
        name: The task.
        nats_url: The broker's URL, used only for a result above 16 KiB.
        nats_creds: Path of a NATS credentials file.

    Raises:
        ResultError: The task has no result, or the stored object is missing or differs from its status. Do not retry.
        ObjectNotFoundError: The task does not exist. Do not retry.
        TransientError: The API server or the broker does not answer, or denies access. Retry.
        KubeConfigError: No cluster is configured. Do not retry.
    """
    async with KubeApi.connect() as kube:
        body = await kube.resources.get(TASK_PLURAL, namespace, name)
    if body is None:
        raise ObjectNotFoundError(f"task {namespace}/{name} does not exist")
    return await result_of(body, _Objects(NatsSettings(nats_url, nats_creds)))


@dataclass(frozen=True)
class _Objects:
    """Reads objects over a connection that exists only during the call. Implements ``ObjectReader``."""

    settings: NatsSettings

    async def read(self, bucket: str, name: str) -> bytes:
        async with _connected(self.settings) as connection:
            return await ObjectBucket(JetStream(connection), bucket).read(name)


@asynccontextmanager
async def _connected(settings: NatsSettings) -> AsyncIterator[NatsConnection]:
    """Yield a connection once it is up, or after CONNECT_TIMEOUT_S one whose calls raise the cause."""
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
