"""Writes kubeconfig files."""

import base64
import os
from pathlib import Path

import yaml

from controlplane.certificates import KeyPair

CONTEXT = "cognitive-local"
PROXIED = "proxied"


def write_kubeconfig(path: Path, server: str, authority: Path, user: KeyPair) -> None:
    """Write a kubeconfig with embedded certificates, readable only by its owner."""
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    credentials = {"client-certificate-data": _encoded(user.certificate), "client-key-data": _encoded(user.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": credentials}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        yaml.safe_dump(content, file, sort_keys=False)


def write_proxied_kubeconfig(path: Path, url: str) -> None:
    """Write a kubeconfig without credentials for the proxy at ``url``, which has its own."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": PROXIED,
        "clusters": [{"name": PROXIED, "cluster": {"server": url}}],
        "users": [{"name": PROXIED, "user": {}}],
        "contexts": [{"name": PROXIED, "context": {"cluster": PROXIED, "user": PROXIED}}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
