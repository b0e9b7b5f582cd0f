"""Keys of a nats-server in operator mode: the server's trust chain, and the keys that sign accounts and users.

Source: NATS ADR-14, and the server's documentation of ``resolver: {type: full}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cognitive_operator.adapters.nats.credentials import new_credentials, read_claims
from cognitive_operator.adapters.nats.key_pair import ACCOUNT, ANY, ROOT, KeyFileError, KeyPair
from cognitive_operator.desired.broker_rights import CONTROL_EXPORT, SERVICE_EXPORTS, BrokerRights

SERVER_CONFIG: Final = "auth.conf"
OPERATOR_CREDENTIALS: Final = "operator.creds"
SYSTEM_CREDENTIALS: Final = "system.creds"
ACCOUNT_KEY: Final = "account.nk"
ROOT_KEY: Final = "root.nk"
_BASIC: Final = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), ANY)
_JETSTREAM: Final = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), ANY)


def new_broker_keys() -> dict[str, str]:
    """Return new keys of a broker as files, content by name.

    The files are the server's part of the configuration, the credentials of the operator, which may do anything in its
    account, the credentials of the system account, which may change accounts, the key that signs users, and the root
    key, which signs accounts.
    """
    root, account, system = KeyPair.new(ROOT), KeyPair.new(ACCOUNT), KeyPair.new(ACCOUNT)
    main = _account({**_BASIC, **_JETSTREAM}, exports=_exports())
    accounts = {
        account.public: root.sign(account.public, "cognitive", main),
        system.public: root.sign(system.public, "system", _account(_BASIC)),
    }
    preload = "".join(f"  {public}: {jwt}\n" for public, jwt in accounts.items())
    return {
        SERVER_CONFIG: f"operator: {root.sign(root.public, 'cognitive-operator', {'type': 'operator'})}\n"
        f"system_account: {system.public}\nresolver_preload: {{\n{preload}}}\n",
        OPERATOR_CREDENTIALS: new_credentials(account, "cognitive-operator", {}),
        SYSTEM_CREDENTIALS: new_credentials(system, "cognitive-operator", {}),
        ACCOUNT_KEY: f"{account.seed}\n",
        ROOT_KEY: f"{root.seed}\n",
    }


@dataclass(frozen=True)
class BrokerKeys:
    """Keys that sign the accounts of agents. An agent's key is derived from the root key, so that none is stored."""

    root: KeyPair = field(repr=False)
    main: str
    """Public key of the account with the streams."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the files that ``new_broker_keys`` made.

        Raises:
            KeyFileError: A file is absent, or holds no such key.
        """
        root = KeyPair.read(_content(folder / ROOT_KEY), ROOT, str(folder / ROOT_KEY))
        main = KeyPair.read(_content(folder / ACCOUNT_KEY), ACCOUNT, str(folder / ACCOUNT_KEY))
        return cls(root, main.public)

    def account_of(self, agent_uid: str) -> str:
        """Return the public key of an agent's account."""
        return self._account(agent_uid).public

    def account_jwt(self, agent_uid: str, rights: BrokerRights) -> str:
        """Return the JWT that creates an agent's account: it is deterministic, so that it may be sent again."""
        services = [{"type": "service", "subject": s, "account": self.main, "name": s} for s in rights.publish]
        control = {"type": "stream", "subject": rights.control, "account": self.main, "name": rights.control}
        claims = _account(_BASIC, imports=[*services, control])
        return self.root.sign(self.account_of(agent_uid), f"agent {agent_uid}", claims)

    def deletion_jwt(self, agent_uid: str) -> str:
        """Return the JWT that deletes an agent's account."""
        claims = {"type": "generic", "accounts": [self.account_of(agent_uid)]}
        return self.root.sign(self.root.public, "deletion", claims)

    def credentials(self, agent_uid: str, rights: BrokerRights, begins_s: int, ends_s: int) -> str:
        """Return credentials of a new user of an agent's account; the user's rights repeat those of the account."""
        allowed = {"pub": {"allow": list(rights.publish)}, "sub": {"allow": list(rights.subscribe)}}
        return new_credentials(self._account(agent_uid), f"agent {agent_uid}", allowed, iat=begins_s, exp=ends_s)

    def lifetime_of(self, agent_uid: str, rights: BrokerRights, credentials: str) -> tuple[int, int] | None:
        """Return the start and the expiry of credentials, None if their agent, root key or rights are different."""
        claims = read_claims(credentials)
        begins_s, ends_s, allowed = claims.get("iat"), claims.get("exp"), claims.get("nats")
        if claims.get("iss") != self.account_of(agent_uid) or not isinstance(allowed, dict):
            return None
        if not isinstance(begins_s, int) or not isinstance(ends_s, int):
            return None
        granted = (allowed.get("pub", {}).get("allow"), allowed.get("sub", {}).get("allow"))
        return (begins_s, ends_s) if granted == (list(rights.publish), list(rights.subscribe)) else None

    def _account(self, agent_uid: str) -> KeyPair:
        return self.root.derive(ACCOUNT, f"account of agent {agent_uid}")


def _exports() -> list[dict[str, Any]]:
    """Return the exports that agents may import. Each call has one reply: an executor pulls one request at a time."""
    services = [{"name": s, "subject": s, "type": "service", "response_type": "Singleton"} for s in SERVICE_EXPORTS]
    return [*services, {"name": CONTROL_EXPORT, "subject": CONTROL_EXPORT, "type": "stream"}]


def _account(limits: Mapping[str, int], **shared: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "account", "limits": {**limits, "wildcards": True}, **shared}


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read: {type(error).__name__}") from error
