"""Reconciliation of the model server that an agent owns."""

import logging
import secrets
from dataclasses import replace
from typing import Any, Final

from cognitive_operator.api.children import DEPLOYMENT, SECRET, SERVICE, VOLUME_CLAIM, ChildKind
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
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
from cognitive_operator.plan.agent.diagnosis import diagnose_refusal
from cognitive_operator.plan.agent.model.model_server import (
    NO_SERVER,
    ObservedServer,
    may_delete_server,
    server_place,
    server_target,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body, Children, KubeEvent
from cognitive_operator.ports.model import ModelTarget
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index

logger = logging.getLogger(__name__)
KEY_BYTES: Final = 32
MAX_PODS_WITH_EVENTS: Final = 3
"""Pending pods of one server whose Events are read."""


class _ChildMissingError(Exception):
    """A child was refused or does not exist."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.message)
        self.condition = condition


class ModelServerReconciler:
    """Brings the children of an agent's model server to what its spec wants."""

    def __init__(self, index: Index, children: Children, clock: Clock, *, is_in_cluster: bool) -> None:
        self._index = index
        self._children = children
        self._clock = clock
        self._is_in_cluster = is_in_cluster

    async def ensure(self, record: AgentRecord, vllm: ManagedVLLM) -> ObservedServer | Condition:
        """Apply the server's children and return the server, or ModelReady if a child cannot be applied.

        Raises no CognitiveOperatorError.
        """
        try:
            server = await self._apply_children(record, vllm)
        except _ChildMissingError as refused:
            return refused.condition
        except CognitiveOperatorError as error:
            return _refusal(server_place(record.agent), error)
        name = model_server_name(record.agent)
        self._update(record, name=name, wanted=server.wanted, ready=server.ready, unwanted_since_s=None)
        return server

    async def retire(self, record: AgentRecord) -> None:
        """Delete the server of an agent that has another model now, once no attempt can still use it."""
        if not ((record.body.get("status") or {}).get("model") or record.server.name):
            return
        now_s, since_s = self._clock.monotonic(), record.server.unwanted_since_s
        if since_s is None:
            since_s = now_s
            self._update(record, name=model_server_name(record.agent), unwanted_since_s=now_s)
        if not may_delete_server(record.agent, self._index.queue_of(record.name).slots_in_use, now_s - since_s):
            return
        try:
            for kind in (DEPLOYMENT, SERVICE, SECRET, VOLUME_CLAIM):
                await self._delete(record, kind)
        except CognitiveOperatorError as error:
            logger.info(
                "model server not deleted; will retry", extra={"agent": "/".join(record.name), "cause": str(error)}
            )
            return
        self._index.update_agent(record, server=NO_SERVER)

    def target(self, record: AgentRecord, server: ObservedServer) -> ModelTarget:
        """Return the server's API as this process reaches it."""
        return server_target(record.agent, server, by_name=self._is_in_cluster)

    def _update(self, record: AgentRecord, **changes: Any) -> None:
        self._index.update_agent(record, server=replace(self._index.latest(record).server, **changes))

    async def _apply_children(self, record: AgentRecord, vllm: ManagedVLLM) -> ObservedServer:
        agent = record.agent
        secret = await self._key(record)
        claim = await self._claim(record, vllm.model_cache)
        service = await self._apply(desired_service(agent))
        modes = claim["spec"].get("accessModes") or () if claim else ()
        terms = ServerTerms(secret["metadata"]["uid"], tuple(modes), is_suspended=self._is_to_rest(record))
        deployment = await self._apply(desired_deployment(agent, vllm, terms))
        return await self._with_details(ObservedServer(deployment, service, claims=[claim] if claim else []), record)

    def _is_to_rest(self, record: AgentRecord) -> bool:
        """Return True if the agent is suspended and none of its attempts can use the server."""
        return self._index.latest(record).agent.spec.suspend and not self._index.queue_of(record.name).slots_in_use

    async def _key(self, record: AgentRecord) -> Body:
        """Return the Secret with the server's key; an existing one is never changed."""
        manifest = desired_key(record.agent, secrets.token_urlsafe(KEY_BYTES))
        try:
            return await self._children.create(manifest)
        except CognitiveOperatorError as error:
            raise _ChildMissingError(_refusal(_place(manifest), error)) from error

    async def _claim(self, record: AgentRecord, cache: ModelCache | None) -> Body | None:
        if cache is None or cache.claim_name is not None:
            await self._delete_former_claim(record)
        if cache is None:
            return None
        if cache.claim_name is None:
            return await self._apply(desired_claim(record.agent, cache))
        claim = await self._children.get(VOLUME_CLAIM, record.name[0], cache.claim_name)
        if claim is None:
            place = f"PersistentVolumeClaim {record.name[0]}/{cache.claim_name}"
            message = f"spec.llm.vllm.modelCache.claimName: {place} does not exist; create it, or set modelCache.size."
            raise _ChildMissingError(Condition.false(AgentCondition.MODEL_READY, Reason.VOLUME_NOT_FOUND, message))
        return claim

    async def _delete_former_claim(self, record: AgentRecord) -> None:
        """Delete the claim of an earlier spec."""
        generation = record.agent.metadata.generation
        if record.server.tidied != generation:
            await self._delete(record, VOLUME_CLAIM)
            self._update(record, tidied=generation)

    async def _with_details(self, server: ObservedServer, record: AgentRecord) -> ObservedServer:
        """Read the pods and their Warning Events while the server is not rolled out."""
        if server.is_rolled_out:
            return server
        namespace = record.name[0]
        pods = await self._children.pods(namespace, selector(record.agent))
        pending = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"][:MAX_PODS_WITH_EVENTS]
        about = [("Pod", pod) for pod in pending]
        about += [
            ("PersistentVolumeClaim", c) for c in server.claims if (c.get("status") or {}).get("phase") != "Bound"
        ]
        warnings: list[KubeEvent] = []
        for kind, body in about:
            warnings += await self._children.warnings(namespace, kind, body["metadata"]["name"])
        return replace(server, pods=pods, warnings=warnings)

    async def _apply(self, manifest: Body) -> Body:
        try:
            return await self._children.apply(manifest)
        except CognitiveOperatorError as error:
            raise _ChildMissingError(_refusal(_place(manifest), error)) from error

    async def _delete(self, record: AgentRecord, kind: ChildKind) -> None:
        meta = record.agent.metadata
        await self._children.delete(kind, meta.namespace, model_server_name(record.agent), meta.uid)


def _place(manifest: Body) -> str:
    meta = manifest["metadata"]
    return f"{manifest['kind']} {meta['namespace']}/{meta['name']}"


def _refusal(place: str, error: CognitiveOperatorError) -> Condition:
    unknown = Condition.unknown(AgentCondition.MODEL_READY, Reason.NOT_CHECKED, f"{place}: {error}")
    return diagnose_refusal(AgentCondition.MODEL_READY, place, error) or unknown
