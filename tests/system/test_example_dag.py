"""The example DAG on a running Airflow: API server, scheduler, DAG processor and triggerer as separate processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.quiet import Quiet

pytestmark = pytest.mark.system

DAG_ID = "example_ephemeral_environment"
APP = "d1example"
JOB_SECONDS = 6.0


@pytest.fixture(scope="module")
def airflow(quiet: Quiet) -> RunningAirflow:
    running = quiet.give([DAG_ID], job_seconds=JOB_SECONDS)
    quiet.service.control.seed_app(APP, "staging")
    return running


@pytest.fixture(scope="module")
def service(airflow: RunningAirflow, quiet: Quiet) -> LocalAmplifyBackend:
    return quiet.service


def started(service: LocalAmplifyBackend, name: str) -> list[str]:
    entries = service.control.journal(effective=True)
    return [
        entry["operation"]
        for entry in entries
        if entry["job_id"]
        and entry["operation"] != "GetBackendJob"
        and name in (entry["parameters"].get("TargetEnvironmentName"), entry["parameters"]["BackendEnvironmentName"])
    ]


def wait_deferred(airflow: RunningAirflow, run_id: str, task_id: str) -> None:
    ended = ["deferred", "success", "failed", "upstream_failed"]
    state = airflow.wait_task(DAG_ID, run_id, task_id, ended, timeout=120)["state"]
    assert state == "deferred", airflow.logs(DAG_ID, run_id, task_id)[-5:]


def studio_link(airflow: RunningAirflow, run_id: str, task_id: str) -> str | None:
    return airflow.links(DAG_ID, run_id, task_id)["Amplify Studio"]


def states(airflow: RunningAirflow, run_id: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in airflow.tasks(DAG_ID, run_id)}


def goes_well(airflow: RunningAirflow, service: LocalAmplifyBackend) -> None:
    run_id = airflow.trigger(DAG_ID, {"app_id": APP})
    name = ""
    for task_id in ("clone", "add_auth", "tear_down"):
        wait_deferred(airflow, run_id, task_id)
        name = airflow.xcom(DAG_ID, run_id, "reserve_name")
        # Airflow stores the links of a task just after it has deferred.
        link = wait_until(partial(studio_link, airflow, run_id, task_id), 10, f"link of {task_id}")
        assert link == f"https://us-east-1.admin.amplifyapp.com/admin/{APP}/{name}/home"
    assert airflow.wait_run(DAG_ID, run_id, 180) == "success"
    assert states(airflow, run_id) == dict.fromkeys(
        ("reserve_name", "clone", "add_auth", "check", "tear_down"), "success"
    )
    assert airflow.xcom(DAG_ID, run_id, "clone")["Status"] == "COMPLETED"
    assert started(service, name) == ["CloneBackend", "CreateBackendAuth", "DeleteBackend"]


def check_fails(airflow: RunningAirflow, service: LocalAmplifyBackend) -> None:
    run_id = airflow.trigger(DAG_ID, {"app_id": APP, "fail_check": True})
    assert airflow.wait_run(DAG_ID, run_id, 180) == "failed"
    ended = states(airflow, run_id)
    assert (ended["check"], ended["tear_down"]) == ("failed", "success")
    name = airflow.xcom(DAG_ID, run_id, "reserve_name")
    assert started(service, name) == ["CloneBackend", "CreateBackendAuth", "DeleteBackend"]


def clone_is_marked_failed(airflow: RunningAirflow, service: LocalAmplifyBackend) -> None:
    run_id = airflow.trigger(DAG_ID, {"app_id": APP})
    wait_deferred(airflow, run_id, "clone")
    airflow.set_state(DAG_ID, run_id, "clone", "failed")
    assert airflow.wait_run(DAG_ID, run_id, 180) == "failed"
    ended = states(airflow, run_id)
    assert (ended["clone"], ended["check"], ended["tear_down"]) == ("failed", "upstream_failed", "success")
    name = airflow.xcom(DAG_ID, run_id, "reserve_name")
    assert started(service, name) == ["CloneBackend", "DeleteBackend"]


STORIES = (goes_well, check_fails, clone_is_marked_failed)
Told = dict[Callable[..., None], "Future[None]"]


@pytest.fixture(scope="module")
def told(airflow: RunningAirflow, service: LocalAmplifyBackend) -> Iterator[Told]:
    """The three runs at the same time: each mostly waits."""
    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {story: pool.submit(story, airflow, service) for story in STORIES}


def test_the_waits_are_deferred_and_the_run_completes(told: Told) -> None:
    told[goes_well].result()


def test_a_check_that_fails_fails_the_run_and_the_environment_is_deleted(told: Told) -> None:
    told[check_fails].result()


def test_a_clone_that_is_marked_failed_while_it_waits_is_torn_down(told: Told) -> None:
    told[clone_is_marked_failed].result()


def test_after_all_runs_only_the_source_is_there(told: Told, service: LocalAmplifyBackend) -> None:
    wait(told.values())
    assert service.client().get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
