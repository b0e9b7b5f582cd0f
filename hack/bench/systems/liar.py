"""``python -m bench.systems.liar``: answers the requests of one agent with lies, in the place of its executor.

Each request is answered by FORGED responses with the signature of another key, then by a correctly signed response that
no status can hold.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.msg import Msg

GOLDEN = Path(__file__).parents[3] / "tests" / "contract" / "wire"
SIGNATURE = "Cognitive-Signature"
DELAY_S = 0.5
"""Time from a request to its answer: with eight attempts at once, 16 attempts end in each second."""
FORGED = 8
"""Wrongly signed responses to each request."""
POISON: tuple[dict[str, Any], ...] = (
    {"started_at": "yesterday"},
    {"usage": {"prompt_tokens": 10**30, "completion_tokens": 0, "total_tokens": 10**30}},
    {"result": {"text": "x" * 100_000}},
)


@dataclass(frozen=True)
class Lie:
    """A message of the liar."""

    subject: str
    data: bytes
    headers: dict[str, str] | None = None


def lies(request_subject: str, request: dict[str, Any], poison: dict[str, Any]) -> Iterator[Lie]:
    """Yield the answers to a request: wrongly signed, poisoned, and the claim of an executor that has ended."""
    tail = request_subject.removeprefix("agent.request.")
    subject, key = f"agent.response.completed.{tail}", bytes.fromhex(request["attempt_key"])
    content = _golden("completed") | {name: request[name] for name in ("namespace", "task_name", "task_uid")}
    content |= {"agent_uid": request["agent_uid"], "attempt": request["attempt"], "mode": "Job"}
    for number in range(FORGED):
        yield _signed(hashlib.sha256(key).digest(), subject, content | {"duration_ms": number})
    yield _signed(key, subject, content | poison)
    claim = _golden("claim") | {"mode": "Job", "state": "ended"}
    yield Lie(f"$KV.claims.{tail.partition('.')[2]}", json.dumps(claim).encode())


async def answer(nats_url: str, namespace: str, agent_uid: str) -> None:
    """Answer the requests of an agent until cancelled."""
    poisons = itertools.cycle(POISON)
    async with await nats.connect(nats_url) as client, asyncio.TaskGroup() as group:

        async def lie(message: Msg) -> None:
            await asyncio.sleep(DELAY_S)
            for each in lies(message.subject, json.loads(message.data), next(poisons)):
                await client.publish(each.subject, each.data, headers=each.headers)

        subject = f"agent.request.{namespace}.{agent_uid}.>"
        requests = await client.jetstream().subscribe(subject, stream="AGENT_REQUESTS", ordered_consumer=True)
        async for message in requests.messages:
            group.create_task(lie(message))


def main() -> None:
    """Lie until stopped."""
    parser = argparse.ArgumentParser(prog="liar", description=__doc__)
    parser.add_argument("--nats", required=True, help="URL of the broker")
    parser.add_argument("--namespace", required=True, help="namespace of the agent")
    parser.add_argument("--agent-uid", required=True, help="UID of the agent")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(answer(options.nats, options.namespace, options.agent_uid))


def _signed(key: bytes, subject: str, content: dict[str, Any]) -> Lie:
    data = json.dumps(content).encode()
    signature = hmac.new(key, subject.encode() + b"\n" + data, hashlib.sha256).hexdigest()
    return Lie(subject, data, {SIGNATURE: signature})


def _golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
