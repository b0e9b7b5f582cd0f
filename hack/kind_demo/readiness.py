"""Waits until an agent is ready and reports its conditions."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from controlplane import Kubectl
from kind_demo.commands import KindDemoError

POLL_S = 2.0
DEADLINE_S = 2400.0
IMAGE_PULL_TIMEOUT_S = 180.0
"""Time after which a failing image pull is final; a slow registry answers within it."""
IMAGE_PULL_FAILED = "ImagePullFailed"
NO_IMAGE = """cannot pull an image: {message}

The model server's image is VLLM_IMAGE={image}. The cluster's nodes must have it or be able to pull it.
Use another image and model with `make kind-demo VLLM_IMAGE=… VLLM_MODEL=…`.
Ray's pods use the image of `make images`."""


class ReadinessMonitor:
    """Evaluates successive statuses of an agent."""

    def __init__(self, image: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._image = image
        self._clock = clock
        self._began_s = clock()
        self._pull_failing_since_s: float | None = None
        self._reported: dict[str, str] = {}

    def observe(self, status: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Return True if the agent is ready, and a line for each condition that has changed.

        Raises:
            KindDemoError: An image cannot be pulled, or the agent is not ready after DEADLINE_S.
        """
        conditions = {found["type"]: found for found in status.get("conditions") or []}
        lines = [line for name, found in sorted(conditions.items()) if (line := self._line(name, found))]
        if (conditions.get("Ready") or {}).get("status") == "True":
            return True, lines
        self._check_deadlines(conditions)
        return False, lines

    def _line(self, name: str, found: Mapping[str, Any]) -> str | None:
        summary = f"{found['status']} {found['reason']}"
        if self._reported.get(name) == summary:
            return None
        self._reported[name] = summary
        return f"  {name}={summary}: {found.get('message', '')}"

    def _check_deadlines(self, conditions: Mapping[str, Mapping[str, Any]]) -> None:
        now_s = self._clock()
        failed = [found for found in conditions.values() if found["reason"] == IMAGE_PULL_FAILED]
        if not failed:
            self._pull_failing_since_s = None
        elif self._pull_failing_since_s is None:
            self._pull_failing_since_s = now_s
        elif now_s - self._pull_failing_since_s >= IMAGE_PULL_TIMEOUT_S:
            raise KindDemoError(NO_IMAGE.format(message=failed[0].get("message", ""), image=self._image))
        if now_s - self._began_s >= DEADLINE_S:
            lines = "\n".join(f"  {name}={found['reason']}: {found['message']}" for name, found in conditions.items())
            raise KindDemoError(f"the agent is not ready after {DEADLINE_S:g} s:\n{lines}")


def wait_ready(kubectl: Kubectl, agent: str, image: str, report: Callable[[str], None]) -> None:
    """Wait until an agent is ready; ``report`` receives a line for each change of a condition.

    Raises:
        KindDemoError: An image cannot be pulled, or the agent is not ready after DEADLINE_S.
    """
    monitor = ReadinessMonitor(image)
    while True:
        is_ready, lines = monitor.observe(kubectl.json("get", "cagent", agent).get("status") or {})
        for line in lines:
            report(line)
        if is_ready:
            return
        time.sleep(POLL_S)
