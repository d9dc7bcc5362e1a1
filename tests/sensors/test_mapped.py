"""Sensors that are mapped over what another task returned, on the worker and deferred."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.samples import APP

DAG = """
    @task
    def names():
        return ["one", "two"]

    BackendEnvironmentSensor.partial(
        task_id="there", app_id=APP, poke_interval=0.2, timeout=60, deferrable={deferrable}
    ).expand(backend_environment_name=names())
"""


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_each_mapped_sensor_waits_for_its_own_environment(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.set(environment_appears="completion", job_seconds=1)
    for name in ("one", "two"):
        service.client().clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName=name)
    run = dags.run(DAG.format(deferrable=deferrable))
    assert run.state == "success"
    assert sorted(service.client().get_backend(AppId=APP)["BackendEnvironmentList"]) == ["one", "staging", "two"]
    for index, name in enumerate(("one", "two")):
        assert run.xcom("there", map_index=index)["BackendEnvironmentName"] == name
