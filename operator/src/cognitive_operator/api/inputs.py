"""Where a task's input comes from when it does not stand in its spec."""

from typing import Literal

from pydantic import Field

from cognitive_operator.api.view import View

InputFormat = Literal["Text", "JSON"]


class KeyRef(View):
    """A key of a ConfigMap or a Secret in the task's namespace."""

    name: str
    key: str


class TaskResultRef(View):
    """The result of another task in the namespace, or one key of it."""

    name: str
    field: str | None = None


class InputSource(View):
    """One key of a task's input, and where its value comes from: exactly one of the references is there."""

    as_: str = Field(alias="as")
    """The key of input."""
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None
    task_ref: TaskResultRef | None = None
    format: InputFormat | None = None
    """How to read a ConfigMap's or a Secret's value; absent: Text."""
    optional: bool = False
    """True: what does not exist is left out."""
