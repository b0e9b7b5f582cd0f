"""Keeps an agent's account on the broker, and its credentials in a Secret of the agent's own."""

import logging
from datetime import UTC, datetime
from typing import Final

from cognitive_operator.api.children import SECRET, child_name, owner_of
from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.desired.broker_secret import SUFFIX, credentials_in, desired_broker_secret
from cognitive_operator.errors import ForbiddenError, NameTakenError, ObjectInvalidError, TransientError
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.status.conditions import Condition

logger = logging.getLogger(__name__)
EXPEL_AFTER_S: Final = 120.0
"""Longer than an executor that nobody reaches needs to notice that its consumer is gone, and to end."""
LOOK_EVERY_S: Final = 60.0
"""How often a Secret that was found good is looked at again."""


class NatsAccounts:
    """Does nothing on a broker that does not know agents apart."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index
        self._leaving: dict[str, float] = {}
        """UIDs of agents that are gone, and when they are to be forgotten."""

    async def admit(self, record: AgentRecord) -> None:
        """Have the broker know the agent.

        Raises:
            BrokerUnavailableError: Not known whether it does; retry.
        """
        if self._deps.accounts is not None:
            await self._deps.accounts.admit(record.agent.metadata.namespace, record.agent.metadata.uid)

    async def expel(self, agent_uid: str) -> None:
        """Have the broker forget an agent; its Secret goes with the agent itself. Raises as ``admit`` does."""
        if self._deps.accounts is not None:
            await self._deps.accounts.expel(agent_uid)
        self._leaving.pop(agent_uid, None)

    def expel_later(self, agent_uid: str) -> None:
        """Have an agent forgotten when its executor, which may still run, has ended itself."""
        self._leaving[agent_uid] = self._deps.clock.monotonic() + EXPEL_AFTER_S

    async def expel_due(self) -> None:
        """Have the agents forgotten whose time has come. Raises as ``admit`` does."""
        now_s = self._deps.clock.monotonic()
        for agent_uid in [uid for uid, due_s in self._leaving.items() if now_s >= due_s]:
            await self.expel(agent_uid)

    async def ensure_secret(self, record: AgentRecord) -> Condition | None:
        """Make the agent's Secret if it is absent, and renew it in time; return what is in the way for good."""
        if self._deps.accounts is None or not self._is_due(record):
            return None
        meta = record.agent.metadata
        place = f"Secret {meta.namespace}/{child_name(meta.name, meta.uid, SUFFIX)}"
        try:
            await self._apply_if_stale(record)
        except NameTakenError as error:
            return Condition.false(AgentCondition.READY, Reason.NAME_TAKEN, str(error))
        except (ForbiddenError, ObjectInvalidError) as error:
            return Condition.false(
                AgentCondition.READY, Reason.CREDENTIALS_NOT_KEPT, f"{place}, for the broker's credentials: {error}"
            )
        except TransientError as error:
            logger.info("will look at credentials later", extra={"secret": place, "cause": str(error)})
        else:
            self._index.update_agent(record, secret_at_s=self._deps.clock.monotonic())
        return None

    def _is_due(self, record: AgentRecord) -> bool:
        return self._deps.clock.monotonic() - record.secret_at_s >= LOOK_EVERY_S

    async def _apply_if_stale(self, record: AgentRecord) -> None:
        accounts, meta = self._deps.accounts, record.agent.metadata
        assert accounts is not None
        now_s = datetime.fromisoformat(self._deps.clock.now()).astimezone(UTC).timestamp()
        live = await self._deps.children.get(SECRET, meta.namespace, child_name(meta.name, meta.uid, SUFFIX))
        is_own = live is not None and owner_of(live) == meta.uid
        if live and is_own and accounts.are_fresh(meta.namespace, meta.uid, credentials_in(live), now_s):
            return
        credentials = accounts.new_credentials(meta.namespace, meta.uid, now_s)
        await self._deps.children.apply(desired_broker_secret(record.agent, credentials))
