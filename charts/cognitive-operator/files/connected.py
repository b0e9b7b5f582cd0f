"""Checks the operator's metrics and its streams on the broker; `helm test` runs it in a pod of the operator's image.

Arguments: the URL of the operator's metrics and that of the broker; the operator's credentials file, if the broker
requires credentials; the word `closed`, if the broker must reject clients without credentials.
"""

import asyncio
import sys
import urllib.request

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

STREAMS = ("AGENT_REQUESTS", "AGENT_RESPONSES", "AGENT_DEAD_LETTERS", "KV_claims", "KV_lease")
ATTEMPTS = 30


def main(metrics: str, broker: str, credentials: str = "", closed: str = "") -> None:
    """Check the metrics and the broker; exit with an error if a check fails."""
    with urllib.request.urlopen(metrics, timeout=10) as answer:
        print(metrics, answer.status)
    asyncio.run(ask(broker, credentials))
    if closed:
        asyncio.run(expect_refusal(broker))


async def ask(broker: str, credentials: str) -> None:
    """Wait for the operator's streams, up to ATTEMPTS seconds."""
    for _ in range(ATTEMPTS):
        if await has_streams(broker, credentials):
            return
        await asyncio.sleep(1)
    sys.exit("the operator has not set up the broker")


async def has_streams(broker: str, credentials: str) -> bool:
    """Return True if the operator's streams exist; print the error otherwise."""
    try:
        client = await connected(broker, credentials)
        async with client:
            for name in STREAMS:
                found = await client.jetstream().stream_info(name)
                print(f"stream {name}: {found.state.messages} messages")
    except (Error, NotFoundError, OSError) as error:
        print("the broker is not ready:", repr(error))
        return False
    return True


async def expect_refusal(broker: str) -> None:
    """Exit with an error if the broker accepts a client without credentials."""
    try:
        client = await connected(broker)
    except (Error, OSError) as error:
        print("the broker rejects clients without credentials:", error)
        return
    await client.close()
    sys.exit("the broker accepts clients without credentials")


async def connected(broker: str, credentials: str = "") -> Client:
    """Connect to the broker, without retries."""
    return await nats.connect(
        broker.split(","), user_credentials=credentials or None, allow_reconnect=False, connect_timeout=5
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
