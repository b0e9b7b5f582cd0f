"""Address and credentials of the Kubernetes API, from the pod's service account or else from the kubeconfig."""

import base64
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cognitive_operator.adapters.kube.kubeconfig import KubeConfigError, read_kubeconfig
from cognitive_operator.adapters.kube.tls import tls_context
from cognitive_operator.adapters.kube.token_file import TokenFile

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class KubeAccess:
    """Address, credentials and TLS settings of a client of the API server."""

    server: str
    tls: ssl.SSLContext
    authorization: Callable[[], str | None]
    """Return the present Authorization header: mounted tokens are rotated."""
    server_hostname: str | None = None
    proxy: str | None = None


def is_in_cluster(account: Path = SERVICE_ACCOUNT) -> bool:
    """Return True if this process runs in a pod with a service account of its cluster."""
    return (account / "token").exists()


def find_access(environ: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> KubeAccess:
    """Return address and credentials for this process.

    Raises:
        KubeConfigError: There is neither a service account nor a usable kubeconfig.
    """
    if is_in_cluster(account):
        return _in_cluster(environ, account)
    return _from_kubeconfig(environ.get("KUBECONFIG") or "~/.kube/config")


def _in_cluster(environ: Mapping[str, str], account: Path) -> KubeAccess:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if host and ":" in host else host
    server = f"https://{shown}:{port}" if host else "https://kubernetes.default.svc"
    return KubeAccess(
        server, tls_context({"certificate-authority": str(account / "ca.crt")}, {}), TokenFile(account / "token")
    )


def _from_kubeconfig(paths: str) -> KubeAccess:
    merged = read_kubeconfig([Path(path).expanduser() for path in paths.split(os.pathsep) if path])
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
        tls=tls_context(cluster, user),
        authorization=_authorization(user),
        server_hostname=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


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
