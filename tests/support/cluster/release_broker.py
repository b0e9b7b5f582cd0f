"""Prints as JSON what the chart's broker holds of agents; it runs in the operator's pod, which has the credentials."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import nats
from nats.js import JetStreamContext

OPERATOR = "/etc/cognitive/nats/operator.creds"
SYSTEM = "/etc/cognitive/accounts/system.creds"
REQUESTS = "AGENT_REQUESTS"
CLAIMS = "KV_claims"


def program() -> str:
    """Return the text of this program."""
    return Path(__file__).read_text(encoding="utf-8")


async def holdings(url: str) -> dict[str, Any]:
    """Return consumers of requests, object buckets, subjects of requests and claims, and accounts."""
    operator = await nats.connect(url, user_credentials=OPERATOR)
    system = await nats.connect(url, user_credentials=SYSTEM)
    async with operator, system:
        js = operator.jetstream()
        streams = [str(each.config.name) for each in await js.streams_info()]
        accounts = json.loads((await system.request("$SYS.REQ.CLAIMS.LIST", b"", timeout=10)).data)
        return {
            "consumers": sorted(each.name for each in await js.consumers_info(REQUESTS)),
            "buckets": sorted(name for name in streams if name.startswith("OBJ_")),
            "subjects": sorted([*await subjects(js, REQUESTS), *await subjects(js, CLAIMS)]),
            "accounts": sorted(accounts["data"]),
        }


async def subjects(js: JetStreamContext, stream: str) -> list[str]:
    """Return the subjects on which a stream holds something."""
    return list((await js.stream_info(stream, subjects_filter=">")).state.subjects or {})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(holdings(sys.argv[1]))))
