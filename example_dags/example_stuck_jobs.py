"""Jobs that are older than some hours and have not ended: they block their environment, and the service has no cancel.

Looks through all environments of an app. ``report`` is where your own mail, ticket or message goes; the run fails
too, unless ``fail`` is off.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.environment import GetBackendOperator
from airflow_provider_amplifybackend.operators.job import ListBackendJobsOperator

ENDED = ("COMPLETED", "FAILED")


def report(jobs: list[dict]) -> None:
    """Notify somebody. Put your own channel here."""
    for job in jobs:
        logging.getLogger(__name__).warning(
            "%(Operation)s in %(BackendEnvironmentName)s is %(Status)s since %(created_at)s: job %(JobId)s", job
        )


@dag(
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "hours": Param(4, type="number", exclusiveMinimum=0, description="Older than this is stuck"),
        "fail": Param(True, type="boolean", description="Whether the run fails if there is a stuck job"),
    },
    default_args={"app_id": "{{ params.app_id }}", "retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_stuck_jobs():
    app = GetBackendOperator(task_id="app")

    @task
    def names(app: dict) -> list[str]:
        return app["BackendEnvironmentList"]

    # All that have not ended, whatever they call their status: so no filter on one.
    jobs = ListBackendJobsOperator.partial(task_id="jobs").expand(backend_environment_name=names(app.output))

    # An app without environments has no job to list; and a second try would report the same jobs again.
    @task(trigger_rule="none_failed", retries=0)
    def find(listings: list[dict] | None, params: dict | None = None) -> list[dict]:
        params = params or {}
        before = (datetime.now(UTC) - timedelta(hours=params["hours"])).isoformat()
        stuck = [
            job
            for listing in listings or []
            for job in listing["Jobs"]
            if job.get("Status") not in ENDED and job["created_at"] and job["created_at"] < before
        ]
        if stuck:
            report(stuck)
            if params["fail"]:
                raise RuntimeError(f"{len(stuck)} stuck: {', '.join(job['JobId'] for job in stuck)}")
        return stuck

    find(jobs.output)


example_stuck_jobs()
