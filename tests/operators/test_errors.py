"""What a user reads when something went wrong: what, where, which job, the service's own words, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.dag_run import DagRunner
from tests.fixture_types import Names
from tests.samples import APP

BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


def clone(options: str = "") -> str:
    return f"""
CloneBackendOperator(
    task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""


@BOTH_MODES
def test_a_failed_job_is_reported_with_the_words_of_the_service(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    words = "The following resources failed to create:\n  AuthStack\n  -> Limit exceeded"
    service.control.add_fault("CloneBackend", kind="job_fails", error=words)
    run = dags.run(clone(f"deferrable={deferrable}"))
    (start,) = service.control.journal("CloneBackend")
    assert run.state == "failed"
    first, left, check, said = run.error("clone").split("\n", 3)
    job = f"CloneBackend, environment copy (app {APP}, job {start['job_id']})."
    assert re.fullmatch(rf"BackendJobFailedError: FAILED after \d+ s: {re.escape(job)}", first)
    assert left == (
        "Environment copy may be left behind, empty; a retry then refuses to start. Delete it, or set "
        'on_failure="delete_target" to have it deleted.'
    )
    assert check == (
        f"Check it with: aws amplifybackend get-backend-job --app-id {APP} --backend-environment-name copy "
        f"--job-id {start['job_id']}"
    )
    assert said == f"AmplifyBackend reported: {words}"


@BOTH_MODES
def test_a_failed_job_with_a_text_that_is_too_long_says_the_rest_first(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", error="line of the CLI\n" * 5_000)
    error = dags.run(clone(f"deferrable={deferrable}")).error("clone")
    assert error.endswith("... [cut: 7,000 of 80,000 characters shown]")
    before = error.partition("AmplifyBackend reported: ")[0]
    assert all(words in before for words in ("FAILED after", "on_failure", "aws amplifybackend get-backend-job"))


@BOTH_MODES
def test_a_failed_job_without_words_is_reported_as_such(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", error="")
    run = dags.run(clone(f"deferrable={deferrable}"))
    assert run.error("clone").endswith("\nAmplifyBackend reported no error text.")


@BOTH_MODES
def test_a_time_out_says_how_long_what_was_seen_last_and_how_to_go_on(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.add_fault("CloneBackend", kind="job_stuck")
    run = dags.run(clone(f"deferrable={deferrable}, waiter_max_attempts=10"))
    (start,) = service.control.journal("CloneBackend")
    error = run.error("clone")
    assert re.match(r"BackendJobTimeoutError: Timed out after \d+ s; ", error)
    assert f"job {start['job_id']} (CloneBackend, app {APP}, environment copy" in error
    assert re.search("last status: (PENDING|RUNNING)", error)
    assert (
        f"aws amplifybackend get-backend-job --app-id {APP} --backend-environment-name copy "
        f"--job-id {start['job_id']}" in error
    )
    assert "raise waiter_delay or waiter_max_attempts" in error


def test_execution_timeout_ends_a_wait_that_is_deferred(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    """On the worker Airflow sees to it; a little before it we say what was waited for, if there is time."""
    service.control.add_fault("CloneBackend", kind="job_stuck")
    run = dags.run(clone("deferrable=True, execution_timeout=timedelta(seconds=2)"))
    assert "BackendJobTimeoutError" in run.error("clone")
    assert "execution_timeout" in run.error("clone")


def test_execution_timeout_ends_a_wait_on_the_worker(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("CloneBackend", kind="job_stuck")
    # Our own deadline lies a tenth of it earlier, which a busy machine must not miss: Airflow 2 ends the run, too.
    run = dags.run(clone("deferrable=False, execution_timeout=timedelta(seconds=10)"))
    assert "Timeout" in run.error("clone")


@pytest.mark.parametrize("reason", ["throttle", "timeout_before", "reset_before"])
def test_a_time_out_says_if_the_job_could_not_be_looked_at(
    dags: DagRunner, service: LocalAmplifyBackend, reason: str
) -> None:
    service.control.add_fault("CloneBackend", kind="job_stuck")
    service.control.add_fault("GetBackendJob", kind=reason)
    run = dags.run(
        clone("deferrable=True, waiter_max_attempts=10, botocore_config={'retries': {'total_max_attempts': 1}}")
    )
    assert "last status: not observed; last error: GetBackendJob: " in run.error("clone")


def test_a_refused_call_is_reported_with_its_code_and_place(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run("""
        GetBackendOperator(task_id="get", app_id="dunknown", backend_environment_name="staging")
        CreateBackendAuthOperator(
            task_id="add_auth", app_id=APP, backend_environment_name="nowhere", resource_name="people",
            resource_config=AUTH,
        )
    """)
    assert run.error("get").startswith(
        "BackendRequestError: GetBackend failed (NotFoundException) for AppId=dunknown, "
        "BackendEnvironmentName=staging: "
    )
    assert run.error("add_auth").startswith(
        f"BackendRequestError: CreateBackendAuth failed (NotFoundException) for AppId={APP}, "
        "BackendEnvironmentName=nowhere: "
    )


# The way to AWS


@BOTH_MODES
def test_a_connection_that_does_not_exist_is_named(dags: DagRunner, starts: Names, deferrable: bool) -> None:
    run = dags.run(clone(f"deferrable={deferrable}, aws_conn_id='no_such_connection'"))
    assert "no_such_connection" in run.error("clone")
    assert "does not exist" in run.error("clone")
    assert starts() == []


def test_a_missing_region_is_said_plainly(dags: DagRunner, aws_default: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NO_REGION", connection_json(aws_default, region_name=None))
    run = dags.run("""
        GetBackendOperator(task_id="get", app_id=APP, aws_conn_id="no_region")
        GetBackendOperator(task_id="get_one", app_id=APP, backend_environment_name="staging", aws_conn_id="no_region")
    """)
    for task_id in ("get", "get_one"):
        assert "Error: " in run.error(task_id)
        assert "region" in run.error(task_id)
        assert "AttributeError" not in run.error(task_id)


def test_missing_credentials_are_said_plainly(dags: DagRunner) -> None:
    run = dags.run("""
        GetBackendOperator(task_id="get", app_id=APP, aws_conn_id=None, region_name="us-east-1")
    """)
    assert "BackendRequestError" in run.error("get")
    assert "credentials" in run.error("get")


def test_a_service_that_cannot_be_reached_is_said_plainly(dags: DagRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NOBODY", connection_json("http://127.0.0.1:9"))
    run = dags.run(
        clone("aws_conn_id='nobody', botocore_config={'retries': {'total_max_attempts': 1}}, waiter_max_attempts=2")
    )
    assert "http://127.0.0.1:9" in run.error("clone")


# Events that end a wait


FINISHED: dict[str, Any] = {
    "version": 1,
    "kind": "finished",
    "job": {"app_id": APP, "backend_environment_name": "copy", "job_id": "j", "status": "COMPLETED"},
    "outcome": "started",
    "started": 1.0,
    "deadline": 2.0,
}
GARBAGE: list[Any] = [
    None,
    "success",
    "failed",
    {},
    [],
    {"kind": "finished"},
    {"status": "success"},
    FINISHED | {"kind": "sucess"},
    FINISHED | {"job": None},
    FINISHED | {"job": {}},
    FINISHED | {"job": FINISHED["job"] | {"status": "RUNNING"}},
    FINISHED | {"job": FINISHED["job"] | {"status": None}},
    FINISHED | {"job": FINISHED["job"] | {"job_id": ""}},
    FINISHED | {"kind": "timeout"},
    FINISHED | {"kind": "error"},
]


@pytest.mark.parametrize("event", GARBAGE, ids=str)
@pytest.mark.parametrize("method", ["execute_complete", "resume_start"])
def test_a_garbled_event_is_never_a_success(method: str, event: Any) -> None:
    from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
    from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator

    operator = DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="copy")
    with pytest.raises(AmplifyBackendError):
        getattr(operator, method)({}, event=event)


def test_a_well_formed_event_is_a_success() -> None:
    from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator

    operator = DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="copy", do_xcom_push=False)
    assert operator.execute_complete({}, event=FINISHED)["Status"] == "COMPLETED"


def test_an_event_of_a_trigger_that_carries_nothing_back_still_ends_the_task() -> None:
    from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator

    event = {key: FINISHED[key] for key in ("version", "kind", "job")}
    operator = DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="copy", do_xcom_push=False)
    assert operator.execute_complete({}, event=event)["Status"] == "COMPLETED"
