"""JSON logs, one object per line."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_RENAMED: Final = {"task": "name"}
"""Extra fields with another name in the log: a record's ``name`` is the name of its logger."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)

_WORKER: Final[ContextVar[str | None]] = ContextVar("worker", default=None)


class JsonFormatter(logging.Formatter):
    """Formats a record with its ``extra`` fields. The fields of ``context`` are part of every line."""

    def __init__(self, context: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._context = dict(context or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return one line. Exceptions are logged with class and traceback, without the message, which may be secret."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._context,
        }
        worker = _WORKER.get()
        if worker is not None:
            line["worker"] = worker
        extras = {name: value for name, value in record.__dict__.items() if name not in _PLAIN and name[0] != "_"}
        line |= {_RENAMED.get(name, name): value for name, value in extras.items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return _ENCODER.encode(line)


def log_worker(worker: str) -> None:
    """Name a worker in all lines of the current context, which includes the tasks and threads that it starts."""
    _WORKER.set(worker)


def configure_logging(level: str, context: Mapping[str, Any] | None = None) -> None:
    """Log to the standard output, with warnings and errors of libraries."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(context))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cognitive_runtime").setLevel(level)
