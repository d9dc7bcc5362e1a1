"""docs/guarantees.md on a running Airflow: what happens to a job in each thing that can happen to its task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.samples import APP
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until

pytestmark = pytest.mark.system

DAGS = Path(__file__).parent / "dags" / "guarantees"
JOB_SECONDS = 12.0
TASK = "update"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(job_seconds=JOB_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(service: LocalAmplifyBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    connection = json.loads(connection_json(service.endpoint_url))
    # The package of this checkout, installed or not.
    settings = {"PYTHONPATH": str(Path(__file__).parents[2])}
    home = tmp_path_factory.mktemp("guarantees")
    with RunningAirflow(home, DAGS, connections={"aws_default": connection}, env=settings) as running:
        running.wait_ready(["deferred", "on_worker", "pair", "mapped", "hasty", "daily"])
        yield running


class Environment:
    """An environment with one resource, and what was started in it."""

    def __init__(self, service: LocalAmplifyBackend, name: str) -> None:
        self.service = service
        self.name = name
        service.control.seed_app(APP, {"name": name, "storage": {"files": None}})

    @property
    def conf(self) -> dict[str, str]:
        return {"environment": self.name}

    @property
    def jobs(self) -> list[str]:
        journal = self.service.control.journal("UpdateBackendStorage", effective=True, environment=self.name)
        return [entry["job_id"] for entry in journal]

    def status(self, job_id: str) -> str:
        return str({job["JobId"]: job for job in self.service.control.jobs()}[job_id]["Status"])

    def wait_started(self, number: int = 1) -> str:
        wait_until(lambda: len(self.jobs) >= number, 90, f"{number} starts in {self.name}")
        return self.jobs[-1]

    def wait_completed(self, job_id: str) -> None:
        wait_until(lambda: self.status(job_id) == "COMPLETED", 60, f"end of {job_id}")


@pytest.fixture
def environment(service: LocalAmplifyBackend, request: pytest.FixtureRequest) -> Environment:
    return Environment(service, f"env{abs(hash(request.node.name)) % 10**6}")


def wait_under_way(airflow: RunningAirflow, dag_id: str, run_id: str) -> None:
    """Wait until the task, or its trigger, looks at its job."""
    airflow.wait_task(dag_id, run_id, TASK, ["deferred" if dag_id != "on_worker" else "running"], timeout=90)
    wait_until(lambda: "next status check in" in log_of(airflow, dag_id, run_id), 30, "look at the job")


def job_ids(airflow: RunningAirflow, dag_id: str, run_id: str, *map_indexes: int) -> list[Any]:
    return [airflow.xcom(dag_id, run_id, TASK, map_index=index)["JobId"] for index in map_indexes or (-1,)]


def outcome(airflow: RunningAirflow, dag_id: str, run_id: str) -> Any:
    return airflow.xcom(dag_id, run_id, TASK)["outcome"]


def log_of(airflow: RunningAirflow, dag_id: str, run_id: str, try_number: int = 1) -> str:
    return "\n".join(map(str, airflow.logs(dag_id, run_id, TASK, try_number)))


@pytest.mark.parametrize("dag_id", ["deferred", "on_worker"])
def test_a_task_that_is_marked_failed_leaves_its_job_and_a_clear_adopts_it(
    airflow: RunningAirflow, environment: Environment, dag_id: str
) -> None:
    run_id = airflow.trigger(dag_id, environment.conf)
    job_id = environment.wait_started()
    wait_under_way(airflow, dag_id, run_id)
    airflow.set_state(dag_id, run_id, TASK, "failed")
    assert airflow.wait_run(dag_id, run_id) == "failed"
    wait_until(lambda: f"--job-id {job_id}" in log_of(airflow, dag_id, run_id), 30, "log line that says what goes on")
    airflow.clear(dag_id, run_id)
    assert airflow.wait_run(dag_id, run_id) == "success"
    assert (job_ids(airflow, dag_id, run_id), outcome(airflow, dag_id, run_id)) == ([job_id], "adopted")
    assert environment.jobs == [job_id]


@pytest.mark.parametrize("dag_id", ["deferred", "on_worker"])
def test_a_task_that_is_marked_success_leaves_its_job(
    airflow: RunningAirflow, environment: Environment, dag_id: str
) -> None:
    run_id = airflow.trigger(dag_id, environment.conf)
    job_id = environment.wait_started()
    wait_under_way(airflow, dag_id, run_id)
    airflow.set_state(dag_id, run_id, TASK, "success")
    assert airflow.wait_run(dag_id, run_id) == "success"
    environment.wait_completed(job_id)
    assert environment.jobs == [job_id]


@pytest.mark.parametrize("dag_id", ["deferred", "on_worker"])
def test_a_task_that_is_cleared_while_it_waits_goes_on_with_its_job(
    airflow: RunningAirflow, environment: Environment, dag_id: str
) -> None:
    run_id = airflow.trigger(dag_id, environment.conf)
    job_id = environment.wait_started()
    wait_under_way(airflow, dag_id, run_id)
    airflow.clear(dag_id, run_id)
    assert airflow.wait_run(dag_id, run_id) == "success"
    assert (job_ids(airflow, dag_id, run_id), outcome(airflow, dag_id, run_id)) == ([job_id], "adopted")
    assert environment.jobs == [job_id]


def test_a_run_that_is_cleared_after_its_end_and_another_run_do_it_again(
    airflow: RunningAirflow, environment: Environment
) -> None:
    first = airflow.trigger("deferred", environment.conf)
    assert airflow.wait_run("deferred", first) == "success"
    airflow.clear("deferred", first)
    environment.wait_started(2)
    assert airflow.wait_run("deferred", first) == "success"
    second = airflow.trigger("deferred", environment.conf)
    assert airflow.wait_run("deferred", second) == "success"
    assert len(set(environment.jobs)) == len(environment.jobs) == 3
    assert job_ids(airflow, "deferred", first) == [environment.jobs[1]]
    assert job_ids(airflow, "deferred", second) == [environment.jobs[2]]
    assert outcome(airflow, "deferred", second) == "started"


def test_a_task_that_is_cleared_after_its_end_does_it_again_though_its_run_goes_on(
    airflow: RunningAirflow, service: LocalAmplifyBackend, environment: Environment
) -> None:
    """Airflow does not count a clear that resets no DAG run."""
    second = Environment(service, "second")
    run_id = airflow.trigger("pair", environment.conf)
    job_id = environment.wait_started()
    second.wait_started()
    airflow.clear("pair", run_id, [TASK], reset_dag_runs=False)
    again = environment.wait_started(2)
    assert again != job_id
    assert airflow.wait_run("pair", run_id) == "success"
    assert job_ids(airflow, "pair", run_id) == [again]
    assert environment.jobs == [job_id, again]
    assert len(second.jobs) == 1


def test_mapped_tasks_have_each_their_own_start(airflow: RunningAirflow, service: LocalAmplifyBackend) -> None:
    environments = [Environment(service, f"map{index}") for index in range(3)]
    run_id = airflow.trigger("mapped")
    assert airflow.wait_run("mapped", run_id) == "success"
    assert job_ids(airflow, "mapped", run_id, 0, 1, 2) == [environment.jobs[0] for environment in environments]
    airflow.clear("mapped", run_id, [(TASK, 1)])
    environments[1].wait_started(2)
    assert airflow.wait_run("mapped", run_id) == "success"
    assert [len(environment.jobs) for environment in environments] == [1, 2, 1]
    assert job_ids(airflow, "mapped", run_id, 0, 1, 2) == [environment.jobs[-1] for environment in environments]


def test_a_retry_after_a_time_out_goes_on_with_the_job(airflow: RunningAirflow, environment: Environment) -> None:
    run_id = airflow.trigger("hasty", environment.conf)
    assert airflow.wait_run("hasty", run_id, timeout=180) == "success"
    tries = airflow.tries("hasty", run_id, TASK)
    assert len(tries) > 1
    assert "Timed out after" in log_of(airflow, "hasty", run_id)
    assert job_ids(airflow, "hasty", run_id) == environment.jobs
    assert outcome(airflow, "hasty", run_id) == "adopted"


# Airflow asks for this where tasks depend on the run before.
AGAIN = {"reprocess_behavior": "failed"}


def test_a_backfill_starts_a_job_for_each_run_one_after_the_other(
    airflow: RunningAirflow, service: LocalAmplifyBackend
) -> None:
    """The task depends on the run before."""
    environment = Environment(service, "daily")
    dates = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-03T00:00:00Z"}
    airflow.call("POST", "/backfills", body={"dag_id": "daily", "max_active_runs": 3, **dates, **AGAIN})
    wait_until(lambda: _ended(airflow) == ["success"] * 3, 180, lambda: f"end of the backfill: {_ended(airflow)}")
    runs = [run["dag_run_id"] for run in _runs(airflow)]
    assert [job_ids(airflow, "daily", run_id) for run_id in runs] == [[job_id] for job_id in environment.jobs]


def _runs(airflow: RunningAirflow) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = airflow.call("GET", "/dags/daily/dagRuns", params={"order_by": "logical_date"})[
        "dag_runs"
    ]
    return runs


def _ended(airflow: RunningAirflow) -> list[str]:
    return [run["state"] for run in _runs(airflow)]


def test_a_deferral_that_no_triggerer_serves_fails_and_a_retry_adopts_the_job(
    airflow: RunningAirflow, environment: Environment
) -> None:
    """Airflow ends it 120 s after our deadline."""
    triggerer = airflow.processes["triggerer-0"]
    run_id = airflow.trigger("hasty", environment.conf)
    job_id = environment.wait_started()
    triggerer.kill()
    try:
        airflow.wait_task("hasty", run_id, TASK, ["up_for_retry", "scheduled", "queued", "success"], timeout=200)
        assert airflow.wait_run("hasty", run_id, timeout=120) == "success"
    finally:
        triggerer.start()
    assert environment.jobs == [job_id]
    assert (job_ids(airflow, "hasty", run_id), outcome(airflow, "hasty", run_id)) == ([job_id], "adopted")
