"""docs/kubernetes.md: the real KubernetesExecutor makes pods in a stand-in for a cluster, by the page's own manifests.

`kube_cluster` is the stand-in, which runs each pod as a process with no environment but the pod's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.front import Front
from tests.samples import APP
from tests.sts import Sts
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.kube_cluster import Cluster
from tests.system.kube_page import DOCUMENTS, ROLE_ARN, ROOT, cluster_of_page, give_image, give_settings, write_template
from tests.system.kube_pods import Manifest
from tests.system.secret_forms import Search, core, new_mark

pytestmark = pytest.mark.system

kubernetes = pytest.importorskip(
    "kubernetes", reason="needs apache-airflow-providers-cncf-kubernetes: make test-kubernetes"
)
pytest.importorskip("airflow.providers.cncf.kubernetes")

DAGS = Path(__file__).parent / "dags" / "kubernetes"
DAG_IDS = ["deferred", "on_worker", "overridden", "protected", "social", "social_at_debug", "leak"]
JOB_SECONDS = 12.0
# The roles by the session tokens of their credentials, which go with each request.
WORKER, TRIGGERER = "session-of-the-worker", "session-of-the-triggerer"
MARK = new_mark()
SECRET, CONTROL = core(MARK, 0), core(MARK, 1)


@dataclass
class Setup:
    """An Airflow, the cluster that has its pods, and the service that they call."""

    airflow: RunningAirflow
    cluster: Cluster
    service: LocalAmplifyBackend
    front: Front
    names: Iterator[str] = field(default_factory=lambda: (f"env{number}" for number in range(100)))

    def new_environment(self, **members: Any) -> str:
        name = next(self.names)
        self.service.control.seed_app(APP, {"name": name, "storage": {"files": None}, **members})
        return name

    def started(self, environment: str, operation: str = "UpdateBackendStorage") -> list[str]:
        """The ids of the jobs that were started in an environment."""
        journal = self.service.control.journal(operation, effective=True, environment=environment)
        return [entry["job_id"] for entry in journal]

    def wait_started(self, environment: str, operation: str = "UpdateBackendStorage") -> str:
        return wait_until(lambda: self.started(environment, operation), 90, f"start in {environment}", every=0.05)[0]

    def pods(self, run_id: str) -> list[Manifest]:
        return self.cluster.manifests(run_id=run_id)

    def ended(self, dag_id: str, run_id: str) -> str:
        def story() -> str:
            seen = [self.cluster.last_seen(pod)["status"] for pod in self.pods(run_id)]
            return f"end: {self.airflow.story(dag_id, run_id)}\n{seen}\n{self.airflow.tails(8)}"

        wait_until(lambda: self.airflow.run(dag_id, run_id)["state"] in ("success", "failed"), 180, story)
        return str(self.airflow.run(dag_id, run_id)["state"])

    def existing(self, names: list[str]) -> list[Manifest]:
        """The pods of these names that there still are."""
        _, pods = self.cluster.store.select(self.cluster.namespace, lambda pod: pod["metadata"]["name"] in names)
        return pods

    def log(self, run_id: str) -> str:
        """What the pods of a run have written, as `kubectl logs` shows it."""
        return "\n".join(self.cluster.life(pod).log_file.read_text() for pod in self.pods(run_id))


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("kubernetes")
    token = folder / "triggerer-token"
    token.write_text("token of the triggerer")
    cluster = cluster_of_page(folder / "cluster")
    roles = {ROLE_ARN.rpartition("/")[2]: ("key", WORKER), "triggerer": ("key", TRIGGERER)}
    with (
        LocalAmplifyBackend(job_seconds=JOB_SECONDS) as service,
        Front(service.endpoint_url).running() as front,
        Sts(roles).running() as sts,
    ):
        extra = {"region_name": "us-east-1", "endpoint_url": front.endpoint_url}
        airflow = RunningAirflow(
            folder / "airflow",
            DAGS,
            executor="KubernetesExecutor",
            cluster=cluster,
            connections={
                # No credentials: each process has those of its own role.
                "aws_default": {"conn_type": "aws", "extra": extra},
                "google_login": {"conn_type": "generic", "login": "google-id", "password": SECRET},
            },
            env={
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(folder),  # the Kubernetes client leaves a file there
                "CONTROL_SECRET": CONTROL,
                # What a triggerer has that runs as a deployment.
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/triggerer",
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
                "AWS_ENDPOINT_URL_STS": sts.endpoint_url,
                **write_template(folder / "pod_template.yaml"),
            },
        )
        give_image(cluster)
        give_settings(cluster, airflow, AWS_ENDPOINT_URL_STS=sts.endpoint_url)
        with airflow:
            airflow.wait_ready(DAG_IDS)
            yield Setup(airflow, cluster, service, front)
        # Nothing was asked of the cluster that it does not have, or that the page's Role does not allow.
        assert cluster.api.refused == []


def workload(pod: Manifest) -> dict[str, Any]:
    """What Airflow hands a pod on its command line."""
    *command, document = pod["spec"]["containers"][0]["args"]
    assert command == ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string"]
    handed: dict[str, Any] = json.loads(document)
    return handed


@pytest.fixture(scope="module")
def deferred(setup: Setup) -> tuple[str, str]:
    """The environment and the run of a task that has deferred and succeeded."""
    environment = setup.new_environment()
    run_id = setup.airflow.trigger("deferred", {"environment": environment})
    assert setup.ended("deferred", run_id) == "success"
    return environment, run_id


def test_a_task_that_defers_is_resumed_in_another_pod(setup: Setup, deferred: tuple[str, str]) -> None:
    environment, run_id = deferred
    first, second = setup.pods(run_id)
    assert first["metadata"]["name"] != second["metadata"]["name"]
    (job_id,) = setup.started(environment)
    assert setup.airflow.xcom("deferred", run_id, "update")["JobId"] == job_id
    # Each try's log is one, though two pods and the triggerer have written it.
    assert "Accepted as job" in str(setup.airflow.logs("deferred", run_id, "update"))
    # A pod that has succeeded is deleted.
    names = [pod["metadata"]["name"] for pod in (first, second)]
    wait_until(lambda: not setup.existing(names), 30, "end of both pods")


def test_a_pod_is_told_which_task_it_is_and_nothing_of_its_request(setup: Setup, deferred: tuple[str, str]) -> None:
    environment, run_id = deferred
    for pod in setup.pods(run_id):
        handed = workload(pod)
        assert (handed["ti"]["dag_id"], handed["ti"]["task_id"], handed["ti"]["run_id"]) == (
            "deferred",
            "update",
            run_id,
        )
        assert environment not in json.dumps(pod)
        assert "amplify" not in json.dumps(handed).lower()


def test_a_pod_has_nothing_but_what_the_page_gives_it(setup: Setup, deferred: tuple[str, str]) -> None:
    """No address of the database, no Fernet key, no connection: the API server has them."""
    _, run_id = deferred
    for pod in setup.pods(run_id):
        given = {name for name in setup.cluster.life(pod).environment if name.startswith(("AIRFLOW", "AWS"))}
        of_this_test = {"AIRFLOW_HOME", "AWS_ENDPOINT_URL_STS"}
        of_the_executor = {"AIRFLOW_IS_K8S_EXECUTOR_POD"}
        of_the_account = {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}
        assert given == of_this_test | of_the_executor | of_the_account | set(DOCUMENTS["ConfigMap"]["data"])


def test_pods_and_triggerer_have_each_the_role_of_its_account(setup: Setup, deferred: tuple[str, str]) -> None:
    environment, _ = deferred
    asked = [each for each in setup.front.asked if f"/{environment}" in each["target"]]
    starts = {each["x-amz-security-token"] for each in asked if "/storage/" in each["target"]}
    checks = {each["x-amz-security-token"] for each in asked if "/job/" in each["target"]}
    assert starts == {WORKER}
    assert TRIGGERER in checks


def is_killed(setup: Setup, pod: Manifest) -> None:
    setup.cluster.life(pod).kill("OOMKilled")


def is_evicted(setup: Setup, pod: Manifest) -> None:
    setup.cluster.life(pod).evict()


def is_deleted(setup: Setup, pod: Manifest) -> None:
    """By `kubectl delete pod --grace-period=2`, or a drained node."""
    client = kubernetes.config.new_client_from_config(str(setup.cluster.folder / "config"))
    with client:
        kubernetes.client.CoreV1Api(client).delete_namespaced_pod(
            pod["metadata"]["name"], pod["metadata"]["namespace"], grace_period_seconds=2
        )


ENDS: tuple[Callable[[Setup, Manifest], None], ...] = (is_killed, is_evicted, is_deleted)


def test_a_pod_that_ends_between_the_request_and_the_stored_job_starts_it_once(setup: Setup) -> None:
    ends = {setup.new_environment(): end for end in ENDS}
    for environment in ends:
        # The job is started, and its id is on the way when the pod ends.
        delay = {"seconds": 120.0, "when": "after", "times": 1}
        setup.service.control.add_fault("UpdateBackendStorage", kind="delay", environment=environment, **delay)
    runs = {environment: setup.airflow.trigger("deferred", {"environment": environment}) for environment in ends}
    killed: dict[str, tuple[str, Manifest]] = {}
    for environment, run_id in runs.items():
        job_id = setup.wait_started(environment)
        (pod,) = setup.pods(run_id)
        stored = setup.airflow.state_store("deferred", run_id, "update")
        assert stored
        assert job_id not in json.dumps(stored)
        ends[environment](setup, pod)
        killed[environment] = job_id, pod
    for environment, run_id in runs.items():
        job_id, pod = killed[environment]
        assert setup.ended("deferred", run_id) == "success", ends[environment]
        assert setup.cluster.last_seen(pod)["status"]["phase"] == "Failed"
        assert setup.started(environment) == [job_id], ends[environment]
        result = setup.airflow.xcom("deferred", run_id, "update")
        assert (result["JobId"], result["outcome"]) == (job_id, "adopted")
        assert [workload(pod)["ti"]["try_number"] for pod in setup.pods(run_id)][:2] == [1, 2]


def test_a_pod_that_is_deleted_while_it_waits_says_what_is_still_running(setup: Setup) -> None:
    environment = setup.new_environment()
    run_id = setup.airflow.trigger("on_worker", {"environment": environment})
    job_id = setup.wait_started(environment)
    # While it runs, Airflow's UI has the log from the cluster.
    wait_until(lambda: "next status check in" in str(setup.airflow.logs("on_worker", run_id, "update")), 30, "wait")
    assert "through kube API" in str(setup.airflow.logs("on_worker", run_id, "update"))
    (pod,) = setup.pods(run_id)
    is_deleted(setup, pod)
    assert setup.ended("on_worker", run_id) == "success"
    assert f"--job-id {job_id}" in setup.cluster.life(pod).log_file.read_text()
    assert setup.started(environment) == [job_id]


def test_a_pod_goes_on_under_a_new_scheduler(setup: Setup) -> None:
    environment = setup.new_environment()
    run_id = setup.airflow.trigger("on_worker", {"environment": environment})
    job_id = setup.wait_started(environment)
    (pod,) = setup.pods(run_id)
    setup.airflow.processes["scheduler"].restart(kill=True)
    assert setup.ended("on_worker", run_id) == "success"
    assert setup.pods(run_id) == [pod]
    assert setup.started(environment) == [job_id]
    assert setup.airflow.xcom("on_worker", run_id, "update")["outcome"] == "started"


def test_a_task_has_a_pod_of_its_own_making_with_pod_override(setup: Setup) -> None:
    setup.service.control.seed_app(APP, {"name": "staging"})
    run_id = setup.airflow.trigger("overridden")
    assert setup.ended("overridden", run_id) == "success"
    assert len(setup.started("staging", "CloneBackend")) == 1
    pods = setup.pods(run_id)
    assert len(pods) == 2
    (template,) = DOCUMENTS["Pod"]["spec"]["containers"]
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert container["resources"]["requests"]["memory"] == "1Gi"
        assert (container["image"], container["envFrom"]) == (template["image"], template["envFrom"])
        assert setup.cluster.life(pod).environment["AIRFLOW__LOGGING__LOGGING_LEVEL"] == "DEBUG"
        assert '"level":"debug"' in setup.cluster.life(pod).log_file.read_text()


def test_a_name_that_only_pods_know_is_protected(setup: Setup) -> None:
    assert "AIRFLOW__AMPLIFYBACKEND__PROTECTED" not in setup.airflow.environment
    setup.service.control.seed_app(APP, {"name": "production"})
    run_id = setup.airflow.trigger("protected")
    assert setup.ended("protected", run_id) == "failed"
    assert "BackendGuardError" in setup.log(run_id)
    assert setup.service.control.journal("DeleteBackend") == []


def found(setup: Setup, pods: list[Manifest]) -> tuple[set[str], set[str]]:
    """The secrets in the manifests of pods, at any time, and in their logs."""
    search = Search(MARK, {"secret": SECRET, "control": CONTROL}, {})
    uids = {pod["metadata"]["uid"] for pod in pods}
    states = [
        json.dumps(change.after)
        for change in setup.cluster.store.changes
        if change.after and change.after["metadata"]["uid"] in uids
    ]
    logs = [setup.cluster.life(pod).log_file.read_bytes() for pod in pods]
    return set().union(*map(search.names, states)), set().union(*map(search.names, logs))


def test_no_secret_of_a_request_is_in_a_manifest_or_a_log(setup: Setup) -> None:
    environments = {dag_id: setup.new_environment() for dag_id in ("social", "social_at_debug")}
    runs = {dag_id: setup.airflow.trigger(dag_id, {"environment": name}) for dag_id, name in environments.items()}
    for dag_id, run_id in runs.items():
        assert setup.ended(dag_id, run_id) == "success"
        sent = setup.service.control.journal("CreateBackendAuth", environment=environments[dag_id])
        assert SECRET in json.dumps(sent)
        assert len(setup.pods(run_id)) == 2
        assert found(setup, setup.pods(run_id)) == (set(), set()), dag_id


def test_a_secret_in_a_manifest_or_a_log_would_be_found(setup: Setup) -> None:
    run_id = setup.airflow.trigger("leak")
    assert setup.ended("leak", run_id) == "success"
    assert found(setup, setup.pods(run_id)) == ({"control"}, {"control"})
