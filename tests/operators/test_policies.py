"""What a job operator does about what exists already, what is missing, and what is still going on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.fixture_types import Names
from tests.samples import APP

CLONE = """
CloneBackendOperator(
    task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""
ADD_AUTH = """
CreateBackendAuthOperator(
    task_id="add_auth", app_id=APP, backend_environment_name="staging", resource_name="people", resource_config=AUTH,
    waiter_delay=0.1, {options}
)
"""
DELETE = """
DeleteBackendOperator(
    task_id="delete", app_id=APP, backend_environment_name="copy", waiter_delay=0.1, {options}
)
"""


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    with timing.replaced(between_checks=0.1, before_resend=0.1):
        yield


def environments(service: LocalAmplifyBackend) -> list[str]:
    return sorted(service.client().get_backend(AppId=APP)["BackendEnvironmentList"])


# What exists already


def test_what_exists_already_is_an_error_that_says_how_to_go_on(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.seed_app(APP, "copy")
    run = dags.run(CLONE.format(options=""))
    assert run.state == "failed"
    assert "BackendStartError: CloneBackend (app d1a2b3c4d5, environment copy" in run.error("clone")
    assert "already exists" in run.error("clone")
    assert "if_exists='skip'" in run.error("clone")
    assert starts() == []


@pytest.mark.parametrize("if_exists", ["'skip'", "'{{ params.wish }}'"])
def test_with_skip_what_exists_already_is_a_success(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, result_keys: set[str], if_exists: str
) -> None:
    service.control.seed_app(APP, "copy", {"name": "staging", "auth": {"people": None}})
    run = dags.run(
        CLONE.format(options=f"if_exists={if_exists}") + ADD_AUTH.format(options=f"if_exists={if_exists}"),
        options="params={'wish': 'skip'}",
    )
    assert run.states == {"clone": "success", "add_auth": "success"}
    for task_id, operation, environment in (
        ("clone", "CloneBackend", "copy"),
        ("add_auth", "CreateBackendAuth", "staging"),
    ):
        result = run.xcom(task_id)
        assert set(result) == result_keys
        assert {key: value for key, value in result.items() if value is not None} == {
            "AppId": APP,
            "BackendEnvironmentName": environment,
            "Operation": operation,
            "outcome": "found",
        }
    assert starts() == []


@pytest.mark.parametrize("if_exists", ["fail", "skip"])
def test_what_a_failed_clone_left_behind_does_not_count_as_existing(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, if_exists: str
) -> None:
    service.control.seed_app(
        APP, "copy", jobs=[{"environment": "copy", "operation": "CloneBackend", "status": "FAILED", "error": "no"}]
    )
    run = dags.run(CLONE.format(options=f"if_exists='{if_exists}'"))
    assert run.state == "failed"
    assert "leftover" in run.error("clone")
    assert starts() == []


def test_an_auth_of_another_name_is_no_reason_not_to_create_one(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.seed_app(APP, "other")
    run = dags.run(ADD_AUTH.format(options="if_exists='skip'"))
    assert run.xcom("add_auth")["outcome"] == "started"
    assert starts() == ["CreateBackendAuth staging"]


# What is missing


def test_nothing_to_delete_is_an_error_that_says_how_to_go_on(dags: DagRunner, starts: Names) -> None:
    run = dags.run(DELETE.format(options=""))
    assert run.state == "failed"
    assert "DeleteBackend (app d1a2b3c4d5, environment copy)" in run.error("delete")
    assert "does not exist" in run.error("delete")
    assert "if_missing='skip'" in run.error("delete")
    assert starts() == []


@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
def test_with_skip_nothing_to_delete_is_a_success_however_the_service_says_it(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, result_keys: set[str], gone: str
) -> None:
    service.control.set(gone_environment=gone)
    run = dags.run(DELETE.format(options="if_missing='skip'"))
    assert run.states == {"delete": "success"}
    result = run.xcom("delete")
    assert set(result) == result_keys
    assert (result["outcome"], result["BackendEnvironmentName"], result["JobId"]) == ("skipped", "copy", None)
    assert starts() == []


def test_with_skip_an_app_that_nobody_knows_has_nothing_to_delete(dags: DagRunner, starts: Names) -> None:
    run = dags.run("""
        DeleteBackendOperator(
            task_id="delete", app_id="dunknown", backend_environment_name="copy", if_missing="skip"
        )
    """)
    assert run.xcom("delete")["outcome"] == "skipped"
    assert starts() == []


@pytest.mark.parametrize(
    ("gone", "jobs"),
    [
        ("NotFoundException", "NotFoundException"),
        ("ValidationException", "NotFoundException"),
        ("absent", "NotFoundException"),
        ("NotFoundException", "readable"),
    ],
)
def test_a_delete_ends_well_even_if_its_job_goes_with_the_environment(
    dags: DagRunner, service: LocalAmplifyBackend, gone: str, jobs: str
) -> None:
    service.control.seed_app(APP, "copy")
    service.control.set(gone_environment=gone, deleted_environment_jobs=jobs)
    run = dags.run(DELETE.format(options="deferrable=False"))
    assert run.xcom("delete")["Status"] == "COMPLETED"
    assert environments(service) == ["staging"]


# What is still going on


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
def test_a_pending_job_is_waited_for_however_it_ends(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, deferrable: bool, end: str
) -> None:
    job = {"environment": "copy", "status": "RUNNING", "seconds": 0.5}
    service.control.seed_app(APP, "copy", jobs=[job | ({"error": "it broke"} if end == "FAILED" else {})])
    run = dags.run(DELETE.format(options=f"deferrable={deferrable}"))
    assert run.xcom("delete")["outcome"] == "started"
    assert run.xcom("delete")["Status"] == "COMPLETED"
    assert starts() == ["DeleteBackend copy"]


def test_a_pending_job_is_an_error_if_it_is_not_to_be_waited_for(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.seed_app(APP, "copy", jobs=[{"environment": "copy", "status": "RUNNING", "job_id": "somebodys"}])
    run = dags.run(DELETE.format(options="on_pending_job='fail'"))
    assert run.state == "failed"
    assert "job somebodys (UpdateBackendAPI, app d1a2b3c4d5, environment copy) is still RUNNING" in run.error("delete")
    assert "on_pending_job='wait'" in run.error("delete")
    assert starts() == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_pending_job_is_not_waited_for_beyond_the_budget(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, deferrable: bool
) -> None:
    service.control.seed_app(APP, "copy", jobs=[{"environment": "copy", "status": "RUNNING", "job_id": "somebodys"}])
    run = dags.run(DELETE.format(options=f"waiter_max_attempts=8, deferrable={deferrable}"))
    assert run.state == "failed"
    assert "DeleteBackend (app d1a2b3c4d5, environment copy): nothing was started: " in run.error("delete")
    assert ": job somebodys" in run.error("delete")
    assert "last status: RUNNING" in run.error("delete")
    assert starts() == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_pending_job_that_the_service_forgets_is_not_in_the_way_any_more(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, deferrable: bool
) -> None:
    control = service.control
    control.set(failed_creation_leaves_environment=False, deleted_environment_jobs="NotFoundException")
    control.add_fault("CloneBackend", kind="job_stuck", times=1)
    names = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "copy"}
    theirs = service.client().clone_backend(**names)["JobId"]

    def fail_once_seen() -> None:
        until = time.monotonic() + 60
        while not control.journal("GetBackendJob") and time.monotonic() < until:
            time.sleep(0.05)
        control.end_job(theirs, "FAILED")

    ending = threading.Thread(target=fail_once_seen)
    ending.start()
    run = dags.run(CLONE.format(options=f"waiter_max_attempts=600, deferrable={deferrable}"))
    ending.join()
    assert run.xcom("clone")["outcome"] == "started"
    assert starts() == ["CloneBackend copy", "CloneBackend copy"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_pending_job_that_cannot_be_looked_at_is_said(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, deferrable: bool
) -> None:
    service.control.seed_app(APP, "copy", jobs=[{"environment": "copy", "status": "RUNNING", "job_id": "somebodys"}])
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="AccessDenied", message="not you")
    run = dags.run(DELETE.format(options=f"deferrable={deferrable}"))
    assert run.state == "failed"
    assert "DeleteBackend (app d1a2b3c4d5, environment copy): nothing was started: " in run.error("delete")
    assert ": job somebodys" in run.error("delete")
    assert "AccessDenied: " in run.error("delete")
    # The triggerer passes on no text of the service.
    assert ("not you" in run.error("delete")) is not deferrable
    assert starts() == []


def test_a_refusal_for_a_pending_job_that_no_list_shows_is_tried_again(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.add_fault("CloneBackend", kind="pending", times=2)
    run = dags.run(CLONE.format(options=""))
    assert run.xcom("clone")["outcome"] == "started"
    assert starts() == ["CloneBackend copy"]


def test_two_clones_of_one_source_where_the_service_lets_only_one_read_it(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.set(clone_holds_source="exclusive", job_seconds=0.3)
    run = dags.run("""
        CloneBackendOperator.partial(
            task_id="clone", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, deferrable=False
        ).expand(target_environment_name=["one", "two"])
    """)
    assert run.states == {"clone[0]": "success", "clone[1]": "success"}
    assert sorted(starts()) == ["CloneBackend one", "CloneBackend two"]


# Retries


RETRY = "retries=1, retry_delay=timedelta(0), {options}"


def end_once_found(service: LocalAmplifyBackend) -> None:
    """End the clone's job when a later try has looked for it."""
    for _ in range(1200):
        asked = [entry["operation"] for entry in service.control.journal()]
        if "CloneBackend" in asked and "ListBackendJobs" in asked[asked.index("CloneBackend") :]:
            break
        time.sleep(0.1)
    for job in service.control.jobs():
        service.control.end_job(job["JobId"])


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_retry_after_a_time_out_goes_on_with_the_job_of_the_first_try(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, deferrable: bool
) -> None:
    service.control.set(job_seconds=3600)
    attempts = 'waiter_max_attempts="{{ 10 if ti.try_number == 1 else 6000 }}"'
    with ThreadPoolExecutor(1) as elsewhere:
        ending = elsewhere.submit(end_once_found, service)
        run = dags.run(CLONE.format(options=RETRY.format(options=f"{attempts}, deferrable={deferrable}")))
        ending.result()
    assert run.tries == {"clone": 2}
    assert "BackendJobTimeoutError" in run.error("clone")
    assert (run.xcom("clone")["outcome"], run.xcom("clone")["Status"]) == ("adopted", "COMPLETED")
    assert starts() == ["CloneBackend copy"]


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "truncate"])
def test_a_start_whose_answer_is_lost_is_not_sent_again(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, kind: str
) -> None:
    service.control.add_fault("CloneBackend", kind=kind, times=1)
    run = dags.run(CLONE.format(options=""))
    assert run.xcom("clone")["outcome"] == "adopted"
    assert len(service.control.journal("CloneBackend")) == 1
    assert starts() == ["CloneBackend copy"]


def test_a_retry_starts_a_failed_delete_anew(dags: DagRunner, service: LocalAmplifyBackend, starts: Names) -> None:
    service.control.seed_app(APP, "copy")
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1, error="try again")
    run = dags.run(DELETE.format(options=RETRY.format(options="")))
    assert run.tries == {"delete": 2}
    assert "try again" in run.error("delete")
    assert starts() == ["DeleteBackend copy", "DeleteBackend copy"]
    assert environments(service) == ["staging"]


def test_a_start_that_is_throttled_is_sent_later(dags: DagRunner, service: LocalAmplifyBackend, starts: Names) -> None:
    service.control.add_fault("CloneBackend", kind="throttle", times=2)
    run = dags.run(CLONE.format(options=""))
    assert run.xcom("clone")["outcome"] == "started"
    assert starts() == ["CloneBackend copy"]


# What the service refuses


def test_a_task_without_permission_to_read_fails_with_the_reason_of_the_service(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    control = service.control
    control.add_fault("UpdateBackendStorage", kind="error", status=400, code="BadRequestException", message="full")
    control.add_fault("GetBackendStorage", kind="error", status=403, code="AccessDenied", message="not you")
    run = dags.run(
        """
        from airflow_provider_amplifybackend.operators.storage import UpdateBackendStorageOperator

        UpdateBackendStorageOperator(
            task_id="change", app_id=APP, backend_environment_name="staging", resource_name="files",
            resource_config={"ServiceName": "S3", "Permissions": {"Authenticated": ["READ"]}},
        )
        """
    )
    assert "BackendRequestError: UpdateBackendStorage failed (BadRequestException) for AppId=" in run.error("change")
    assert "AccessDenied" not in run.error("change")
    assert starts() == []
