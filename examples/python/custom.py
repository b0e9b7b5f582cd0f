"""The signature of ``15-signature.yaml`` with a core in this process, for the input of ``25-custom.yaml``."""

import asyncio
from pathlib import Path

import yaml

from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore

EXAMPLES = Path(__file__).parents[1]


async def main() -> None:
    """Register the signature and run one task of it."""
    given = yaml.safe_load((EXAMPLES / "25-custom.yaml").read_text(encoding="utf-8"))["spec"]["input"]
    async with CognitiveCore() as core:
        core.register_signature(EXAMPLES / "15-signature.yaml")
        result = await core.answer(CognitiveContext("operations", "judge-alert", given))
        print(f"{result['severity']} {result['affected']}" if result["success"] else result["error"])


asyncio.run(main())
