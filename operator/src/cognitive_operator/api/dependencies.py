"""Dependencies of a task on other tasks."""

from typing import Final

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel

_NOT_A_KEY: Final = str.maketrans("-.", "__")


class Dependency(ResourceModel):
    """A task in the same namespace that must succeed first."""

    name: str
    as_: str | None = Field(default=None, alias="as")
    """Input key that receives the result. Absent: the task's name, with - and . replaced by _."""

    @property
    def key(self) -> str:
        """Input key that receives the result."""
        return self.as_ or self.name.translate(_NOT_A_KEY)
