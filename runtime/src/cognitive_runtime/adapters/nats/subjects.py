"""Names on the broker, as ``docs/reference/wire.md`` fixes them."""

from dataclasses import dataclass
from typing import Final

REQUEST_STREAM: Final = "AGENT_REQUESTS"
RESPONSE_STREAM: Final = "AGENT_RESPONSES"
CLAIM_BUCKET: Final = "claims"
LEASE_BUCKET: Final = "lease"
_REQUEST_TOKENS: Final = 6


@dataclass(frozen=True)
class RequestSubject:
    """Which attempt a request asks for, by the subject that only the operator may publish on."""

    namespace: str
    agent_uid: str
    task_uid: str
    attempt: int

    @property
    def attempt_id(self) -> str:
        """``<taskUID>.<attempt>``: names this attempt everywhere."""
        return f"{self.task_uid}.{self.attempt}"

    def __str__(self) -> str:
        return f"agent.request.{self.namespace}.{self.agent_uid}.{self.attempt_id}"


def parse_request_subject(subject: str) -> RequestSubject:
    """Return what a request's subject names.

    Raises:
        ValueError: It is not the subject of a request.
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
    """Return where the operator says stop and drain to the agent's executors."""
    return f"agent.control.{namespace}.{agent_uid}"


def result_bucket(agent_uid: str) -> str:
    """Return the object bucket that keeps the agent's large results."""
    return f"results-{agent_uid}"
