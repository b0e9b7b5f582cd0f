from typing import Any

from dspy.lm15 import Response

def legacy_output(response: Response) -> dict[str, Any]: ...
