"""Control messages of the operator: stop an attempt, drain a worker."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.subjects import control_subject
from cognitive_runtime.adapters.wire import Stop, WireError, parse_control
from cognitive_runtime.adapters.worker.ports import WorkerIdentity

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class NatsControl:
    """Subscription to the control messages of one agent."""

    broker: BrokerConnection
    identity: WorkerIdentity

    async def start(self, on_stop: Callable[[str, str], None], on_drain: Callable[[], None]) -> None:
        """Call ``on_stop`` with an attempt id and a reason, and ``on_drain`` if the message names this worker's job."""

        async def on_message(message: Msg) -> None:
            try:
                found = parse_control(message.data)
            except WireError as error:
                _LOGGER.warning("unreadable control message", extra={"event": "BadControl", "error": str(error)})
                return
            if isinstance(found, Stop):
                on_stop(f"{found.task_uid}.{found.attempt}", found.reason)
            elif found.submission_id == self.identity.submission_id:
                on_drain()

        await self.broker.listen(control_subject(self.identity.namespace, self.identity.agent_uid), on_message)
