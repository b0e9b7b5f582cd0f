"""Command ``tool-server``: an MCP server with tools for files, git and tests, for a sidecar."""

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.tools.server.settings import (
    MAX_TESTS,
    ToolServerSettings,
    git_ref,
    git_url,
    named_command,
)
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.domain import Workspace

Value = TypeVar("Value")
Number = Callable[[str], int]
_HOST: Final = "127.0.0.1"
_MIB: Final = 1024 * 1024
_MAX_TIMEOUT_S: Final = 3600
"""The most that a server's timeoutSeconds can be."""
_BAD_CONFIGURATION: Final = 2


def add_tool_server(parser: argparse.ArgumentParser, number: Number) -> None:
    """Add the arguments of ``tool-server``. ``number`` reads a number from 1 on."""
    parser.add_argument("--port", type=_port, required=True, metavar="N", help="port of 127.0.0.1 to listen on")
    parser.add_argument("--git", type=_said(git_url), metavar="URL", help="https URL of the repository to clone")
    parser.add_argument("--ref", type=_said(git_ref), metavar="REF", help="branch or tag; default: the default branch")
    parser.add_argument("--commits", type=number, metavar="N", help="commits of the clone; default 50")
    parser.add_argument("--writable", action="store_true", help="offer write_file")
    parser.add_argument(
        "--test",
        type=_said(named_command),
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="command that run_tests offers, without a shell; may be repeated",
    )
    parser.add_argument(
        "--repeatable-tests",
        action="store_true",
        help="mark run_tests as idempotent: an attempt that ran tests may be repeated",
    )
    parser.add_argument(
        "--test-timeout-seconds", type=number, default=300, metavar="S", help="time limit of a test; default 300"
    )
    _add_limits(parser, number)


def serve_tools(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status."""
    settings = tool_server_settings(parser, arguments)
    try:
        listener = socket.create_server((_HOST, settings.port), backlog=128)
        storage = Storage.create(settings.port, settings.max_bytes)
    except OSError as error:
        place = error.filename or f"port {settings.port}"
        sys.stderr.write(f"cognitive-runtime: {place} of the tool server cannot be used: {error.strerror}\n")
        return _BAD_CONFIGURATION
    configure_logging((os.environ.get("LOG_LEVEL") or "INFO").upper(), {})
    from cognitive_runtime.adapters.tools.server.app import run_tool_server

    run_tool_server(settings, listener, storage)
    return 0


def tool_server_settings(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> ToolServerSettings:
    """Return the settings. Exits with status 2 if options do not fit each other, or git is missing."""
    tests = dict(arguments.test)
    if len(tests) != len(arguments.test) or len(tests) > MAX_TESTS:
        parser.error(f"--test: names must differ, and there are at most {MAX_TESTS}")
    if arguments.test_timeout_seconds > _MAX_TIMEOUT_S:
        parser.error(f"--test-timeout-seconds: at most {_MAX_TIMEOUT_S}, the most that timeoutSeconds can be")
    if arguments.git is None and (arguments.ref is not None or arguments.commits is not None):
        parser.error("--ref and --commits need --git")
    if arguments.git is not None and shutil.which("git") is None:
        parser.error("--git needs the program git, which the image does not have; take the runtime's image")
    kind: Any = "Git" if arguments.git else "EmptyDir"
    return ToolServerSettings(
        port=arguments.port,
        workspace=Workspace(kind, url=arguments.git, ref=arguments.ref, read_only=not arguments.writable),
        tests=tests,
        tests_are_repeatable=arguments.repeatable_tests,
        test_timeout_s=arguments.test_timeout_seconds,
        commits=arguments.commits or ToolServerSettings.commits,
        idle_s=arguments.idle_seconds,
        max_sessions=arguments.max_sessions,
        max_bytes=arguments.max_mib * _MIB,
    )


def _add_limits(parser: argparse.ArgumentParser, number: Number) -> None:
    parser.add_argument(
        "--idle-seconds",
        type=number,
        default=ToolServerSettings.idle_s,
        metavar="S",
        help="end a session without a request or an open stream after this time; default 900",
    )
    parser.add_argument(
        "--max-sessions",
        type=number,
        default=ToolServerSettings.max_sessions,
        metavar="N",
        help="sessions at the same time, one for each attempt; default 16",
    )
    parser.add_argument(
        "--max-mib",
        type=number,
        default=ToolServerSettings.max_bytes // _MIB,
        metavar="N",
        help="MiB of files of all sessions; default 192, because the /tmp of a sidecar has 256",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _said(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return the reader with its message for people; argparse hides that of a ValueError."""

    @wraps(read)
    def reader(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reader
