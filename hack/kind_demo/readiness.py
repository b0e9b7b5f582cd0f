"""Waits for an agent, and says what it waits for."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from controlplane import Kubectl
from kind_demo.commands import KindDemoError

POLL_S = 2.0
DEADLINE_S = 2400.0
HOPELESS_S = 180.0
"""How long an image may not be there: a registry that is slow once answers within it."""
HOPELESS = "ImagePullFailed"
NO_IMAGE = """an image cannot be had: {message}

The model's server is VLLM_IMAGE={image}, which the cluster's nodes pull or have already:
`make kind-demo VLLM_IMAGE=…` names another, VLLM_MODEL=… the model. Ray's pods have the image of `make images`."""


class Watcher:
    """Judges what an agent's status says from look to look."""

    def __init__(self, image: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._image = image
        self._clock = clock
        self._began_s = clock()
        self._hopeless_since_s: float | None = None
        self._said: dict[str, str] = {}

    def look(self, status: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Return whether the agent is ready, and a line for each condition that changed.

        Raises:
            KindDemoError: it will not become ready.
        """
        conditions = {found["type"]: found for found in status.get("conditions") or []}
        lines = [line for name, found in sorted(conditions.items()) if (line := self._line(name, found))]
        if (conditions.get("Ready") or {}).get("status") == "True":
            return True, lines
        self._give_up(conditions)
        return False, lines

    def _line(self, name: str, found: Mapping[str, Any]) -> str | None:
        said = f"{found['status']} {found['reason']}"
        if self._said.get(name) == said:
            return None
        self._said[name] = said
        return f"  {name}={said}: {found.get('message', '')}"

    def _give_up(self, conditions: Mapping[str, Mapping[str, Any]]) -> None:
        now_s = self._clock()
        pulled = [found for found in conditions.values() if found["reason"] == HOPELESS]
        if not pulled:
            self._hopeless_since_s = None
        elif self._hopeless_since_s is None:
            self._hopeless_since_s = now_s
        elif now_s - self._hopeless_since_s >= HOPELESS_S:
            raise KindDemoError(NO_IMAGE.format(message=pulled[0].get("message", ""), image=self._image))
        if now_s - self._began_s >= DEADLINE_S:
            told = "\n".join(f"  {name}={found['reason']}: {found['message']}" for name, found in conditions.items())
            raise KindDemoError(f"the agent is not ready after {DEADLINE_S:g} s:\n{told}")


def wait_ready(kubectl: Kubectl, agent: str, image: str, say: Callable[[str], None]) -> None:
    """Wait until an agent is ready, and say what changes meanwhile.

    Raises:
        KindDemoError: it will not become ready.
    """
    watcher = Watcher(image)
    while True:
        is_ready, lines = watcher.look(kubectl.json("get", "cagent", agent).get("status") or {})
        for line in lines:
            say(line)
        if is_ready:
            return
        time.sleep(POLL_S)
