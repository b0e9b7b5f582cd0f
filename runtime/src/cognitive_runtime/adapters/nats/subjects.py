"""Names of streams, buckets and subjects. Source: ``docs/reference/wire.md``."""

from dataclasses import dataclass
from typing import Final

REQUEST_STREAM: Final = "AGENT_REQUESTS"
RESPONSE_STREAM: Final = "AGENT_RESPONSES"
CLAIM_BUCKET: Final = "claims"
LEASE_BUCKET: Final = "lease"
_REQUEST_TOKENS: Final = 6


@dataclass(frozen=True)
class RequestSubject:
    """Subject of a request, which names the attempt. Only the operator may publish on it."""

    namespace: str
    agent_uid: str
    task_uid: str
    attempt: int

    @property
    def attempt_id(self) -> str:
        """Id of the attempt: ``<taskUID>.<attempt>``."""
        return f"{self.task_uid}.{self.attempt}"

    def __str__(self) -> str:
        return f"agent.request.{self.namespace}.{self.agent_uid}.{self.attempt_id}"


def parse_request_subject(subject: str) -> RequestSubject:
    """Parse the subject of a request.

    Raises:
        ValueError: The text is not the subject of a request.
    """
    tokens = subject.split(".")
    if len(tokens) != _REQUEST_TOKENS or tokens[:2] != ["agent", "request"] or not all(tokens):
        raise ValueError(f"{subject!r} is not agent.request.<namespace>.<agentUID>.<taskUID>.<attempt>")
    if not (tokens[5].isascii() and tokens[5].isdigit() and int(tokens[5]) >= 1):
        raise ValueError(f"{subject!r}: the attempt counts from 1, found {tokens[5]!r}")
    if any(wild in token for token in tokens for wild in ("*", ">", " ")):
        raise ValueError(f"{subject!r} holds a wildcard")
    return RequestSubject(tokens[2], tokens[3], tokens[4], int(tokens[5]))


def control_subject(namespace: str, agent_uid: str) -> str:
    """Return the subject of the control messages for the agent's executors."""
    return f"agent.control.{namespace}.{agent_uid}"


def result_bucket(agent_uid: str) -> str:
    """Return the object bucket of the agent's large results."""
    return f"results-{agent_uid}"
