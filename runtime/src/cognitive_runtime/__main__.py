"""Command line: run an executor, an attempt or a tool server, check their environment, or export a program."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Final, NoReturn

from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.nats.subjects import RequestSubject, parse_request_subject
from cognitive_runtime.adapters.secrets import is_secret_name
from cognitive_runtime.bootstrap.doctor.arguments import add_doctor, add_required_secrets, doctor_settings, token
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings
from cognitive_runtime.bootstrap.http_server_arguments import add_serve, cluster_settings
from cognitive_runtime.bootstrap.quick_imports import begin_imports, last_import
from cognitive_runtime.bootstrap.tool_server import add_tool_server, serve_tools
from cognitive_runtime.config import ConfigError, ExecutorSettings, RuntimeSettings, read_settings

_EPILOG: Final = """\
environment:
  COGNITIVE_NATS_URL       the broker, for example nats://nats:4222; the operator sets it
  COGNITIVE_SUBMISSION_ID  the Ray job's own id; the operator sets it
  COGNITIVE_SECRETS_DIR    folder of the agents' secrets, <agentUID>/<file> or <agentUID>.<file>; default
                           /var/run/secrets/cognitive
  COGNITIVE_SPOOL_DIR      folder of unpublished responses; default /tmp/cognitive-spool
  COGNITIVE_BROKER_WAIT_S  seconds for the first connection to the broker; default 120
  COGNITIVE_EXECUTION      settings of an executor's processes as JSON; the operator sets it
  LOG_LEVEL                DEBUG, INFO, WARNING or ERROR; default INFO
  COGNITIVE_HTTP_TOKEN_FILE  file with the bearer token of `serve`; COGNITIVE_HTTP_TOKEN is the token itself
`program export` reads none of them, `tool-server` LOG_LEVEL alone. `signature check` and `serve` read the LLM_*
variables of the model instead, `serve` also the token's and LOG_LEVEL. With --kubeconfig or --in-cluster, `serve`
reads LOG_LEVEL alone.

exit status of `attempt`:
  0  the response, completed or failed, is in the stream, or another execution has claimed the attempt
  2  a setting or the subject is invalid
  3  there is no request on the subject: it was withdrawn or has expired
  4  the request cannot be answered, or is not for Job mode
  5  told to end before the response was in the stream
exit status of `attempt` and `executor`:
  6  no connection to the broker was made within COGNITIVE_BROKER_WAIT_S
  7  the broker requires credentials, and the agent's file was absent or empty for as long

exit status of `signature check`:
  0  the manifest is valid, and every input that was tried gave valid outputs
  1  an input that was tried gave none
  2  the manifest, the input or a setting of the model is invalid
"""
_BAD_CONFIGURATION: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "doctor":
        _doctor(doctor_settings(parser, arguments, os.environ))
    if arguments.command == "nodes":
        return _nodes(arguments)
    if arguments.command == "program":
        return _export_program(arguments.file)
    if arguments.command == "signature":
        return _check_signature(arguments)
    if arguments.command == "serve":
        return _serve(parser, arguments)
    if arguments.command == "tool-server":
        return serve_tools(parser, arguments)
    try:
        settings = read_settings(os.environ)
    except ConfigError as error:
        sys.stderr.write(f"cognitive-runtime: {error}\n")
        return _BAD_CONFIGURATION
    if arguments.command == "attempt":
        _attempt(settings, arguments.subject, arguments.grace_seconds)
    _executor(settings, _executor_settings(arguments))


def _attempt(settings: RuntimeSettings, subject: RequestSubject, grace_s: float) -> NoReturn:
    begin_imports()  # imported here, because the other commands need none of it
    from cognitive_runtime.bootstrap.job import run_attempt
    from cognitive_runtime.bootstrap.reasoning import attempt_limits, make_cognitive_core

    names = {"namespace": subject.namespace, "agent": subject.agent_uid, "attempt": subject.attempt_id}
    configure_logging(settings.log_level, names)
    make_core = partial(make_cognitive_core, limits=attempt_limits(settings, subject.namespace, subject.agent_uid))
    code = asyncio.Runner().run(run_attempt(settings, subject, last_import(make_core), grace_s))
    _exit(code)


def _exit(code: int) -> NoReturn:
    sys.stdout.flush()
    # Exits without closing the event loop, which would wait for every task and thread: a library that ignores its
    # cancellation would keep the job running although its response is in the stream.
    os._exit(code)


def _doctor(settings: DoctorSettings) -> NoReturn:
    from cognitive_runtime.bootstrap.doctor.checks import run_doctor

    said, code = asyncio.Runner().run(run_doctor(settings))
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    os._exit(code)  # closing the event loop would wait for threads, such as a slow name resolution


def _nodes(arguments: argparse.Namespace) -> int:
    from cognitive_runtime.bootstrap.doctor.nodes import report_nodes

    return report_nodes(arguments.agent_uid, arguments.require_secret)


def _serve(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from cognitive_runtime.bootstrap.http_server import HttpServerSettings, run_serve

    settings = HttpServerSettings(
        arguments.host,
        arguments.port,
        arguments.application or HttpServerSettings.application,
        arguments.grace_seconds,
        cluster_settings(parser, arguments),
    )
    return run_serve(settings, os.environ)


def _export_program(file: str) -> int:
    from cognitive_runtime.adapters.dspy.signatures.program import InvalidProgram
    from cognitive_runtime.adapters.dspy.signatures.program_export import program_yaml

    try:
        said, incomplete = program_yaml(file)
    except InvalidProgram as error:
        sys.stderr.write(f"cognitive-runtime: {error}\n")
        return _BAD_CONFIGURATION
    sys.stdout.write(said)
    if incomplete:
        sys.stderr.write(f"cognitive-runtime: left out {incomplete} demonstrations that lack an output\n")
    return 0


def _check_signature(arguments: argparse.Namespace) -> int:
    from cognitive_runtime.bootstrap.signature_check import check_signature

    return check_signature(arguments.file, arguments.input, os.environ, calls_model=not arguments.no_model)


def _executor(settings: RuntimeSettings, executor: ExecutorSettings) -> NoReturn:
    begin_imports()
    from cognitive_runtime.bootstrap.executor import run_executor

    configure_logging(settings.log_level, {"namespace": executor.namespace, "agent": executor.agent_uid})
    _exit(run_executor(settings, executor))


def _executor_settings(arguments: argparse.Namespace) -> ExecutorSettings:
    return ExecutorSettings(
        namespace=arguments.namespace,
        agent_uid=arguments.agent_uid,
        workers=arguments.workers,
        concurrency=arguments.concurrency,
        required_secrets=tuple(arguments.require_secret),
        shared_quota=arguments.shared_ledger,
        grace_s=arguments.grace_seconds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cognitive_runtime",
        description="Executes cognitive tasks on Ray. Users run doctor, program, signature, serve and tool-server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cognitive-runtime {version('cognitive-runtime')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_executor(commands.add_parser("executor", help="run an agent's workers, which pull and execute its requests"))
    _add_attempt(commands.add_parser("attempt", help="execute the attempt that is requested on a subject, and exit"))
    doctor = commands.add_parser(
        "doctor", help="check settings, secrets, model, broker and Ray, and report problems with their remedies"
    )
    add_doctor(doctor, _secret_name)
    nodes = commands.add_parser("nodes", help="report the runtime and secrets of each Ray node; used by the doctor")
    nodes.add_argument("--agent-uid", type=token, metavar="UID", help="UID of the agent whose secrets are checked")
    add_required_secrets(nodes, _secret_name)
    _add_program(commands.add_parser("program", help="export the demonstrations of a saved DSPy program"))
    _add_signature(commands.add_parser("signature", help="check a CognitiveSignature and try it against a model"))
    serve = commands.add_parser("serve", help="serve the HTTP API of a core beside the model of LLM_*, or of a cluster")
    add_serve(serve, _count)
    add_tool_server(commands.add_parser("tool-server", help="serve MCP tools for files, git and tests"), _count)
    return parser


def _add_program(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="print a program's demonstrations as YAML for spec.demonstrations")
    export.add_argument("file", metavar="FILE", help='file that module.save("program.json") wrote')


def _add_signature(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="validate a manifest, print its prompt, and try it against the model of the LLM_* variables"
    )
    check.add_argument("file", metavar="FILE", help="YAML file with one manifest of the kind CognitiveSignature")
    check.add_argument(
        "--input", metavar="FILE", help="input to try, as YAML or JSON; default: the input of each demonstration"
    )
    check.add_argument("--no-model", action="store_true", help="call no model")


def _add_executor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--namespace", required=True, help="the agent's Kubernetes namespace")
    parser.add_argument("--agent-uid", required=True, metavar="UID", help="the agent's metadata.uid")
    parser.add_argument(
        "--workers",
        type=_count,
        default=1,
        metavar="N",
        help="number of workers: the first one in this process, others as actors; default 1",
    )
    parser.add_argument(
        "--concurrency",
        type=_count,
        default=4,
        metavar="N",
        help="attempts that one worker runs at the same time; default 4",
    )
    parser.add_argument(
        "--require-secret",
        type=_secret_name,
        action="append",
        default=[],
        metavar="FILE",
        help="secret file without which the workers take no requests; may be repeated",
    )
    parser.add_argument(
        "--shared-ledger",
        action="store_true",
        help="run the actor with which the workers share the agent's rate limits and cache",
    )
    _add_grace(parser)


def _add_attempt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        type=_subject,
        metavar="SUBJECT",
        help="agent.request.<namespace>.<agentUID>.<taskUID>.<attempt>",
    )
    _add_grace(parser)


def _add_grace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grace-seconds",
        type=_seconds,
        default=ExecutorSettings.grace_s,
        metavar="S",
        help="time for running attempts to end after SIGTERM; default 2: Ray kills a stopped job after 3",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found


def _secret_name(text: str) -> str:
    if not is_secret_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a plain file name of [A-Za-z0-9._-]")
    return text


def _subject(text: str) -> RequestSubject:
    try:
        return parse_request_subject(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
