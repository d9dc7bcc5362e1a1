"""The sensor behaves alike whether it pokes, reschedules or waits in the triggerer."""

from __future__ import annotations

import threading
import time

import pytest

APP = "d1a2b3c4d5"
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
def job(service):
    """Seed the job that is waited for."""

    def seed(**members):
        known = {"environment": "staging", "job_id": "theirs", "status": "RUNNING"}
        service.control.seed_app(APP, jobs=[known | members])

    return seed


@IN_EVERY_MODE
def test_a_job_that_completes(dags, job, result_keys, mode):
    job(seconds=0.6)
    run = dags.run(SENSOR.format(mode=mode, options=""))
    assert run.states == {"sensor": "success"}
    result = run.xcom("sensor")
    assert set(result) == result_keys
    assert (result["JobId"], result["Status"], result["outcome"]) == ("theirs", "COMPLETED", "found")


@IN_EVERY_MODE
def test_a_job_that_has_completed_already(dags, job, mode):
    job(status="COMPLETED")
    run = dags.run(SENSOR.format(mode=mode, options="timeout=1"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"
    assert "running trigger in line" not in run.log


@IN_EVERY_MODE
@SOFT_OR_NOT
def test_a_job_that_fails(dags, job, mode, wish, state):
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
def test_a_job_that_does_not_end_in_time(dags, job, mode, wish, state):
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


def test_execution_timeout_holds_while_deferred(dags, job):
    job()
    run = dags.run(SENSOR.format(mode="deferrable=True", options="execution_timeout=timedelta(seconds=1.5)"))
    assert run.error("sensor").startswith("AirflowSensorTimeout: ")
    assert "execution_timeout" in run.error("sensor")


@IN_EVERY_MODE
def test_errors_of_a_look_are_not_errors_of_the_job(dags, service, job, mode):
    job(seconds=0.3)
    for kind in ("timeout_before", "reset_after", "truncate"):
        service.control.add_fault("GetBackendJob", kind=kind, times=1)
    run = dags.run(SENSOR.format(mode=mode, options="botocore_config={'retries': {'total_max_attempts': 1}}"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@pytest.mark.parametrize("mode", ["deferrable=False", "deferrable=True"], ids=["on the worker", "in the triggerer"])
@SOFT_OR_NOT
def test_a_look_that_is_refused(dags, service, job, mode, wish, state):
    job()

    def refuse_after_the_first_look():
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


@IN_EVERY_MODE
def test_a_silent_sensor_keeps_waiting_after_a_look_that_is_refused(dags, service, job, mode):
    job(seconds=0.5)
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="AccessDeniedException", times=2)
    run = dags.run(SENSOR.format(mode=mode, options="silent_fail=True, timeout=60"))
    assert run.xcom("sensor")["Status"] == "COMPLETED"


@IN_EVERY_MODE
@pytest.mark.parametrize(("wish", "state"), [("", "failed"), ("soft_fail=True", "skipped")])
def test_a_silent_sensor_waits_on_when_the_job_has_failed(dags, job, mode, wish, state):
    job(status="FAILED", error="AuthStack: Limit exceeded")
    run = dags.run(SENSOR.format(mode=mode, options=f"silent_fail=True, timeout=0.5, {wish}"))
    assert run.states == {"sensor": state}
    if state == "failed":
        assert run.error("sensor").startswith("AirflowSensorTimeout: Timed out after ")
        assert "last status: FAILED" in run.error("sensor")


@IN_EVERY_MODE
def test_a_sensor_that_never_fails_is_skipped_by_a_connection_that_does_not_exist(dags, job, mode):
    job()
    run = dags.run(SENSOR.format(mode=mode, options="never_fail=True, aws_conn_id='nobody_knows_it'"))
    assert run.states == {"sensor": "skipped"}


@pytest.mark.parametrize(
    ("parameter", "value"), [("app_id", "None"), ("backend_environment_name", "''"), ("job_id", "'{{ none }}'")]
)
def test_a_name_without_a_value_is_refused_before_anything_is_asked(dags, service, parameter, value):
    names = {"app_id": "'a'", "backend_environment_name": "'b'", "job_id": "'c'"} | {parameter: value}
    arguments = ", ".join(f"{name}={text}" for name, text in names.items())
    run = dags.run(f"BackendJobSensor(task_id='sensor', {arguments}, retries=2)")
    assert run.tries == {"sensor": 1}
    assert run.error("sensor").startswith("BackendParameterError: ")
    assert f"{parameter}=" in run.error("sensor")
    assert service.control.journal() == []


def test_the_job_of_an_upstream_task_is_waited_for(dags, service):
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


def test_an_upstream_task_that_started_no_job_is_named_as_the_reason(dags, service):
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
def test_a_garbled_event_is_never_a_success(event):
    from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
    from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

    sensor = BackendJobSensor(task_id="sensor", app_id=APP, backend_environment_name="staging", job_id="theirs")
    with pytest.raises(AmplifyBackendError):
        sensor.execute_complete({}, event=event)


# No job pending


@IN_EVERY_MODE
def test_until_no_job_is_pending_however_the_last_one_ended(dags, job, mode):
    job(seconds=0.6, error="it broke")
    run = dags.run(IDLE.format(mode=mode, options=""))
    assert run.states == {"sensor": "success"}
    assert run.xcom("sensor")["BackendEnvironmentName"] == "staging"


@IN_EVERY_MODE
def test_a_job_that_stays_pending(dags, job, mode):
    job()
    run = dags.run(IDLE.format(mode=mode, options="timeout=0.5"))
    assert run.error("sensor").startswith("AirflowSensorTimeout: ")


def test_a_job_and_none_exclude_each_other(dags, service):
    run = dags.run(SENSOR.format(mode="no_job_pending=True", options=""))
    assert run.error("sensor").startswith("BackendParameterError: ")
    assert "no_job_pending" in run.error("sensor")
    assert service.control.journal() == []
