"""Ray actors of any class with asynchronous methods."""

from collections.abc import Mapping
from typing import Any, Final

import ray

_OPTIONS: Final = {"num_cpus": 0.1}
"""An agent mostly waits for its model: a whole CPU each would keep other actors off a small cluster."""


def create_actor(kind: type[Any], options: Mapping[str, Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return the handle of a new actor. Joins or starts Ray if this process has not done so.

    Raises:
        ValueError: An actor with the same name and namespace exists; Ray's message names it.
    """
    remote: Any = ray.remote(kind)
    return remote.options(**{**_OPTIONS, **options}).remote(*arguments, **named)
