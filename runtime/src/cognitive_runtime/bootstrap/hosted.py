"""Worker with its own connections, built from settings."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.nats.claims import ClaimTiming, NatsClaims
from cognitive_runtime.adapters.nats.connection import BrokerConnection, BrokerSettings
from cognitive_runtime.adapters.nats.control import NatsControl
from cognitive_runtime.adapters.nats.direct import EmptyRequestSource
from cognitive_runtime.adapters.nats.leases import NatsLeases
from cognitive_runtime.adapters.nats.objects import InputTiming, NatsInputs
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher
from cognitive_runtime.adapters.nats.requests import NatsRequestSource
from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.adapters.spool import Spool
from cognitive_runtime.adapters.tracing import start_tracing
from cognitive_runtime.adapters.worker.attempt_runner import AttemptDependencies
from cognitive_runtime.adapters.worker.lazy_reasoner import LazyReasoner
from cognitive_runtime.adapters.worker.ports import WorkerSpec
from cognitive_runtime.adapters.worker.tracked_reasoner import TrackedReasoner
from cognitive_runtime.adapters.worker.worker import Worker, WorkerDependencies, WorkerStatus, WorkerTiming
from cognitive_runtime.application import ExecuteAgentTask, LargeInputReasoner
from cognitive_runtime.bootstrap.placement import application_watch, placed_reasoner
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import IReasoner, ISideEffects
from cognitive_runtime.domain.memory import ExecutorMemory

MakeReasoner = Callable[[RuntimeSettings, ISideEffects], IReasoner]


@dataclass(frozen=True)
class HostedTiming:
    """Time limits of a worker and of its adapters."""

    worker: WorkerTiming = field(default_factory=WorkerTiming)
    claims: ClaimTiming = field(default_factory=ClaimTiming)
    inputs: InputTiming = field(default_factory=InputTiming)


class HostedWorker(Worker):
    """A worker that owns its connections. Belongs to the event loop that starts it."""

    def __init__(
        self,
        spec: WorkerSpec,
        settings: RuntimeSettings,
        make_reasoner: MakeReasoner,
        timing: HostedTiming | None = None,
    ) -> None:
        timing, identity = timing or HostedTiming(), spec.identity
        secrets = SecretFiles(settings.secrets_dir, identity.agent_uid)
        self.broker = BrokerConnection(
            BrokerSettings(
                settings.nats_url,
                identity.agent_uid,
                identity.worker,
                secrets.broker_credentials,
                settings.broker_wait_s,
            )
        )
        self._claims = NatsClaims(self.broker, identity, SystemClock(), timing.claims)
        spool = Spool(settings.spool_dir, identity.agent_uid)
        self.publisher = NATSResultPublisher(broker=self.broker, spool=spool, claims=self._claims)
        self._control = NatsControl(self.broker, identity)
        self._lazy_reasoner = LazyReasoner(lambda: make_reasoner(settings, self._claims))
        super().__init__(spec, self._dependencies(spec, secrets, timing.inputs), timing.worker)
        self._flush_traces = start_tracing()

    async def start(self) -> None:
        """Connect and start to take requests. A worker that pulls loads its reasoner first."""
        self.broker.start()
        self.run_service(self._claims.restore_lost())
        if self.spec.preloads:
            self.run_service(self._load())
        if self.spec.pulls:
            if self.spec.preloads:
                await self._lazy_reasoner.load()
            self.run_service(self.publisher.publish_spooled())
        await self._control.start(self.stop_attempt, self.begin_drain)
        await super().start()

    async def _load(self) -> None:
        await self._lazy_reasoner.load()
        self.notify_change()

    def status(self) -> WorkerStatus:
        """Return the current status, with the broker's problem once the worker has given up."""
        return replace(super().status(), given_up=self.broker.given_up)

    async def stop(self, grace_s: float) -> None:
        """End within the grace period and disconnect. Idempotent."""
        await super().stop(grace_s)
        await self.broker.close()
        await asyncio.to_thread(self._flush_traces)

    def _dependencies(self, spec: WorkerSpec, secrets: SecretFiles, inputs: InputTiming) -> WorkerDependencies:
        identity, clock = spec.identity, SystemClock()
        stored_inputs = NatsInputs(self.broker, identity.agent_uid, inputs)
        placed = placed_reasoner(self._lazy_reasoner, spec.serve)
        reasoner = TrackedReasoner(LargeInputReasoner(placed, stored_inputs))
        execute = ExecuteAgentTask(reasoner, clock, ExecutorMemory(identity.namespace, identity.agent_uid))
        return WorkerDependencies(
            attempts=AttemptDependencies(identity, self._claims, self.publisher, execute, clock),
            source=NatsRequestSource(self.broker, identity.agent_uid) if spec.pulls else EmptyRequestSource(),
            leases=NatsLeases(self.broker, identity, clock, version("cognitive-runtime")),
            reasoner=reasoner,
            secrets=secrets,
            is_loaded=lambda: self._lazy_reasoner.is_loaded or not spec.preloads,
            application=application_watch(identity.agent_uid, spec.serve),
        )
