"""The sensor that waits until an environment exists, or is gone."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.samples import APP

IN_EVERY_MODE = pytest.mark.parametrize(
    "mode",
    ["mode='poke', deferrable=False", "mode='reschedule', deferrable=False", "deferrable=True"],
    ids=["poke", "reschedule", "deferred"],
)
SENSOR = """
BackendEnvironmentSensor(
    task_id="sensor", app_id=APP, backend_environment_name="copy", poke_interval=0.2, {mode}, {options}
)
"""


@IN_EVERY_MODE
def test_an_environment_that_exists(dags: DagRunner, service: LocalAmplifyBackend, mode: str) -> None:
    service.control.seed_app(APP, "copy")
    run = dags.run(SENSOR.format(mode=mode, options=""))
    assert run.xcom("sensor") == {"AppId": APP, "BackendEnvironmentName": "copy", "condition": "exists"}
    assert "running trigger in line" not in run.log


@IN_EVERY_MODE
def test_an_environment_that_comes_to_exist(dags: DagRunner, service: LocalAmplifyBackend, mode: str) -> None:
    service.control.set(environment_appears="completion", job_seconds=1)
    service.client().clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="copy")
    run = dags.run(SENSOR.format(mode=mode, options=""))
    assert run.states == {"sensor": "success"}


@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
def test_an_environment_that_is_gone_however_the_service_says_it(
    dags: DagRunner, service: LocalAmplifyBackend, gone: str
) -> None:
    service.control.set(gone_environment=gone)
    run = dags.run(SENSOR.format(mode="deferrable=False", options="condition='gone'"))
    assert run.xcom("sensor") == {"AppId": APP, "BackendEnvironmentName": "copy", "condition": "gone"}


@IN_EVERY_MODE
def test_an_environment_that_does_not_come(dags: DagRunner, mode: str) -> None:
    run = dags.run(SENSOR.format(mode=mode, options="timeout=0.5"))
    assert run.error("sensor").startswith("AirflowSensorTimeout: ")
    assert f"app {APP}" in run.error("sensor")
    assert "environment copy" in run.error("sensor")


@IN_EVERY_MODE
def test_an_environment_that_does_not_come_skips_a_soft_sensor(dags: DagRunner, mode: str) -> None:
    assert dags.run(SENSOR.format(mode=mode, options="timeout=0.5, soft_fail=True")).states == {"sensor": "skipped"}


def test_a_condition_that_nobody_knows_is_refused(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(SENSOR.format(mode="condition='{{ \"ready\" }}'", options=""))
    assert "condition='ready' is not accepted; accepted values: exists, gone" in run.error("sensor")
    assert service.control.journal() == []
