"""Where the Kubernetes API is and how to be let in: the pod's service account, else the kubeconfig."""

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cognitive_operator.errors import PermanentError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_KEPT_S: Final = 60.0
"""A mounted token is replaced well before it expires; reading it once a minute is enough."""


class KubeConfigError(PermanentError):
    """The kubeconfig cannot be used; the message names the file and the field."""


@dataclass(frozen=True)
class KubeAccess:
    """What a client needs to talk to the API server."""

    server: str
    tls: ssl.SSLContext
    authorization: Callable[[], str | None]
    """Returns the Authorization header as it is now: mounted tokens are rotated."""
    server_hostname: str | None = None
    proxy: str | None = None


def is_in_cluster(account: Path = SERVICE_ACCOUNT) -> bool:
    """Tell whether this process is a pod's, with a service account of its cluster."""
    return (account / "token").exists()


def find_access(environ: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> KubeAccess:
    """Return the access of this process.

    Raises:
        KubeConfigError: There is neither a service account nor a usable kubeconfig.
    """
    if is_in_cluster(account):
        return _in_cluster(environ, account)
    return _from_kubeconfig(environ.get("KUBECONFIG") or "~/.kube/config")


class TokenFile:
    """A bearer token that somebody else keeps fresh in a file."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._header = ""
        self._read_at = -TOKEN_KEPT_S

    def __call__(self) -> str:
        """Return the Authorization header; the last known one while the file cannot be read."""
        now = self._monotonic()
        if now - self._read_at >= TOKEN_KEPT_S:
            try:
                self._header = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
                self._read_at = now
            except OSError:
                if not self._header:
                    raise
        return self._header


def _in_cluster(environ: Mapping[str, str], account: Path) -> KubeAccess:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if host and ":" in host else host
    server = f"https://{shown}:{port}" if host else "https://kubernetes.default.svc"
    return KubeAccess(
        server, _tls({"certificate-authority": str(account / "ca.crt")}, {}), TokenFile(account / "token")
    )


def _from_kubeconfig(paths: str) -> KubeAccess:
    merged = _merge([Path(path).expanduser() for path in paths.split(os.pathsep) if path])
    context = merged.named("contexts", merged.current, "context")
    cluster = merged.named("clusters", context.get("cluster"), "cluster")
    user = merged.named("users", context.get("user"), "user")
    for unsupported in ("exec", "auth-provider"):
        if unsupported in user:
            raise KubeConfigError(f"{paths}: user {context.get('user')}: {unsupported} is not supported; use a token")
    if not cluster.get("server"):
        raise KubeConfigError(f"{paths}: cluster {context.get('cluster')} has no server")
    return KubeAccess(
        server=cluster["server"].rstrip("/"),
        tls=_tls(cluster, user),
        authorization=_authorization(user),
        server_hostname=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


@dataclass(frozen=True)
class _Merged:
    """Several kubeconfig files as one: the first to say something is right."""

    paths: list[Path]
    current: str | None
    sections: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def named(self, section: str, name: str | None, key: str) -> Mapping[str, Any]:
        """Return one entry of a section, paths in it made absolute."""
        if name is None or name not in self.sections[section]:
            raise KubeConfigError(f"{os.pathsep.join(map(str, self.paths))}: no {key} {name!r} in {section}")
        return self.sections[section][name]


def _merge(paths: list[Path]) -> _Merged:
    current: str | None = None
    sections: dict[str, dict[str, Mapping[str, Any]]] = {"contexts": {}, "clusters": {}, "users": {}}
    for path in paths:
        config = _load(path)
        current = current or config.get("current-context")
        for section, entries in sections.items():
            for entry in config.get(section) or []:
                entries.setdefault(entry["name"], _absolute(entry.get(section[:-1]) or {}, path.parent))
    return _Merged(paths, current, sections)


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


def _authorization(user: Mapping[str, Any]) -> Callable[[], str | None]:
    if "tokenFile" in user:
        return TokenFile(Path(user["tokenFile"]))
    header = None
    if "token" in user:
        header = f"Bearer {user['token']}"
    elif "username" in user:
        credentials = f"{user['username']}:{user.get('password', '')}"
        header = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    return lambda: header


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # many clusters' own authorities lack the extensions it wants
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as file:  # the ssl module takes certificates from files only
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _content(entry: Mapping[str, Any], name: str) -> bytes | None:
    """Return what an entry holds as ``NAME-data`` (base64) or in the file ``NAME``."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    return Path(entry[name]).read_bytes() if entry.get(name) else None
