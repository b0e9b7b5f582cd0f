"""Completions of the scripted model, with the counts of their tokens."""

import json
import time
from typing import Any

from support.servers.scripted_model_answers import answer_for, answer_within
from support.servers.scripted_model_script import Script

CHARS_PER_TOKEN = 4
"""Characters of a token of this server's model."""


def completion(script: Script, body: dict[str, Any]) -> dict[str, Any]:
    content = None if script.null_content or script.refusal else _content(script, body)
    finish_reason = script.finish_reason
    room = body.get("max_tokens", 0) * CHARS_PER_TOKEN
    if script.wanted is not None and content is not None and len(content) > room:
        content, finish_reason = content[:room], "length"
    message = {"role": "assistant", "content": content, "refusal": script.refusal}
    prompt_tokens = sum(len(str(each["content"])) for each in body["messages"]) // CHARS_PER_TOKEN
    completion_tokens = len(content or "") // CHARS_PER_TOKEN
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [] if script.no_choices else [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _content(script: Script, body: dict[str, Any]) -> str:
    if script.content is not None:
        return script.content
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if script.wanted is not None and schema:
        return json.dumps(answer_within(schema, script.wanted), ensure_ascii=False)
    return json.dumps(answer_for(schema, script.text), ensure_ascii=False) if schema else script.text
