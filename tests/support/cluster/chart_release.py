"""The chart, installed by helm in a namespace that admits only restricted pods."""

import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from controlplane import Kubectl
from controlplane.kubectl import KubectlError
from helm import Helm
from support.builders.cognitive_objects import Cluster
from support.builders.managed_agents import RESTRICTED
from support.cluster import release_broker

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
NAME = "cognitive-operator"
OPERATORS = "app.kubernetes.io/component=operator"
NARROW = "narrow"
WIDE = "wide"


@dataclass(frozen=True)
class Release:
    """A release in a namespace of its own, which holds its agents, too."""

    helm: Helm
    admin: Kubectl
    """kubectl without a namespace."""
    scope: str
    """``narrow``: it watches its own namespace, and an administrator sees to the CRDs. ``wide``: it does all itself."""
    namespace: str = field(default_factory=lambda: f"chart-{uuid.uuid4().hex[:8]}")
    home: str = ""
    """The only other namespace that a narrow one watches, in place of its own; it has to exist."""

    @property
    def cluster(self) -> Cluster:
        """The release's namespace, as a user sees it."""
        return Cluster(self.admin.within(self.namespace))

    def install(self) -> None:
        """Install it and wait until it is ready."""
        self._act("install", *([] if self.scope == NARROW else ["--take-ownership"]))

    def upgrade(self, *values: str) -> None:
        """Upgrade it and wait until it is ready."""
        self._act("upgrade", *[f"--set={value}" for value in values])

    def uninstall(self) -> str:
        """Uninstall it and return what helm says."""
        return self.helm("uninstall", NAME, f"--namespace={self.namespace}", "--wait", "--ignore-not-found")

    def test(self) -> str:
        """Run its own test.

        Raises:
            HelmError: the test failed.
        """
        return self.helm("test", NAME, f"--namespace={self.namespace}", "--timeout=2m")

    def may(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        """Tell whether the API server grants something."""
        kind, _, part = resource.partition("/")
        try:
            self.admin("auth", "can-i", verb, kind, f"--subresource={part}", f"--as={user}", f"--namespace={namespace}")
        except KubectlError as refusal:
            if str(refusal) != "no":
                raise
            return False
        return True

    @property
    def operator(self) -> str:
        """The user that the operator is."""
        return f"system:serviceaccount:{self.namespace}:{NAME}"

    def operator_logs(self) -> str:
        """Return what all operator pods log."""
        return self.cluster.kubectl("logs", f"--selector={OPERATORS}", "--tail=-1")

    def leading_pod(self) -> str | None:
        """Return the operator pod that works, None while it is not exactly one."""
        pods = self.cluster.kubectl.json("get", "pods", f"--selector={OPERATORS}")["items"]
        names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        leading = [name for name in names if "cognitive_operator_leading 1.0" in self._metrics(name)]
        return leading[0] if len(leading) == 1 else None

    def _metrics(self, pod: str) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8081/proxy/metrics"
        try:
            return self.admin("get", "--raw", path)
        except KubectlError:  # it starts or ends
            return ""

    def broker(self) -> dict[str, list[str]]:
        """Return what its broker holds of agents, by kind."""
        url = f"nats://{NAME}-nats:4222"
        told = self.cluster.kubectl("exec", f"deployment/{NAME}", "--", "python", "-c", release_broker.program(), url)
        found: dict[str, list[str]] = json.loads(told)
        return found

    def begin(self) -> None:
        """Make its namespace and install it."""
        make_namespace(self.admin, self.namespace)
        self.install()

    def end(self) -> None:
        """Delete the agents while the operator can still remove their finalizers, then release and namespace."""
        self.cluster.kubectl.delete("ctask,cagent", "--all")
        self.uninstall()
        self.admin.delete("namespace", self.namespace)

    def _act(self, verb: str, *arguments: str) -> None:
        tag = os.environ.get("IMAGE_TAG", "")
        own = ["nats.storage.size=1Gi", f"image.tag={tag}"]
        if self.scope == NARROW:
            own += [f"watchNamespaces={{{self.home or self.namespace}}}", "crds.install=false"]
        values = [f"--set={value}" for value in own]
        self.helm(
            verb, NAME, str(CHART), f"--namespace={self.namespace}", "--wait", "--timeout=5m", *values, *arguments
        )


def make_namespace(kubectl: Kubectl, name: str) -> None:
    """Make a namespace that admits restricted pods alone."""
    metadata = {"name": name, "labels": RESTRICTED}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
