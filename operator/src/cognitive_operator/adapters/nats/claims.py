"""Claims of attempts in their key-value bucket (port ``Claims``)."""

from collections.abc import Collection
from typing import Final

from pydantic import ValidationError

from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.adapters.nats.stream_specs import kv_stream
from cognitive_operator.api.names import CLAIM_BUCKET, AttemptKey, parse_attempt
from cognitive_operator.api.validation import first_fault
from cognitive_operator.api.wire import Claim
from cognitive_operator.errors import MessageError

CLAIM_STREAM: Final = kv_stream(CLAIM_BUCKET)
CLAIM_PREFIX: Final = f"$KV.{CLAIM_BUCKET}."
"""Subject of a claim, without the attempt that is its key."""
_READ_AT_ONCE: Final = 500
"""Claims that one request reads. The server refuses more than 1,024 subjects."""


class NatsClaims:
    """Reads, lists and purges claims."""

    def __init__(self, session: NatsSession) -> None:
        self._session = session
        self._purged: set[AttemptKey] = set()
        """Attempts whose key holds only a marker: the stream's list of subjects contains both."""

    async def get(self, key: AttemptKey) -> Claim | None:
        """Return the claim of an attempt, None if no worker started the attempt or its claim was purged.

        Raises:
            BrokerUnavailableError: The broker does not answer; retry.
            MessageError: The claim is malformed.
        """
        async with self._session.use() as js:
            stored = await js.last(CLAIM_STREAM, f"{CLAIM_PREFIX}{key}")
        if stored is None or stored.is_marker:
            return None
        try:
            return Claim.model_validate_json(stored.data)
        except ValidationError as error:
            raise MessageError("ClaimInvalid", f"claim {key}: {first_fault(error)}") from error

    async def list(self) -> set[AttemptKey]:
        """Return the attempts of all claims."""
        async with self._session.use() as js:
            present = await claimed_attempts(js, ">")
        self._purged &= present
        return present - self._purged

    async def find_purged(self, keys: Collection[AttemptKey]) -> set[AttemptKey]:
        """Return those attempts whose claim was purged by this or another process; ``list`` omits them from now on.

        Markers stay for two days, so a new process finds one for each attempt that was deleted in that time.
        """
        subjects, found = [f"{CLAIM_PREFIX}{key}" for key in keys], set[AttemptKey]()
        async with self._session.use() as js:
            for start in range(0, len(subjects), _READ_AT_ONCE):
                stored = await js.last_of(CLAIM_STREAM, subjects[start : start + _READ_AT_ONCE])
                parsed = (parse_attempt(each.subject.removeprefix(CLAIM_PREFIX)) for each in stored if each.is_marker)
                found |= {key for key in parsed if key is not None}
        self._purged |= found
        return found

    async def purge(self, key: AttemptKey) -> bool:
        """Put a marker in the place of a claim, so that no worker can claim the attempt; False: there is no claim.

        The marker is also stored if there is no claim: an executor may have the request and not have claimed it yet.
        """
        async with self._session.use() as js:
            stored = await js.last(CLAIM_STREAM, f"{CLAIM_PREFIX}{key}")
            if stored is None or not stored.is_marker:
                await js.publish(f"{CLAIM_PREFIX}{key}", b"", {"KV-Operation": "PURGE"})
        self._purged.add(key)
        return stored is not None and not stored.is_marker


async def claimed_attempts(js: JetStream, keys: str) -> set[AttemptKey]:
    """Return the attempts of the matching keys that hold a claim or the marker of a purged one."""
    subjects = js.subjects(CLAIM_STREAM, f"{CLAIM_PREFIX}{keys}")
    parsed = [parse_attempt(subject.removeprefix(CLAIM_PREFIX)) async for subject in subjects]
    return {key for key in parsed if key is not None}
