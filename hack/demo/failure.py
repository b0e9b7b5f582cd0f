"""Provokes a real failure for a task to analyse."""

import os
from pathlib import Path

from controlplane import Kubectl, KubectlError
from servers.errors import ServerError

BROKEN = Path(__file__).parent / "broken-deployment.yaml"


def provoke_failure(kubectl: Kubectl) -> str:
    """Apply an invalid manifest and return the API server's error message."""
    try:
        kubectl("apply", "-f", os.path.relpath(BROKEN))
    except KubectlError as error:
        return str(error)
    raise ServerError(f"the API server accepted the invalid manifest {BROKEN}")
