"""Credentials files of NATS users: a signed JWT and the user's seed."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cognitive_operator.adapters.nats.key_pair import ANY, USER, KeyPair

_USER_JWT: Final = re.compile(r"-BEGIN NATS USER JWT-+\s+[\w-]+\.([\w-]+)\.[\w-]+\s")


def new_credentials(account: KeyPair, name: str, rights: Mapping[str, Any], **times: int) -> str:
    """Return the credentials file of a new user of an account; ``times`` as of ``KeyPair.sign``."""
    user = KeyPair.new(USER)
    claims = {"type": "user", "subs": ANY, "data": ANY, "payload": ANY, **rights}
    return (
        f"-----BEGIN NATS USER JWT-----\n{account.sign(user.public, name, claims, **times)}\n"
        f"------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def read_claims(credentials: str) -> Mapping[str, Any]:
    """Return the claims of the JWT in a credentials file, unverified; an empty mapping if it is malformed."""
    found = _USER_JWT.search(credentials)
    try:
        claims = json.loads(base64.urlsafe_b64decode(found[1] + "==")) if found else {}
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
