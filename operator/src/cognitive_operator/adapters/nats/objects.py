"""Large inputs and results in the object buckets of agents (port ``Objects``)."""

from cognitive_operator.adapters.nats.object_bucket import ObjectBucket
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.api.names import AttemptKey, parse_object, results_bucket


class NatsObjects:
    """Stores, reads, deletes and lists objects."""

    def __init__(self, session: NatsSession) -> None:
        self._session = session

    async def put(self, agent_uid: str, name: str, content: bytes) -> None:
        """Store an object in an agent's bucket, in place of one of the same name."""
        async with self._session.use() as js:
            await ObjectBucket(js, results_bucket(agent_uid)).put(name, content)

    async def read(self, bucket: str, name: str) -> bytes:
        """Return an object's content.

        Raises:
            ObjectNotFoundError: The bucket or the object is absent, or the object is incomplete or too large.
        """
        async with self._session.use() as js:
            return await ObjectBucket(js, bucket).read(name)

    async def exists(self, agent_uid: str, name: str) -> bool:
        """Return True if an agent's bucket has an object."""
        async with self._session.use() as js:
            return await ObjectBucket(js, results_bucket(agent_uid)).exists(name)

    async def delete(self, agent_uid: str, name: str) -> bool:
        """Delete an object of an agent's bucket; False: there is none."""
        async with self._session.use() as js:
            return await ObjectBucket(js, results_bucket(agent_uid)).delete(name)

    async def list(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts that have an object in their agent's bucket."""
        async with self._session.use() as js:
            found = await ObjectBucket(js, results_bucket(agent_uid)).list()
        parsed = (parse_object(agent_uid, name) for name in found)
        return {key for key in parsed if key is not None}
