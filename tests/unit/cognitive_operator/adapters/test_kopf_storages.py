"""Kopf computes no differences of objects, for which it would copy each of them."""

from typing import Any

from kopf._cogs.structs import bodies

from cognitive_operator.handlers.registry import new_settings


class NeverCopied(dict[str, Any]):
    def __deepcopy__(self, memo: dict[int, Any]) -> "NeverCopied":
        raise AssertionError("the object was copied")


def test_no_part_of_an_object_is_copied_for_its_differences() -> None:
    persistence = new_settings().persistence
    body = bodies.Body(
        bodies.RawBody({"metadata": NeverCopied(labels=NeverCopied(a="b")), "spec": NeverCopied(a=NeverCopied())})  # type: ignore[typeddict-item]
    )
    essence = persistence.diffbase_storage.build(body=body)
    assert essence == {}
    assert persistence.diffbase_storage.fetch(body=body) is None
    assert persistence.progress_storage.clear(essence=essence) is essence
