"""Readiness of an agent's tools: the condition ToolsReady, and the gate of tasks that use tools."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Phase, Reason, as_sentence
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.tools import ToolServer
from cognitive_operator.desired.tools import token_file
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.plan.gates.gate import GateResult

PROBE_TIMEOUT_S: Final = 5.0
"""Longest wait for one server: an agent's reconciliation also reads its leases, and must not wait longer."""
RECHECK_TOOLS_S: Final = 2.0
"""Seconds after which a waiting task looks at its agent's ToolsReady again."""
TOOLS_NOT_CHECKED: Final = Condition.unknown(AgentCondition.TOOLS_READY, Reason.NOT_CHECKED, "Not checked yet.")
SHOWN: Final = 5
"""Tools and servers that a message names."""


@dataclass(frozen=True)
class ServerCheck:
    """The result of one check of a server at a URL."""

    server: str
    ok: bool
    reason: str
    message: str


def probe_timeout_s(server: ToolServer) -> float:
    """Return the seconds within which a server must answer the operator's check."""
    return min(float(server.timeout_seconds), PROBE_TIMEOUT_S)


def check_allowed(server: ToolServer, tools: Sequence[str]) -> ServerCheck:
    """Return the check of a server that answers: it fails if no tool of the server is allowed."""
    allowed = [name for name in tools if _is_allowed(server, name)]
    if allowed:
        return ServerCheck(server.name, True, Reason.AVAILABLE, f"{server.name} offers {_named(allowed)}.")
    patterns = ", ".join(server.allow) or "none"
    message = (
        f"spec.tools.servers {server.name}: allow ({patterns}) matches no tool of the server, which has "
        f"{_named(tools)}. Add the names of tools or patterns such as read_*."
    )
    return ServerCheck(server.name, False, Reason.TOOLS_NOT_ALLOWED, message)


def failed_check(server: ToolServer, reason: str, cause: str) -> ServerCheck:
    """Return the check of a server that does not answer, or whose token cannot be read."""
    remedies = {
        Reason.TOOL_SERVER_UNREACHABLE: "Start the server, or correct its url.",
        Reason.TOOL_SERVER_INVALID: "Correct its url: it must be the address of an MCP server over streamable HTTP.",
        Reason.CREDENTIALS_REJECTED: "Correct the token in the Secret that tokenSecretRef names.",
        Reason.NOT_CHECKED: "The operator checks the server again within 10 s.",
    }
    remedy = remedies.get(Reason(reason), "Create the Secret, or correct tokenSecretRef.")
    return ServerCheck(server.name, False, reason, f"spec.tools.servers {server.name}: {as_sentence(cause)} {remedy}")


def tools_ready(agent: Agent, checks: Sequence[ServerCheck]) -> Condition:
    """Return ToolsReady of an agent with tools, by the checks of its servers at a URL."""
    failed = [each for each in checks if not each.ok]
    if failed:
        more = f" {len(failed) - SHOWN} more servers fail." if len(failed) > SHOWN else ""
        message = " ".join(each.message for each in failed[:SHOWN]) + more
        return Condition.false(AgentCondition.TOOLS_READY, failed[0].reason, message)
    found = [each.message for each in checks[:SHOWN]]
    rest = [f"{len(checks) - SHOWN} more servers answer."] if len(checks) > SHOWN else []
    return Condition.true(AgentCondition.TOOLS_READY, Reason.AVAILABLE, " ".join([*found, *rest, *_unchecked(agent)]))


def tools_gate(agent: Agent, ready: Condition | None) -> GateResult | None:
    """Return why a task with ``spec.tools.enabled`` waits; None: its agent's tools are ready.

    Args:
        agent: The task's agent.
        ready: ToolsReady of the agent; None: the agent has no tools.
    """
    name = f"CognitiveAgent {agent.metadata.namespace}/{agent.metadata.name}"
    if ready is None:
        message = (
            f"{name} has no tools, and spec.tools.enabled of the task is true. Set spec.tools of the agent, or create "
            "the task without tools."
        )
        return GateResult(Reason.TOOLS_NOT_FOUND, message, recheck_s=RECHECK_TOOLS_S)
    if ready.is_true:
        return None
    message = f"The tools of {name} are not ready ({ready.reason}): {ready.message}"
    return GateResult(Reason.TOOLS_NOT_READY, message, recheck_s=RECHECK_TOOLS_S)


def unusable_tools(task: Task, module: str | None) -> GateResult | None:
    """Return why a task with ``spec.tools.enabled`` cannot use tools, whatever its agent offers.

    Args:
        task: The task.
        module: Module of the signature of a Custom task; None: it has another type.
    """
    if task.spec.type == "Proposal":
        message = "spec.tools.enabled is true, and a task of spec.type Proposal uses no tools. Create it without."
        return GateResult(Reason.TOOLS_NOT_ALLOWED, message, Phase.FAILED, is_accepted=False)
    if module in (None, "ReAct") or task.spec.signature_ref is None:
        return None
    name = f"CognitiveSignature {task.metadata.namespace}/{task.spec.signature_ref.name}"
    message = (
        f"{name} has spec.module {module}, and spec.tools.enabled of the task is true: tools need ReAct. Set "
        "spec.module of the signature to ReAct, or create the task without tools."
    )
    return GateResult(Reason.TOOLS_NOT_ALLOWED, message, recheck_s=RECHECK_TOOLS_S)


def lacks_token(agent: Agent, end: AttemptEnd) -> bool:
    """Return True if an attempt lacked the token of an MCP server, which tasks without tools do not need."""
    servers = agent.spec.tools.servers if agent.spec.tools else ()
    files = [re.escape(token_file(each)) for each in servers if each.token_secret_ref]
    is_missing = end.reason == Reason.CREDENTIALS_NOT_MOUNTED and end.response is not None
    return is_missing and any(re.search(rf"{file}(?![-a-z0-9])", end.message) for file in files)


def _is_allowed(server: ToolServer, tool: str) -> bool:
    """Return True if a pattern matches; ``*`` stands for any characters."""
    patterns = (".*".join(re.escape(part) for part in pattern.split("*")) for pattern in server.allow)
    return any(re.fullmatch(pattern, tool) for pattern in patterns)


def _named(tools: Sequence[str]) -> str:
    if not tools:
        return "no tools"
    more = f" and {len(tools) - SHOWN} more" if len(tools) > SHOWN else ""
    return f"{len(tools)} tool{'' if len(tools) == 1 else 's'} ({', '.join(tools[:SHOWN])}{more})"


def _unchecked(agent: Agent) -> list[str]:
    tools = agent.spec.tools
    if tools is None:
        return []
    sidecars = ", ".join(each.name for each in tools.sidecars)
    found = [f"Not checked by the operator, because only executors reach them: {sidecars}."] if sidecars else []
    return [*found, "The agent has a workspace."] if tools.workspace else found
