"""DAGs that each change one environment, in the ways that Airflow can run a task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_amplifybackend.operators.storage import UpdateBackendStorageOperator

APP = "d1a2b3c4d5"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
UPDATE: dict[str, Any] = {
    "app_id": APP,
    "resource_name": "files",
    "resource_config": {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"},
    "waiter_delay": 1,
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
}
NAMED = "{{ dag_run.conf['environment'] }}"

with DAG("deferred", schedule=None):
    UpdateBackendStorageOperator(task_id="update", backend_environment_name=NAMED, deferrable=True, **UPDATE)

with DAG("on_worker", schedule=None):
    UpdateBackendStorageOperator(task_id="update", backend_environment_name=NAMED, deferrable=False, **UPDATE)

# Its run goes on after the first task.
with DAG("pair", schedule=None):
    UpdateBackendStorageOperator(
        task_id="update", backend_environment_name=NAMED, deferrable=True, **UPDATE
    ) >> UpdateBackendStorageOperator(task_id="second", backend_environment_name="second", deferrable=True, **UPDATE)

with DAG("mapped", schedule=None):
    UpdateBackendStorageOperator.partial(task_id="update", deferrable=True, **UPDATE).expand(
        backend_environment_name=["map0", "map1", "map2"]
    )

with DAG("hasty", schedule=None):
    UpdateBackendStorageOperator(
        task_id="update",
        backend_environment_name=NAMED,
        deferrable=True,
        execution_timeout=timedelta(seconds=4),
        **UPDATE,
    )

# Its end is in the past: only a backfill makes runs.
with DAG("daily", schedule="@daily", start_date=BEGIN, end_date=BEGIN + timedelta(days=2), catchup=False):
    UpdateBackendStorageOperator(
        task_id="update", backend_environment_name="daily", deferrable=True, depends_on_past=True, **UPDATE
    )
