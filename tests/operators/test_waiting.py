"""Where a job operator waits changes nothing about what it does and returns."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.fixture_types import Names

LIFE = """
common = dict(app_id=APP, waiter_delay=0.1, {mode})
create = CreateBackendOperator(
    task_id="create", app_name="shop", backend_environment_name="blank", resource_name="blank", **common
)
clone = CloneBackendOperator(
    task_id="clone", backend_environment_name="blank", target_environment_name="copy", **common
)
add_auth = CreateBackendAuthOperator(
    task_id="add_auth",
    backend_environment_name="copy",
    resource_name="people",
    resource_config=AUTH,
    **common,
)
delete = DeleteBackendOperator(task_id="delete", backend_environment_name="copy", **common)
create >> clone >> add_auth >> delete
"""
OPERATIONS = {
    "create": "CreateBackend",
    "clone": "CloneBackend",
    "add_auth": "CreateBackendAuth",
    "delete": "DeleteBackend",
}


@pytest.mark.parametrize("mode", ["deferrable=False", "deferrable=True"])
def test_a_whole_life_on_the_worker_or_deferred_returns_the_same(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, result_keys: set[str], mode: str
) -> None:
    run = dags.run(LIFE.format(mode=mode))
    assert run.states == dict.fromkeys(OPERATIONS, "success")
    for task_id, operation in OPERATIONS.items():
        result = run.xcom(task_id)
        assert set(result) == result_keys
        assert result["Operation"] == operation
        assert (result["AppId"], result["Status"], result["outcome"]) == ("d1a2b3c4d5", "COMPLETED", "started")
        assert result["BackendEnvironmentName"] == ("blank" if task_id == "create" else "copy")
        assert result["Error"] is None
        assert int(result["CreateTime"]) <= int(result["UpdateTime"])
        assert result["created_at"] <= result["updated_at"]
    assert starts() == ["CreateBackend blank", "CloneBackend copy", "CreateBackendAuth copy", "DeleteBackend copy"]
    assert sorted(service.client().get_backend(AppId="d1a2b3c4d5")["BackendEnvironmentList"]) == ["blank", "staging"]


def test_a_retry_of_a_deferred_task_begins_anew_and_does_not_get_the_event_of_the_try_before(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1)
    run = dags.run("""
        DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, deferrable=True,
            retries=1, retry_delay=timedelta(0),
        )
    """)
    assert run.states == {"delete": "success"}
    assert run.tries == {"delete": 2}
    assert starts() == ["DeleteBackend staging"] * 2


def test_without_waiting_the_task_ends_once_the_job_has_started(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, result_keys: set[str]
) -> None:
    service.control.set(job_seconds=3600)
    run = dags.run("""
        CloneBackendOperator.partial(
            task_id="clone",
            app_id=APP,
            backend_environment_name="staging",
            wait_for_completion=False,
        ).expand_kwargs(
            [
                {"target_environment_name": "one", "deferrable": False},
                {"target_environment_name": "two", "deferrable": True},
            ]
        )
    """)
    assert run.states == {"clone[0]": "success", "clone[1]": "success"}
    for index, environment in enumerate(("one", "two")):
        result = run.xcom("clone", map_index=index)
        assert set(result) == result_keys
        assert (result["BackendEnvironmentName"], result["Status"], result["outcome"]) == (
            environment,
            "PENDING",
            "started",
        )
        assert result["JobId"]
    assert sorted(starts()) == ["CloneBackend one", "CloneBackend two"]
    assert "running trigger in line" not in run.log


def test_a_wait_that_is_deferred_goes_through_a_trigger(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds=5)  # longer than what comes before the first look, on a busy machine too
    run = dags.run("""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1, deferrable=True,
        )
    """)
    assert run.states == {"clone": "success"}
    assert "running trigger in line" in run.log


def test_a_job_that_is_done_at_the_first_look_needs_no_trigger(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds=0)
    run = dags.run("""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            deferrable=True,
        )
    """)
    assert run.xcom("clone")["Status"] == "COMPLETED"
    assert "running trigger in line" not in run.log


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_status_that_nobody_knows_is_waited_out_and_said_once(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.add_fault("CloneBackend", kind="job_status", status="HALFWAY", seconds=2.5)
    service.control.set(job_seconds=2.6)
    run = dags.run(f"""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1, deferrable={deferrable},
        )
    """)
    assert run.xcom("clone")["Status"] == "COMPLETED"
    assert len([text for text in run.messages("info") if "HALFWAY" in text and "unknown to this version" in text]) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_errors_of_a_look_are_not_errors_of_the_job(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.set(job_seconds=0.5)
    for kind in ("throttle", "timeout_before", "reset_after", "truncate", "empty"):
        service.control.add_fault("GetBackendJob", kind=kind, times=1)
    run = dags.run(f"""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1, deferrable={deferrable},
        )
    """)
    assert run.xcom("clone")["Status"] == "COMPLETED"


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_on_resume_after_another_job_the_log_says_which_and_how_it_ended(
    dags: DagRunner, service: LocalAmplifyBackend, status: str
) -> None:
    error = {"error": "it broke"} if status == "FAILED" else {}
    job = {"environment": "staging", "job_id": "theirs", "operation": "UpdateBackendAPI", "status": "RUNNING"}
    service.control.seed_app("d1a2b3c4d5", jobs=[job | {"seconds": 8} | error])
    run = dags.run("""
        DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, waiter_max_attempts=600,
            deferrable=True,
        )
    """)
    assert run.states == {"delete": "success"}, run.errors("delete")
    (line,) = [
        text
        for level in ("info", "warning")
        for text in run.messages(level)
        if text.startswith("No longer in the way: ")
    ]
    assert line.startswith(f"No longer in the way: {status} after ")
    assert line.endswith("job theirs (UpdateBackendAPI, app d1a2b3c4d5, environment staging)")
    assert (line in run.messages("warning")) is (status == "FAILED")


def test_a_trigger_is_given_the_identity_that_the_task_has_used(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = 'GetBackendOperator(task_id="get", app_id=APP)'
    task = dags.load(code).get_task("get")
    assert task.hook.conn_config
    assert task.wait_parameters["connection_found"] is True
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    other = dags.load(code).get_task("get")
    assert not other.hook.conn_config
    assert other.wait_parameters["connection_found"] is False
