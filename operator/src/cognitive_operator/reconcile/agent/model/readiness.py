"""Finds out whether an agent's model serves: a named endpoint is asked, a server of the agent's own is kept as well."""

from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.model_server import PORT
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.plan.agent import Check, model_check, target_of
from cognitive_operator.plan.model_server import ObservedServer, server_check, settled_check, trial_check
from cognitive_operator.ports.model import ModelTarget
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord

READY_S: Final = 30.0
NOT_READY_S: Final = 5.0
CHILD_S: Final = 2.0
"""How often a server of the agent's own is looked at while it is on its way."""


class ModelReadiness:
    """Notes what it finds in the agent's record: ``model`` and ``server``."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._servers = ModelServerReconciler(deps, index)

    async def look(self, record: AgentRecord) -> None:
        """Look at the model if it is time to."""
        vllm, now_s = record.agent.spec.llm.vllm, self._deps.clock.monotonic()
        is_steady = record.model.status == "True" or record.model.reason == Reason.SUSPENDED
        if vllm is not None and record.agent.spec.suspend and record.model.status == "True":
            is_steady = False  # it is put to rest once nothing asks it
        unready_s = CHILD_S if vllm is not None else NOT_READY_S
        if now_s - record.model_at_s < (READY_S if is_steady else unready_s):
            return
        if vllm is None:
            await self._servers.retire(record)
            first = await self._ask(record, target_of(record.agent.spec.llm))
        else:
            first = await self._serve(record, vllm)
        record.model = await with_fallbacks(self._deps.kube.secrets, self._deps.model, record.agent, first)
        record.model_at_s = now_s

    async def _serve(self, record: AgentRecord, vllm: ManagedVLLM) -> Check:
        seen = await self._servers.keep(record, vllm)
        if isinstance(seen, Check):
            return seen
        if (check := server_check(record.agent, seen)) is not None:
            return check
        target = self._target(record, seen)
        found = settled_check(record.agent, seen, await self._ask(record, target))
        return await self._prove(record, seen, target, found) if found.status == "True" else found

    def _target(self, record: AgentRecord, seen: ObservedServer) -> ModelTarget:
        """Return where the server is asked: by its Service's name, or by its address where names do not resolve."""
        target, address = target_of(record.agent.spec.llm), seen.service["spec"].get("clusterIP")
        if self._deps.environment.is_in_cluster or not address:
            return target
        host = f"[{address}]" if ":" in address else address
        return replace(target, endpoint=f"http://{host}:{PORT}/v1")

    async def _ask(self, record: AgentRecord, target: ModelTarget) -> Check:
        key = await read_model_key(self._deps.kube.secrets, record.name[0], record.agent.spec.llm)
        if isinstance(key, Check):
            return key
        seen = await self._deps.model.check(target, key)
        return model_check(record.agent, seen.ok, seen.reason, seen.message, seen.models)

    async def _prove(self, record: AgentRecord, seen: ObservedServer, target: ModelTarget, found: Check) -> Check:
        """Let the server write a few words, once for each way that it was started in."""
        llm, note = record.agent.spec.llm, record.server
        if record.model.status == "True" and note.proof == seen.proof and note.trial is not None:
            return trial_check(record.agent, found, note.trial)
        key = await read_model_key(self._deps.kube.secrets, record.name[0], llm)
        if isinstance(key, Check):
            return key
        trial = await self._deps.model.infer(target, llm.model, key, llm.timeout_seconds)
        record.server = replace(note, trial=trial, proof=seen.proof, proven_at=self._deps.clock.now())
        return trial_check(record.agent, found, trial)
