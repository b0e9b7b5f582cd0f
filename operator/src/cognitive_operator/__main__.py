"""Start the operator: ``python -m cognitive_operator``; or one of its commands, which ``--help`` lists."""

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from cognitive_operator.bootstrap import run
from cognitive_operator.cli.broker_keys import ensure_broker_keys
from cognitive_operator.config import Config, ConfigError, config_from
from cognitive_operator.errors import CognitiveOperatorError, PermanentError
from cognitive_operator.logs import start_logging
from cognitive_operator.results import read_result


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it, or do what the arguments say; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        config = config_from()
    except ConfigError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 2
    if arguments.command is not None:
        return _show(_COMMANDS[arguments.command](config, *arguments.object))
    start_logging(config.log_level)
    try:
        asyncio.run(run(config))
    except PermanentError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cognitive-operator", description="Run the operator; its settings come from the environment."
    )
    commands = parser.add_subparsers(dest="command")
    for name, (what, about) in _HELP.items():
        command = commands.add_parser(name, help=about)
        command.add_argument("object", type=_object_name, metavar=f"NAMESPACE/{what}")
    return parser


_HELP: Final = {
    "result": ("TASK", "print the result of a task as JSON, also a large one"),
    "broker-keys": ("SECRET", "make a Secret with the keys of a NATS server, if it is absent"),
}


def _object_name(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return namespace, name


def _show(said: Coroutine[Any, Any, str]) -> int:
    try:
        sys.stdout.write(asyncio.run(said))
    except CognitiveOperatorError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 1
    return 0


async def _result(config: Config, namespace: str, name: str) -> str:
    result = await read_result(namespace, name, nats_url=config.nats_url, nats_creds=config.nats_creds)
    return json.dumps(result, ensure_ascii=False, indent=2) + "\n"


async def _broker_keys(_: Config, namespace: str, name: str) -> str:
    is_new = await ensure_broker_keys(namespace, name)
    return f"Secret {namespace}/{name} {'made' if is_new else 'is there already'}\n"


_COMMANDS: Final = {"result": _result, "broker-keys": _broker_keys}


if __name__ == "__main__":
    sys.exit(main())
