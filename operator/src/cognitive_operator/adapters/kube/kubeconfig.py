"""Contexts, clusters and users of kubeconfig files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cognitive_operator.errors import PermanentError


class KubeConfigError(PermanentError):
    """The kubeconfig cannot be used; the message names the file and the field."""


@dataclass(frozen=True)
class Kubeconfig:
    """Several kubeconfig files as one: the first file that defines an entry wins."""

    paths: list[Path]
    current: str | None
    sections: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def named(self, section: str, name: str | None, key: str) -> Mapping[str, Any]:
        """Return one entry of a section, with absolute paths.

        Raises:
            KubeConfigError: The section has no entry of that name.
        """
        if name is None or name not in self.sections[section]:
            raise KubeConfigError(f"{os.pathsep.join(map(str, self.paths))}: no {key} {name!r} in {section}")
        return self.sections[section][name]


def read_kubeconfig(paths: list[Path]) -> Kubeconfig:
    """Read and merge files.

    Raises:
        KubeConfigError: A file cannot be read or parsed.
    """
    current: str | None = None
    sections: dict[str, dict[str, Mapping[str, Any]]] = {"contexts": {}, "clusters": {}, "users": {}}
    for path in paths:
        config = _load(path)
        current = current or config.get("current-context")
        for section, entries in sections.items():
            for entry in config.get(section) or []:
                entries.setdefault(entry["name"], _absolute(entry.get(section[:-1]) or {}, path.parent))
    return Kubeconfig(paths, current, sections)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise KubeConfigError(f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise KubeConfigError(f"{path}: not a kubeconfig")
    return config


def _absolute(entry: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    paths = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return {key: str(folder / value) if key in paths else value for key, value in entry.items()}
