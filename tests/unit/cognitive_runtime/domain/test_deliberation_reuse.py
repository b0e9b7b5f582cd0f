"""The next attempt of a deliberation reuses the answers that are stored for the same request."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cognitive_runtime.adapters.member_spool import MemberSpool
from cognitive_runtime.domain import ExecutionRequest, ModelTimeout, Usage, member_request
from support.builders.deliberations import deliberated, deliberation
from support.fakes.deliberation_members import Members, answer, error, run


def stored(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.json")]


async def test_the_next_attempt_after_a_kill_asks_only_the_members_that_had_not_answered(tmp_path: Path) -> None:
    request, store = deliberated(deliberation(), timeout_seconds=30), MemberSpool(tmp_path, "1")
    for number in (1, 2):  # the process was killed here: it has reported nothing
        store.save(member_request(request, number, 28.5), answer("a", "xyz"))
    members = Members(answer("b"), answer("b"), answer("b"))
    found = await run(members, replace(request, attempt=2, token_budget=100), store)
    assert (members.numbers, members.rooms) == ([3], [100 - 2 * 15])
    assert (found.outputs, found.usage) == ({"decision": "a"}, Usage(30, 15, 45))
    assert found.deliberation is not None
    assert found.deliberation.characters == 3 + 3 + 2
    assert stored(tmp_path) == []


async def test_the_retry_of_a_failed_attempt_reuses_answers_whose_tokens_were_reported(tmp_path: Path) -> None:
    store, request = MemberSpool(tmp_path, "1"), deliberated(deliberation(), timeout_seconds=30)
    lost = error(ModelTimeout("m"))
    with pytest.raises(ModelTimeout):
        await run(Members(answer("a"), lost, lost), request, store)
    members = Members(answer("b"), answer("b"), answer("b"))
    found = await run(members, replace(request, attempt=2), store)
    assert sorted(members.numbers) == [2, 3]
    assert (found.outputs, found.usage, found.cache_hit) == ({"decision": "b"}, Usage(20, 10, 30), False)
    assert found.deliberation is not None
    assert (found.deliberation.members[0].usage, found.deliberation.characters) == (Usage(), 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, task_uid="other"),
        lambda request: replace(request, input={"error_message": "another"}),
        lambda request: replace(request, agent=replace(request.agent, role="QA")),
    ],
)
async def test_answers_to_another_request_are_not_reused(
    tmp_path: Path, change: Callable[[ExecutionRequest], ExecutionRequest]
) -> None:
    store, request = MemberSpool(tmp_path, "1"), deliberated(deliberation(2), timeout_seconds=30)
    store.save(member_request(request, 1, 28.5), answer("a"))
    members = Members(answer("b"), answer("b"))
    assert (await run(members, change(request), store)).outputs == {"decision": "b"}
    assert MemberSpool(tmp_path, "2").load(member_request(request, 1, 28.5)) is None
