"""Kopf's registry and settings.

All handlers are ``on.event`` handlers, for which Kopf writes no annotation and no finalizer. An event is only a hint:
the engine decides from the whole state.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import kopf

from cognitive_operator.api.names import GROUP, VERSION, WATCHED_PLURALS
from cognitive_operator.handlers.storage import NoDiffBase, NoProgress
from cognitive_operator.ports.kube import Body

REQUEST_TIMEOUT_S: Final = 30.0
WATCH_TIMEOUT_S: Final = 300
INACTIVITY_S: Final = 70.0
"""Longer than the API server's bookmark interval of 60 s, so a watch that is silent for longer is dead."""
WATCH_LAG_MAX_S: Final = 400.0
"""Longer than the interval of full lists, which detect the lag; Kopf renews a silent watch after INACTIVITY_S."""
WATCH_BACKOFFS_S: Final = (1, 2, *[5] * 9)
"""Delays of a watch's retries, 48 s in all: none is long, because each delays the return after an outage."""
NAMESPACE_BACKOFFS_S: Final = (1, 2)
"""The same for a watch of one namespace, which ends nothing else when it fails. Kopf retries 403, too."""
WORKERS: Final = 100
WORKER_IDLE_S: Final = 0.01
"""Time that Kopf keeps the worker of an object after its last event. WORKERS / WORKER_IDLE_S limits the objects per
second that the operator can take in; the handlers themselves take microseconds."""


class Engine(Protocol):
    """Receiver of watch events."""

    def upsert(self, plural: str, body: Body) -> None:
        """Store the current state of an object that exists."""

    def delete(self, plural: str, body: Body) -> None:
        """Remove a deleted object."""

    def watch_lag_s(self) -> float:
        """Return the watch lag in seconds: the age of the oldest change known from a list but not from a watch."""


def new_registry(engine: Engine, on_stop: Callable[[], None], *, clusterwide: bool = True) -> kopf.OperatorRegistry:
    """Return a registry whose handlers pass events to the engine; Kopf calls ``on_stop`` when it stops.

    Args:
        engine: Receiver of the events.
        on_stop: Called when Kopf stops.
        clusterwide: False for an operator of some namespaces, whose watches are those of ``handlers.namespaces``.
    """
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)

    for plural in WATCHED_PLURALS if clusterwide else ():
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(_event_handler(engine, plural))

    kopf.on.probe(id="watchLagSeconds", registry=registry)(watch_probe(engine))

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: Any) -> None:
        on_stop()

    return registry


def _event_handler(engine: Engine, plural: str) -> Callable[..., Awaitable[None]]:
    async def on_event(event: kopf.RawEvent, **_: Any) -> None:
        dispatch_event(engine, plural, event)

    return on_event


def dispatch_event(engine: Engine, plural: str, event: kopf.RawEvent) -> None:
    """Pass one watch event to the engine."""
    (engine.delete if event["type"] == "DELETED" else engine.upsert)(plural, dict(event["object"]))


def watch_probe(engine: Engine) -> Callable[..., Awaitable[float]]:
    """Return a probe that fails ``/healthz`` with status 500 once the watch lag exceeds WATCH_LAG_MAX_S."""

    async def on_probe(**_: Any) -> float:
        lag_s = engine.watch_lag_s()
        if lag_s > WATCH_LAG_MAX_S:
            raise kopf.PermanentError(f"watch stalled: a change made {lag_s:.0f} s ago has produced no event")
        return lag_s

    return on_probe


def new_settings(*, clusterwide: bool = True) -> kopf.OperatorSettings:
    """Return Kopf's settings with a limit for every wait; Kopf's own defaults are unlimited or 300 s.

    Args:
        clusterwide: False for an operator of some namespaces: it reads neither Namespaces nor CRDs, for which it would
            need a ClusterRole.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = not clusterwide
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.peering.standalone = True
    settings.networking.request_timeout = REQUEST_TIMEOUT_S
    settings.networking.connect_timeout = 10.0
    settings.networking.error_backoffs = WATCH_BACKOFFS_S if clusterwide else NAMESPACE_BACKOFFS_S
    settings.networking.enforce_retry_after = True
    settings.watching.server_timeout = WATCH_TIMEOUT_S
    settings.watching.client_timeout = WATCH_TIMEOUT_S + 30
    settings.watching.connect_timeout = 10.0
    settings.watching.inactivity_timeout = INACTIVITY_S
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = WORKERS
    settings.queueing.idle_timeout = WORKER_IDLE_S
    settings.queueing.exit_timeout = 2.0
    settings.execution.max_workers = 2
    settings.process.ultimate_exiting_timeout = 20.0
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    return settings


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Use the pod's service account, else the kubeconfig."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
