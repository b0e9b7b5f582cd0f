"""Replicas of an agent's application: the reasoning alone, without claims and publication."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.http.app import HttpApi, create_app
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.model.pool import ModelPool
from cognitive_runtime.adapters.model.probe import ModelProbe
from cognitive_runtime.adapters.ray.quota_actor import ray_namespace
from cognitive_runtime.adapters.ray.quota_store import executor_quota_store
from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.adapters.serve.applications import delete
from cognitive_runtime.adapters.serve.watch import start_orphan_watch
from cognitive_runtime.adapters.tracing import start_tracing
from cognitive_runtime.application import Limits
from cognitive_runtime.application.model_health import HealthyAnswers, ModelHealth, ModelName
from cognitive_runtime.bootstrap.library import CognitiveCore
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.bootstrap.status import dspy_status
from cognitive_runtime.config import RuntimeSettings, read_settings
from cognitive_runtime.domain import ExecutionRequest, IQuotaStore, IReasoner, ReasoningError, ReplicaAnswer
from cognitive_runtime.domain.execution import PublicRoute
from cognitive_runtime.domain.finding import Finding


@dataclass(frozen=True)
class ReplicaSpec:
    """Constructor argument of a replica. Ray stores it: it contains no secret."""

    namespace: str
    agent_uid: str
    application: str
    sharers: int
    """Number of processes that share the agent's rate limits while the shared quota store is unavailable."""
    public: PublicRoute | None = None


class AgentReplica:
    """Replica that only handles reach. Its settings are those of its node and of the executor's Ray job."""

    def __init__(self, spec: ReplicaSpec) -> None:
        self._spec = spec
        settings = read_settings(os.environ)
        configure_logging(settings.log_level, {"namespace": spec.namespace, "agent": spec.agent_uid})
        start_tracing()
        with ThreadPoolExecutor(1) as loader:  # loading starts an event loop, and Serve calls this on one
            self._core = loader.submit(self._make_core, settings).result()
        start_orphan_watch(ray_namespace(spec.agent_uid), lambda: delete(spec.application))

    async def reason(self, request: ExecutionRequest) -> ReplicaAnswer:
        """Reason about one request. An error is part of the answer, so that its class and its usage survive."""
        try:
            found = await self._core.reason(request)
        except ReasoningError as error:
            return ReplicaAnswer(error=error, learnt=self._core.learnt())
        return ReplicaAnswer(found, learnt=self._core.learnt())

    def _make_core(self, settings: RuntimeSettings) -> IReasoner:
        return make_cognitive_core(settings, limits=self._limits(settings))

    def _limits(self, settings: RuntimeSettings) -> Limits:
        spec = self._spec

        async def open_quota_store() -> IQuotaStore:
            return executor_quota_store(spec.agent_uid, spec.sharers)

        return Limits(open_quota_store, SystemClock(), open_redis=redis_quota_stores(settings, spec.agent_uid))


class PublicReplica(AgentReplica):
    """Replica that has an HTTP API, with the agent's settings, below the application's route."""

    def __serve_build_asgi_app__(self) -> Any:
        """Return the HTTP API. Replicas have no common registry of incidents: callers send incident_context.

        Raises:
            CredentialsNotMounted: The file of the token is absent or empty. Serve starts the replica again.
        """
        spec, core = self._spec, self._core
        assert spec.public is not None
        assert isinstance(core, CognitiveCore)
        health = self._health(spec.public)

        async def status() -> dict[str, Any]:
            return await dspy_status(spec.application)

        token = self._secrets.read(spec.public.token_file)
        return create_app(HttpApi(HealthyAnswers(core, health), health, status, None, token, core.aclose))

    def _make_core(self, settings: RuntimeSettings) -> IReasoner:
        public, self._secrets = self._spec.public, SecretFiles(settings.secrets_dir, self._spec.agent_uid)
        assert public is not None
        self._secrets.read(public.token_file)
        make_cognitive_core(settings)  # loads what the first call needs
        models = ModelPool(lambda agent_uid, name: self._secrets.read(name))
        return CognitiveCore(models, public.agent, self._limits(settings))

    def _health(self, public: PublicRoute) -> ModelHealth:
        llm = public.agent.llm
        endpoint = llm.endpoints[0]

        async def ask() -> Finding:
            key = await asyncio.to_thread(self._secrets.read, endpoint.api_key_file) if endpoint.api_key_file else None
            return await ModelProbe(endpoint, key).infer()

        return ModelHealth(ModelName(llm.model, llm.provider), ask, SystemClock())
