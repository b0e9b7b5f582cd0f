"""Cluster, namespace and user of a kubeconfig's current context."""

import base64
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_FILES: Final = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""Fields with a path, which is relative to the kubeconfig's folder."""


class InvalidKubeconfig(ValueError):
    """The kubeconfig cannot be used. The message names the file and the field."""


@dataclass(frozen=True)
class Kubeconfig:
    """Entries of the current context, with absolute paths."""

    path: Path
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str | None


def read_kubeconfig(path: Path) -> Kubeconfig:
    """Read a file.

    Raises:
        InvalidKubeconfig: The file cannot be read or parsed, or the current context or its cluster is absent.
    """
    content = _load(path)
    try:
        context = _named(content, "context", content.get("current-context"), path)
        cluster = _named(content, "cluster", context.get("cluster"), path)
        user = _named(content, "user", context.get("user"), path) if context.get("user") else {}
    except (TypeError, KeyError, AttributeError):
        raise InvalidKubeconfig(f"{path}: the entries of contexts, clusters and users are malformed") from None
    if not isinstance(cluster.get("server"), str):
        raise InvalidKubeconfig(f"{path}: cluster {context.get('cluster')!r} has no server")
    return Kubeconfig(path, cluster, user, context.get("namespace"))


def content_of(entry: Mapping[str, Any], name: str) -> bytes | None:
    """Return the content of ``NAME-data`` (base64) or of the file ``NAME``; None if neither is set.

    Raises:
        InvalidKubeconfig: The content is not base64, or the file cannot be read.
    """
    try:
        if entry.get(f"{name}-data"):
            return base64.b64decode(entry[f"{name}-data"], validate=True)
        return Path(entry[name]).read_bytes() if entry.get(name) else None
    except (Base64Error, ValueError, TypeError):
        raise InvalidKubeconfig(f"{name}-data of the kubeconfig is not base64") from None
    except OSError as error:
        raise InvalidKubeconfig(f"{name}: {entry[name]} cannot be read: {type(error).__name__}") from None


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidKubeconfig(f"{path} cannot be read: {type(error).__name__}") from None
    except yaml.YAMLError:
        raise InvalidKubeconfig(f"{path} is not YAML") from None  # the parser's message quotes the line
    if not isinstance(content, dict):
        raise InvalidKubeconfig(f"{path} is not a kubeconfig: expected a YAML object with contexts and clusters")
    return content


def _named(content: Mapping[str, Any], kind: str, name: Any, path: Path) -> Mapping[str, Any]:
    for entry in content.get(f"{kind}s") or ():
        if name is not None and entry["name"] == name:
            found = entry.get(kind) or {}
            return {key: str(path.parent / value) if key in _FILES else value for key, value in found.items()}
    wanted = "current-context is not set" if name is None else f"there is no {kind} {name!r}"
    raise InvalidKubeconfig(f"{path}: {wanted}")
