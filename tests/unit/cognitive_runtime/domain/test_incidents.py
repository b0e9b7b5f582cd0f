"""The registry of incidents is bounded and invents nothing."""

from typing import Any

import pytest

from cognitive_runtime.domain import Incidents, InvalidIncident, UnknownIncident
from cognitive_runtime.domain.incidents import MAX_INCIDENT_BYTES


def test_an_incident_keeps_its_id_and_gets_one_otherwise() -> None:
    incidents = Incidents()
    assert incidents.log_incident({"incident_id": "i1", "error": "a"}, 0.5) == "i1"
    assert incidents.get_incident("i1") == {"incident_id": "i1", "error": "a", "salience_score": 0.5}
    new = incidents.log_incident({"error": "b"})
    assert incidents.get_incident(new) == {"incident_id": new, "error": "b"}


def test_an_unknown_id_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownIncident, match="'i2' is not registered"):
        Incidents().get_incident("i2")


def test_the_oldest_is_dropped_by_number_and_by_size() -> None:
    few = Incidents(max_incidents=2)
    for number in range(3):
        few.log_incident({"incident_id": f"i{number}"})
    assert few.count == 2
    with pytest.raises(UnknownIncident):
        few.get_incident("i0")
    small = Incidents(max_total_bytes=250)
    for number in range(3):
        small.log_incident({"incident_id": f"i{number}", "text": "x" * 80})
    assert small.count == 2
    small.log_incident({"incident_id": "i2", "text": "y"})
    assert (small.count, small.get_incident("i2")["text"]) == (2, "y")


@pytest.mark.parametrize(
    ("incident", "salience", "problem"),
    [
        ({}, None, "at least one field"),
        ({"incident_id": None}, None, "incident_id must be a text"),
        ({"error": {1, 2}}, None, "not JSON"),
        ({"error": float("nan")}, None, "not JSON"),
        ({"error": "x" * MAX_INCIDENT_BYTES}, None, "at most 262144"),
        ({"error": "x"}, 1.5, "salience_score is 1.5"),
    ],
)
def test_an_invalid_incident_is_refused(incident: Any, salience: float | None, problem: str) -> None:
    with pytest.raises(InvalidIncident, match=problem):
        Incidents().log_incident(incident, salience)
