"""Command ``result``: prints the result of a task."""

import json

from cognitive_operator.config import Config
from cognitive_operator.results import read_result


async def show_result(config: Config, namespace: str, name: str) -> str:
    """Return the result of a task as indented JSON.

    Raises:
        CognitiveOperatorError: See ``read_result``.
    """
    result = await read_result(namespace, name, nats_url=config.nats_url, nats_creds=config.nats_creds)
    return json.dumps(result, ensure_ascii=False, indent=2) + "\n"
