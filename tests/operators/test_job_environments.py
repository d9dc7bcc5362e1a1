"""Which environment a job lives in: all 17 job operations wait for theirs, whatever the answer to the start says."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.operators import requests_by_operation as requests
from tests.operators.requests_by_operation import APPS, IMPORTS, JOBS, shared_botocore_data  # noqa: F401

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])
QUICK: dict[str, Any] = {"waiter_delay": 0.1, "waiter_max_attempts": 300}


@pytest.fixture
def apps(service: LocalAmplifyBackend) -> LocalAmplifyBackend:
    """An app for each operation, with what its request needs."""
    service.control.set(job_seconds=0.2)
    requests.seed(service)
    return service


def run_tasks(dags: DagRunner, *operations: str, deferrable: bool) -> Finished:
    lines = (requests.task(operation, deferrable=deferrable, **QUICK) for operation in operations)
    run = dags.run(IMPORTS + "\n".join(lines))
    assert run.states == dict.fromkeys(operations, "success"), [run.errors(operation) for operation in operations]
    return run


def journal(service: LocalAmplifyBackend, operation: str, **filters: Any) -> list[dict[str, Any]]:
    return service.control.journal(operation, app_id=APPS[operation], **filters)


@pytest.mark.parametrize(
    ("named", "deferrable"), [("observed", True), ("always", True), ("never", True), ("never", False)]
)
def test_a_job_is_awaited_whether_or_not_the_answer_names_its_operation(
    dags: DagRunner, apps: LocalAmplifyBackend, named: str, deferrable: bool
) -> None:
    apps.control.set(operation_in_answers=named)
    run = run_tasks(dags, *JOBS, deferrable=deferrable)
    jobs = {(job["Operation"], job["AppId"]): job for job in apps.control.jobs()}
    results = run.xcoms()
    for operation in JOBS:
        job, result = jobs[operation, APPS[operation]], results[operation, -1, "return_value"]
        assert (result["JobId"], result["Operation"], result["Status"]) == (job["JobId"], operation, "COMPLETED")
        assert len(journal(apps, operation)) == 1
    assert ("running trigger in line" in run.log) is deferrable


@MODES
@pytest.mark.parametrize("lives_in", ["source", "target"])
@pytest.mark.parametrize("answered", ["source", "target"])
def test_a_clone_is_awaited_in_its_source_or_its_target(
    dags: DagRunner, apps: LocalAmplifyBackend, answered: str, lives_in: str, deferrable: bool
) -> None:
    apps.control.set(clone_answer_environment=answered, clone_job_environment=lives_in)
    run = run_tasks(dags, "CloneBackend", deferrable=deferrable)
    home = {"source": "staging", "target": "copy"}[lives_in]
    assert run.xcom("CloneBackend")["BackendEnvironmentName"] == home
    assert len(journal(apps, "CloneBackend")) == 1


@MODES
def test_a_clone_whose_environments_both_do_not_know_it_yet_is_awaited(
    dags: DagRunner, apps: LocalAmplifyBackend, deferrable: bool
) -> None:
    apps.control.add_fault("CloneBackend", kind="list_lag", seconds=0.5, get_too=True)
    apps.control.set(job_seconds=0.8)
    run = run_tasks(dags, "CloneBackend", deferrable=deferrable)
    assert run.xcom("CloneBackend")["Status"] == "COMPLETED"


@MODES
@pytest.mark.parametrize("jobs_of_the_gone", ["readable", "NotFoundException"])
@pytest.mark.parametrize("lives_in", ["every", "first", "last"])
def test_the_removal_of_all_environments_is_awaited_in_whichever_knows_it(
    dags: DagRunner, apps: LocalAmplifyBackend, lives_in: str, jobs_of_the_gone: str, deferrable: bool
) -> None:
    apps.control.set(remove_all_job_environment=lives_in, deleted_environment_jobs=jobs_of_the_gone)
    apps.control.seed_app(APPS["RemoveAllBackends"], "prod", "test")
    run = run_tasks(dags, "RemoveAllBackends", deferrable=deferrable)
    result = run.xcom("RemoveAllBackends")
    (job,) = [job for job in apps.control.jobs() if job["Operation"] == "RemoveAllBackends"]
    assert (result["JobId"], result["Status"], result["outcome"]) == (job["JobId"], "COMPLETED", "started")
    assert apps.client().get_backend(AppId=APPS["RemoveAllBackends"])["BackendEnvironmentList"] == []
    assert len(journal(apps, "RemoveAllBackends")) == 1


@MODES
@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
def test_a_deleted_environment_may_take_its_job_with_it(
    dags: DagRunner, apps: LocalAmplifyBackend, gone: str, deferrable: bool
) -> None:
    apps.control.set(deleted_environment_jobs="NotFoundException", gone_environment=gone)
    run = run_tasks(dags, "DeleteBackend", deferrable=deferrable)
    assert run.xcom("DeleteBackend")["Status"] == "COMPLETED"
    assert len(journal(apps, "DeleteBackend")) == 1


@MODES
@pytest.mark.parametrize("operation", ["RemoveAllBackends", "DeleteBackend"])
@pytest.mark.parametrize("clean", [False, True])
def test_a_removal_that_is_done_at_once_leaves_no_environment_to_look_in(
    dags: DagRunner, apps: LocalAmplifyBackend, operation: str, clean: bool, deferrable: bool
) -> None:
    apps.control.set(job_seconds=0, deleted_environment_jobs="NotFoundException")
    more = {"clean_amplify_app": clean} if operation == "RemoveAllBackends" else {}
    run = dags.run(IMPORTS + requests.task(operation, deferrable=deferrable, **QUICK | more))
    assert run.states == {operation: "success"}, run.errors(operation)
    assert run.xcom(operation)["Status"] == "COMPLETED"
    assert len(journal(apps, operation)) == 1


@MODES
@pytest.mark.parametrize("environments", [[], ["main", "staging"]], ids=["app without environments", "first of two"])
def test_the_job_of_a_configuration_is_awaited_in_the_environment_that_the_answer_names(
    dags: DagRunner, service: LocalAmplifyBackend, environments: list[str], deferrable: bool
) -> None:
    service.control.set(job_seconds=0.3)
    service.control.seed_app(APPS["CreateBackendConfig"], *environments)
    run = run_tasks(dags, "CreateBackendConfig", deferrable=deferrable)
    result = run.xcom("CreateBackendConfig")
    assert result["BackendEnvironmentName"] == (environments or ["staging"])[0]
    looks = [entry["parameters"] for entry in service.control.journal("GetBackendJob")]
    assert {look["BackendEnvironmentName"] for look in looks} == {result["BackendEnvironmentName"]}
    assert {look["JobId"] for look in looks} == {result["JobId"]}


@MODES
@pytest.mark.parametrize("operation", ["CloneBackend", "RemoveAllBackends", "CreateBackendConfig", "DeleteBackend"])
def test_a_failed_job_is_found_wherever_it_lives(
    dags: DagRunner, apps: LocalAmplifyBackend, operation: str, deferrable: bool
) -> None:
    apps.control.set(clone_job_environment="source", remove_all_job_environment="last")
    apps.control.seed_app(APPS["RemoveAllBackends"], "prod")
    apps.control.add_fault(operation, kind="job_fails", error="no more quota")
    run = dags.run(IMPORTS + requests.task(operation, deferrable=deferrable, **QUICK))
    (job,) = [job for job in apps.control.jobs() if job["Operation"] == operation]
    error = run.error(operation)
    assert error.startswith("BackendJobFailedError: FAILED after ")
    assert f"(app {APPS[operation]}, job {job['JobId']})" in error.splitlines()[0]
    assert error.endswith("no more quota")
    assert len(journal(apps, operation)) == 1
