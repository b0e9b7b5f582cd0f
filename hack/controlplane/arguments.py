"""Command-line arguments of the control plane's programs."""

from dataclasses import dataclass
from pathlib import Path

from controlplane.certificates import KeyPair

CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)
"""Controllers that matter without pods: owner references, deletion of namespaces, service accounts."""
SERVICE_ADDRESSES = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIT_POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"


@dataclass(frozen=True)
class Ports:
    """Ports of the control plane on 127.0.0.1."""

    etcd: int
    etcd_peer: int
    apiserver: int


@dataclass(frozen=True)
class Keys:
    """Certificate and key files of the programs."""

    authority: KeyPair
    server: KeyPair
    service_accounts: Path


def etcd_arguments(data: Path, ports: Ports) -> list[str]:
    """Return etcd's arguments: a single member without fsync."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_arguments(ports: Ports, keys: Keys) -> list[str]:
    """Return the API server's arguments, except those of the audit log."""
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        f"--client-ca-file={keys.authority.certificate}",
        f"--tls-cert-file={keys.server.certificate}",
        f"--tls-private-key-file={keys.server.key}",
        f"--service-account-key-file={keys.service_accounts}",
        f"--service-account-signing-key-file={keys.service_accounts}",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        "--shutdown-delay-duration=0s",
    ]


def audit_arguments(policy: Path, log: Path) -> list[str]:
    """Return the API server's arguments for an audit log."""
    return [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]


def controller_manager_arguments(kubeconfig: Path, keys: Keys) -> list[str]:
    """Return the controller manager's arguments."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--root-ca-file={keys.authority.certificate}",
        f"--service-account-private-key-file={keys.service_accounts}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
    ]
