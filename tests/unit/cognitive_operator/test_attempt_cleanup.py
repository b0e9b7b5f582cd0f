"""The objects that are deleted with a task."""

from types import SimpleNamespace
from typing import Any

from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from support.builders import operator_objects as o
from support.eventually import eventually_async
from support.fakes.broker import FakeBroker


async def test_result_input_and_reasoning_of_a_deleted_task_are_deleted() -> None:
    broker, nothing = FakeBroker(), SimpleNamespace()
    port: Any = broker
    ray: Any = nothing
    cleanup = AttemptCleanup(port, ray, lambda _: None, stop_every_s=1.0, backoff_s=(1.0,))
    name = f"{o.TASK_UID}.1"
    try:
        cleanup.add(AttemptGarbage("team", o.key(), is_gone=True))

        async def deleted() -> list[str]:
            found = [name for _, _, name in broker.recorder.of("objects.delete")]
            assert len(found) == 3
            return found

        assert await eventually_async(deleted) == [name, f"{name}.input", f"{name}.reasoning"]
    finally:
        await cleanup.close()
