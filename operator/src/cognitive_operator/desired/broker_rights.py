"""Rights of an agent's executors on the broker, as listed in the wire's documentation."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import CLAIM_BUCKET, LEASE_BUCKET, REQUEST_STREAM, control_subject, results_bucket

SERVICE_EXPORTS: Final = (
    f"$JS.API.CONSUMER.MSG.NEXT.{REQUEST_STREAM}.*",
    f"$JS.ACK.{REQUEST_STREAM}.*.*.*.*.*.*",
    "$JS.API.DIRECT.GET.>",
    f"$KV.{CLAIM_BUCKET}.>",
    f"$KV.{LEASE_BUCKET}.>",
    "agent.response.completed.>",
    "agent.response.failed.>",
    "$O.>",
)
"""Subjects that the operator's account exports; each agent's account imports its own part of them."""
CONTROL_EXPORT: Final = "agent.control.>"
"""Exported subjects of control messages, which the operator sends to executors."""


@dataclass(frozen=True)
class BrokerRights:
    """Allowed subjects, which may contain wildcards; all others are denied."""

    publish: tuple[str, ...]
    inbox: str
    """Subject of answers."""
    control: str
    """Subject of the operator's control messages."""

    @property
    def subscribe(self) -> tuple[str, ...]:
        """All subjects that may be subscribed to."""
        return (self.inbox, self.control)


def broker_rights(namespace: str, agent_uid: str) -> BrokerRights:
    """Return the rights of one agent; each right contains the agent's UID.

    An acknowledgement has exactly five tokens after the consumer. With more tokens the server may parse it as another
    form, in which the consumer is a later token.
    """
    bucket, get = results_bucket(agent_uid), "$JS.API.DIRECT.GET"
    publish = (
        f"$JS.API.CONSUMER.MSG.NEXT.{REQUEST_STREAM}.{agent_uid}",
        f"$JS.ACK.{REQUEST_STREAM}.{agent_uid}.*.*.*.*.*",
        f"{get}.{REQUEST_STREAM}.agent.request.{namespace}.{agent_uid}.>",
        f"$KV.{CLAIM_BUCKET}.{agent_uid}.>",
        f"{get}.KV_{CLAIM_BUCKET}.$KV.{CLAIM_BUCKET}.{agent_uid}.>",
        f"$KV.{LEASE_BUCKET}.{agent_uid}.>",
        f"agent.response.completed.{namespace}.{agent_uid}.>",
        f"agent.response.failed.{namespace}.{agent_uid}.>",
        f"$O.{bucket}.>",
        f"{get}.OBJ_{bucket}",
        f"{get}.OBJ_{bucket}.>",
    )
    return BrokerRights(publish, f"_INBOX.{agent_uid}.>", control_subject(namespace, agent_uid))
