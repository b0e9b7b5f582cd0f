"""Confirmation that a broker has read everything that a client sent."""

from nats.aio.client import Client

from support.eventually import LIMIT_S


async def settle(client: Client) -> None:
    """Return when the server has read every earlier subscription and message of the client.

    One flush does not prove it: the library writes the PING of a flush at once, and commands only when its background
    task runs next. So the first PING overtakes commands that are still queued, and the second follows them. Source:
    ``Client._send_ping`` and ``Client._flusher`` of nats-py 2.16.
    """
    await client.flush(LIMIT_S)
    await client.flush(LIMIT_S)
