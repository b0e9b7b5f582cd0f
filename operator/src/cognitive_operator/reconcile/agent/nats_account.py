"""Reconciliation of an agent's account on the broker, and of the Secret with its credentials."""

import logging
from datetime import UTC, datetime

from cognitive_operator.api.children import SECRET, child_name, owner_of
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.desired.broker_secret import SUFFIX, credentials_in, desired_broker_secret
from cognitive_operator.errors import ForbiddenError, NameTakenError, ObjectInvalidError, TransientError
from cognitive_operator.ports.accounts import AgentAccounts
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Children
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deletion_log import log_deletion
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming

logger = logging.getLogger(__name__)


class NatsAccounts:
    """Keeps the accounts of all agents; does nothing on a broker without accounts for agents."""

    def __init__(
        self, index: Index, accounts: AgentAccounts | None, children: Children, clock: Clock, timing: AgentTiming
    ) -> None:
        self._index = index
        self._accounts = accounts
        self._children = children
        self._clock = clock
        self._timing = timing
        self._leaving: dict[str, float] = {}
        """Monotonic seconds at which the accounts of deleted agents are to be removed, by UID."""

    async def ensure(self, record: AgentRecord) -> None:
        """Ensure the agent's account.

        Raises:
            BrokerUnavailableError: The broker did not confirm it; retry.
        """
        if self._accounts is not None:
            await self._accounts.ensure(record.name[0], record.uid)

    async def delete(self, agent_uid: str) -> None:
        """Remove an agent's account; Kubernetes deletes its Secret. Raises as ``ensure`` does."""
        if self._accounts is not None:
            await self._accounts.delete(agent_uid)
            log_deletion(f"account of agent {agent_uid}", "the resources of its agent were deleted before")
        self._leaving.pop(agent_uid, None)

    def delete_later(self, agent_uid: str) -> None:
        """Remove an agent's account after the time that a running executor needs to end by itself."""
        self._leaving[agent_uid] = self._clock.monotonic() + self._timing.delete_account_after_s

    async def delete_due(self) -> None:
        """Delete the accounts whose waiting time is over. Raises as ``ensure`` does."""
        now_s = self._clock.monotonic()
        for agent_uid in [uid for uid, due_s in self._leaving.items() if now_s >= due_s]:
            await self.delete(agent_uid)

    async def ensure_secret(self, record: AgentRecord) -> Condition | None:
        """Create the Secret with the agent's credentials, or renew it in time; return a lasting problem as Ready."""
        if self._accounts is None or not self._is_due(record):
            return None
        meta = record.agent.metadata
        place = f"Secret {meta.namespace}/{child_name(meta.name, meta.uid, SUFFIX)}"
        try:
            await self._apply_if_stale(self._accounts, record)
        except NameTakenError as error:
            return Condition.false(AgentCondition.READY, Reason.NAME_TAKEN, str(error))
        except (ForbiddenError, ObjectInvalidError) as error:
            message = f"{place} with the agent's NATS credentials: {error}"
            return Condition.false(AgentCondition.READY, Reason.CREDENTIALS_NOT_KEPT, message)
        except TransientError as error:
            logger.info("NATS credentials not checked; will retry", extra={"secret": place, "cause": str(error)})
        else:
            self._index.update_agent(record, secret_at_s=self._clock.monotonic())
        return None

    def _is_due(self, record: AgentRecord) -> bool:
        return self._clock.monotonic() - record.secret_at_s >= self._timing.secret_every_s

    async def _apply_if_stale(self, accounts: AgentAccounts, record: AgentRecord) -> None:
        meta = record.agent.metadata
        now_s = datetime.fromisoformat(self._clock.now()).astimezone(UTC).timestamp()
        live = await self._children.get(SECRET, meta.namespace, child_name(meta.name, meta.uid, SUFFIX))
        is_own = live is not None and owner_of(live) == meta.uid
        if live and is_own and accounts.are_fresh(meta.namespace, meta.uid, credentials_in(live), now_s):
            return
        credentials = accounts.new_credentials(meta.namespace, meta.uid, now_s)
        await self._children.apply(desired_broker_secret(record.agent, credentials))
