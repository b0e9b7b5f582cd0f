import json
import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from cognitive_runtime.adapters.json_logs import JsonFormatter

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _line(
    formatter: JsonFormatter | None = None,
    error: ExcInfo | None = None,
    **extra: Any,
) -> dict[str, Any]:
    record = logging.LogRecord("cognitive_runtime.x", logging.INFO, "x.py", 1, "attempt %s ended", ("t1.1",), error)
    record.__dict__.update(extra)
    text = (formatter or JsonFormatter()).format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_an_event_is_one_line_with_its_fields() -> None:
    found = _line(
        JsonFormatter({"namespace": "default"}), event="AttemptEnded", task="why", attempt="t1.1", nothing=None
    )
    assert found["message"] == "attempt t1.1 ended"
    assert (found["namespace"], found["name"], found["attempt"]) == ("default", "why", "t1.1")
    assert (found["event"], found["level"]) == ("AttemptEnded", "INFO")
    assert "nothing" not in found


def test_what_libraries_put_into_records_stays_out() -> None:
    assert "_ray_timestamp_ns" not in _line(_ray_timestamp_ns=1)


def test_an_exception_shows_its_class_and_place_but_not_its_text() -> None:
    try:
        raise ValueError("the prompt")
    except ValueError:
        found = _line(error=sys.exc_info())
    assert found["exception"] == "ValueError"
    assert "test_json_logs" in found["traceback"]
    assert "the prompt" not in json.dumps({**found, "traceback": ""})


def test_a_line_keeps_characters_of_every_script_and_shows_other_values_as_text() -> None:
    record = logging.makeLogRecord({"msg": "naïve 故障", "path": Path("/spool/a")})
    text = JsonFormatter().format(record)
    assert "naïve 故障" in text
    assert json.loads(text)["path"] == "/spool/a"
