"""Finds out whether an agent's model serves: a named endpoint is asked, a server of the agent's own is kept as well."""

from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.model_server import PORT
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.plan.agent import check_model, target_of
from cognitive_operator.plan.model_server import ObservedServer, check_server, check_settled, check_trial
from cognitive_operator.ports.model import ModelTarget
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.status.conditions import Condition

READY_S: Final = 30.0
NOT_READY_S: Final = 5.0
CHILD_S: Final = 2.0
"""How often a server of the agent's own is looked at while it is on its way."""


class ModelReadiness:
    """Records ModelReady and the state of the agent's own model server."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index
        self._servers = ModelServerReconciler(deps, index)

    async def reconcile(self, record: AgentRecord) -> None:
        """Bring the agent's own server a step towards the spec and check the model, if a check is due."""
        vllm, now_s = record.agent.spec.llm.vllm, self._deps.clock.monotonic()
        if now_s - record.model_at_s < _interval_s(record):
            return
        if vllm is None:
            await self._servers.retire(record)
            first = await self._ask(record, target_of(record.agent.spec.llm))
        else:
            first = await self._check_own(record, vllm)
        model = await with_fallbacks(self._deps.kube, self._deps.model, record.agent, first)
        if self._index.latest(record).agent.spec == record.agent.spec:  # else check the new spec at once
            self._index.update_agent(record, model=model, model_at_s=now_s)

    async def _check_own(self, record: AgentRecord, vllm: ManagedVLLM) -> Condition:
        seen = await self._servers.ensure(record, vllm)
        if isinstance(seen, Condition):
            return seen
        if (condition := check_server(record.agent, seen)) is not None:
            return condition
        target = self._target(record, seen)
        found = check_settled(record.agent, seen, await self._ask(record, target))
        return await self._prove(record, seen, target, found) if found.is_true else found

    def _target(self, record: AgentRecord, seen: ObservedServer) -> ModelTarget:
        """Return where the server is asked: by its Service's name, or by its address where names do not resolve."""
        target, address = target_of(record.agent.spec.llm), seen.service["spec"].get("clusterIP")
        if self._deps.environment.is_in_cluster or not address:
            return target
        host = f"[{address}]" if ":" in address else address
        return replace(target, endpoint=f"http://{host}:{PORT}/v1")

    async def _ask(self, record: AgentRecord, target: ModelTarget) -> Condition:
        key = await read_model_key(self._deps.kube, record.name[0], record.agent.spec.llm)
        if isinstance(key, Condition):
            return key
        seen = await self._deps.model.check(target, key)
        return check_model(record.agent, seen.ok, seen.reason, seen.message, seen.models)

    async def _prove(
        self, record: AgentRecord, seen: ObservedServer, target: ModelTarget, found: Condition
    ) -> Condition:
        """Run a short inference, once for each rollout of the server."""
        llm, server = record.agent.spec.llm, self._index.latest(record).server
        if record.model.is_true and server.proof == seen.proof and server.trial is not None:
            return check_trial(record.agent, found, server.trial)
        key = await read_model_key(self._deps.kube, record.name[0], llm)
        if isinstance(key, Condition):
            return key
        trial = await self._deps.model.infer(target, llm.model, key, llm.timeout_seconds)
        proven = replace(
            self._index.latest(record).server, trial=trial, proof=seen.proof, proven_at=self._deps.clock.now()
        )
        self._index.update_agent(record, server=proven)
        return check_trial(record.agent, found, trial)


def _interval_s(record: AgentRecord) -> float:
    """Return the seconds between two checks of an agent's model."""
    spec, model = record.agent.spec, record.model
    is_to_rest = spec.llm.vllm is not None and spec.suspend and model.is_true
    if (model.is_true or model.reason == Reason.SUSPENDED) and not is_to_rest:
        return READY_S
    return NOT_READY_S if spec.llm.vllm is None else CHILD_S
