"""Objects on the broker and on Ray whose names contain the UID of their agent or task."""

import asyncio
import base64
import json

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from support.cluster.ray_submissions import ENDED, RaySubmissions
from support.eventually import LIMIT_S


async def on_broker(url: str) -> list[str]:
    """Return requests, consumers, buckets, objects, and claims and leases that are no mere markers."""
    client = await nats.connect(url, allow_reconnect=False, error_cb=_ignore)
    try:
        found = await _subjects(client, "AGENT_REQUESTS")
        for bucket in ("KV_claims", "KV_lease"):
            found += [key for key in await _subjects(client, bucket) if await _holds(client, bucket, key)]
        js = client.jetstream()
        for info in await js.streams_info():
            if (name := str(info.config.name)).startswith("OBJ_"):
                found += [name, *map(_readable, await _subjects(client, name))]
        return found + [f"consumer {consumer.name}" for consumer in await js.consumers_info("AGENT_REQUESTS")]
    finally:
        await client.close()


def of_task(url: str, task_uid: str) -> set[str]:
    """Return the subjects on which the broker has something of a task."""
    return {name for name in asyncio.run(on_broker(url)) if task_uid in name}


async def on_ray(address: str) -> list[str]:
    """Return the submissions that have not ended."""
    jobs = await asyncio.to_thread(RaySubmissions(address).jobs)
    return [f"Ray job {job['submission_id']} {job.get('metadata')}" for job in jobs if job["status"] not in ENDED]


async def _subjects(client: Client, stream: str) -> list[str]:
    found: list[str] = []
    while True:
        body = json.dumps({"subjects_filter": ">", "offset": len(found)}).encode()
        answer = json.loads((await client.request(f"$JS.API.STREAM.INFO.{stream}", body, timeout=LIMIT_S)).data)
        page = (answer.get("state") or {}).get("subjects") or {}
        found += page
        if not page or len(found) >= answer.get("total", 0):
            return found


async def _holds(client: Client, bucket: str, subject: str) -> bool:
    """Tell a value from a mere marker of one that was purged."""
    try:
        return bool((await client.jetstream().get_last_msg(bucket, subject)).data)
    except NotFoundError:
        return False


def _readable(subject: str) -> str:
    """Return the subject of an object's description with the object's name, which stands there encoded."""
    head, _, encoded = subject.rpartition(".")
    return f"{head}.{base64.urlsafe_b64decode(encoded).decode()}" if head.endswith(".M") else subject


async def _ignore(_: Exception) -> None:
    """A broker that ends meanwhile is what the tests make on purpose."""
