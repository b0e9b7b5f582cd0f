"""Large results, kept in the agent's object bucket."""

import nats.errors
from nats.js.errors import Error
from nats.js.object_store import OBJ_STREAM_TEMPLATE, ObjectStore

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import BrokerUnavailable
from cognitive_runtime.adapters.nats.subjects import result_bucket


async def put_object(broker: BrokerConnection, agent_uid: str, name: str, data: bytes) -> None:
    """Store an object in the agent's bucket, in place of one of the same name.

    Raises:
        BrokerUnavailable: The bucket does not exist yet, is full, or did not answer. Retry.
    """
    bucket = result_bucket(agent_uid)
    store = ObjectStore(bucket, OBJ_STREAM_TEMPLATE.format(bucket=bucket), broker.jetstream())
    try:
        await store.put(name, data)
    except (nats.errors.Error, Error, OSError) as error:
        raise BrokerUnavailable(f"object bucket {bucket}: {error!r}") from error
