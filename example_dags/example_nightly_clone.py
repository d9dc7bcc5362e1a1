"""Clone an environment each night, fill it, run the tests against it, and take it down whatever became of them.

A night whose tests fail is kept for two days, so that somebody can look. What a deleted run leaves behind is found by
`example_reaper`, by its lease.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment

APP = "d1example"
SOURCE = "staging"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["amplifybackend"],
)
def example_nightly_clone():
    @task
    def fill(environment: str, pool_id: str) -> None:
        """Create test users. A clone has the configuration of its source and none of its data."""
        print(f"{environment}: creating test users in {pool_id}")  # boto3's cognito-idp, with your own test users

    @task(retries=0)
    def run_tests(environment: str) -> None:
        """Run your tests; an exception is a failed night."""
        print(f"Testing environment {environment}")

    with ephemeral_environment(
        "nightly",
        app_id=APP,
        source=SOURCE,
        ttl=timedelta(hours=6),
        max_concurrent=2,
        keep_on_failure=timedelta(days=2),
        default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
        deferrable=True,
    ) as env:
        fill(env.name, env.outputs["user_pool_id"]) >> run_tests(env.name)


example_nightly_clone()
