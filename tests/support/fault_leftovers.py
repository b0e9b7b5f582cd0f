"""What the broker and Ray hold, by names that contain the UIDs it belongs to."""

import asyncio
import json
import urllib.request
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

FINISHED_JOBS = ("SUCCEEDED", "FAILED", "STOPPED")


async def on_broker(url: str) -> list[str]:
    """Return requests, consumers, buckets, objects, and claims and leases that are no mere markers."""
    client = await nats.connect(url, allow_reconnect=False, error_cb=_ignore)
    try:
        found = await _subjects(client, "AGENT_REQUESTS")
        for bucket in ("KV_claims", "KV_lease"):
            found += [key for key in await _subjects(client, bucket) if await _holds(client, bucket, key)]
        js = client.jetstream()
        for info in await js.streams_info():
            if (info.config.name or "").startswith("OBJ_"):
                found += [str(info.config.name), *await _subjects(client, str(info.config.name))]
        return found + [f"consumer {consumer.name}" for consumer in await js.consumers_info("AGENT_REQUESTS")]
    finally:
        await client.close()


async def on_ray(address: str) -> list[str]:
    """Return the submissions that have not ended."""
    jobs = await asyncio.to_thread(_jobs, address)
    return [f"Ray job {job['submission_id']} {job.get('metadata')}" for job in jobs if _runs(job)]


async def _subjects(client: Client, stream: str) -> list[str]:
    found: list[str] = []
    while True:
        body = json.dumps({"subjects_filter": ">", "offset": len(found)}).encode()
        answer = json.loads((await client.request(f"$JS.API.STREAM.INFO.{stream}", body, timeout=5)).data)
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


def _jobs(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}/api/jobs/", timeout=20) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def _runs(job: dict[str, Any]) -> bool:
    return bool(job.get("submission_id")) and job["status"] not in FINISHED_JOBS


async def _ignore(_: Exception) -> None:
    """A broker that ends meanwhile is what the tests make on purpose."""
