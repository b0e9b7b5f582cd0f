"""The part of an agent's status with the learnt behaviour of its models."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.ports.kube import Body


def behaviour_status(known: Sequence[LearntModel]) -> dict[str, Any]:
    """Return the merge patch of ``status.modelBehaviour``; without known behaviour, it removes the field."""
    return {"modelBehaviour": [_shown(each) for each in known] or None}


def learnt_in_status(body: Body) -> tuple[LearntModel, ...]:
    """Return the behaviour in an agent's status; empty if the status describes an earlier spec."""
    status, generation = body.get("status") or {}, body["metadata"].get("generation")
    if generation is None or status.get("observedGeneration") != generation:
        return ()
    found = (_read(each) for each in status.get("modelBehaviour") or ())
    return tuple(each for each in found if each is not None)


def _shown(each: LearntModel) -> dict[str, Any]:
    learnt_at = datetime.fromtimestamp(each.learnt_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = each.model_dump(mode="json", exclude={"learnt_at"})
    return shown | {"learntAt": learnt_at}


def _read(entry: Mapping[str, Any]) -> LearntModel | None:
    try:
        learnt_at = datetime.fromisoformat(str(entry.get("learntAt"))).timestamp()
        return LearntModel.model_validate({**entry, "learnt_at": learnt_at})
    except (ValidationError, ValueError):
        return None
