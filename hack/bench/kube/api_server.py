"""Access to the API server of a kubeconfig."""

import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

LINE_BYTES = 1 << 22
"""Largest object in a watch."""


@dataclass(frozen=True)
class ApiServer:
    """Address and credentials of an API server."""

    url: str
    tls: ssl.SSLContext
    headers: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Yield an HTTP session without a limit of connections."""
        connector = aiohttp.TCPConnector(ssl=self.tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            self.url, connector=connector, timeout=timeout, read_bufsize=LINE_BYTES, headers=self.headers
        ) as session:
            yield session


def api_server_of(kubeconfig: Path) -> ApiServer:
    """Return the API server of a kubeconfig's current context.

    Raises:
        ValueError: The context has no client certificate and no token: other ways to log in are not supported.
    """
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    context = _named(content["contexts"], content["current-context"])["context"]
    cluster = _named(content["clusters"], context["cluster"])["cluster"]
    user = _named(content["users"], context["user"])["user"]
    authority = _content(cluster, "certificate-authority", kubeconfig)
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate = _content(user, "client-certificate", kubeconfig)
    key = _content(user, "client-key", kubeconfig)
    if certificate and key:
        _load_certificate(tls, certificate, key)
    elif "token" not in user:
        raise ValueError(f"{kubeconfig}: user {context['user']} has neither a client certificate nor a token")
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return ApiServer(cluster["server"], tls, headers)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: dict[str, Any], name: str, kubeconfig: Path) -> bytes | None:
    """Return a certificate or key that stands in the kubeconfig or in a file that it names."""
    if encoded := entry.get(f"{name}-data"):
        return base64.b64decode(encoded)
    return (kubeconfig.parent / entry[name]).read_bytes() if name in entry else None


def _load_certificate(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:  # readable by its owner only
        pair = Path(folder) / "client.pem"
        pair.write_bytes(certificate + b"\n" + key)
        tls.load_cert_chain(str(pair))
