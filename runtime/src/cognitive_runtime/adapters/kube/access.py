"""Address of a Kubernetes API, and the server's own identity there."""

import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cognitive_runtime.adapters.kube.kubeconfig import InvalidKubeconfig, Kubeconfig, content_of

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Folder of a pod's token. Source: Kubernetes."""
_PLUGINS: Final = ("exec", "auth-provider")


@dataclass(frozen=True)
class ApiAddress:
    """Address of an API server, with TLS settings that carry no client certificate.

    The API server takes a client certificate before a bearer token. On a connection with one, the token of a caller
    would have no effect.
    """

    server: str
    tls: ssl.SSLContext
    server_hostname: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class OwnIdentity:
    """Identity of the server itself. It creates no task for a caller, unless the server is started for local use."""

    tls: ssl.SSLContext
    token: Callable[[], str | None]
    """Return the present token: mounted tokens are rotated. None: the client certificate of ``tls`` is the identity."""


@dataclass(frozen=True)
class ClusterAccess:
    """Access to one cluster."""

    address: ApiAddress
    own: OwnIdentity | None
    """None: the kubeconfig has no user that can be used without a plugin."""
    namespace: str
    """Namespace of the context or of the pod."""


def access_by_kubeconfig(config: Kubeconfig) -> ClusterAccess:
    """Return the access of a kubeconfig's current context.

    Raises:
        InvalidKubeconfig: A certificate cannot be used.
    """
    cluster = config.cluster
    address = ApiAddress(
        server=cluster["server"].rstrip("/"),
        tls=_tls(cluster),
        server_hostname=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )
    return ClusterAccess(address, _own_identity(cluster, config.user), config.namespace or "default")


def access_in_cluster(environ: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> ClusterAccess:
    """Return the access of a pod by its service account.

    Raises:
        InvalidKubeconfig: This process does not run in a pod with a service account.
    """
    if not (account / "token").exists():
        raise InvalidKubeconfig(f"--in-cluster: {account / 'token'} does not exist; give --kubeconfig outside a pod")
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if host and ":" in host else host or "kubernetes.default.svc"
    tls = _tls({"certificate-authority": str(account / "ca.crt")})
    namespace = (account / "namespace").read_text(encoding="utf-8").strip()
    return ClusterAccess(
        ApiAddress(f"https://{shown}:{port}", tls), OwnIdentity(tls, _file(account / "token")), namespace
    )


def _own_identity(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> OwnIdentity | None:
    if any(each in user for each in _PLUGINS):
        return None
    if user.get("tokenFile"):
        return OwnIdentity(_tls(cluster), _file(Path(user["tokenFile"])))
    if user.get("token"):
        return OwnIdentity(_tls(cluster), lambda: str(user["token"]))
    certificate, key = content_of(user, "client-certificate"), content_of(user, "client-key")
    if certificate and key:
        return OwnIdentity(_tls(cluster, certificate + b"\n" + key), lambda: None)
    return None


def _tls(cluster: Mapping[str, Any], client: bytes | None = None) -> ssl.SSLContext:
    authority = content_of(cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # authorities of many clusters lack extensions that it requires
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client:
            with tempfile.NamedTemporaryFile() as file:  # the ssl module takes certificates from files only
                file.write(client)
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise InvalidKubeconfig(f"a certificate of the kubeconfig cannot be used: {type(error).__name__}") from None
    return context


def _file(path: Path) -> Callable[[], str]:
    return lambda: path.read_text(encoding="ascii").strip()
