"""The Secret of a RayCluster: whose keys are written when, what is left alone, and what the conditions say."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.children import RAY_CLUSTER, SECRET, ChildKind
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.broker_secret import desired_broker_secret
from cognitive_operator.desired.cluster_secret import MAX_BYTES, cluster_secret_name, desired_cluster_secret
from cognitive_operator.errors import ApiUnavailableError, CognitiveOperatorError, ForbiddenError, KindAbsentError
from cognitive_operator.plan.agent.ray.cluster_secret import ClusterSecret, with_cluster_secret
from cognitive_operator.plan.mounts import mount_advice
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.cluster_secret import ClusterSecrets
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders.operator_objects import AGENT_UID, agent_body
from support.fakes.clock import FakeClock

TIMING = AgentTiming()
CLUSTER: Body = {"metadata": {"name": "shared", "namespace": "team", "uid": "c1"}}
NAME = "shared-agent-secrets"
PLACE = f"Secret team/{NAME}"
MANAGER = f"cognitive-operator-{AGENT_UID}"
LLM = {"model": "m", "endpoint": "http://model/v1", "apiKeySecretRef": {"name": "model-key", "key": "token"}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str, **data: str) -> Body:
    return {"metadata": {"name": name, "namespace": "team", "uid": name}, "data": data}


@dataclass
class Children:
    """Secrets and one RayCluster; applies the keys of one field manager as the API server does."""

    secrets: dict[str, Body] = field(default_factory=dict)
    cluster: Body | None = field(default_factory=lambda: dict(CLUSTER))
    applied: list[tuple[str, Body]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    error: CognitiveOperatorError | None = None

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        if self.error is not None:
            raise self.error
        self.reads.append(name)
        return self.cluster if kind == RAY_CLUSTER else self.secrets.get(name)

    async def apply_fields(self, manifest: Body, manager: str) -> Body:
        self.applied.append((manager, manifest))
        name = manifest["metadata"]["name"]
        live = self.secrets.setdefault(name, {"metadata": {"uid": "s1"}, "data": {}})
        if manager == "cognitive-operator":
            live["metadata"] |= manifest["metadata"]
            return live
        assert manifest["metadata"]["uid"] == live["metadata"]["uid"]
        uid = manager.removeprefix("cognitive-operator-")
        others = {key: value for key, value in live["data"].items() if not key.startswith(f"{uid}.")}
        live["data"] = others | manifest.get("data", {})
        return live


class Scene:
    """One agent, with the Secrets that it names."""

    def __init__(self, *, has_accounts: bool = True, **spec: Any) -> None:
        self.children, self.clock, self.index = Children(), FakeClock(1000.0), Index()
        self.body = agent_body(**{"ray": {"clusterRef": {"name": "shared"}}, "llm": LLM} | spec)
        self.index.upsert_agent(self.body)
        self.children.secrets["model-key"] = secret("model-key", token=encoded("s3cr3t"), other=encoded("no"))
        broker = desired_broker_secret(self.record.agent, "credentials")
        self.children.secrets[broker["metadata"]["name"]] = broker
        port: Any = self.children
        self.keeper = ClusterSecrets(self.index, port, self.clock, TIMING, has_accounts=has_accounts)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    @property
    def shared(self) -> Body:
        return self.children.secrets[NAME]

    async def reconcile(self, after_s: float = 0.0) -> ClusterSecret:
        self.clock.advance(after_s)
        await self.keeper.reconcile(self.record)
        return self.record.cluster_secret

    def change(self, **changes: Any) -> None:
        """Store another version of the agent."""
        meta = self.body["metadata"]
        version = {"resourceVersion": str(int(meta["resourceVersion"]) + 1), "generation": meta["generation"] + 1}
        self.body = {**self.body, "metadata": meta | version, **changes}
        self.index.upsert_agent(self.body)


OWN = {f"{AGENT_UID}.llm-api-key": encoded("s3cr3t"), f"{AGENT_UID}.nats.creds": encoded("credentials")}


async def test_the_keys_of_an_agent_are_put_beside_those_of_others_by_its_own_field_manager() -> None:
    scene = Scene()
    scene.children.secrets[NAME] = desired_cluster_secret(CLUSTER) | {"data": {"a2.nats.creds": "eA=="}}
    scene.shared["metadata"]["uid"] = "s1"
    state = await scene.reconcile()
    assert scene.shared["data"] == {"a2.nats.creds": "eA=="} | OWN
    ((manager, manifest),) = scene.children.applied
    assert (manager, manifest["data"]) == (MANAGER, OWN)
    assert set(manifest["metadata"]) == {"name", "namespace", "uid"}
    assert (state.name, state.files, state.problem) == (NAME, ("llm-api-key", "nats.creds"), None)


async def test_the_first_agent_creates_the_secret_which_goes_with_the_cluster() -> None:
    scene = Scene()
    await scene.reconcile()
    managers = [manager for manager, _ in scene.children.applied]
    assert managers == ["cognitive-operator", MANAGER]
    (owner,) = scene.shared["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("RayCluster", "shared", "c1")
    scene.children.cluster = {"metadata": CLUSTER["metadata"] | {"uid": "c2"}}
    await scene.reconcile(TIMING.secret_every_s)
    assert scene.shared["metadata"]["ownerReferences"][0]["uid"] == "c2"


async def test_what_is_right_is_read_seldom_and_not_written_again() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.index.update_agent(scene.record, credentials=Condition.true("ExecutorReady", "Available", "x"))
    scene.children.reads.clear()
    await scene.reconcile(TIMING.secret_every_s - 1)
    assert scene.children.reads == []
    await scene.reconcile(1.0)
    assert NAME not in scene.children.reads
    scene.shared["data"] = {"a2.nats.creds": "eA=="}
    await scene.reconcile(TIMING.cluster_secret_every_s)
    assert scene.shared["data"] == {"a2.nats.creds": "eA=="} | OWN


async def test_a_changed_or_deleted_key_is_noticed_within_a_minute() -> None:
    scene = Scene()
    added_at_s = (await scene.reconcile()).added_at_s
    scene.children.secrets["model-key"]["data"]["token"] = encoded("another")
    state = await scene.reconcile(TIMING.secret_every_s)
    assert scene.shared["data"][f"{AGENT_UID}.llm-api-key"] == encoded("another")
    assert state.added_at_s == added_at_s
    del scene.children.secrets["model-key"]
    state = await scene.reconcile(TIMING.secret_every_s)
    assert (set(scene.shared["data"]), state.is_complete) == ({f"{AGENT_UID}.nats.creds"}, False)
    scene.children.secrets["model-key"] = secret("model-key", token=encoded("back"))
    state = await scene.reconcile(TIMING.observe_every_s)
    assert (state.is_complete, state.added_at_s) == (True, scene.clock.monotonic())


@pytest.mark.parametrize("ray", [{"address": "http://ray:8265"}, {"cluster": {}}])
async def test_agents_of_other_clusters_are_left_to_other_ways(ray: dict[str, Any]) -> None:
    scene = Scene(ray=ray)
    assert not (await scene.reconcile()).is_known
    assert (scene.children.reads, scene.children.applied) == ([], [])


async def test_an_agent_without_keys_on_a_broker_without_accounts_makes_no_secret() -> None:
    scene = Scene(has_accounts=False, llm={"model": "m", "endpoint": "http://model/v1"})
    state = await scene.reconcile()
    assert (state.name, state.is_complete, scene.children.applied) == (None, True, [])


async def test_a_cluster_that_does_not_exist_gets_no_secret_and_one_that_appears_does() -> None:
    scene = Scene()
    scene.children.cluster = None
    assert (await scene.reconcile()).name is None
    assert scene.children.applied == []
    scene.children.cluster = dict(CLUSTER)
    assert (await scene.reconcile(TIMING.secret_every_s)).name == NAME


async def test_a_secret_that_the_operator_did_not_create_is_not_written() -> None:
    scene = Scene()
    scene.children.secrets[NAME] = secret(NAME, mine="eA==")
    problem = (await scene.reconcile()).problem
    assert problem is not None
    assert (problem.status, problem.reason) == ("False", Reason.NAME_TAKEN)
    assert problem.message == f"{PLACE} exists, and the operator has not created it. Delete or rename it."
    assert scene.children.applied == []
    del scene.children.secrets[NAME]
    assert (await scene.reconcile(TIMING.observe_every_s)).problem is None


async def test_above_the_limit_nothing_is_dropped_and_the_agent_says_so() -> None:
    scene = Scene()
    full = {"a2.nats.creds": "A" * (MAX_BYTES * 4 // 3)}
    scene.children.secrets[NAME] = desired_cluster_secret(CLUSTER) | {"data": dict(full)}
    scene.shared["metadata"]["uid"] = "s1"
    problem = (await scene.reconcile()).problem
    assert problem is not None
    assert problem.reason == Reason.SECRET_TOO_LARGE
    assert f"{PLACE} would have 92" in problem.message
    assert (scene.shared["data"], scene.children.applied) == (full, [])
    scene.shared["data"] |= OWN
    scene.children.secrets["model-key"]["data"]["token"] = encoded("t0k3n")
    assert (await scene.reconcile(TIMING.observe_every_s)).problem is None, "a smaller key was refused"


@pytest.mark.parametrize(
    ("error", "reason"), [(ForbiddenError("403"), "CredentialsNotKept"), (KindAbsentError("404"), None)]
)
async def test_what_cannot_be_written_is_told(error: CognitiveOperatorError, reason: str | None) -> None:
    scene = Scene()
    scene.children.error = error
    problem = (await scene.reconcile()).problem
    assert (problem.reason if problem else None) == reason


async def test_an_api_server_that_is_away_changes_nothing() -> None:
    scene = Scene()
    scene.children.error = ApiUnavailableError("away")
    assert not (await scene.reconcile()).is_known
    scene.children.error = None
    assert (await scene.reconcile()).name == NAME


async def test_the_keys_go_with_the_agent_and_others_stay() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.shared["data"]["a2.nats.creds"] = "eA=="
    assert await scene.keeper.remove(scene.record) is None
    assert scene.shared["data"] == {"a2.nats.creds": "eA=="}
    scene.children.applied.clear()
    assert await scene.keeper.remove(scene.record) is None
    assert scene.children.applied == []
    scene.children.error = ApiUnavailableError("away")
    assert await scene.keeper.remove(scene.record) == f"{PLACE} may still have the agent's keys: away"


@pytest.mark.parametrize("ray", [{"address": "http://ray:8265"}, {"clusterRef": {"name": "other"}}])
async def test_the_keys_leave_the_secret_of_a_cluster_that_the_agent_has_left(ray: dict[str, Any]) -> None:
    scene = Scene()
    await scene.reconcile()
    spec = {**scene.body["spec"], "ray": ray}
    scene.change(spec=spec, status={"secretName": NAME})
    state = await scene.reconcile()
    assert scene.shared["data"] == {}
    assert state.name == (None if "address" in ray else "other-agent-secrets")


def executor(reason: Reason, *, ready: bool = False) -> Condition:
    condition = Condition.true if ready else Condition.false
    return condition(AgentCondition.EXECUTOR_READY, reason, "No worker has reported.")


AGENT = Agent.model_validate(agent_body(ray={"clusterRef": {"name": "shared"}}))
PROBLEM = Condition.false(AgentCondition.EXECUTOR_READY, Reason.SECRET_TOO_LARGE, "It is full.")


@pytest.mark.parametrize(("age_s", "is_told"), [(0.0, True), (90.0, True), (90.1, False)])
def test_an_executor_that_waits_says_that_its_files_are_new(age_s: float, is_told: bool) -> None:
    state = ClusterSecret(NAME, files=("llm-api-key", "nats.creds"), added_at_s=100.0)
    found = with_cluster_secret(executor(Reason.EXECUTOR_STARTING), AGENT, state, 100.0 + age_s)
    note = (
        f" The operator has just put llm-api-key and nats.creds into {PLACE}; pods that mount it show it within 90 s."
    )
    assert found.message == "No worker has reported." + (note if is_told else "")
    other = executor(Reason.RAY_UNREACHABLE)
    assert with_cluster_secret(other, AGENT, state, 100.0) == other


def test_a_problem_of_the_secret_is_the_reason_of_an_executor_that_waits_and_a_note_of_one_that_works() -> None:
    state = ClusterSecret(NAME, problem=PROBLEM)
    waiting = with_cluster_secret(executor(Reason.CREDENTIALS_NOT_MOUNTED), AGENT, state, 0.0)
    assert (waiting.status, waiting.reason, waiting.message) == (
        "False",
        "SecretTooLarge",
        "It is full. No worker has reported.",
    )
    ready = with_cluster_secret(executor(Reason.AVAILABLE, ready=True), AGENT, state, 0.0)
    assert (ready.status, ready.reason, ready.message) == ("True", "Available", "No worker has reported. It is full.")


def test_the_advice_names_the_secret_by_the_way_in_which_the_cluster_gets_it() -> None:
    assert f"Mount {PLACE}, which has the files of all agents of RayCluster team/shared, on all its pods at " in (
        mount_advice(AGENT)
    )
    own = mount_advice(Agent.model_validate(agent_body()))
    assert f"Mount the agent's files at {AGENT_UID}/ below COGNITIVE_SECRETS_DIR" in own
    managed = mount_advice(Agent.model_validate(agent_body(ray={"cluster": {}})))
    assert managed.startswith("The operator mounts Secret team/ca-sre-")
    assert cluster_secret_name("x") == "x-agent-secrets"
    assert SECRET.kind == "Secret"
