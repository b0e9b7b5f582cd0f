"""A real nats-server in operator mode, with keys of its own, which knows agents apart by accounts."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from cognitive_operator.adapters.nats.agent_accounts import LIFETIME_S, NatsAgentAccounts
from cognitive_operator.adapters.nats.broker_keys import OPERATOR_CREDENTIALS, SERVER_CONFIG, new_broker_keys
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.errors import BrokerUnavailableError
from support.eventually import LIMIT_S, eventually_async
from support.servers.nats_accounts import full_resolver, serve
from support.servers.wire_broker import WireBroker


@dataclass(frozen=True)
class GuardedBroker:
    """The server, and the operator's hold on it."""

    url: str
    folder: Path
    """Directory of the server's keys, credentials and accounts."""
    accounts: NatsAgentAccounts

    @property
    def operator_settings(self) -> NatsSettings:
        """Settings of the operator's connection."""
        return NatsSettings(self.url, str(self.folder / OPERATOR_CREDENTIALS))

    async def admin(self) -> WireBroker:
        """Connect as the operator."""
        credentials = str(self.folder / OPERATOR_CREDENTIALS)
        return WireBroker(await nats.connect(self.url, user_credentials=credentials, allow_reconnect=False))

    async def admit(self, agent_uid: str, namespace: str = "default") -> None:
        """Create an agent's account as soon as the server accepts accounts."""

        async def done() -> bool:
            try:
                await self.accounts.ensure(namespace, agent_uid)
            except BrokerUnavailableError:
                return False
            return True

        await eventually_async(done)

    def write_credentials(self, path: Path, agent_uid: str, life_s: int = LIFETIME_S) -> Path:
        """Write a credentials file of an agent, in place of the one that is there."""
        minted = NatsAgentAccounts(self.url, self.folder, life_s)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(minted.new_credentials("default", agent_uid, time.time()), encoding="ascii")
        return fresh.replace(path)

    async def agent_client(self, agent_uid: str, **options: Any) -> Client:
        """Connect as an agent's executor."""
        credentials = self.write_credentials(self.folder / f"{agent_uid}.creds", agent_uid)
        chosen = {"inbox_prefix": f"_INBOX.{agent_uid}", "allow_reconnect": False, "error_cb": _ignore, **options}
        client = Client()
        try:
            await client.connect(self.url, user_credentials=str(credentials), **chosen)
        except BaseException:
            await client.close()
            raise
        return client


@asynccontextmanager
async def guarded_broker(folder: Path) -> AsyncIterator[GuardedBroker]:
    """Run a server with new keys."""
    keys = _write_keys(folder)
    with serve(folder / "nats", keys[SERVER_CONFIG] + full_resolver(folder / "accounts")) as url:
        accounts = NatsAgentAccounts(url, folder)
        accounts.start()
        try:
            yield GuardedBroker(url, folder, accounts)
        finally:
            await accounts.close()


def _write_keys(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    keys = new_broker_keys()
    for name, content in keys.items():
        (folder / name).write_text(content, encoding="ascii")
    return keys


async def pull(client: Client, agent_uid: str, timeout_s: float = LIMIT_S) -> Msg:
    """Ask for one request of an agent and return what comes: also a refusal, as a status."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    question = b'{"batch": 1, "expires": 1000000000}'
    await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.AGENT_REQUESTS.{agent_uid}", question, reply=inbox)
    return await subscription.next_msg(timeout_s)


async def _ignore(_: Exception) -> None:
    """Refusals are what the tests make on purpose."""
