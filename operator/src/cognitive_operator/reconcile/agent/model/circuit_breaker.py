"""Circuit breaker of an agent's model: closed by changed Secrets, and open again after a trial that ended unseen."""

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime

from cognitive_operator.api.resources import Agent
from cognitive_operator.errors import ObjectNotFoundError, TransientError
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Secrets
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


class ModelCircuitBreaker:
    """Closes an open circuit when the agent's Secrets change, and records the time of changes of spec.llm."""

    def __init__(self, index: Index, secrets: Secrets, clock: Clock, digest_key: bytes) -> None:
        """Take the key of the digests by which Secrets are compared; digests stay in this process."""
        self._index = index
        self._secrets = secrets
        self._clock = clock
        self._digest_key = digest_key

    async def reconcile(self, record: AgentRecord) -> None:
        """Bring the open circuit of an agent up to date; if it is closed, read nothing."""
        if record.model_since_s == float("inf"):
            unix_s = datetime.fromisoformat(self._clock.now()).timestamp()
            self._index.update_agent(record, model_since_s=self._clock.monotonic(), learn_since_s=unix_s)
        if record.open_circuit is None:
            return
        keys = await self._digest(record.agent)
        circuit = self._index.latest(record).open_circuit
        if circuit is None or keys is None:
            return
        if circuit.keys is not None and circuit.keys != keys:
            self._index.update_agent(record, open_circuit=None, model_since_s=self._clock.monotonic())
        else:
            self._index.update_agent(record, open_circuit=self._current(record, replace(circuit, keys=keys)))

    def _current(self, record: AgentRecord, circuit: OpenCircuit) -> OpenCircuit:
        """Return the circuit without a try that has ended unseen, because its task was deleted."""
        is_over = circuit.trial is not None and not self._index.queue_of(record.name).is_started(circuit.trial)
        return circuit.reopened(self._clock.monotonic()) if is_over else circuit

    async def _digest(self, agent: Agent) -> str | None:
        """Return a digest of the API keys of all models of the agent, None if one cannot be read now."""
        llm, digest = agent.spec.llm, hmac.new(self._digest_key, digestmod=hashlib.sha256)
        own = [each.api_key_secret_ref for each in (llm, *llm.fallbacks)]
        for ref in [*own, *(variant.api_key_secret_ref for variant in llm.variants)]:
            try:
                key = await self._secrets.read_key(agent.metadata.namespace, ref.name, ref.key) if ref else ""
            except ObjectNotFoundError:
                key = ""
            except TransientError:
                return None
            digest.update(len(key).to_bytes(8) + key.encode())
        return digest.hexdigest()
