"""Wait for what others have started in an environment, and list what failed there lately."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.job import ListBackendJobsOperator
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string"),
        "days": Param(7, type="integer", minimum=1, description="Days to look back"),
    },
    default_args={
        "app_id": "{{ params.app_id }}",
        "backend_environment_name": "{{ params.environment }}",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
    },
    tags=["amplifybackend"],
)
def example_job():
    quiet = BackendJobSensor(task_id="quiet", no_job_pending=True, deferrable=True, timeout=3600)
    failed = ListBackendJobsOperator(task_id="failed", status="FAILED")

    @task
    def lately(listing: dict, params: dict | None = None) -> list[str]:
        """The service lists jobs in no order, and those of last year too."""
        since = datetime.now(UTC) - timedelta(days=(params or {})["days"])
        jobs = [job for job in listing["Jobs"] if datetime.fromisoformat(job["created_at"]) >= since]
        return [f"{job['created_at']} {job['Operation']} {job['JobId']}: {job.get('Error')}" for job in jobs]

    quiet >> failed
    lately(failed.output)


example_job()
