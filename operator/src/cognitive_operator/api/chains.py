"""What a task says of the tasks that it depends on."""

from typing import Final

from pydantic import Field

from cognitive_operator.api.view import View

_NOT_A_KEY: Final = str.maketrans("-.", "__")


class Dependency(View):
    """A task that must succeed first, in the task's namespace."""

    name: str
    as_: str | None = Field(default=None, alias="as")
    """The key of input that its result stands under; absent: its name, with - and . as _."""

    @property
    def key(self) -> str:
        """The key of input that its result stands under."""
        return self.as_ or self.name.translate(_NOT_A_KEY)
