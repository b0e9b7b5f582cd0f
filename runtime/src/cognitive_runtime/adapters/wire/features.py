"""Features of this runtime, which its leases name. A task that needs an absent feature waits for another runtime."""

from typing import Final

FEATURES: Final = {
    "custom": "executes tasks of the type custom, whose signature is in the request",
    "deliberation": "asks several members for the answer of a task, and selects one by a stated method",
    "demonstrations": "shows the agent's demonstrations to the model before the task",
    "extra_body": "sends further fields of the model request",
    "optional_sampling": "leaves temperature and top_p out of the model request if the agent does not set them",
    "proposal": "executes tasks of the type proposal",
    "reasoning": "sets the effort and the tokens of a reasoning model, and reports its thinking",
    "serve": "reasons in the agent's application on Ray Serve where a request is placed there, and reserves CPUs and "
    "memory for workers and replicas",
    "structured_output": "holds answers to the form that the agent chooses",
    "tools": "calls tools of MCP servers and of a workspace",
    "warm_slots": "keeps processes that are forked in advance, each for one attempt in Job mode",
}
"""Meaning of each feature by its name on the wire."""
