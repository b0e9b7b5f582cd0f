"""The part of the package ``ray`` that the runtime uses, within one process: an actor is an object on the event loop.

Stands in ``sys.modules`` as ``ray`` and ``ray.exceptions``. The actors of a job live in the process of its driver and
end with it. Detached actors, which outlive their job, exist on a real head only.
"""

import asyncio
import inspect
import os
import pickle
import sys
from contextvars import ContextVar, copy_context
from typing import Any, Final, NoReturn, Self

UNSUPPORTED_EXIT: Final = 70
_actors: Final[dict[tuple[str, str], "Actor"]] = {}
_namespace: Final[list[str]] = []
_owner: Final[ContextVar["Actor | None"]] = ContextVar("owner", default=None)


class RayError(Exception):
    """Any failure of Ray."""


class RayActorError(RayError):
    """The actor has ended."""


def init(*, namespace: str, **_: Any) -> None:
    """Join the cluster."""
    _namespace[:] = [namespace]


def is_initialized() -> bool:
    """Tell whether this process has joined the cluster."""
    return bool(_namespace)


def shutdown() -> None:
    """Leave the cluster; the actors of this process end with it."""
    for actor in list(_actors.values()):
        kill(actor)
    _namespace.clear()


def remote(actor_class: type) -> "ActorClass":
    """Return a class whose instances are actors."""
    return ActorClass(actor_class)


def get_actor(name: str, namespace: str | None = None) -> "Actor":
    """Return a named actor.

    Raises:
        ValueError: There is none.
    """
    found = _actors.get((namespace or _namespace[0], name))
    if found is None:
        raise ValueError(f"Failed to look up actor with name '{name}'.")
    return found


def kill(actor: "Actor") -> None:
    """End an actor; safe in any thread."""
    actor.end()


class ActorClass:
    """A class whose instances are actors, and the options of the next one."""

    def __init__(self, actor_class: type) -> None:
        self._class = actor_class
        self._options: dict[str, Any] = {}

    def options(self, **options: Any) -> Self:
        """Set the options of the next actor."""
        if options.get("lifetime") == "detached":
            _refuse("detached actors")
        self._options = options
        return self

    def remote(self, *arguments: Any) -> "Actor":
        """Return a new actor, or with ``get_if_exists`` the one of that name."""
        key = (self._options.get("namespace") or _namespace[0], self._options["name"])
        if key in _actors:
            if not self._options.get("get_if_exists"):
                raise ValueError(f"The name {key[1]} is already taken.")
            return _actors[key]
        _actors[key] = actor = Actor(self._class(*_copied(arguments)), key)
        return actor


class Actor:
    """An object whose methods are called by ``actor.method.remote(…)``."""

    def __init__(self, instance: object, key: tuple[str, str]) -> None:
        self._instance = instance
        self._key = key
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def __getattr__(self, method: str) -> "ActorMethod":
        return ActorMethod(self, method)

    def call(self, method: str, arguments: tuple[Any, ...]) -> asyncio.Task[Any]:
        """Call a method; the result is there to await."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_task_factory(_task_of_owner)
        context = copy_context()
        context.run(_owner.set, self)
        return self._loop.create_task(self._result(method, arguments), context=context)

    def own(self, task: "asyncio.Task[Any]") -> None:
        """Let a task end with this actor."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """End the actor and everything that its methods have begun."""
        self._ended = True
        _actors.pop(self._key, None)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in set(self._tasks):
            task.cancel()

    async def _result(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if self._ended:
            raise RayActorError("The actor has ended.")
        try:
            found = getattr(self._instance, method)(*_copied(arguments))
            return await found if inspect.isawaitable(found) else found
        except asyncio.CancelledError:
            if self._ended:
                raise RayActorError("The actor has ended.") from None
            raise


class ActorMethod:
    """A method of an actor."""

    def __init__(self, actor: Actor, name: str) -> None:
        self._actor = actor
        self._name = name

    def remote(self, *arguments: Any) -> asyncio.Task[Any]:
        """Call it; the result is there to await."""
        return self._actor.call(self._name, arguments)


def _copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what arrives in another process."""
    arrived: tuple[Any, ...] = pickle.loads(pickle.dumps(arguments))
    return arrived


def _task_of_owner(loop: asyncio.AbstractEventLoop, work: Any, **settings: Any) -> "asyncio.Task[Any]":
    """Make a task that ends with the actor which began it."""
    task = asyncio.Task(work, loop=loop, **settings)
    context = settings.get("context")
    owner = context[_owner] if context is not None and _owner in context else _owner.get()
    if owner is not None:
        owner.own(task)
    return task


def _refuse(what: str) -> NoReturn:
    """End the job: the runtime would take an exception for an outage of Ray and go on."""
    sys.stderr.write(f"The double of Ray has no {what}: this test needs a real head (ray_head).\n")
    sys.stderr.flush()
    os._exit(UNSUPPORTED_EXIT)
