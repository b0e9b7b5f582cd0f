"""Composition and run loop of the operator: the only module that knows both the ports and their adapters."""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, cast

import kopf

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.http_client import HttpClient
from cognitive_operator.adapters.kube.access import find_access, is_in_cluster
from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.kube.children import KubeChildren
from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.event_recorder import EventRecorder
from cognitive_operator.adapters.kube.signing_key import ensure_signing_key
from cognitive_operator.adapters.mcp.probe import HttpToolProbe
from cognitive_operator.adapters.model.probe import HttpModelProbe
from cognitive_operator.adapters.nats.agent_accounts import NatsAgentAccounts
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.python_gc import keep_pauses_short
from cognitive_operator.adapters.ray.jobs import RayJobsHttp
from cognitive_operator.adapters.telemetry.metrics import PrometheusMetrics
from cognitive_operator.api.installation import installation_of
from cognitive_operator.config import Config
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import TransientError
from cognitive_operator.handlers.namespaces import watch_namespaces
from cognitive_operator.handlers.registry import new_registry, new_settings
from cognitive_operator.ports.telemetry import Metrics, Tracer, Untraced
from cognitive_operator.reconcile.engine import Engine
from cognitive_operator.reconcile.engine_lifecycle import EngineLifecycle
from cognitive_operator.reconcile.leader_election import LeaderElection, LeaseElection, NoElection
from cognitive_operator.reconcile.state.api_server import ApiServerState
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchEvents, WatchLag
from cognitive_operator.scheduling.limits import RayLimits

logger = logging.getLogger(__name__)
RETRY_S: Final = 2.0
BROKER_WAIT_S: Final = 5.0
"""Time to wait at start for the broker, so that a restart of the operator makes no agent unready."""


async def run(config: Config) -> None:
    """Run until a signal ends it.

    Kopf also ends when the API server refuses a watch (403, or 410 in place of an event) or fails for longer than its
    backoffs. The operator then restarts within this process, which avoids the delays of a crash loop.
    """
    asyncio.get_running_loop().set_exception_handler(_on_loop_error)
    identity = f"{socket.gethostname()}/{secrets.token_hex(4)}"
    collecting = asyncio.create_task(keep_pauses_short(), name="garbage-collector")
    try:
        while not await _run_once(config, identity):
            if await _is_signalled(RETRY_S):
                return
    finally:
        await end(collecting)


async def _run_once(config: Config, identity: str) -> bool:
    """Run until a signal (True) or an error of Kopf (False) ends it.

    Kopf handles the signal. It waits 5 s for asyncio tasks that it does not know, so the operator's tasks end first.
    """
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        deps = await _connect(config, stack)
        lag = WatchLag(deps.clock)
        events = WatchEvents(lag)
        new_engine = partial(Engine, deps, lag, Timing())
        election = await _leader_election(deps, config, identity, stack)
        lifecycle = EngineLifecycle(election, identity, deps.metrics, events, new_engine)
        reconciling = asyncio.create_task(lifecycle.run(), name="engine-lifecycle")
        kopf_run = _watch(deps.namespaces, config.health_port, events, identity, stopping.set)
        watching = asyncio.create_task(kopf_run, name="kopf")
        stopped = asyncio.create_task(stopping.wait(), name="stop")
        done, _ = await asyncio.wait([reconciling, watching, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in (reconciling, stopped):
            task.cancel()
        await asyncio.gather(reconciling, stopped, return_exceptions=True)
    if stopped not in done:
        watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    if not reconciling.cancelled() and (error := reconciling.exception()) is not None:
        raise error
    if watching.cancelled() or (refusal := watching.exception()) is None:
        return True
    logger.warning(
        "restarting: the API server refuses a watch", extra={"cause": f"{type(refusal).__name__}: {refusal}"}
    )
    return False


async def _leader_election(deps: Deps, config: Config, identity: str, stack: AsyncExitStack) -> LeaderElection:
    """Return the election, with a client of its own: no renewal waits for the connections of other requests."""
    kube = KubeApi(await stack.enter_async_context(_kube_client(deps.metrics)))
    if config.peering is None:
        return NoElection(kube, deps.clock)
    return LeaseElection(kube.leader_leases(config.namespace), deps.clock, config.peering, identity)


def _kube_client(metrics: Metrics) -> KubeClient:
    return KubeClient(find_access(), on_answer=partial(_count_request, metrics))


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that no task raised. A watch of Kopf may fail to close at the end, which is harmless."""
    if "asyncgen" not in context:
        loop.default_exception_handler(context)
        return
    stream, error = getattr(context["asyncgen"], "__qualname__", ""), context.get("exception")
    logger.warning("a stream did not close", extra={"stream": stream, "cause": repr(error)})


async def _is_signalled(within_s: float) -> bool:
    """Wait; return True if a signal arrived, which Kopf does not handle between two runs."""
    signalled, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await signalled.wait()
    return signalled.is_set()


async def _watch(
    namespaces: WatchedNamespaces, health_port: int, events: WatchEvents, identity: str, on_stop: Callable[[], None]
) -> None:
    """Run Kopf: its own watches for all namespaces at once, or those of ``handlers.namespaces``, for some."""
    clusterwide = not namespaces.names
    settings = new_settings(clusterwide=clusterwide)
    await kopf.operator(
        registry=new_registry(events, on_stop, clusterwide=clusterwide),
        settings=settings,
        identity=cast("Any", identity),  # Kopf has a type of its own for it and does not export it
        clusterwide=clusterwide,
        namespaces=namespaces.names,
        liveness_endpoint=f"http://0.0.0.0:{health_port}/healthz" if health_port else None,
        _command=None if clusterwide else watch_namespaces(events, namespaces, settings),
    )


async def _connect(config: Config, stack: AsyncExitStack) -> Deps:
    metrics = PrometheusMetrics(config.metrics_port)
    stack.callback(metrics.close)
    clock = SystemClock()
    api_server = ApiServerState(clock, metrics.set_api_server)
    client = await _observed_client(metrics, api_server, stack)
    kube = KubeApi(client, config.watch_namespaces)
    namespaces = _checked_namespaces(config, kube, metrics, stack)
    events = await stack.enter_async_context(EventRecorder(kube.events, lambda: metrics.count("events_dropped")))
    master_key = await _signing_key(kube, config)
    nats = NatsSettings(
        config.nats_url, config.nats_creds, installation=installation_of(master_key), take_over=config.take_over
    )
    broker = await stack.enter_async_context(NatsBroker(nats, clock))
    accounts = _accounts(config, stack)
    ray = RayJobsHttp(await stack.enter_async_context(HttpClient(proxies=False)))
    proxied = await stack.enter_async_context(HttpClient(proxies=True))
    await broker.connection.wait_determined(BROKER_WAIT_S)
    return Deps(
        kube=kube,
        children=KubeChildren(client),
        broker=broker,
        accounts=accounts,
        ray=ray,
        model=HttpModelProbe(proxied),
        tools=HttpToolProbe(proxied),
        clock=clock,
        metrics=metrics,
        events=events,
        environment=_environment(config),
        api_server=api_server,
        namespaces=namespaces,
        tracer=_tracer(config, stack),
        master_key=master_key,
        ttl_s=config.ttl_s,
        bounds=RayLimits(config.ray_jobs, config.ray_tasks),
        waiting_per_namespace=config.namespace_queued_tasks,
    )


async def _observed_client(metrics: Metrics, api_server: ApiServerState, stack: AsyncExitStack) -> KubeClient:
    """Return a client whose answers show if the API server is available; requests of its own test an idle one."""
    on_answer = partial(_on_answer, metrics, api_server)
    client = await stack.enter_async_context(KubeClient(find_access(), on_answer=on_answer))
    asking = asyncio.create_task(api_server.run(partial(client.get, "/version")), name="api-server")
    stack.push_async_callback(end, asking)
    return client


def _checked_namespaces(
    config: Config, kube: KubeApi, metrics: PrometheusMetrics, stack: AsyncExitStack
) -> WatchedNamespaces:
    """Return the watched namespaces; the operator's rights in each are checked at intervals."""
    namespaces = WatchedNamespaces(config.watch_namespaces, metrics.set_namespace)
    checking = asyncio.create_task(namespaces.run(kube.resources.check), name="namespaces")
    stack.push_async_callback(end, checking)
    return namespaces


def _accounts(config: Config, stack: AsyncExitStack) -> NatsAgentAccounts | None:
    if config.nats_accounts is None:
        return None
    accounts = NatsAgentAccounts(config.nats_url, config.nats_accounts)
    accounts.start()
    stack.push_async_callback(accounts.close)
    return accounts


def _environment(config: Config) -> RayEnvironment:
    return RayEnvironment(
        config.ray_nats_url, config.ray_otlp_endpoint, config.runtime_image, is_in_cluster=is_in_cluster()
    )


def _tracer(config: Config, stack: AsyncExitStack) -> Tracer:
    """Return the tracer. Its packages take a third of the operator's start-up time and are imported only if needed."""
    if config.otlp_endpoint is None:
        return Untraced()
    from cognitive_operator.adapters.telemetry.tracing import OtlpTracer

    tracer = OtlpTracer()
    stack.callback(tracer.close)
    return tracer


def _count_request(metrics: Metrics, method: str, code: int) -> None:
    metrics.count("api_requests", method=method, code=str(code))


def _on_answer(metrics: Metrics, api_server: ApiServerState, method: str, code: int) -> None:
    _count_request(metrics, method, code)
    api_server.on_answer(code)


async def _signing_key(kube: KubeApi, config: Config) -> bytes:
    """Return the master key; wait while the API server is unavailable or RBAC refuses it, since it signs requests."""
    while True:
        try:
            return await ensure_signing_key(kube.secrets, config.namespace, config.signing_secret)
        except TransientError as error:
            logger.warning("waiting for the signing key", extra={"cause": str(error)})
            await asyncio.sleep(RETRY_S)
