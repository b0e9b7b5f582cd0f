"""Keeps the model server that an agent owns, and removes one that it wants no more."""

import logging
import secrets
from dataclasses import replace
from typing import Any, Final

from cognitive_operator.api.children import DEPLOYMENT, SECRET, SERVICE, VOLUME_CLAIM, ChildKind
from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.model_server import model_server_name
from cognitive_operator.api.vllm_spec import ManagedVLLM, ModelCache
from cognitive_operator.desired.vllm import (
    ServerTerms,
    desired_claim,
    desired_deployment,
    desired_key,
    desired_service,
    selector,
)
from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.plan.diagnosis import diagnose_refusal
from cognitive_operator.plan.model_server import NO_SERVER, ObservedServer, server_place
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.status.conditions import Condition

logger = logging.getLogger(__name__)
KEY_BYTES: Final = 32
PODS_LOOKED_AT: Final = 3
"""Of a server with many pods, those whose Events are read."""


class _RefusedError(Exception):
    """A child cannot be had."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.message)
        self.condition = condition


class ModelServerReconciler:
    """Brings the children of an agent's model server to what its spec wants."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def ensure(self, record: AgentRecord, vllm: ManagedVLLM) -> ObservedServer | Condition:
        """Apply the server's children and return the server, or ModelReady if a child cannot be applied.

        Raises no CognitiveOperatorError.
        """
        try:
            seen = await self._apply_children(record, vllm)
        except _RefusedError as refused:
            return refused.condition
        except CognitiveOperatorError as error:
            return _refusal(server_place(record.agent), error)
        name = model_server_name(record.agent)
        self._update(record, name=name, wanted=seen.wanted, ready=seen.ready, unwanted_since_s=None)
        return seen

    async def retire(self, record: AgentRecord) -> None:
        """Delete the server of an agent that has another model now, once no attempt can still use it."""
        if not ((record.body.get("status") or {}).get("model") or record.server.name):
            return
        now_s, since_s = self._deps.clock.monotonic(), record.server.unwanted_since_s
        if since_s is None:
            since_s = now_s
            self._update(record, name=model_server_name(record.agent), unwanted_since_s=now_s)
        longest_s = record.agent.spec.task_defaults.timeout_seconds
        if self._index.queue_of(record.name).running and now_s - since_s < longest_s:
            return
        try:
            for kind in (DEPLOYMENT, SERVICE, SECRET, VOLUME_CLAIM):
                await self._delete(record, kind)
        except CognitiveOperatorError as error:
            logger.info("will delete a model server", extra={"agent": "/".join(record.name), "cause": str(error)})
            return
        self._index.update_agent(record, server=NO_SERVER)

    def _update(self, record: AgentRecord, **changes: Any) -> None:
        self._index.update_agent(record, server=replace(self._index.latest(record).server, **changes))

    async def _apply_children(self, record: AgentRecord, vllm: ManagedVLLM) -> ObservedServer:
        agent = record.agent
        secret = await self._key(record)
        claim = await self._claim(record, vllm.model_cache)
        service = await self._apply(desired_service(agent))
        modes = claim["spec"].get("accessModes") or () if claim else ()
        terms = ServerTerms(secret["metadata"]["uid"], tuple(modes), is_suspended=self._is_asleep(record))
        deployment = await self._apply(desired_deployment(agent, vllm, terms))
        return await self._detailed(ObservedServer(deployment, service, claims=[claim] if claim else []), record)

    def _is_asleep(self, record: AgentRecord) -> bool:
        """Tell whether a suspended agent's server is not asked any more."""
        return self._index.latest(record).agent.spec.suspend and not self._index.queue_of(record.name).running

    async def _key(self, record: AgentRecord) -> Body:
        """Return the Secret with the server's key; one that is there is never changed."""
        manifest = desired_key(record.agent, secrets.token_urlsafe(KEY_BYTES))
        try:
            return await self._deps.children.create(manifest)
        except CognitiveOperatorError as error:
            raise _RefusedError(_refusal(_place(manifest), error)) from error

    async def _claim(self, record: AgentRecord, cache: ModelCache | None) -> Body | None:
        if cache is None or cache.claim_name is not None:
            await self._tidy(record)
        if cache is None:
            return None
        if cache.claim_name is None:
            return await self._apply(desired_claim(record.agent, cache))
        claim = await self._deps.children.get(VOLUME_CLAIM, record.name[0], cache.claim_name)
        if claim is None:
            place = f"PersistentVolumeClaim {record.name[0]}/{cache.claim_name}"
            message = f"spec.llm.vllm.modelCache.claimName: {place} does not exist; make it, or give a size instead."
            raise _RefusedError(Condition.false(AgentCondition.MODEL_READY, Reason.VOLUME_NOT_FOUND, message))
        return claim

    async def _tidy(self, record: AgentRecord) -> None:
        """Delete the claim that an earlier spec had made."""
        generation = record.agent.metadata.generation
        if record.server.tidied != generation:
            await self._delete(record, VOLUME_CLAIM)
            self._update(record, tidied=generation)

    async def _detailed(self, seen: ObservedServer, record: AgentRecord) -> ObservedServer:
        """Look at the pods, and at what is told of them, where not all is as it should be."""
        if seen.is_rolled_out:
            return seen
        children, namespace = self._deps.children, record.name[0]
        pods = await children.pods(namespace, selector(record.agent))
        pending = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"][:PODS_LOOKED_AT]
        about = [("Pod", pod) for pod in pending]
        about += [("PersistentVolumeClaim", c) for c in seen.claims if (c.get("status") or {}).get("phase") != "Bound"]
        warnings: list[KubeEvent] = []
        for kind, body in about:
            warnings += await children.warnings(namespace, kind, body["metadata"]["name"])
        return replace(seen, pods=pods, warnings=warnings)

    async def _apply(self, manifest: Body) -> Body:
        try:
            return await self._deps.children.apply(manifest)
        except CognitiveOperatorError as error:
            raise _RefusedError(_refusal(_place(manifest), error)) from error

    async def _delete(self, record: AgentRecord, kind: ChildKind) -> None:
        meta = record.agent.metadata
        await self._deps.children.delete(kind, meta.namespace, model_server_name(record.agent), meta.uid)


def _place(manifest: Body) -> str:
    meta = manifest["metadata"]
    return f"{manifest['kind']} {meta['namespace']}/{meta['name']}"


def _refusal(place: str, error: CognitiveOperatorError) -> Condition:
    unknown = Condition.unknown(AgentCondition.MODEL_READY, Reason.NOT_CHECKED, f"{place}: {error}")
    return diagnose_refusal(AgentCondition.MODEL_READY, place, error) or unknown
