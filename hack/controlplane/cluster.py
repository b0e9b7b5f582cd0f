"""The control plane: start, stop and access."""

import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Self

from controlplane.arguments import (
    AUDIT_POLICY,
    Keys,
    Ports,
    apiserver_arguments,
    audit_arguments,
    controller_manager_arguments,
    etcd_arguments,
)
from controlplane.binaries import find_programs
from controlplane.certificates import Authority
from controlplane.kubeconfig import write_kubeconfig
from controlplane.kubectl import Kubectl
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

START_TIMEOUT_S = 120.0


class ControlPlane:
    """etcd, kube-apiserver with RBAC and kube-controller-manager; a context manager, or call ``stop``."""

    def __init__(self, directory: Path, programs: dict[str, Path], *, audit: bool) -> None:
        self._directory = directory
        self._programs = programs
        self._audit = audit
        self._ports = Ports(*free_ports(3))
        authority = Authority(directory / "pki")
        self._keys = Keys(authority.pair, authority.issue_server("kube-apiserver"), authority.issue_key("accounts"))
        self._admin = authority.issue("admin", ("system:masters",))
        self._manager = authority.issue("system:kube-controller-manager")
        self._processes: dict[str, ChildProcess] = {}

    @classmethod
    def start(cls, directory: Path | None = None, *, audit: bool = True) -> Self:
        """Find or install the programs, start them and wait until the API server and the controllers are ready.

        Args:
            directory: Directory for data, logs and the kubeconfig; None: a new temporary directory.
            audit: Write an audit log at level Metadata.

        Raises:
            ServerMissingError: A program cannot be installed.
            ServerError: A program did not start; the message includes the end of its log.
        """
        programs = find_programs()
        plane = cls(directory or Path(tempfile.mkdtemp(prefix="cognitive-control-plane-")), programs, audit=audit)
        try:
            plane._start_all()
        except BaseException:
            plane.stop()
            raise
        return plane

    @property
    def url(self) -> str:
        """URL of the API server."""
        return f"https://127.0.0.1:{self._ports.apiserver}"

    @property
    def directory(self) -> Path:
        """Directory of all files of the control plane."""
        return self._directory

    @property
    def kubeconfig_path(self) -> Path:
        """Path of a kubeconfig with cluster-admin rights."""
        return self._directory / "kubeconfig"

    @property
    def audit_log_path(self) -> Path:
        """Path of the audit log: one JSON object per line for each request to the API server."""
        return self._directory / "audit.log"

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl with cluster-admin rights."""
        return Kubectl(self._programs["kubectl"], self.kubeconfig_path)

    @property
    def processes(self) -> list[ChildProcess]:
        """All processes, in the order of their start."""
        return list(self._processes.values())

    def tls_context(self) -> ssl.SSLContext:
        """Return a TLS context with the CA and the client certificate of the cluster administrator."""
        context = ssl.create_default_context(cafile=str(self._keys.authority.certificate))
        context.load_cert_chain(str(self._admin.certificate), str(self._admin.key))
        return context

    def start_apiserver(self) -> None:
        """Start or restart the API server on the same port and wait until it is ready."""
        arguments = apiserver_arguments(self._ports, self._keys)
        if self._audit:
            policy = self._directory / "audit-policy.yaml"
            policy.write_text(AUDIT_POLICY, encoding="utf-8")
            arguments += audit_arguments(policy, self.audit_log_path)
        process = self._run("kube-apiserver", arguments)
        process.wait_until(http_ok(f"{self.url}/readyz", self.tls_context()), START_TIMEOUT_S, "a ready API")

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """Stop only the API server, with SIGKILL if ``kill`` is True."""
        process = self._processes.pop("kube-apiserver")
        if kill:
            process.kill()
        else:
            process.stop(grace_s=3)

    def stop(self) -> None:
        """Stop all processes and delete the directory."""
        for process in reversed(self.processes):
            process.stop(grace_s=3)
        self._processes.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_all(self) -> None:
        write_kubeconfig(self.kubeconfig_path, self.url, self._keys.authority.certificate, self._admin)
        manager_kubeconfig = self._directory / "kube-controller-manager.kubeconfig"
        write_kubeconfig(manager_kubeconfig, self.url, self._keys.authority.certificate, self._manager)
        self._run("etcd", etcd_arguments(self._directory / "etcd", self._ports))
        self.start_apiserver()
        manager = self._run("kube-controller-manager", controller_manager_arguments(manager_kubeconfig, self._keys))
        account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
        manager.wait_until(http_ok(account, self.tls_context()), START_TIMEOUT_S, "a default service account")

    def _run(self, name: str, arguments: list[str]) -> ChildProcess:
        log = self._directory / "logs" / f"{name}.log"
        process = ChildProcess(Command(name, [str(self._programs[name]), *arguments], log))
        self._processes[name] = process
        return process
