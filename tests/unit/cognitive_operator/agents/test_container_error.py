"""Error message from a container's last output."""

import pytest

from cognitive_operator.plan.agent.container_error import CHARACTERS, container_error


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", ""),
        ("killed\n\n", "killed"),
        ("ValueError: first\n  at x\n", "ValueError: first"),
        ("(pid=1) a.b.SomeError: deep\nRuntimeError: failed. See root cause above.\n", "a.b.SomeError: deep"),
        ("RuntimeError: failed. See root cause above.\nbye", "RuntimeError: failed. See root cause above."),
        ("vllm serve: error: unrecognized arguments: --nonsense", "error: unrecognized arguments: --nonsense"),
        ("starting\nlistening   on\t8000", "listening on 8000"),
        ("one " * 1000, ("one " * 1000)[:CHARACTERS]),
    ],
)
def test_the_error_that_tells_most_is_kept(output: str, words: str) -> None:
    assert container_error(output) == words
