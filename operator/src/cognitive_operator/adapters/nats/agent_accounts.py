"""Accounts of agents on a nats-server in operator mode (port ``AgentAccounts``)."""

import json
from pathlib import Path
from typing import Final

from cognitive_operator.adapters.nats.accounts import SYSTEM_CREDENTIALS, BrokerKeys
from cognitive_operator.adapters.nats.connection import NatsConnection, NatsSettings
from cognitive_operator.desired.broker_rights import BrokerRights, broker_rights
from cognitive_operator.errors import BrokerUnavailableError

LIFE_S: Final = 7 * 24 * 3600
"""How long credentials are good: executors reconnect so long after the operator's end."""
RENEWED_AFTER: Final = 1 / 7
"""The part of their life after which credentials are replaced."""


class NatsAgentAccounts:
    """One account for each agent, which reaches its own subjects in the operator's account and nothing else."""

    def __init__(self, url: str, folder: Path, life_s: int = LIFE_S) -> None:
        self._keys = BrokerKeys.read(folder)
        settings = NatsSettings(url, str(folder / SYSTEM_CREDENTIALS))
        self._connection = NatsConnection(settings, lambda: None)
        self._life_s = life_s

    def start(self) -> None:
        """Begin to connect and return at once."""
        self._connection.start()

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def admit(self, namespace: str, agent_uid: str) -> None:
        """Have the broker know an agent's account; one that it knows stays as it is."""
        await self._tell("UPDATE", self._keys.account_jwt(agent_uid, broker_rights(namespace, agent_uid)))

    async def expel(self, agent_uid: str) -> None:
        """Have the broker forget an agent's account and end its connections; an unknown one is no error."""
        await self._tell("DELETE", self._keys.deletion_jwt(agent_uid))

    def new_credentials(self, namespace: str, agent_uid: str, now_s: float) -> str:
        """Return a new credentials file for an agent's executors."""
        rights, begins_s = broker_rights(namespace, agent_uid), int(now_s)
        return self._keys.credentials(agent_uid, rights, begins_s, begins_s + self._life_s)

    def are_fresh(self, namespace: str, agent_uid: str, credentials: str, now_s: float) -> bool:
        """Tell whether credentials are the agent's and not due to be replaced."""
        rights: BrokerRights = broker_rights(namespace, agent_uid)
        life = self._keys.life_of(agent_uid, rights, credentials)
        return life is not None and now_s - life[0] < RENEWED_AFTER * (life[1] - life[0])

    async def _tell(self, what: str, jwt: str) -> None:
        answer = (await self._connection.request(f"$SYS.REQ.CLAIMS.{what}", jwt.encode())).data
        try:
            said = json.loads(answer)
        except ValueError:
            said = None
        if not isinstance(said, dict) or "error" in said or "data" not in said:
            shown = answer[:300].decode(errors="replace")
            raise BrokerUnavailableError(f"the broker refuses to {what.lower()} an agent's account: {shown}")
