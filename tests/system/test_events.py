"""docs/events.md on a running Airflow: whoever ends a job schedules a DAG, however many watch and whoever dies.

And what else is for whoever looks after a fleet: a failure is told to the owner, the inventory and the drift check.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.samples import APP
from tests.system.engine import Executor, RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.engine_services import needs_services

pytestmark = pytest.mark.system

DAGS = Path(__file__).parent / "dags" / "changes"
ENVIRONMENTS = [f"env{number}" for number in range(5)]
ASSETS = {f"{environment}-{number}" for environment in ENVIRONMENTS for number in range(10)}
DELAY = 3


@pytest.fixture(scope="module", params=["LocalExecutor", pytest.param("CeleryExecutor", marks=needs_services)])
def executor(request: pytest.FixtureRequest) -> Executor:
    executor: Executor = request.param
    return executor


@pytest.fixture(scope="module")
def service(executor: Executor) -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(job_seconds=3600) as running:
        running.control.seed_app(APP, *ENVIRONMENTS, tags={"owner": "web"})
        yield running


@pytest.fixture(scope="module")
def airflow(
    executor: Executor, service: LocalAmplifyBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    connection = json.loads(connection_json(service.endpoint_url))
    # The package of this checkout, installed or not.
    settings = {"PYTHONPATH": str(Path(__file__).parents[2])}
    home = tmp_path_factory.mktemp("events")
    with RunningAirflow(
        home,
        DAGS,
        executor=executor,
        database="postgresql" if executor == "CeleryExecutor" else "sqlite",
        connections={"aws_default": connection},
        env=settings,
    ) as running:
        running.wait_ready(["reacts", "clones", "after_clone", "tells", "looks_after"])
        yield running


def events_of(airflow: RunningAirflow, *names: str) -> list[tuple[str, str]]:
    """The asset events that are stored, as (asset, job id)."""
    rows = airflow._pages("/assets/events", "asset_events")
    payloads = [(row["name"], row["extra"].get("payload") or row["extra"]) for row in rows]
    return [(name, payload["job_id"]) for name, payload in payloads if name in names]


def end_jobs(service: LocalAmplifyBackend, label: str) -> set[str]:
    """End a job in each environment."""
    for name in ENVIRONMENTS:
        job = {"environment": name, "operation": "UpdateBackendAPI", "status": "COMPLETED", "job_id": f"{label}-{name}"}
        service.control.seed_app(APP, jobs=[job])
    return {f"{label}-{name}" for name in ENVIRONMENTS}


def lists(service: LocalAmplifyBackend) -> Counter[str]:
    """The lists of jobs that were asked for, by environment."""
    journal: list[dict[str, Any]] = service.control.journal("ListBackendJobs")
    return Counter(entry["parameters"]["BackendEnvironmentName"] for entry in journal)


def wait_for_lists(service: LocalAmplifyBackend, more: int) -> Counter[str]:
    """Wait until each environment was asked for some more times, and return how often each was."""
    before = lists(service)

    def look() -> Counter[str] | None:
        new = lists(service) - before
        return new if all(new[name] >= more for name in ENVIRONMENTS) else None

    return wait_until(look, 240, lambda: f"{more} lists of each environment, not {lists(service) - before}")


def watermarks(airflow: RunningAirflow) -> int:
    engine = create_engine(airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM asset_state_store")).scalar_one())


def wait_for_events(airflow: RunningAirflow, expected: set[tuple[str, str]]) -> list[tuple[str, str]]:
    def look() -> list[tuple[str, str]] | None:
        found = events_of(airflow, *ASSETS)
        return found if expected <= set(found) else None

    def what() -> str:
        return f"events {expected - set(events_of(airflow, *ASSETS))}\n{airflow.tails()}"

    return wait_until(look, 240, what)


def pairs(jobs: set[str]) -> set[tuple[str, str]]:
    """The events that some jobs should have: one for each asset of the job's environment."""
    return {(asset, job) for asset in ASSETS for job in jobs if job.endswith(f"-{asset.rpartition('-')[0]}")}


def restart(airflow: RunningAirflow, stop: Callable[[Any], None], meanwhile: Callable[[], set[str]]) -> set[str]:
    """Stop the only triggerer, have something happen, and start another one."""
    triggerer = airflow.processes["triggerer-0"]
    stop(triggerer)
    jobs = meanwhile()
    triggerer.start()
    return jobs


def test_fifty_assets_are_asked_for_like_five_and_miss_and_repeat_nothing(
    airflow: RunningAirflow, service: LocalAmplifyBackend
) -> None:
    wait_until(lambda: watermarks(airflow) == 50, 240, lambda: f"50 watermarks\n{airflow.tails()}")

    # However many watch, an environment is asked for once at a time: all of them about as often.
    asked = wait_for_lists(service, 4)
    assert max(asked.values()) <= 4 + 4, asked

    # What ends is one event of each of the ten assets of its environment.
    expected = pairs(end_jobs(service, "first"))
    assert len(expected) == 50
    wait_for_events(airflow, expected)

    # Killed, with jobs that end while no triggerer runs.
    wait_for_lists(service, 3)
    expected |= pairs(restart(airflow, lambda process: process.kill(tree=True), lambda: end_jobs(service, "killed")))
    wait_for_events(airflow, expected)

    # Stopped in order.
    wait_for_lists(service, 3)
    expected |= pairs(restart(airflow, lambda process: process.terminate(), lambda: end_jobs(service, "stopped")))
    wait_for_events(airflow, expected)

    wait_for_lists(service, 3)
    found = Counter(events_of(airflow, *ASSETS))
    assert found == Counter(expected), found - Counter(expected)

    # And the DAG has run for all of them.
    def seen() -> set[tuple[str, str]]:
        runs = list(airflow._pages("/dags/reacts/dagRuns", "dag_runs"))
        done = [run["dag_run_id"] for run in runs if run["state"] == "success"]
        values = [airflow.xcom("reacts", run_id, "react") for run_id in done]
        return {(asset, job) for value in values for asset, jobs in value.items() for job in jobs}

    wait_until(lambda: seen() == expected, 240, lambda: f"runs for {expected - seen()}")


def test_a_task_that_changes_an_environment_schedules_a_dag_once(
    airflow: RunningAirflow, service: LocalAmplifyBackend
) -> None:
    run_id = airflow.trigger("clones")

    def started() -> str | None:
        entries = service.control.journal("CloneBackend", effective=True)
        return entries[0]["job_id"] if entries else None

    job_id = wait_until(started, 120, "start of the clone")
    service.control.end_job(job_id)
    assert airflow.wait_run("clones", run_id) == "success"
    assert events_of(airflow, f"amplifybackend://{APP}/copy") == [(f"amplifybackend://{APP}/copy", job_id)]

    def consumed() -> list[str] | None:
        runs = list(airflow._pages("/dags/after_clone/dagRuns", "dag_runs"))
        done = [run for run in runs if run["state"] == "success"]
        return airflow.xcom("after_clone", done[0]["dag_run_id"], "look") if done else None

    assert wait_until(consumed, 120, "run of after_clone") == [job_id]


def test_what_a_retry_cannot_help_is_tried_once_and_told_to_the_owner(
    airflow: RunningAirflow, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    run_id = airflow.trigger("tells", conf={"told": str(told)})
    assert airflow.wait_run("tells", run_id) == "failed"
    assert airflow.task("tells", run_id, "clone")["try_number"] == 1
    wait_until(told.exists, 60, lambda: "a letter")
    [letter] = told.read_text().splitlines()
    facts = json.loads(letter)
    assert (facts["owner"], facts["app_id"], facts["operation"]) == ("web", APP, "CloneBackend")
    assert service.control.journal("CloneBackend", effective=True)[1:] == []


def test_the_fleet_is_written_down_and_what_has_drifted_fails(
    airflow: RunningAirflow, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    run_id = airflow.trigger("looks_after", conf={"folder": str(tmp_path)})
    assert airflow.wait_run("looks_after", run_id) == "success"
    listed = [json.loads(line) for line in (tmp_path / "inventory" / "environments.jsonl").read_text().splitlines()]
    assert {row["environment"] for row in listed} >= set(ENVIRONMENTS)
    assert "<table" in (tmp_path / "inventory" / "report.html").read_text()
    service.control.seed_app(APP, {"name": "env0", "auth": {"people": None}})
    airflow.clear("looks_after", run_id, ["compare"])
    assert airflow.wait_run("looks_after", run_id) == "failed"
