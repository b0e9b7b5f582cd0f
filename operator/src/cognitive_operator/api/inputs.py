"""Input sources outside a task's spec (``spec.inputFrom``)."""

from typing import Literal

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel

InputFormat = Literal["Text", "JSON"]


class KeyRef(ResourceModel):
    """A key of a ConfigMap or a Secret in the task's namespace."""

    name: str
    key: str


class TaskResultRef(ResourceModel):
    """The result of another task in the same namespace, or one key of that result."""

    name: str
    field: str | None = None


class InputSource(ResourceModel):
    """Source of one input key. Exactly one of the references is set."""

    as_: str = Field(alias="as")
    """Input key that receives the value."""
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None
    task_ref: TaskResultRef | None = None
    format: InputFormat | None = None
    """Format of a ConfigMap's or Secret's value. Absent: Text."""
    optional: bool = False
    """True: the key is omitted if its source does not exist."""
