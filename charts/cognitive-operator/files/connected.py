"""Whether the operator serves and has set up the broker; `helm test` runs it in a pod of the operator's image.

Arguments: the URL of the operator's metrics and the broker's; then, where the broker asks for them, the operator's
credentials file; then, where it must refuse who has none, the word `closed`.
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
    """Ask both."""
    with urllib.request.urlopen(metrics, timeout=10) as answer:
        print(metrics, answer.status)
    asyncio.run(ask(broker, credentials))
    if closed:
        asyncio.run(expect_refusal(broker))


async def ask(broker: str, credentials: str) -> None:
    """Find the operator's streams, with time for a broker that has just started."""
    for _ in range(ATTEMPTS):
        if await has_streams(broker, credentials):
            return
        await asyncio.sleep(1)
    sys.exit("the operator has not set up the broker")


async def has_streams(broker: str, credentials: str) -> bool:
    """Tell whether the operator's streams are there, and say what is missing."""
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
    """Fail where the broker lets in who has no credentials."""
    try:
        client = await connected(broker)
    except (Error, OSError) as error:
        print("who has no credentials is refused:", error)
        return
    await client.close()
    sys.exit("the broker lets in who has no credentials")


async def connected(broker: str, credentials: str = "") -> Client:
    """Connect, once."""
    return await nats.connect(
        broker.split(","), user_credentials=credentials or None, allow_reconnect=False, connect_timeout=5
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
