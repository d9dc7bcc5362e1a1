"""Every environment of an account, each night: tables, a report to look at, and a snapshot of each environment.

The report is `report.html` in the folder, for any browser. The snapshots are what a later comparison needs, and the
record of what was there before a migration; no secret is in any of these files.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.environment import GetBackendOperator
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.snapshot import SnapshotBackendOperator


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app whose environments are written down"),
        "folder": Param(
            "file:///tmp/amplify-inventory", type="string", description="Where to, e.g. s3://bucket/folder"
        ),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_environment_inventory():
    # All apps of the account in the connection's region.
    BackendInventoryOperator(task_id="inventory", path="{{ params.folder }}")

    app = GetBackendOperator(task_id="app", app_id="{{ params.app_id }}")

    @task
    def names(app: dict) -> list[str]:
        return app["BackendEnvironmentList"]

    SnapshotBackendOperator.partial(
        task_id="snapshots", app_id="{{ params.app_id }}", path="{{ params.folder }}/snapshots"
    ).expand(backend_environment_name=names(app.output))


example_environment_inventory()
