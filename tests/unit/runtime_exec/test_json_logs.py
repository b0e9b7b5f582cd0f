import json
import logging
import sys

from cognitive_runtime.adapters.json_logs import JsonFormatter


def _line(formatter=None, error=None, **extra):
    record = logging.LogRecord("cognitive_runtime.x", logging.INFO, "x.py", 1, "attempt %s ended", ("t1.1",), error)
    record.__dict__.update(extra)
    text = (formatter or JsonFormatter()).format(record)
    assert "\n" not in text
    return json.loads(text)


def test_an_event_is_one_line_with_its_fields():
    found = _line(
        JsonFormatter({"namespace": "default"}), event="AttemptEnded", task="why", attempt="t1.1", nothing=None
    )
    assert found["message"] == "attempt t1.1 ended"
    assert (found["namespace"], found["name"], found["attempt"]) == ("default", "why", "t1.1")
    assert (found["event"], found["level"]) == ("AttemptEnded", "INFO")
    assert "nothing" not in found


def test_what_libraries_put_into_records_stays_out():
    assert "_ray_timestamp_ns" not in _line(_ray_timestamp_ns=1)


def test_an_exception_shows_its_class_and_place_but_not_its_text():
    try:
        raise ValueError("the prompt")
    except ValueError:
        found = _line(error=sys.exc_info())
    assert found["exception"] == "ValueError"
    assert "test_json_logs" in found["traceback"]
    assert "the prompt" not in json.dumps({**found, "traceback": ""})
