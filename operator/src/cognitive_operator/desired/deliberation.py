"""The deliberation in the request of an attempt."""

from cognitive_operator.api.deliberation import Deliberation
from cognitive_operator.api.wire_deliberation import DeliberationPart, SelectionPart
from cognitive_operator.api.wire_signature import SignatureSnapshot


def desired_deliberation(deliberation: Deliberation, judge: SignatureSnapshot | None) -> DeliberationPart:
    """Return the deliberation of a request, with a copy of the signature that judges."""
    selection = deliberation.selection
    return DeliberationPart(
        members=deliberation.members,
        quorum=deliberation.needed_answers,
        diversity=deliberation.diversity,
        selection=SelectionPart(method=selection.method, field=selection.field, judge=judge),
    )
