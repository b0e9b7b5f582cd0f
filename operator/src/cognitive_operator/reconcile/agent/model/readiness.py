"""Reconciliation of an agent's model: checks of its endpoint, and the model server that the agent owns."""

from dataclasses import replace

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.plan.agent.conditions import check_model, target_of
from cognitive_operator.plan.agent.model.model_server import (
    ObservedServer,
    check_first_inference,
    check_server,
    check_settled,
)
from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals, model_interval_s
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Secrets
from cognitive_operator.ports.model import ModelProbe, ModelTarget
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.agent.model.variants import with_variants
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


class ModelReadiness:
    """Records ModelReady and the state of the agent's own model server."""

    def __init__(
        self,
        index: Index,
        servers: ModelServerReconciler,
        secrets: Secrets,
        probe: ModelProbe,
        clock: Clock,
        *,
        intervals: ProbeIntervals,
    ) -> None:
        self._index = index
        self._servers = servers
        self._secrets = secrets
        self._probe = probe
        self._clock = clock
        self._intervals = intervals

    async def reconcile(self, record: AgentRecord) -> None:
        """Bring the agent's own server a step towards the spec and check the model if the interval is over."""
        vllm, now_s = record.agent.spec.llm.vllm, self._clock.monotonic()
        if now_s - record.model_at_s < model_interval_s(record.agent, record.model, self._intervals):
            return
        if vllm is None:
            await self._servers.retire(record)
            first = await self._check(record, target_of(record.agent.spec.llm))
        else:
            first = await self._check_own(record, vllm)
        model = await with_fallbacks(self._secrets, self._probe, record.agent, first)
        model = await with_variants(self._secrets, self._probe, record.agent, model)
        if self._index.latest(record).agent.spec == record.agent.spec:  # else check the new spec at once
            self._index.update_agent(record, model=model, model_at_s=now_s)

    async def _check_own(self, record: AgentRecord, vllm: ManagedVLLM) -> Condition:
        server = await self._servers.ensure(record, vllm)
        if isinstance(server, Condition):
            return server
        if (condition := check_server(record.agent, server)) is not None:
            return condition
        target = self._servers.target(record, server)
        found = check_settled(record.agent, server, await self._check(record, target))
        return await self._check_inference(record, server, target, found) if found.is_true else found

    async def _check(self, record: AgentRecord, target: ModelTarget) -> Condition:
        key = await read_model_key(self._secrets, record.name[0], record.agent.spec.llm)
        if isinstance(key, Condition):
            return key
        answer = await self._probe.check(target, key)
        return check_model(record.agent, answer.ok, answer.reason, answer.message, answer.models)

    async def _check_inference(
        self, record: AgentRecord, server: ObservedServer, target: ModelTarget, found: Condition
    ) -> Condition:
        """Run a short inference, once for each rollout of the server."""
        llm, state = record.agent.spec.llm, self._index.latest(record).server
        if record.model.is_true and state.proof == server.proof and state.trial is not None:
            return check_first_inference(record.agent, found, state.trial)
        key = await read_model_key(self._secrets, record.name[0], llm)
        if isinstance(key, Condition):
            return key
        trial = await self._probe.infer(target, llm.model, key, llm.timeout_seconds)
        state = self._index.latest(record).server
        proven = replace(state, trial=trial, proof=server.proof, proven_at=self._clock.now())
        self._index.update_agent(record, server=proven)
        return check_first_inference(record.agent, found, trial)
