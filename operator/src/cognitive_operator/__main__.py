"""Start the operator: ``python -m cognitive_operator``. Read a task's result: ``… result NAMESPACE/TASK``."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from cognitive_operator.bootstrap import run
from cognitive_operator.config import Config, ConfigError, config_from
from cognitive_operator.errors import CognitiveOperatorError
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
    if arguments.command == "result":
        return _show_result(config, *arguments.task)
    start_logging(config.log_level)
    asyncio.run(run(config))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cognitive-operator", description="Run the operator; its settings come from the environment."
    )
    commands = parser.add_subparsers(dest="command")
    result = commands.add_parser("result", help="print the result of a task as JSON, also a large one")
    result.add_argument("task", type=_task_name, metavar="NAMESPACE/TASK")
    return parser


def _task_name(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/TASK")
    return namespace, name


def _show_result(config: Config, namespace: str, name: str) -> int:
    try:
        result = asyncio.run(read_result(namespace, name, nats_url=config.nats_url, nats_creds=config.nats_creds))
    except CognitiveOperatorError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 1
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
