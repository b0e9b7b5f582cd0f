"""Life of an agent's own model server: creation, proof, suspension and removal. A named endpoint is only probed."""

from dataclasses import dataclass, field
from typing import Any

from cognitive_operator.api.children import ChildKind, owner_of
from cognitive_operator.api.conditions import Reason
from cognitive_operator.errors import ForbiddenError, NameTakenError
from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.ports.model import InferenceResult, ModelProbeResult, ModelTarget
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders.operator_objects import AGENT_UID, agent_body
from support.fakes.clock import FakeClock

OWN = {"llm": {"provider": "vllm", "model": "m", "vllm": {}}}
WROTE = InferenceResult(ok=True, message="", first_token_s=0.1, tokens_per_second=5)
SERVES = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}


@dataclass
class Outside:
    """Children that hold what is applied, and a model that answers."""

    objects: dict[tuple[str, str], Body] = field(default_factory=dict)
    status: Body = field(default_factory=lambda: dict(SERVES))
    refusal: Exception | None = None
    trial: InferenceResult = WROTE
    inferred: list[tuple[str, str | None]] = field(default_factory=list)

    async def apply(self, manifest: Body) -> Body:
        if self.refusal is not None and manifest["kind"] == "Deployment":
            raise self.refusal
        key = (manifest["kind"], manifest["metadata"]["name"])
        self.objects[key] = {**manifest, "status": self.status}
        self.objects[key]["metadata"]["generation"] = 1
        if manifest["kind"] == "Service":
            self.objects[key]["spec"]["clusterIP"] = "10.0.0.7"
        return self.objects[key]

    async def create(self, manifest: Body) -> Body:
        key = (manifest["kind"], manifest["metadata"]["name"])
        made = self.objects.setdefault(key, manifest)
        if owner_of(made) != owner_of(manifest):
            raise NameTakenError("belongs to nobody")
        made["metadata"]["uid"] = "secret-uid"
        return made

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        return self.objects.get((kind.kind, name))

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        self.objects.pop((kind.kind, name), None)

    async def pods(self, namespace: str, labels: Any) -> list[Body]:
        return []

    async def warnings(self, namespace: str, kind: str, name: str) -> list[KubeEvent]:
        return []

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        return ModelProbeResult(ok=True, reason=Reason.AVAILABLE, message="lists 1 model", models=("m",))

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        self.inferred.append((target.endpoint, api_key))
        return self.trial

    async def read_key(self, namespace: str, name: str, key: str) -> str:
        return str(self.objects["Secret", name]["data"][key])


class Scene:
    """One agent and what is outside of it."""

    def __init__(self, *, in_cluster: bool = False, **spec: Any) -> None:
        self.outside, self.clock, self.index = Outside(), FakeClock(0.0), Index()
        outside: Any = self.outside
        servers = ModelServerReconciler(self.index, outside, self.clock, is_in_cluster=in_cluster)
        self.models = ModelReadiness(self.index, servers, outside, outside, self.clock, intervals=ProbeIntervals())
        self.version = 10
        self.change(**(spec or OWN))

    def change(self, *, status: Body | None = None, **spec: Any) -> None:
        body = agent_body(**spec)
        self.version += 1
        body["metadata"] |= {"resourceVersion": str(self.version), "generation": self.version}
        self.index.upsert_agent(body | {"status": status or {}})

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    async def look(self, after_s: float = 60.0) -> tuple[str, str]:
        self.clock.advance(after_s)
        await self.models.reconcile(self.record)
        return self.record.model.status, self.record.model.reason

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.outside.objects}


async def test_a_server_is_made_and_proved_once() -> None:
    scene = Scene()
    assert await scene.look() == ("True", Reason.AVAILABLE)
    assert scene.kinds() == {"Deployment", "Service", "Secret"}
    (secret,) = [body for (kind, _), body in scene.outside.objects.items() if kind == "Secret"]
    key = secret["data"]["api-key"]
    assert await scene.look() == ("True", Reason.AVAILABLE)
    assert scene.outside.inferred == [("http://10.0.0.7:8000/v1", key)]
    assert scene.record.server.trial == scene.outside.trial
    assert secret["data"]["api-key"] == key


async def test_another_start_is_proved_anew() -> None:
    scene = Scene()
    await scene.look()
    scene.change(llm={**OWN["llm"], "vllm": {"maxModelLen": 512}})
    await scene.look()
    assert len(scene.outside.inferred) == 2


async def test_inside_the_cluster_the_service_is_asked_by_its_name() -> None:
    scene = Scene(in_cluster=True)
    await scene.look()
    assert scene.outside.inferred[0][0] == scene.record.agent.spec.llm.url


async def test_a_server_that_does_not_write_is_not_ready() -> None:
    scene = Scene()
    scene.outside.trial = InferenceResult(ok=False, message="HTTP 400")
    assert await scene.look() == ("False", Reason.MODEL_FAILED)


async def test_a_server_on_its_way_is_looked_at_every_two_seconds() -> None:
    scene = Scene()
    scene.outside.status = {}
    assert await scene.look() == ("False", Reason.MODEL_STARTING)
    scene.outside.status = dict(SERVES)
    assert (await scene.look(1.0))[0] == "False"
    assert (await scene.look(1.1))[0] == "True"


async def test_a_refusal_is_told_and_raises_nothing() -> None:
    scene = Scene()
    scene.outside.refusal = ForbiddenError("403 cannot patch deployments")
    assert await scene.look() == ("False", Reason.FORBIDDEN)
    assert "cannot patch deployments" in scene.record.model.message


async def test_anothers_secret_is_left_alone() -> None:
    scene = Scene()
    name = scene.record.agent.spec.llm.api_key_secret_ref
    assert name is not None
    theirs: Body = {"metadata": {"name": name.name}, "data": {"api-key": "theirs"}}
    scene.outside.objects["Secret", name.name] = theirs
    assert await scene.look() == ("False", Reason.NAME_TAKEN)
    assert theirs["data"] == {"api-key": "theirs"}
    assert scene.kinds() == {"Secret"}


async def test_a_claim_that_is_named_must_be_there() -> None:
    scene = Scene(llm={**OWN["llm"], "vllm": {"modelCache": {"claimName": "models"}}})
    assert await scene.look() == ("False", Reason.VOLUME_NOT_FOUND)
    claim: Body = {"metadata": {"name": "models"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    scene.outside.objects["PersistentVolumeClaim", "models"] = claim
    assert (await scene.look())[0] == "True"
    (made,) = [body for (kind, _), body in scene.outside.objects.items() if kind == "Deployment"]
    assert made["spec"]["strategy"] == {"type": "Recreate"}


async def test_a_cache_that_is_wanted_no_more_is_deleted() -> None:
    scene = Scene(llm={**OWN["llm"], "vllm": {"modelCache": {"size": "1Gi"}}})
    await scene.look()
    assert "PersistentVolumeClaim" in scene.kinds()
    scene.change(**OWN)
    await scene.look()
    assert "PersistentVolumeClaim" not in scene.kinds()


async def test_a_suspended_server_rests_once_nothing_runs() -> None:
    scene = Scene()
    await scene.look()
    scene.change(**OWN, suspend=True)
    scene.index.queue_of(("team", "sre")).start("task")
    assert (await scene.look())[0] == "True"
    scene.index.queue_of(("team", "sre")).remove("task")
    assert await scene.look() == ("False", Reason.SUSPENDED)


async def test_a_server_is_removed_once_no_attempt_can_be_asking_it() -> None:
    scene = Scene()
    await scene.look()
    scene.change(status={"model": {"deployment": "d"}})
    queue = scene.index.queue_of(("team", "sre"))
    queue.start("task")
    assert (await scene.look())[0] == "True"
    assert scene.kinds() == {"Deployment", "Service", "Secret"}
    queue.remove("task")
    await scene.look()
    assert scene.kinds() == set()
    assert scene.record.server.name is None


async def test_a_named_endpoint_is_only_asked() -> None:
    scene = Scene(llm={"provider": "vllm", "model": "m", "endpoint": "http://model/v1"})
    assert await scene.look() == ("True", Reason.AVAILABLE)
    assert scene.outside.objects == {}
    assert scene.outside.inferred == []
    assert scene.record.agent.metadata.uid == AGENT_UID
