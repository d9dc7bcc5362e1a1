"""Delete an environment, but never without a snapshot of it, and never anything that was not in the plan.

If the snapshot cannot be written, nothing is deleted. If somebody adds something to the environment after the plan was
made, nothing is deleted either. The snapshot has the configuration, without secrets; it has no data.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.operators.snapshot import SnapshotBackendOperator

APP = "d1example"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "environment": Param("feature", type="string", description="The environment to delete"),
        "folder": Param("file:///tmp/amplify-deleted", type="string", description="Where to, e.g. s3://bucket/folder"),
    },
    default_args={
        "app_id": APP,
        "backend_environment_name": "{{ params.environment }}",
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
    },
    tags=["amplifybackend"],
)
def example_snapshot_before_delete():
    plan = PlanBackendDeletionOperator(task_id="plan")
    snapshot = SnapshotBackendOperator(task_id="snapshot", path="{{ params.folder }}/{{ run_id }}")
    delete = DeleteBackendOperator(
        task_id="delete",
        plan=plan.output,
        record="{{ params.folder }}/records",
        leftovers="report",
        deferrable=True,
    )
    plan >> snapshot >> delete


example_snapshot_before_delete()
