"""Names of tools for the model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cognitive_runtime.domain import Tool

RESERVED: Final = frozenset({"finish"})
"""Names that ReAct uses itself."""
TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def with_unique_names(tools: Sequence[Tool]) -> tuple[tuple[Tool, ...], tuple[Tool, ...]]:
    """Return the tools with unique names for the model, and those without one.

    A name that two servers have, or that is reserved, gets a prefix on each of them: ``<server>__<tool>``. So the order
    of the servers decides nothing. A tool whose name is still not unique is left out.
    """
    counts = Counter(each.own_name for each in tools)
    found: dict[str, Tool] = {}
    left_out: list[Tool] = []
    for each in tools:
        is_plain = counts[each.own_name] == 1 and each.own_name not in RESERVED
        name = each.own_name if is_plain else f"{each.server}__{each.own_name}"
        if name in found:
            left_out.append(each)
        else:
            found[name] = replace(each, name=name)
    return tuple(found.values()), tuple(left_out)
