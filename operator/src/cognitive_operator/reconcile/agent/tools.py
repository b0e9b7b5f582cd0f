"""Readiness of an agent's tools."""

import asyncio

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.tools import ToolServer
from cognitive_operator.desired.tools import has_tools
from cognitive_operator.errors import ObjectInvalidError, ObjectNotFoundError, TransientError
from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals, tools_interval_s
from cognitive_operator.plan.agent.tools import (
    TOOLS_NOT_CHECKED,
    ServerCheck,
    check_allowed,
    failed_check,
    probe_timeout_s,
    tools_ready,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Secrets
from cognitive_operator.ports.tools import ToolProbe
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


class ToolReadiness:
    """Records ToolsReady of agents with tools; other agents cost nothing."""

    def __init__(
        self, index: Index, secrets: Secrets, probe: ToolProbe, clock: Clock, *, intervals: ProbeIntervals
    ) -> None:
        self._index = index
        self._secrets = secrets
        self._probe = probe
        self._clock = clock
        self._intervals = intervals

    async def reconcile(self, record: AgentRecord) -> None:
        """Check the agent's servers if the interval is over."""
        if not has_tools(record.agent):
            if record.tools is not None:
                self._index.update_agent(record, tools=None)
            return
        now_s, known = self._clock.monotonic(), record.tools or TOOLS_NOT_CHECKED
        if now_s - record.tools_at_s < tools_interval_s(known, self._intervals):
            return
        found = await self._check(record)
        if self._index.latest(record).agent.spec == record.agent.spec:  # else check the new spec at once
            self._index.update_agent(record, tools=found, tools_at_s=now_s)

    async def _check(self, record: AgentRecord) -> Condition:
        servers = record.agent.spec.tools.remote if record.agent.spec.tools else ()
        checks = await asyncio.gather(*(self._check_server(record.name[0], server) for server in servers))
        return tools_ready(record.agent, checks)

    async def _check_server(self, namespace: str, server: ToolServer) -> ServerCheck:
        ref = server.token_secret_ref
        try:
            token = await self._secrets.read_key(namespace, ref.name, ref.key) if ref else None
        except ObjectNotFoundError as error:
            return failed_check(server, Reason.SECRET_NOT_FOUND, str(error))
        except ObjectInvalidError as error:
            return failed_check(server, Reason.SECRET_INVALID, str(error))
        except TransientError as error:
            return failed_check(server, Reason.NOT_CHECKED, str(error))
        answer = await self._probe.check(server.address, token, probe_timeout_s(server))
        if not answer.ok:
            return failed_check(server, answer.reason, answer.message)
        return check_allowed(server, answer.tools)
