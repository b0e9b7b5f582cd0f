"""The operator's roles beside the API server's audit log of all other tests: every rule is used, and none is missing.

It runs last (a hook in conftest.py sees to that). E2E_AUDIT_LOG names the log, at level Metadata.
"""

from pathlib import Path

import pytest
import yaml

from support.rights.granted import rights_in
from support.rights.used import Audit

pytestmark = [pytest.mark.e2e]

RBAC = Path(__file__).parents[2] / "docs" / "operations" / "rbac.yaml"
GRANTED = "docs/operations/rbac.yaml, which is what the chart grants"


def test_the_operator_was_denied_nothing(audit: Audit) -> None:
    assert not audit.denied, "\n".join(sorted(audit.denied))


def test_every_right_was_used_and_none_beyond(audit: Audit, whole_run: None) -> None:
    granted = rights_in(yaml.safe_load_all(RBAC.read_text(encoding="utf-8")))
    unused, beyond = audit.unused(granted), audit.beyond(granted)
    assert not unused, f"granted by {GRANTED}, and never used: {', '.join(map(str, unused))}"
    assert not beyond, f"used, and not granted by {GRANTED}: {', '.join(map(str, beyond))}"
