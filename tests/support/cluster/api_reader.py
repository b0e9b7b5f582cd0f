"""Reads the Kubernetes API without starting a program for each look."""

import atexit
import json
from contextlib import closing
from functools import lru_cache
from http.client import HTTPConnection
from typing import Any

from controlplane.kubectl import Kubectl, KubectlError
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

START_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 20.0


class ApiReader:
    """A ``kubectl proxy``, with the rights of the kubeconfig that it was started with."""

    def __init__(self, kubectl: Kubectl) -> None:
        (self._port,) = free_ports(1)
        argv = [str(kubectl.program), f"--kubeconfig={kubectl.kubeconfig}", "proxy", f"--port={self._port}"]
        self._process = ChildProcess(Command("kubectl proxy", argv, kubectl.kubeconfig.with_suffix(".proxy.log")))
        self._process.wait_until(http_ok(f"http://127.0.0.1:{self._port}/readyz"), START_TIMEOUT_S, "a ready API")

    def __call__(self, path: str) -> dict[str, Any]:
        """Return what the API server answers to GET.

        Raises:
            KubectlError: It refuses, or there is no such object.
        """
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=READ_TIMEOUT_S)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != 200:
            raise KubectlError(f"GET {path}: {answer.status} {content.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(content)
        return found

    def stop(self) -> None:
        """End the proxy."""
        self._process.stop(grace_s=1)


@lru_cache(maxsize=8)
def reader_of(kubectl: Kubectl) -> ApiReader:
    """Return the reader that all with the same kubeconfig share."""
    reader = ApiReader(kubectl)
    atexit.register(reader.stop)
    return reader
