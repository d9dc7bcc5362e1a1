"""Has anybody changed the environment since its configuration was approved?

The first run, or one with `approve`, writes the snapshot that counts as approved. Each other run compares the
environment with it, and fails if they differ: the log says in what.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import ObjectStoragePath, Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator

APPROVED = "{{ params.folder }}/{{ params.app_id }}_{{ params.environment }}.snapshot.json"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string", description="The environment that is to stay as it is"),
        "folder": Param("file:///tmp/amplify-approved", type="string", description="Where the approved snapshot is"),
        "approve": Param(False, type="boolean", description="Approve the environment as it is now"),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_drift_check():
    @task.branch
    def approve_or_compare(path: str, params: dict | None = None) -> str:
        return "approve" if (params or {})["approve"] or not ObjectStoragePath(path).exists() else "compare"

    approve = SnapshotBackendOperator(
        task_id="approve",
        app_id="{{ params.app_id }}",
        backend_environment_name="{{ params.environment }}",
        path="{{ params.folder }}",
    )
    compare = CompareBackendsOperator(
        task_id="compare",
        left=APPROVED,
        right={"app_id": "{{ params.app_id }}", "backend_environment_name": "{{ params.environment }}"},
        fail_on="difference",
    )
    approve_or_compare(APPROVED) >> [approve, compare]


example_drift_check()
