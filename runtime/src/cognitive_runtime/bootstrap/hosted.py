"""A worker, put together with its connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.nats.claims import NatsClaims
from cognitive_runtime.adapters.nats.connection import BrokerConnection, BrokerSettings
from cognitive_runtime.adapters.nats.control import NatsControl
from cognitive_runtime.adapters.nats.direct import EmptyRequestSource
from cognitive_runtime.adapters.nats.leases import NatsLeases
from cognitive_runtime.adapters.nats.objects import NatsInputs
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher
from cognitive_runtime.adapters.nats.requests import NatsRequestSource
from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.adapters.spool import Spool
from cognitive_runtime.adapters.tracing import start_tracing
from cognitive_runtime.adapters.worker.attempt_runner import AttemptDependencies
from cognitive_runtime.adapters.worker.lazy_reasoner import LazyReasoner
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.adapters.worker.tracked_reasoner import TrackedReasoner
from cognitive_runtime.adapters.worker.worker import Worker, WorkerDependencies, WorkerStatus
from cognitive_runtime.application import ExecuteAgentTask, LargeInputReasoner
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import IReasoner
from cognitive_runtime.domain.memory import ExecutorMemory

MakeReasoner = Callable[[RuntimeSettings], IReasoner]


@dataclass(frozen=True)
class WorkerSpec:
    """Where a worker is put: whose it is and how much it takes on."""

    identity: WorkerIdentity
    concurrency: int = 1
    required_secrets: tuple[str, ...] = ()

    @property
    def pulls(self) -> bool:
        """Whether it pulls requests; a worker in Job mode is given its only one."""
        return self.identity.mode != "Job"


class HostedWorker:
    """A worker together with its connections."""

    def __init__(self, spec: WorkerSpec, settings: RuntimeSettings, make_reasoner: MakeReasoner) -> None:
        identity = spec.identity
        secrets = SecretFiles(settings.secrets_dir, identity.agent_uid)
        self._spec = spec
        self.broker = BrokerConnection(
            BrokerSettings(settings.nats_url, identity.agent_uid, identity.worker, secrets.broker_credentials)
        )
        self._claims = NatsClaims(self.broker, identity, SystemClock())
        spool = Spool(settings.spool_dir, identity.agent_uid)
        self.publisher = NATSResultPublisher(broker=self.broker, spool=spool, claims=self._claims)
        self._control = NatsControl(self.broker, identity)
        self._lazy_reasoner = LazyReasoner(lambda: make_reasoner(settings))
        self.worker = Worker(self._parts(secrets))
        self._send_traces = start_tracing()

    async def start(self) -> None:
        """Connect and begin to take requests; an executor is warm before it does."""
        self.broker.start()
        self.worker.serve(self._claims.keep())
        self.worker.serve(self._lazy_reasoner.load())
        if self._spec.pulls:
            await self._lazy_reasoner.load()
            self.worker.serve(self.publisher.publish_spooled())
        await self._control.start(self.worker.stop_attempt, self.worker.drain)
        await self.worker.start(pull=self._spec.pulls)

    def status(self) -> WorkerStatus:
        """Return how the worker is."""
        return self.worker.status()

    async def drain(self) -> None:
        """Take no more requests; returns when nothing runs any more."""
        self.worker.drain()
        await self.worker.wait_idle()

    async def stop(self, grace_s: float) -> None:
        """End within the grace and disconnect; more than once is no error."""
        await self.worker.stop(grace_s)
        await self.broker.close()
        await asyncio.to_thread(self._send_traces)

    def _parts(self, secrets: SecretFiles) -> WorkerDependencies:
        spec, identity, clock = self._spec, self._spec.identity, SystemClock()
        inputs = NatsInputs(self.broker, identity.agent_uid)
        reasoner = TrackedReasoner(LargeInputReasoner(self._lazy_reasoner, inputs))
        execute = ExecuteAgentTask(reasoner, clock, ExecutorMemory(identity.namespace, identity.agent_uid))
        return WorkerDependencies(
            attempts=AttemptDependencies(identity, self._claims, self.publisher, execute, clock),
            source=NatsRequestSource(self.broker, identity.agent_uid) if spec.pulls else EmptyRequestSource(),
            leases=NatsLeases(self.broker, identity, clock, version("cognitive-runtime")),
            reasoner=reasoner,
            secrets=secrets,
            concurrency=spec.concurrency,
            required_secrets=spec.required_secrets,
        )
