"""Sends chat completions to an agent's own vLLM server; it runs in the server's pod, which has the API key.

Standard input is a JSON object with the body of each request by a name, standard output one with what came of each.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0


def program() -> str:
    """Return the text of this program."""
    return Path(__file__).read_text(encoding="utf-8")


def completed(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a response, with content and finish reason, or with the message of a refusal."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['VLLM_API_KEY']}"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            (choice,) = json.load(response)["choices"]
    except urllib.error.HTTPError as error:
        return {"status": error.code, "message": error.read().decode(errors="replace")}
    return {"status": 200, "content": choice["message"]["content"], "finish_reason": choice["finish_reason"]}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    sys.stdout.write(json.dumps({name: completed(sys.argv[1], body) for name, body in asked.items()}))
