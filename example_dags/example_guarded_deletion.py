"""Take an environment down after somebody has approved the plan: what would go, what stays, what nobody can tell.

Needs Airflow 3.1 or newer, whose ApprovalOperator asks. On an older Airflow the DAG has one task, which says so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["amplifybackend"],
    params={"app_id": "d1a2b3c4d5", "environment": "pr7"},
)
def example_guarded_deletion():
    try:
        guarded_deletion(
            "take_down",
            app_id="{{ params.app_id }}",
            backend_environment_name="{{ params.environment }}",
            response_timeout=timedelta(days=2),
            leftovers="report",
        )
    except ImportError as error:
        reason = str(error)

        @task
        def needs_airflow_3_1():
            raise RuntimeError(reason)

        needs_airflow_3_1()


example_guarded_deletion()
