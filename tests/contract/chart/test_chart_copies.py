"""The chart's files are the project's own, and a change of one cannot be forgotten in the other."""

import yaml

from reference.copies import chart_copies, stale_copies, with_keep


def test_copies_are_up_to_date() -> None:
    assert len(chart_copies()) >= 6
    for path, content in chart_copies().items():
        assert path.read_text(encoding="utf-8") == content, f"{path.name}: run `make generate`"
    assert stale_copies() == []


def test_every_object_of_a_manifest_is_kept() -> None:
    objects = list(yaml.safe_load_all(with_keep("metadata:\n  name: a\n---\nmetadata:\n  name: b\n  labels: {c: d}\n")))
    assert [item["metadata"]["annotations"] for item in objects] == [{"helm.sh/resource-policy": "keep"}] * 2
    assert objects[1]["metadata"]["labels"] == {"c": "d"}
