"""Key pairs of NATS and what they sign.

Source: NATS ADR-14 (JWT claims, version 2).
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, Self

import nkeys

from cognitive_operator.errors import PermanentError

ROOT: Final = nkeys.PREFIX_BYTE_OPERATOR
ACCOUNT: Final = nkeys.PREFIX_BYTE_ACCOUNT
USER: Final = nkeys.PREFIX_BYTE_USER
ANY: Final = -1
_KINDS: Final = {ROOT: "SO", ACCOUNT: "SA", USER: "SU"}
_USER_JWT: Final = re.compile(r"-BEGIN NATS USER JWT-+\s+[\w-]+\.([\w-]+)\.[\w-]+\s")


class KeyFileError(PermanentError):
    """A file holds no key of the kind that is needed."""


class Identity:
    """A key pair of NATS."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed.decode("ascii")
        self._pair = nkeys.from_seed(bytearray(seed))
        self.public = self._pair.public_key.decode("ascii")

    @classmethod
    def new(cls, prefix: int) -> Self:
        """Make a key pair by chance."""
        return cls(nkeys.encode_seed(secrets.token_bytes(32), prefix))

    @classmethod
    def read(cls, text: str, prefix: int, where: str) -> Self:
        """Return the key pair of a seed.

        Raises:
            KeyFileError: It is no seed of this kind; the message says where it was, and nothing of it.
        """
        try:
            if not text.strip().startswith(_KINDS[prefix]):
                raise ValueError
            return cls(text.strip().encode("ascii"))
        except (nkeys.NkeysError, ValueError):
            raise KeyFileError(
                f"{where}: expected the seed of a NATS key, which begins with {_KINDS[prefix]}"
            ) from None

    def derive(self, prefix: int, about: str) -> Self:
        """Return the key pair that belongs to a name: always the same, and guessed by nobody without this one."""
        return type(self)(nkeys.encode_seed(hmac.digest(self.seed.encode(), about.encode(), hashlib.sha256), prefix))

    def sign(self, public: str, name: str, claims: Mapping[str, Any], **times: int) -> str:
        """Return a JWT about whoever has a public key; ``times`` are ``iat`` and ``exp`` in seconds since 1970.

        Equal content gives an equal JWT.
        """
        content: dict[str, Any] = {**times, "iss": self.public, "name": name, "sub": public}
        content["nats"] = {**claims, "version": 2}
        digest = hashlib.sha256(json.dumps(content).encode()).digest()
        content["jti"] = base64.b32encode(digest).decode().rstrip("=")
        unsigned = f"{_text({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_text(content)}"
        return f"{unsigned}.{_base64(self._pair.sign(unsigned.encode()))}"


def new_credentials(account: Identity, name: str, rights: Mapping[str, Any], **times: int) -> str:
    """Return the credentials file of a new user of an account; ``times`` as of ``Identity.sign``."""
    user = Identity.new(USER)
    claims = {"type": "user", "subs": ANY, "data": ANY, "payload": ANY, **rights}
    return (
        f"-----BEGIN NATS USER JWT-----\n{account.sign(user.public, name, claims, **times)}\n"
        f"------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def read_claims(credentials: str) -> Mapping[str, Any]:
    """Return what the JWT in a credentials file says, unverified; nothing if it cannot be read."""
    found = _USER_JWT.search(credentials)
    try:
        claims = json.loads(base64.urlsafe_b64decode(found[1] + "==")) if found else {}
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _text(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
