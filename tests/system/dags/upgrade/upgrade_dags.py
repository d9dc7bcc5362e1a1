"""Tasks that wait in every way that stores something, written as versions of the package since 5b812b4 take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, CreateBackendOperator
from airflow_provider_amplifybackend.operators.storage import CreateBackendStorageOperator
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor

APP = "d1a2b3c4d5"
NAME = "{{ dag_run.conf['name'] }}"
COMMON: dict[str, Any] = {"app_id": APP, "retries": 3, "retry_delay": timedelta(seconds=1)}
# Hours: what waits too long is another story.
JOB: dict[str, Any] = {**COMMON, "waiter_delay": 2, "waiter_max_attempts": 3600}
STORAGE: Any = {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}


@task
def targets(**context: Any) -> list[str]:
    conf = context["dag_run"].conf
    return [f"{conf['name']}c{number}" for number in range(conf["clones"])]


with DAG("upgrade", schedule=None):
    # Its trigger waits for its own job.
    CloneBackendOperator.partial(task_id="clone", backend_environment_name="staging", deferrable=True, **JOB).expand(
        target_environment_name=targets()
    )
    # Its trigger waits for somebody else's job; then it starts its own.
    CreateBackendStorageOperator(
        task_id="storage",
        backend_environment_name=f"{NAME}busy",
        resource_name="files",
        resource_config=STORAGE,
        deferrable=True,
        **JOB,
    )
    # It waits on a worker; what a later try knows of its job is stored.
    CreateBackendOperator(
        task_id="worker", backend_environment_name=f"{NAME}own", app_name="shop", deferrable=False, **JOB
    )
    BackendEnvironmentSensor(
        task_id="sensor", backend_environment_name=f"{NAME}late", deferrable=True, poke_interval=2, **COMMON
    )
