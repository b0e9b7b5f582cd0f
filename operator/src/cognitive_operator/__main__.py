"""Start the operator: ``python -m cognitive_operator``; or run one of its commands, which ``--help`` lists."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

import uvloop

from cognitive_operator.bootstrap import run
from cognitive_operator.cli.broker_keys import create_broker_keys
from cognitive_operator.cli.result import show_result
from cognitive_operator.config import Config, config_from
from cognitive_operator.errors import CognitiveOperatorError, PermanentError
from cognitive_operator.logs import start_logging


class Command(NamedTuple):
    """A command of the command line, whose argument names one Kubernetes object."""

    argument: str
    help: str
    run: Callable[[Config, str, str], Coroutine[Any, Any, str]]
    """Takes the settings, the object's namespace and name; returns the text to print."""


UV_THREADS: Final = ("UV_THREADPOOL_SIZE", "32")
"""libuv resolves names on half of its threads, of which it has 4 by default: two names that do not answer would stop
every other connection."""
COMMANDS: Final = {
    "result": Command("TASK", "print the result of a task as JSON, also a large one", show_result),
    "broker-keys": Command("SECRET", "create a Secret with the keys of a NATS server, if absent", create_broker_keys),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the operator until a signal stops it, or run a command; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        config = config_from()
        if arguments.command is not None:
            return _run_command(COMMANDS[arguments.command], config, *arguments.object)
        start_logging(config.log_level)
        os.environ.setdefault(*UV_THREADS)
        uvloop.run(run(config))
    except PermanentError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cognitive-operator", description="Run the operator. Its settings are environment variables."
    )
    subparsers = parser.add_subparsers(dest="command")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.help)
        subparser.add_argument("object", type=_object_name, metavar=f"NAMESPACE/{command.argument}")
    return parser


def _object_name(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return namespace, name


def _run_command(command: Command, config: Config, namespace: str, name: str) -> int:
    try:
        sys.stdout.write(asyncio.run(command.run(config, namespace, name)))
    except CognitiveOperatorError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
