"""Key pairs of NATS, which sign JWTs.

Source: NATS ADR-14 (JWT claims, version 2).
"""

import base64
import hashlib
import hmac
import json
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


class KeyFileError(PermanentError):
    """A file holds no key of the expected kind."""


class KeyPair:
    """A key pair of NATS."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed.decode("ascii")
        self._pair = nkeys.from_seed(bytearray(seed))
        self.public = self._pair.public_key.decode("ascii")

    @classmethod
    def new(cls, prefix: int) -> Self:
        """Return a random key pair."""
        return cls(nkeys.encode_seed(secrets.token_bytes(32), prefix))

    @classmethod
    def read(cls, text: str, prefix: int, source: str) -> Self:
        """Return the key pair of a seed; ``source`` names the place of ``text`` in messages.

        Raises:
            KeyFileError: ``text`` is not a seed of this kind; the message contains no part of it.
        """
        try:
            if not text.strip().startswith(_KINDS[prefix]):
                raise ValueError
            return cls(text.strip().encode("ascii"))
        except (nkeys.NkeysError, ValueError):
            raise KeyFileError(
                f"{source}: expected the seed of a NATS key, which begins with {_KINDS[prefix]}"
            ) from None

    def derive(self, prefix: int, name: str) -> Self:
        """Derive a key pair from this one and a name. Deterministic; cannot be computed without this seed."""
        return type(self)(nkeys.encode_seed(hmac.digest(self.seed.encode(), name.encode(), hashlib.sha256), prefix))

    def sign(self, public: str, name: str, claims: Mapping[str, Any], **times: int) -> str:
        """Return a JWT for the subject with a public key; ``times`` are ``iat`` and ``exp`` in seconds since 1970.

        Equal content gives an equal JWT.
        """
        content: dict[str, Any] = {**times, "iss": self.public, "name": name, "sub": public}
        content["nats"] = {**claims, "version": 2}
        digest = hashlib.sha256(json.dumps(content).encode()).digest()
        content["jti"] = base64.b32encode(digest).decode().rstrip("=")
        unsigned = f"{_text({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_text(content)}"
        return f"{unsigned}.{_base64(self._pair.sign(unsigned.encode()))}"


def _text(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
