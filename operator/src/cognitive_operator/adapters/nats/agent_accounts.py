"""Accounts of agents on a nats-server in operator mode (port ``AgentAccounts``)."""

import json
from pathlib import Path
from typing import Final

from cognitive_operator.adapters.nats.broker_keys import SYSTEM_CREDENTIALS, BrokerKeys
from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.desired.broker_rights import BrokerRights, broker_rights
from cognitive_operator.errors import BrokerUnavailableError

LIFETIME_S: Final = 7 * 24 * 3600
"""Lifetime of credentials: executors can reconnect for this long without the operator."""
RENEWED_AFTER: Final = 1 / 7
"""Fraction of their lifetime after which credentials are replaced."""


class NatsAgentAccounts:
    """Ensures and deletes one account for each agent, limited to the agent's own subjects in the operator's account."""

    def __init__(self, url: str, folder: Path, lifetime_s: int = LIFETIME_S) -> None:
        self._keys = BrokerKeys.read(folder)
        settings = NatsSettings(url, str(folder / SYSTEM_CREDENTIALS))
        self._connection = NatsConnection(settings, lambda: None)
        self._lifetime_s = lifetime_s

    def start(self) -> None:
        """Begin to connect and return at once."""
        self._connection.start()

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        """Create an agent's account on the broker; an existing one is left unchanged."""
        await self._send("UPDATE", self._keys.account_jwt(agent_uid, broker_rights(namespace, agent_uid)))

    async def delete(self, agent_uid: str) -> None:
        """Delete an agent's account from the broker and end its connections; an unknown one is not an error."""
        await self._send("DELETE", self._keys.deletion_jwt(agent_uid))

    def new_credentials(self, namespace: str, agent_uid: str, now_s: float) -> str:
        """Return a new credentials file for an agent's executors."""
        rights, begins_s = broker_rights(namespace, agent_uid), int(now_s)
        return self._keys.credentials(agent_uid, rights, begins_s, begins_s + self._lifetime_s)

    def are_fresh(self, namespace: str, agent_uid: str, credentials: str, now_s: float) -> bool:
        """Return True if credentials belong to the agent and need not be replaced yet."""
        rights: BrokerRights = broker_rights(namespace, agent_uid)
        lifetime = self._keys.lifetime_of(agent_uid, rights, credentials)
        if lifetime is None:
            return False
        begins_s, ends_s = lifetime
        return now_s - begins_s < RENEWED_AFTER * (ends_s - begins_s)

    async def _send(self, action: str, jwt: str) -> None:
        reply = (await self._connection.request(f"$SYS.REQ.CLAIMS.{action}", jwt.encode())).data
        try:
            answer = json.loads(reply)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "error" in answer or "data" not in answer:
            text = reply[:300].decode(errors="replace")
            raise BrokerUnavailableError(f"the broker refuses to {action.lower()} an agent's account: {text}")
