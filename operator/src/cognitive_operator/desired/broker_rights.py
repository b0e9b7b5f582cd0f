"""What the broker lets an agent's executors do: the table of rights in the wire's documentation."""

from dataclasses import dataclass

from cognitive_operator.api.names import control_subject, results_bucket


@dataclass(frozen=True)
class BrokerRights:
    """Subjects, perhaps with wildcards; what is not named is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def agent_rights(namespace: str, agent_uid: str) -> BrokerRights:
    """Return the rights of one agent; every one of them names it."""
    bucket = results_bucket(agent_uid)
    publish = (
        f"$JS.API.CONSUMER.MSG.NEXT.AGENT_REQUESTS.{agent_uid}",
        f"$JS.ACK.AGENT_REQUESTS.{agent_uid}.>",
        f"$JS.API.DIRECT.GET.AGENT_REQUESTS.agent.request.{namespace}.{agent_uid}.>",
        f"$KV.claims.{agent_uid}.>",
        f"$JS.API.DIRECT.GET.KV_claims.$KV.claims.{agent_uid}.>",
        f"$KV.lease.{agent_uid}.>",
        f"agent.response.completed.{namespace}.{agent_uid}.>",
        f"agent.response.failed.{namespace}.{agent_uid}.>",
        f"$O.{bucket}.>",
        f"$JS.API.STREAM.MSG.GET.OBJ_{bucket}",
        f"$JS.API.STREAM.PURGE.OBJ_{bucket}",
        f"$JS.API.DIRECT.GET.OBJ_{bucket}",
        f"$JS.API.DIRECT.GET.OBJ_{bucket}.>",
    )
    return BrokerRights(publish, (f"_INBOX.{agent_uid}.>", control_subject(namespace, agent_uid)))
