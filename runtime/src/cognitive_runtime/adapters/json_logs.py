"""Logs: one JSON object a line for each event."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_RENAMED: Final = {"task": "name"}
"""``name`` is taken in a record: it is the logger's."""


class JsonFormatter(logging.Formatter):
    """Formats a record and what it was given as ``extra``. ``context`` stands in every line."""

    def __init__(self, context: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._context = dict(context or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return one line. Of an exception it holds the class and the places, not the message: that can hold text."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._context,
        }
        extras = {name: value for name, value in record.__dict__.items() if name not in _PLAIN and name[0] != "_"}
        line |= {_RENAMED.get(name, name): value for name, value in extras.items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: str, context: Mapping[str, Any] | None = None) -> None:
    """Write the process's logs to the standard output; the libraries' own from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(context))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cognitive_runtime").setLevel(level)
