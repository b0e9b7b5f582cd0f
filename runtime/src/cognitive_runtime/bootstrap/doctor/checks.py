"""List of the doctor's checks."""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Final

from cognitive_runtime.adapters.model.probe import INFERENCE_TIMEOUT_S, ModelProbe
from cognitive_runtime.adapters.nats.connection import BrokerSettings
from cognitive_runtime.adapters.nats.probe import BrokerProbe
from cognitive_runtime.adapters.ray.probe import JOB_S, Expected, RayProbe
from cognitive_runtime.application.checks import Check, CheckResult, run_checks
from cognitive_runtime.bootstrap.doctor.local import (
    LLM_HINT,
    check_environment,
    check_llm_settings,
    check_secrets,
    check_spool,
)
from cognitive_runtime.bootstrap.doctor.report import all_passed, as_json, as_text, without_secrets
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings, Target
from cognitive_runtime.domain import CredentialsNotMounted
from cognitive_runtime.domain.finding import Finding, failed, skipped
from cognitive_runtime.llm_config import LLMConfigError

_MARGIN_S: Final = 5.0
_KEY_HINT: Final = "mount the agent's Secret, or run the doctor on a node where it is mounted"
_NO_MODEL: Final = "no model is given"
_NO_MODEL_HINT: Final = "give --model-endpoint and --model, or set the LLM_* variables"


async def run_doctor(settings: DoctorSettings) -> tuple[str, int]:
    """Run all checks and return the report and the exit status."""
    found = without_secrets(await _examine(settings), settings.secret_texts())
    return (as_json if settings.as_json else as_text)(found), 0 if all_passed(found) else 1


async def _examine(settings: DoctorSettings) -> tuple[CheckResult, ...]:
    checks = [*_local_checks(settings), *_model_checks(settings), *_broker_checks(settings), *_ray_checks(settings)]
    return await run_checks([check for check in checks if check.group in settings.only])


def _local_checks(settings: DoctorSettings) -> list[Check]:
    return [
        Check("environment", "configuration", partial(check_environment, settings)),
        Check("spool", "configuration", partial(check_spool, settings)),
        Check("llm-settings", "configuration", partial(check_llm_settings, settings)),
        Check("secrets", "secrets", partial(check_secrets, settings)),
    ]


def _model_checks(settings: DoctorSettings) -> list[Check]:
    needs = () if settings.asked_model else ("llm-settings",)
    steps = _model_steps(settings)
    return [
        Check("model", "model", steps[0], needs, settings.model_deadline_s),
        Check("model-key", "model", steps[1], ("model",)),
        Check("model-served", "model", steps[2], ("model-key",)),
        Check("model-answer", "model", steps[3], ("model-served",), INFERENCE_TIMEOUT_S + _MARGIN_S),
    ]


def _model_steps(settings: DoctorSettings) -> list[Callable[[], Awaitable[Finding]]]:
    """Return the four steps of the model check. Without a usable model, every step returns the reason."""
    try:
        target = settings.model()
        key = _key(settings, target) if target else None
    except LLMConfigError as error:
        return [partial(_return, failed(str(error), LLM_HINT))] * 4
    except CredentialsNotMounted as error:
        return [partial(_return, failed(str(error), _KEY_HINT))] * 4
    if target is None:
        return [partial(_return, skipped(_NO_MODEL, _NO_MODEL_HINT, blocks=True))] * 4
    probe = ModelProbe(target.endpoint, key)
    not_asked = partial(_return, skipped("no inference requested", "give --infer, which costs a few tokens"))
    return [probe.reach, probe.accept_key, probe.serve, probe.infer if settings.infers else not_asked]


def _key(settings: DoctorSettings, target: Target) -> str | None:
    name = target.endpoint.api_key_file
    if settings.asked_model is None or name is None or settings.secrets is None:
        return target.key
    return settings.secrets.read(name)


def _broker_checks(settings: DoctorSettings) -> list[Check]:
    credentials = settings.secrets.broker_credentials if settings.secrets else ()
    broker = BrokerSettings(settings.broker_url, settings.agent_uid or "doctor", "doctor", credentials)
    probe = BrokerProbe(broker, settings.namespace)
    return [
        Check("broker", "broker", probe.reach, (), 10.0),
        Check("broker-login", "broker", probe.log_in, ("broker",)),
        Check("broker-storage", "broker", probe.find_storage, ("broker-login",), 10.0),
        Check("broker-rights", "broker", probe.have_rights, ("broker-login",), 10.0),
    ]


def _ray_checks(settings: DoctorSettings) -> list[Check]:
    named = [f"--require-secret {name}" for name in settings.needed_files]
    arguments = [f"--agent-uid {settings.agent_uid}", *named] if settings.agent_uid else []
    probe = RayProbe(settings.ray_address, Expected(version("cognitive-runtime"), version("ray"), arguments))
    return [
        Check("ray", "ray", probe.reach),
        Check("ray-version", "ray", probe.match_version, ("ray",)),
        Check("ray-nodes", "ray", probe.check_nodes, ("ray",), JOB_S),
    ]


async def _return(finding: Finding) -> Finding:
    return finding
