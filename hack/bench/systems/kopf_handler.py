"""A bare Kopf handler: it writes one field of the status of each object. The floor of every operator with Kopf."""

from typing import Any

import kopf

from bench.kube.kinds import BARE_GROUP, BARE_PLURAL, SUCCEEDED


@kopf.on.event(BARE_GROUP, "v1", BARE_PLURAL)
async def write_phase(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Write the phase, once."""
    if "phase" not in status:
        patch.status["phase"] = SUCCEEDED
