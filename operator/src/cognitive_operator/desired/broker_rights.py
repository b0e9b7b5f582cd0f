"""What the broker lets an agent's executors do: the table of rights in the wire's documentation."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import CLAIM_BUCKET, LEASE_BUCKET, REQUEST_STREAM, control_subject, results_bucket

OFFERED: Final = (
    f"$JS.API.CONSUMER.MSG.NEXT.{REQUEST_STREAM}.*",
    f"$JS.ACK.{REQUEST_STREAM}.*.*.*.*.*.*",
    "$JS.API.DIRECT.GET.>",
    f"$KV.{CLAIM_BUCKET}.>",
    f"$KV.{LEASE_BUCKET}.>",
    "agent.response.completed.>",
    "agent.response.failed.>",
    "$O.>",
)
"""Subjects that the operator's account offers to accounts of agents, of which each takes its own part."""
TOLD: Final = "agent.control.>"
"""What the operator tells agents."""


@dataclass(frozen=True)
class BrokerRights:
    """Subjects, perhaps with wildcards; what is not named is refused."""

    publish: tuple[str, ...]
    inbox: str
    """Where answers arrive."""
    control: str
    """Where the operator is heard."""

    @property
    def subscribe(self) -> tuple[str, ...]:
        """All that may be listened to."""
        return (self.inbox, self.control)


def broker_rights(namespace: str, agent_uid: str) -> BrokerRights:
    """Return the rights of one agent; every one of them names it.

    An acknowledgement has exactly five tokens behind the consumer: with more, the server may take it for another form,
    which names its consumer further behind.
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
