"""What the broker holds of one task, as an administrator sees it."""

import asyncio
import base64

from nats.aio.client import Client
from nats.js import JetStreamContext


def leftovers(url: str, task_uid: str) -> set[str]:
    """Return the subjects on which the broker has something of a task: requests, claims, descriptions of objects."""
    return asyncio.run(_leftovers(url, task_uid))


async def _leftovers(url: str, task_uid: str) -> set[str]:
    client = Client()
    await client.connect(url)
    try:
        js = client.jetstream()
        found = await _subjects(js, "AGENT_REQUESTS")
        found |= {s for s in await _subjects(js, "KV_claims") if await _is_value(js, s)}
        for stream in await js.streams_info():
            name = str(stream.config.name)
            if name.startswith("OBJ_results-"):
                found |= {_readable(subject) for subject in await _subjects(js, name)}
        return {subject for subject in found if task_uid in subject}
    finally:
        await client.close()


async def _subjects(js: JetStreamContext, stream: str) -> set[str]:
    info = await js.stream_info(stream, subjects_filter=">")
    return set(info.state.subjects or {})


async def _is_value(js: JetStreamContext, subject: str) -> bool:
    message = await js.get_last_msg("KV_claims", subject)
    return "KV-Operation" not in (message.headers or {})


def _readable(subject: str) -> str:
    head, _, encoded = subject.rpartition(".")
    return f"{head}.{base64.urlsafe_b64decode(encoded).decode()}" if head.endswith(".M") else subject
