"""Command line of the doctor."""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Final

from cognitive_runtime.bootstrap.doctor.settings import DEFAULT_RAY_ADDRESS, GROUPS, DoctorSettings
from cognitive_runtime.domain import InvalidRequest, LLMSettings
from cognitive_runtime.llm_config import PROVIDERS

EPILOG: Final = """\
Run it where executors run: on a Ray node, or in a pod of the same image. It changes nothing: its calls to the broker
are refused by design, and its Ray job is deleted.

exit status of `doctor`: 0 no check failed, 1 a check failed, 2 the command line is invalid
"""
_TOKEN: Final = re.compile(r"[A-Za-z0-9-]+")


def add_doctor(parser: argparse.ArgumentParser, secret_name: Callable[[str], str]) -> None:
    """Declare the options."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    parser.add_argument("--namespace", type=token, help="namespace of the agent to check")
    parser.add_argument("--agent-uid", type=token, metavar="UID", help="metadata.uid of the agent")
    add_required_secrets(parser, secret_name)
    parser.add_argument("--nats-url", metavar="URL", help="URL of the broker; default: COGNITIVE_NATS_URL")
    parser.add_argument(
        "--ray-address",
        metavar="URL",
        default=DEFAULT_RAY_ADDRESS,
        help=f"Ray dashboard; default {DEFAULT_RAY_ADDRESS}",
    )
    _add_model(parser, secret_name)
    parser.add_argument(
        "--only", action="append", choices=GROUPS, help="run only this group of checks; may be repeated"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="default: text")


def add_required_secrets(parser: argparse.ArgumentParser, secret_name: Callable[[str], str]) -> None:
    """Declare the option for required secret files."""
    parser.add_argument(
        "--require-secret",
        type=secret_name,
        action="append",
        default=[],
        metavar="FILE",
        help="secret file that must exist; may be repeated",
    )


def doctor_settings(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, environ: Mapping[str, str]
) -> DoctorSettings:
    """Return the settings. Exits with 2 if options do not fit together."""
    if bool(arguments.namespace) != bool(arguments.agent_uid):
        parser.error("--namespace and --agent-uid must be given together")
    if bool(arguments.model_endpoint) != bool(arguments.model):
        parser.error("--model-endpoint and --model must be given together")
    if (arguments.require_secret or arguments.api_key_file) and not arguments.agent_uid:
        parser.error("--require-secret and --api-key-file need --namespace and --agent-uid")
    try:
        asked = _model(arguments)
    except InvalidRequest as error:
        parser.error(str(error).replace("agent.llm.", "--model: "))
    return DoctorSettings(
        environ=dict(environ),
        namespace=arguments.namespace,
        agent_uid=arguments.agent_uid,
        required_secrets=tuple(arguments.require_secret),
        asked_model=asked.endpoints[0] if asked else None,
        nats_url=arguments.nats_url,
        ray_address=arguments.ray_address,
        infers=arguments.infer,
        only=frozenset(arguments.only or GROUPS),
        as_json=arguments.output == "json",
    )


def token(text: str) -> str:
    """Parse a namespace or a UID, which must be valid in a subject."""
    if not _TOKEN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} contains characters other than [A-Za-z0-9-]")
    return text


def _add_model(parser: argparse.ArgumentParser, secret_name: Callable[[str], str]) -> None:
    parser.add_argument("--model-endpoint", metavar="URL", help="llm.endpoint; default: that of the LLM_* variables")
    parser.add_argument("--model", metavar="NAME", help="llm.model")
    parser.add_argument("--provider", choices=tuple(PROVIDERS), default="openaiCompatible", help="llm.provider")
    parser.add_argument("--api-version", metavar="DATE", help="llm.apiVersion, only for azure")
    parser.add_argument(
        "--api-key-file",
        type=secret_name,
        metavar="FILE",
        help="secret file with the API key, such as llm-api-key",
    )
    parser.add_argument("--infer", action="store_true", help="ask the model for an answer, which costs a few tokens")


def _model(arguments: argparse.Namespace) -> LLMSettings | None:
    if not arguments.model_endpoint:
        return None
    return LLMSettings(
        arguments.provider,
        arguments.model,
        arguments.model_endpoint,
        arguments.api_key_file,
        api_version=arguments.api_version,
    )
