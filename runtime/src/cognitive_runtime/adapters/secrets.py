"""Secret files of an agent, which the operator or the owner of the cluster mounts."""

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
    """Files ``<root>/<agentUID>/<name>``, or ``<root>/<agentUID>.<name>`` where the first is absent.

    The second form is a key of the Secret that all agents of a Ray cluster share. Nothing is cached: a rotated secret
    is used by the next attempt.
    """

    root: Path
    agent_uid: str

    @property
    def folder(self) -> Path:
        """The agent's own folder."""
        return self.root / self.agent_uid

    @property
    def broker_credentials(self) -> tuple[Path, Path]:
        """Paths of the credentials file for the broker, in the order in which they are tried. Both may be absent."""
        return self.folder / _CREDENTIALS, self._shared(_CREDENTIALS)

    def path(self, name: str) -> Path:
        """Return the path of a secret file: the shared one if only that exists, otherwise the one in the folder."""
        own, shared = self.folder / name, self._shared(name)
        return shared if shared.is_file() and not own.is_file() else own

    def files(self) -> dict[str, Path]:
        """Return the path of each of the agent's files by its name."""
        prefix = f"{self.agent_uid}."
        shared = {path.name.removeprefix(prefix): path for path in _files(self.root) if path.name.startswith(prefix)}
        return shared | {path.name: path for path in _files(self.folder)}

    def read(self, name: str) -> str:
        """Return the content of a secret file without surrounding white space.

        Raises:
            InvalidRequest: The name is not a plain file name.
            CredentialsNotMounted: The file is absent, unreadable or empty. Retry later.
        """
        if not is_secret_name(name):
            raise InvalidRequest("agent.llm.api_key_file must be a plain file name of [A-Za-z0-9._-].")
        path = self.path(name)
        try:
            found = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsNotMounted(f"{path} cannot be read: {type(error).__name__}.") from None
        if not found:
            raise CredentialsNotMounted(f"{path} is empty.")
        return found

    def missing(self, names: Collection[str]) -> list[str]:
        """Return the names of the files that are absent, unreadable or empty."""
        return sorted(name for name in names if not self._is_mounted(name))

    def _shared(self, name: str) -> Path:
        return self.root / f"{self.agent_uid}.{name}"

    def _is_mounted(self, name: str) -> bool:
        try:
            self.read(name)
        except (InvalidRequest, CredentialsNotMounted):
            return False
        return True


def is_secret_name(name: str) -> bool:
    """Return True for a plain file name, which cannot leave the agent's folder."""
    return SECRET_NAME.fullmatch(name) is not None and name not in (".", "..")


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith("..")]
    except OSError:
        return []
