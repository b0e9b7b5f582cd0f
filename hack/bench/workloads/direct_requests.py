"""Publishes requests to a warm executor all at once, without the operator and the API server."""

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

GOLDEN_REQUEST = Path(__file__).parents[3] / "tests" / "contract" / "wire" / "request.json"
TIMEOUT_S = 60.0
PLAIN: dict[str, Any] = {"api_key_file": None, "fallbacks": [], "stream": False, "rate_limit": None}


async def direct_requests_s(nats_url: str, agent_uid: str, endpoint: str, model: str, count: int) -> float:
    """Return the seconds from publishing the first request to the last result.

    The operator drops the results, because no task has these UIDs.

    Raises:
        TimeoutError: Not all requests had a result within TIMEOUT_S.
    """
    client = await nats.connect(nats_url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _measure(client, agent_uid, [_request(agent_uid, endpoint, model) for _ in range(count)])
    finally:
        await client.close()


async def _measure(client: Client, agent_uid: str, requests: list[dict[str, Any]]) -> float:
    results = await client.subscribe(f"agent.response.completed.default.{agent_uid}.>")
    await client.flush()
    began = time.monotonic()
    for request in requests:
        subject = f"agent.request.default.{agent_uid}.{request['task_uid']}.1"
        await client.publish(subject, json.dumps(request).encode())
    open_tasks = {request["task_uid"] for request in requests}
    while open_tasks:
        message = await results.next_msg(timeout=TIMEOUT_S)
        open_tasks.discard(message.subject.split(".")[-2])
    return time.monotonic() - began


def _request(agent_uid: str, endpoint: str, model: str) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(GOLDEN_REQUEST.read_text(encoding="utf-8"))
    llm = golden["agent"]["llm"] | PLAIN | {"endpoint": endpoint, "model": model, "cache": {"enabled": False}}
    plain = {"output_schema": None, "token_budget": None, "attempt": 1, "agent_uid": agent_uid}
    return golden | plain | {"task_uid": str(uuid.uuid4()), "agent": golden["agent"] | {"llm": llm}}
