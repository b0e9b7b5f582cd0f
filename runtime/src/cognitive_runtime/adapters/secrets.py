"""Secret files of an agent, which the owner of the cluster mounts."""

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
    """Files in ``<root>/<agentUID>/``. Not cached: a rotated secret is used by the next attempt."""

    root: Path
    agent_uid: str

    @property
    def folder(self) -> Path:
        """Folder of the agent's files."""
        return self.root / self.agent_uid

    @property
    def broker_credentials(self) -> Path:
        """Credentials file for the broker, which may be absent."""
        return self.folder / _CREDENTIALS

    def read(self, name: str) -> str:
        """Return the content of a secret file without surrounding white space.

        Raises:
            InvalidRequest: The name is not a plain file name.
            CredentialsNotMounted: The file is absent, unreadable or empty. Retry later.
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
        """Return the names of the files that are absent, unreadable or empty."""
        return sorted(name for name in names if not self._is_mounted(name))

    def _is_mounted(self, name: str) -> bool:
        try:
            self.read(name)
        except (InvalidRequest, CredentialsNotMounted):
            return False
        return True


def is_secret_name(name: str) -> bool:
    """Return True for a plain file name, which cannot leave the agent's folder."""
    return SECRET_NAME.fullmatch(name) is not None and name not in (".", "..")
