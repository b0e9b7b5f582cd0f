"""Keys of a broker in operator mode, and the credentials of its one user.

Source: NATS ADR-14 (JWT claims, version 2) and the server's documentation of ``resolver: MEMORY``.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import nkeys

SERVER_CONFIG: Final = "auth.conf"
OPERATOR_CREDENTIALS: Final = "operator.creds"
ACCOUNT_KEY: Final = "account.nk"
ROOT_KEY: Final = "root.nk"
_ANY: Final = -1
_BASIC: Final = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _ANY)
_JETSTREAM: Final = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _ANY)


class _Identity:
    """A key pair of NATS."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed.decode("ascii")
        self._pair = nkeys.from_seed(bytearray(seed))
        self.public = self._pair.public_key.decode("ascii")

    @classmethod
    def new(cls, prefix: int) -> "_Identity":
        return cls(nkeys.encode_seed(secrets.token_bytes(32), prefix))

    def sign(self, about: "_Identity", name: str, claims: Mapping[str, Any]) -> str:
        """Return a JWT about an identity."""
        content: dict[str, Any] = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": about.public}
        content["nats"] = {**claims, "version": 2}
        digest = hashlib.sha256(json.dumps(content).encode()).digest()
        content["jti"] = base64.b32encode(digest).decode().rstrip("=")
        unsigned = f"{_text({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_text(content)}"
        return f"{unsigned}.{_base64(self._pair.sign(unsigned.encode()))}"


def new_broker_keys() -> dict[str, str]:
    """Make the keys of a broker: files by name.

    The server's part of the configuration, the credentials of the operator (which may do anything in the account), the
    account's key that signs users, and the key above it that signs accounts.
    """
    root, account, system = (
        _Identity.new(prefix)
        for prefix in (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_ACCOUNT)
    )
    accounts = {
        account: root.sign(account, "cognitive", _account({**_BASIC, **_JETSTREAM})),
        system: root.sign(system, "system", _account(_BASIC)),
    }
    preload = "".join(f"  {identity.public}: {jwt}\n" for identity, jwt in accounts.items())
    return {
        SERVER_CONFIG: f"operator: {root.sign(root, 'cognitive-operator', {'type': 'operator'})}\n"
        f"system_account: {system.public}\nresolver: MEMORY\nresolver_preload: {{\n{preload}}}\n",
        OPERATOR_CREDENTIALS: _credentials(account, "cognitive-operator"),
        ACCOUNT_KEY: f"{account.seed}\n",
        ROOT_KEY: f"{root.seed}\n",
    }


def _credentials(account: _Identity, name: str) -> str:
    user = _Identity.new(nkeys.PREFIX_BYTE_USER)
    jwt = account.sign(user, name, {"type": "user", "subs": _ANY, "data": _ANY, "payload": _ANY})
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def _account(limits: Mapping[str, int]) -> dict[str, Any]:
    return {"type": "account", "limits": {**limits, "wildcards": True}}


def _text(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
