"""Tasks wait while the package is replaced by a newer one: nothing is started twice, and nothing is lost.

The short form is in the Airflow that quiet suites share: with Celery, two workers and two triggerers of which one is
killed, where there is what that needs, else or with `UPGRADE=local` LocalExecutor. `UPGRADE=celery` is the long one,
with a hundred mapped clones. `UPGRADE=kubernetes` has a pod for each task, in the stand-in for a cluster: there the
image is replaced, and pods that run keep the older one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.samples import APP
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.engine_services import missing_services
from tests.system.kube_cluster import Cluster
from tests.system.kube_page import cluster_of_page, give_image, give_settings, write_template
from tests.system.older_package import unpacked_wheel
from tests.system.quiet import CELERY, FORM, Quiet, replace_package

pytestmark = pytest.mark.system

DAGS = Path(__file__).parent / "dags" / "upgrade"
# The first one that was asked about, and the one before the issue in which upgrades were tested first.
OLDEST, LATER = "5b812b4", "fdf3f6d"
CLONES = 100 if FORM == "celery" else 4
# No job ends until the test ends it.
JOB_SECONDS = 7200


@dataclass
class Upgrades:
    """An Airflow whose package is replaced while it runs."""

    airflow: RunningAirflow
    service: LocalAmplifyBackend
    cluster: Cluster | None = None

    def start(self, name: str, clones: int) -> str:
        """Start a run and return its id once each of its tasks waits."""
        busy = {"environment": f"{name}busy", "operation": "CreateBackendAuth", "status": "RUNNING"}
        environments = [{"name": "staging"}, {"name": f"{name}busy"}]
        self.service.control.seed(apps=[{"app_id": APP, "environments": environments, "jobs": [busy]}])
        run_id = self.airflow.trigger("upgrade", conf={"name": name, "clones": clones})
        self.wait_waiting(name, run_id, clones)
        return run_id

    def states(self, run_id: str) -> Counter[str]:
        return Counter(f"{task['task_id']} {task['state']}" for task in self.airflow.tasks("upgrade", run_id))

    def wait_waiting(self, name: str, run_id: str, clones: int) -> None:
        expected = {"clone deferred": clones, "storage deferred": 1, "sensor deferred": 1, "worker running": 1}

        def look() -> bool:
            return dict(self.states(run_id)) == {**expected, "targets success": 1} and bool(self.started(f"{name}own"))

        wait_until(look, 180 + 10 * clones, lambda: f"waits: {self.states(run_id)}\n{self.airflow.tails(5)}", every=1)

    def started(self, environment: str) -> list[str]:
        """The ids of the jobs that were started in an environment."""
        return [
            entry["job_id"]
            for operation in ("CloneBackend", "CreateBackend", "CreateBackendStorage")
            for entry in self.service.control.journal(operation, effective=True, environment=environment)
        ]

    def replace(self, package: Path, *, killed: str | None = None) -> None:
        """Restart every part with another package, one after the other."""
        if self.cluster:
            give_image(self.cluster, package)
        replace_package(self.airflow, package, killed=killed)

    def jobs_started(self) -> Counter[str]:
        """How many jobs were started, by operation."""
        journal = self.service.control.journal(effective=True)
        return Counter(entry["operation"] for entry in journal if entry["operation"] in JOB_OPERATIONS)

    def end_jobs(self, name: str) -> None:
        """End what runs, and let come what is waited for."""
        self.service.control.set(job_seconds=0.5)
        for job in self.service.control.jobs():
            if job["Status"] in ("PENDING", "RUNNING"):
                self.service.control.end_job(job["JobId"])
        self.service.control.seed_app(APP, f"{name}late")

    def check(self, name: str, run_id: str, clones: int) -> None:
        """Check that a run has succeeded, and that each of its jobs was started once."""
        assert self.airflow.wait_run("upgrade", run_id, timeout=240 + 10 * clones) == "success"
        targets = [*(f"{name}c{number}" for number in range(clones)), f"{name}own", f"{name}busy"]
        assert {target: len(self.started(target)) for target in targets} == dict.fromkeys(targets, 1)
        states = self.states(run_id)
        assert states == {f"{task} success": 1 for task in ("targets", "storage", "worker", "sensor")} | {
            "clone success": clones
        }
        for number in (0, clones - 1):
            result = self.airflow.xcom("upgrade", run_id, "clone", map_index=number)
            assert [result["JobId"]] == self.started(f"{name}c{number}")
            assert result["Status"] == "COMPLETED"
        # Its process died with the older package, and the next try knew from what that had stored; a pod lives on.
        outcome = self.airflow.xcom("upgrade", run_id, "worker")["outcome"]
        assert outcome == ("started" if self.cluster else "adopted")


@pytest.fixture
def packages(tmp_path: Path) -> list[Path]:
    return [unpacked_wheel(commit, tmp_path) for commit in (OLDEST, LATER, "HEAD")]


@pytest.fixture
def upgrades(packages: list[Path], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upgrades]:
    """An Airflow with the oldest package: the one that quiet suites share, or a larger one in the long forms."""
    if FORM in (None, "local"):
        quiet: Quiet = request.getfixturevalue("quiet")
        airflow = quiet.give(["upgrade"], job_seconds=JOB_SECONDS, package=packages[0])
        yield Upgrades(airflow, quiet.service)
        return
    with LocalAmplifyBackend(job_seconds=JOB_SECONDS) as service:
        airflow, cluster = (_with_celery if FORM == "celery" else _with_kubernetes)(packages[0], service, tmp_path)
        with airflow:
            airflow.wait_ready(["upgrade"])
            yield Upgrades(airflow, service, cluster)


def _with_celery(package: Path, service: LocalAmplifyBackend, folder: Path) -> tuple[RunningAirflow, None]:
    if missing := missing_services():
        pytest.skip(f"Celery needs PostgreSQL and Redis: {missing}")
    return _own_airflow(service, folder, {"PYTHONPATH": str(package)}, **CELERY), None


def _with_kubernetes(package: Path, service: LocalAmplifyBackend, folder: Path) -> tuple[RunningAirflow, Cluster]:
    pytest.importorskip("airflow.providers.cncf.kubernetes")
    cluster = cluster_of_page(folder / "cluster", with_role=False)
    # Nothing is killed here, and a pod must outlive the time for which the API server is away.
    parts: dict[str, Any] = {"executor": "KubernetesExecutor", "cluster": cluster, "fast_crash_detection": False}
    env = {"PYTHONPATH": str(package), "TMPDIR": str(folder), **write_template(folder / "pod_template.yaml")}
    airflow = _own_airflow(service, folder, env, **parts)
    give_image(cluster, package)
    give_settings(cluster, airflow)
    return airflow, cluster


def _own_airflow(service: LocalAmplifyBackend, folder: Path, env: dict[str, str], **parts: Any) -> RunningAirflow:
    connection = json.loads(connection_json(service.endpoint_url))
    return RunningAirflow(folder / "airflow", DAGS, connections={"aws_default": connection}, env=env, **parts)


def test_what_older_versions_have_stored_is_continued(upgrades: Upgrades, packages: list[Path]) -> None:
    _, later, this = packages
    first = upgrades.start("one", CLONES)
    upgrades.replace(later)
    second = upgrades.start("two", 4)
    upgrades.replace(this, killed="triggerer-1" if upgrades.airflow.triggerers > 1 else None)
    started = upgrades.jobs_started()
    for name in ("one", "two"):
        upgrades.end_jobs(name)
    upgrades.check("one", first, CLONES)
    upgrades.check("two", second, 4)
    # All that came after the last replacement are the two jobs that had waited for others.
    assert upgrades.jobs_started() - started == {"CreateBackendStorage": 2}
