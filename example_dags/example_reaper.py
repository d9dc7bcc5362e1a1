"""Take down what nobody needs any more, every hour: environments whose lease has ended, and old ones named like tests.

It only says what it would do until it is triggered with ``dry_run`` off, or ``dry_run=False`` stands here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.task_groups.reaper import reap_environments


@dag(
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    max_active_runs=1,
    params={
        "app_ids": Param(["d1example"], type="array", description="The Amplify apps"),
        "name": Param("test*", type="string", description="Without a lease, only environments named so"),
        "dry_run": Param(True, type="boolean", description="Only say what would be done"),
    },
    tags=["amplifybackend"],
)
def example_reaper():
    reap_environments(
        app_ids="{{ params.app_ids | tojson }}",
        name="{{ params.name }}",
        older_than=timedelta(days=3),
        dry_run="{{ params.dry_run }}",
        at_most=2,
        default_args={"retries": 1, "retry_delay": timedelta(minutes=1)},
        deferrable=True,
    )


example_reaper()
