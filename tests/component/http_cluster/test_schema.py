"""The HTTP API of a cluster keeps its own OpenAPI document, by schemathesis against a real API server with the CRDs."""

from pathlib import Path

import pytest

from controlplane import ControlPlane
from support.cluster.answering_operator import answering
from support.cluster.api_client import Namespace
from support.cluster.http_cluster import READY, Caller
from support.servers.schema_check import TIMEOUT_S, violations

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds", "without_operator")]


@pytest.mark.timeout(TIMEOUT_S + 20)
def test_no_operation_violates_the_document(
    caller: Caller, control_plane: ControlPlane, home: Namespace, tmp_path: Path
) -> None:
    assert caller.token is not None
    home.patch("CognitiveAgent", "sre/status", {"status": {"conditions": [READY]}})
    with answering(control_plane, home):
        found = violations(caller.url, caller.token, tmp_path)
    assert not found, found
