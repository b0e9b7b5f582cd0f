"""The Secret with the NATS credentials of an agent's executors."""

import base64
import binascii
from typing import Final

from cognitive_operator.api.children import SECRET
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.child import child_manifest
from cognitive_operator.ports.kube import Body

SUFFIX: Final = "nats"
KEY: Final = "nats.creds"
"""Key of the Secret, and name of the file that executors read."""


def desired_broker_secret(agent: Agent, credentials: str) -> Body:
    """Build the Secret of an agent."""
    data = {KEY: base64.b64encode(credentials.encode()).decode()}
    return child_manifest(agent, SECRET, SUFFIX, {"type": "Opaque", "data": data})


def credentials_in(secret: Body) -> str:
    """Return the credentials in a Secret, empty if they are missing or unreadable."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(KEY) or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
