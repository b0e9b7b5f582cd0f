"""Descriptions of the tools of a workspace."""

from typing import Any, Final

from cognitive_runtime.domain import Tool, Workspace
from cognitive_runtime.domain.tools import WORKSPACE

MAX_FILE_CHARACTERS: Final = 200_000
"""Maximum characters of a file that is written."""
TIMEOUT_S: Final = 30.0
PATH: Final = {"type": "string", "maxLength": 1024, "description": "Path relative to the workspace, with slashes."}


def object_schema(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    """Return the JSON Schema of arguments; others are refused."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_READING: Final = {
    "list_files": ("List the names in a directory. Directories end with a slash.", object_schema((), path=PATH)),
    "read_file": (
        "Read a text file, at most 64 KiB at a time.",
        object_schema(("path",), path=PATH, offset={"type": "integer", "minimum": 0, "description": "First byte."}),
    ),
    "search_files": (
        "Search the files beneath a directory for a text, and show the lines that contain it.",
        object_schema(("text",), text={"type": "string", "minLength": 1, "maxLength": 256}, path=PATH),
    ),
}
_WRITING: Final = {
    "write_file": (
        "Write a whole text file, in place of an earlier one.",
        object_schema(("path", "content"), path=PATH, content={"type": "string", "maxLength": MAX_FILE_CHARACTERS}),
    )
}


def tools_of(workspace: Workspace) -> tuple[Tool, ...]:
    """Return the tools of a workspace. Only writing into a volume outlives the attempt."""
    offered = _READING if workspace.read_only else _READING | _WRITING
    return tuple(
        Tool(
            name=name,
            server=WORKSPACE,
            own_name=name,
            description=description,
            schema=schema,
            has_side_effects=name in _WRITING and workspace.kind == "PersistentVolume",
            timeout_s=TIMEOUT_S,
        )
        for name, (description, schema) in offered.items()
    )
