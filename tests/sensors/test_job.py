"""The sensor behaves alike whether it pokes, reschedules or waits in the triggerer."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import handlers

from airflow_provider_amplifybackend.core.waiting import UNEXPLAINED_PATIENCE
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner
from tests.fixture_types import SeedJob
from tests.samples import APP

OTHER_ACCOUNT = "999999999999"
IN_EVERY_MODE = pytest.mark.parametrize(
    "mode",
    ["mode='poke', deferrable=False", "mode='reschedule', deferrable=False", "deferrable='{{ True }}'"],
    ids=["poke", "reschedule", "deferred"],
)
SOFT_OR_NOT = pytest.mark.parametrize(
    ("wish", "state"), [("", "failed"), ("soft_fail=True", "skipped"), ("never_fail=True", "skipped")]
)
SENSOR = """
BackendJobSensor(
    task_id="sensor", app_id=APP, backend_environment_name="staging", job_id="theirs", poke_interval=0.2,
    {mode}, {options}
)
"""
IDLE = SENSOR.replace('job_id="theirs"', "no_job_pending=True")


@pytest.fixture
def job(service: LocalAmplifyBackend) -> SeedJob:
    """Seed the job that is waited for."""

    def seed(**members: Any) -> None:
        known = {"environment": "staging", "job_id": "theirs", "status": "RUNNING"}
        service.control.seed_app(APP, jobs=[known | members])

    return seed


@IN_EVERY_MODE
def test_a_job_that_completes(dags: DagRunner, job: SeedJob, result_keys: set[str], mode: str) -> None:
    job(seconds=0.6)
    run = dags.run(SENSOR.format(mode=mode, options=""))
    assert run.states == {"sensor": "success"}
    result = run.xcom("sensor")
    assert set(result) == result_keys
    assert (result["JobId"], result["Status"], result["outcome"]) == ("theirs", "COMPLETED", "found")


@IN_EVERY_MODE
def test_a_job_that_has_completed_already(dags: DagRunner, job: SeedJob, mode: str) -> None:
    job(status="COMPLETED")
    run = dags.run(SENSOR.format(mode=mode, options="timeout=1"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"
    assert "running trigger in line" not in run.log


@IN_EVERY_MODE
@SOFT_OR_NOT
def test_a_job_that_fails(dags: DagRunner, job: SeedJob, mode: str, wish: str, state: str) -> None:
    job(seconds=0.4, error="AuthStack: Limit exceeded")
    run = dags.run(SENSOR.format(mode=mode, options=wish))
    assert run.states == {"sensor": state}
    assert run.xcom("sensor") is None
    if state == "failed":
        error = run.error("sensor")
        assert error.startswith("BackendJobFailedError: FAILED after ")
        assert f" s: UpdateBackendAPI, environment staging (app {APP}, job theirs).\n" in error
        assert error.endswith("\nAmplifyBackend reported: AuthStack: Limit exceeded")


@IN_EVERY_MODE
@SOFT_OR_NOT
def test_a_job_that_does_not_end_in_time(dags: DagRunner, job: SeedJob, mode: str, wish: str, state: str) -> None:
    job()
    run = dags.run(SENSOR.format(mode=mode, options=f"timeout=0.5, retries=3, {wish}"))
    assert run.states == {"sensor": state}
    assert run.tries == {"sensor": 1}
    assert ("running trigger in line" in run.log) == ("True" in mode)
    if state == "failed":
        error = run.error("sensor")
        assert error.startswith("AirflowSensorTimeout: Timed out after ")
        assert "job theirs (" in error
        assert f"app {APP}, environment staging" in error
        assert "last status: RUNNING" in error
        assert "timeout" in error


def test_execution_timeout_holds_while_deferred(dags: DagRunner, job: SeedJob) -> None:
    job()
    run = dags.run(SENSOR.format(mode="deferrable=True", options="execution_timeout=timedelta(seconds=1.5)"))
    assert run.error("sensor").startswith("AirflowSensorTimeout: ")
    assert "execution_timeout" in run.error("sensor")


@IN_EVERY_MODE
def test_errors_of_a_look_are_not_errors_of_the_job(
    dags: DagRunner, service: LocalAmplifyBackend, job: SeedJob, mode: str
) -> None:
    job(seconds=0.3)
    for kind in ("timeout_before", "reset_after", "truncate"):
        service.control.add_fault("GetBackendJob", kind=kind, times=1)
    run = dags.run(SENSOR.format(mode=mode, options="botocore_config={'retries': {'total_max_attempts': 1}}"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@pytest.mark.parametrize("mode", ["deferrable=False", "deferrable=True"], ids=["on the worker", "in the triggerer"])
@SOFT_OR_NOT
def test_a_look_that_is_refused(
    dags: DagRunner, service: LocalAmplifyBackend, job: SeedJob, mode: str, wish: str, state: str
) -> None:
    job()

    def refuse_after_the_first_look() -> None:
        while not service.control.journal("GetBackendJob"):
            time.sleep(0.02)
        refusal = {"status": 403, "code": "AccessDeniedException", "message": "No."}
        service.control.add_fault("GetBackendJob", kind="error", **refusal)

    refusing = threading.Thread(target=refuse_after_the_first_look)
    refusing.start()
    run = dags.run(SENSOR.format(mode=mode, options=wish))
    refusing.join()
    assert run.states == {"sensor": state}
    if state == "failed":
        assert "BackendRequestError" in run.error("sensor")
        assert "AccessDeniedException" in run.error("sensor")
        assert APP in run.error("sensor")


# What no waiting can mend


@IN_EVERY_MODE
@SOFT_OR_NOT
def test_a_job_that_does_not_exist_is_given_up(
    dags: DagRunner, service: LocalAmplifyBackend, pace: Callable[..., None], mode: str, wish: str, state: str
) -> None:
    pace(not_found_patience=0.5)
    run = dags.run(SENSOR.format(mode=mode, options=f"timeout=60, {wish}"))
    assert run.states == {"sensor": state}
    assert len(service.control.journal("GetBackendJob")) > 1
    if state == "failed":
        assert run.error("sensor").startswith("BackendRequestError: ")
        assert "NotFoundException" in run.error("sensor")


@IN_EVERY_MODE
def test_a_job_that_the_service_does_not_list_at_once_is_waited_for(
    dags: DagRunner, service: LocalAmplifyBackend, job: SeedJob, mode: str
) -> None:
    job(seconds=0.1)
    service.control.add_fault("GetBackendJob", kind="error", status=404, code="NotFoundException", times=3)
    run = dags.run(SENSOR.format(mode=mode, options="timeout=60"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@IN_EVERY_MODE
def test_a_job_that_was_seen_and_then_vanished_is_given_up(
    dags: DagRunner, service: LocalAmplifyBackend, job: SeedJob, pace: Callable[..., None], mode: str
) -> None:
    pace(not_found_patience=0.5)
    job()

    def forget_it_after_the_first_status_check() -> None:
        while not service.control.journal("GetBackendJob"):
            time.sleep(0.02)
        service.control.add_fault("GetBackendJob", kind="error", status=404, code="NotFoundException")

    forgetting = threading.Thread(target=forget_it_after_the_first_status_check)
    forgetting.start()
    run = dags.run(SENSOR.format(mode=mode, options="timeout=60"))
    forgetting.join()
    assert run.error("sensor").startswith("BackendRequestError: ")
    assert "NotFoundException" in run.error("sensor")


@pytest.fixture
def failing_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have botocore fail on its first requests, as it does on a setting that it takes and cannot use, or in a race."""

    def fail(times: int) -> None:
        requests = itertools.count(1)

        def odd(**_: Any) -> None:
            if next(requests) <= times:
                raise TypeError("'NoneType' object is not subscriptable")

        entry = ("before-call.amplifybackend.GetBackendJob", odd)
        monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", [*handlers.BUILTIN_HANDLERS, entry])

    return fail


@IN_EVERY_MODE
def test_an_error_that_nobody_can_explain_and_that_stays_is_given_up(
    dags: DagRunner, failing_client: Callable[[int], None], pace: Callable[..., None], mode: str
) -> None:
    pace(first_check=0.1)
    failing_client(10_000)
    run = dags.run(SENSOR.format(mode=mode, options="timeout=60"))
    assert run.error("sensor").startswith("BackendRequestError: ")
    assert "TypeError" in run.error("sensor")


@IN_EVERY_MODE
def test_an_error_that_nobody_can_explain_and_that_passes_is_waited_for(
    dags: DagRunner, job: SeedJob, failing_client: Callable[[int], None], pace: Callable[..., None], mode: str
) -> None:
    pace(first_check=0.1)
    job(status="COMPLETED")
    failing_client(UNEXPLAINED_PATIENCE)
    run = dags.run(SENSOR.format(mode=mode, options="timeout=60"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@IN_EVERY_MODE
def test_a_silent_sensor_keeps_waiting_after_a_look_that_is_refused(
    dags: DagRunner, service: LocalAmplifyBackend, job: SeedJob, mode: str
) -> None:
    job(seconds=0.5)
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="AccessDeniedException", times=2)
    run = dags.run(SENSOR.format(mode=mode, options="silent_fail=True, timeout=60"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@IN_EVERY_MODE
@pytest.mark.parametrize(("wish", "state"), [("", "failed"), ("soft_fail=True", "skipped")])
def test_a_silent_sensor_waits_on_when_the_job_has_failed(
    dags: DagRunner, job: SeedJob, mode: str, wish: str, state: str
) -> None:
    job(status="FAILED", error="AuthStack: Limit exceeded")
    run = dags.run(SENSOR.format(mode=mode, options=f"silent_fail=True, timeout=0.5, {wish}"))
    assert run.states == {"sensor": state}
    if state == "failed":
        assert run.error("sensor").startswith("AirflowSensorTimeout: Timed out after ")
        assert "last status: FAILED" in run.error("sensor")


@IN_EVERY_MODE
def test_a_sensor_that_never_fails_is_skipped_by_a_connection_that_does_not_exist(
    dags: DagRunner, job: SeedJob, mode: str
) -> None:
    job()
    run = dags.run(SENSOR.format(mode=mode, options="never_fail=True, aws_conn_id='nobody_knows_it'"))
    assert run.states == {"sensor": "skipped"}


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="nothing survives a reschedule before Airflow 3.3 (docs/waiting.md)")
def test_a_rescheduled_sensor_that_found_aws_default_never_becomes_boto3s_own_identity(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    job: SeedJob,
    aws_default: str,
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": OTHER_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": aws_default,
    }.items():
        monkeypatch.setenv(name, value)
    connection = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    job()

    def reschedules() -> int:
        with contextlib.closing(sqlite3.connect(airflow_home / "airflow.db", timeout=30)) as database:
            count: int = database.execute("select count(*) from task_reschedule").fetchone()[0]
            return count

    ended = threading.Event()

    def lose_the_connection_for_some_status_checks() -> None:
        earlier = reschedules()
        while not service.control.journal("GetBackendJob") and not ended.wait(0.02):
            pass
        del os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
        while reschedules() < earlier + 3 and not ended.wait(0.1):
            pass
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
        service.client().update_backend_job(
            AppId=APP, BackendEnvironmentName="staging", JobId="theirs", Status="COMPLETED"
        )

    losing = threading.Thread(target=lose_the_connection_for_some_status_checks)
    losing.start()
    run = dags.run(SENSOR.format(mode="mode='reschedule', deferrable=False", options=""))
    ended.set()
    losing.join()
    assert run.xcom("sensor")["Status"] == "COMPLETED"
    assert "can no longer be found, although it was found earlier" in "".join(run.messages("warning"))
    assert {entry["account"] for entry in service.control.journal("GetBackendJob")} == {"123456789012"}


@pytest.mark.parametrize(
    ("parameter", "value"), [("app_id", "None"), ("backend_environment_name", "''"), ("job_id", "'{{ none }}'")]
)
def test_a_name_without_a_value_is_refused_before_anything_is_asked(
    dags: DagRunner, service: LocalAmplifyBackend, parameter: str, value: Any
) -> None:
    names = {"app_id": "'a'", "backend_environment_name": "'b'", "job_id": "'c'"} | {parameter: value}
    arguments = ", ".join(f"{name}={text}" for name, text in names.items())
    run = dags.run(f"BackendJobSensor(task_id='sensor', {arguments}, retries=2)")
    assert run.tries == {"sensor": 1}
    assert run.error("sensor").startswith("BackendParameterError: ")
    assert f"{parameter}=" in run.error("sensor")
    assert service.control.journal() == []


def test_the_job_of_an_upstream_task_is_waited_for(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds=0.5)
    run = dags.run("""
        clone = CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            wait_for_completion=False,
        )
        BackendJobSensor(
            task_id="sensor", app_id=APP, backend_environment_name=clone.output["BackendEnvironmentName"],
            job_id=clone.output["JobId"], poke_interval=0.2,
        )
    """)
    assert run.states == {"clone": "success", "sensor": "success"}
    assert run.xcom("sensor")["JobId"] == run.xcom("clone")["JobId"]


def test_an_upstream_task_that_started_no_job_is_named_as_the_reason(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, "copy")
    run = dags.run("""
        clone = CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            if_exists="skip",
        )
        BackendJobSensor(
            task_id="sensor", app_id=APP, backend_environment_name="copy", job_id="{{ ti.xcom_pull('clone')['JobId'] }}"
        ) << clone
    """)
    assert run.states == {"clone": "success", "sensor": "failed"}
    assert "upstream" in run.error("sensor")


@pytest.mark.parametrize("event", [None, "success", {}, {"kind": "finished"}, {"kind": "finished", "job": {}}], ids=str)
def test_a_garbled_event_is_never_a_success(event: Any) -> None:
    from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
    from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

    sensor = BackendJobSensor(task_id="sensor", app_id=APP, backend_environment_name="staging", job_id="theirs")
    with pytest.raises(AmplifyBackendError):
        sensor.execute_complete({}, event=event)


# No job pending


@IN_EVERY_MODE
def test_until_no_job_is_pending_however_the_last_one_ended(dags: DagRunner, job: SeedJob, mode: str) -> None:
    job(seconds=0.6, error="it broke")
    run = dags.run(IDLE.format(mode=mode, options=""))
    assert run.states == {"sensor": "success"}
    assert run.xcom("sensor")["BackendEnvironmentName"] == "staging"


@IN_EVERY_MODE
def test_a_job_that_stays_pending(dags: DagRunner, job: SeedJob, mode: str) -> None:
    job()
    run = dags.run(IDLE.format(mode=mode, options="timeout=0.5"))
    assert run.error("sensor").startswith("AirflowSensorTimeout: ")


def test_a_job_and_none_exclude_each_other(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(SENSOR.format(mode="no_job_pending=True", options=""))
    assert run.error("sensor").startswith("BackendParameterError: ")
    assert "no_job_pending" in run.error("sensor")
    assert service.control.journal() == []
