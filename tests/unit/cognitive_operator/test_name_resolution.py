"""Threads in which the operator and an executor resolve names on uvloop."""

import os
import subprocess
import sys

import pytest

OPERATOR = """
from types import SimpleNamespace
import cognitive_operator.__main__ as program
program.config_from, program.start_logging = lambda: SimpleNamespace(log_level="INFO"), lambda level: None
program.run = resolve
program.main([])
"""
EXECUTOR = """
import cognitive_runtime.bootstrap.executor as program
program._run_workers = resolve
program.run_executor(None, None)
"""
RESOLVE = """
import asyncio, os
async def resolve(*_):
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.parametrize("program", [OPERATOR, EXECUTOR], ids=["operator", "executor"])
def test_names_that_do_not_answer_leave_threads_for_others(program: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "UV_THREADPOOL_SIZE"}
    command = [sys.executable, "-c", RESOLVE + program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) > 32
