"""The snapshot of a signature for the requests of its tasks."""

from cognitive_operator.api.signatures import Signature
from cognitive_operator.api.wire_signature import SignatureSnapshot


def desired_snapshot(signature: Signature) -> SignatureSnapshot:
    """Return the present version of a signature as requests carry it."""
    meta = signature.metadata
    return SignatureSnapshot.model_validate(
        {"name": meta.name, "generation": meta.generation, **signature.spec.model_dump()}
    )
