"""A failure that really happens, for a task to analyse."""

import os
from pathlib import Path

from controlplane import Kubectl, KubectlError
from servers.errors import ServerError

BROKEN = Path(__file__).parent / "broken-deployment.yaml"


def provoke_failure(kubectl: Kubectl) -> str:
    """Apply a broken manifest and return the API server's own refusal."""
    try:
        kubectl("apply", "-f", os.path.relpath(BROKEN))
    except KubectlError as error:
        return str(error)
    raise ServerError(f"the API server accepted {BROKEN}, which it should refuse")
