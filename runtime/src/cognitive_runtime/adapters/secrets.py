"""The agent's secrets: files that the cluster's owner has mounted."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cognitive_runtime.domain import CredentialsNotMounted, InvalidRequest

SECRET_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_CREDENTIALS: Final = "nats.creds"


@dataclass(frozen=True)
class SecretFiles:
    """``<root>/<agentUID>/``. Nothing is cached: a rotated secret counts with the next attempt."""

    root: Path
    agent_uid: str

    @property
    def folder(self) -> Path:
        """Where the agent's files are."""
        return self.root / self.agent_uid

    @property
    def broker_credentials(self) -> Path:
        """Where credentials for the broker are, if the agent has some."""
        return self.folder / _CREDENTIALS

    def read(self, name: str) -> str:
        """Return a secret without surrounding white space.

        Raises:
            InvalidRequest: The name is no plain file name.
            CredentialsNotMounted: The file is absent, unreadable or empty; it may come.
        """
        if not is_secret_name(name):
            raise InvalidRequest("agent.llm.api_key_file must be a plain file name of [A-Za-z0-9._-].")
        try:
            found = (self.folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsNotMounted(f"{self.folder / name} cannot be read: {type(error).__name__}.") from None
        if not found:
            raise CredentialsNotMounted(f"{self.folder / name} is empty.")
        return found

    def missing(self, names: Collection[str]) -> list[str]:
        """Return which of the files are absent, unreadable or empty."""
        return sorted(name for name in names if not self._is_mounted(name))

    def _is_mounted(self, name: str) -> bool:
        try:
            self.read(name)
        except (InvalidRequest, CredentialsNotMounted):
            return False
        return True


def is_secret_name(name: str) -> bool:
    """Tell whether a name is a plain file name: it cannot leave the agent's folder."""
    return SECRET_NAME.fullmatch(name) is not None and name not in (".", "..")
