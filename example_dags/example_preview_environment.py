"""An environment for each pull request: cloned, filled, checked and taken down, at most three at once.

The group ``preview`` leases its environment by a tag of the app, so that ``example_reaper`` finds what a deleted run
leaves behind, and ``example_keep_environment`` can keep it for longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task, task_group
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task, task_group
    from airflow.models.param import Param

from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "pull_requests": Param([7, 8], type="array", description="The pull requests to check"),
        "fail_check": Param(False, type="boolean", description="Let the checks fail, to see the environments kept"),
    },
    tags=["amplifybackend"],
)
def example_preview_environment():
    @task
    def pull_requests(params: dict | None = None) -> list[int]:
        return (params or {})["pull_requests"]

    @task
    def fill(environment: str, pool_id: str) -> None:
        """Seed the clone with test data. A clone has the configuration of its source and none of its data."""
        print(f"{environment}: creating test users in {pool_id}")  # boto3's cognito-idp, with your own test users

    @task(retries=0)
    def check(environment: str, number: int, params: dict | None = None) -> None:
        """Run the tests of the pull request against the environment."""
        print(f"Checking pull request {number} in environment {environment}")
        if (params or {})["fail_check"]:
            raise ValueError("the check was set to fail")

    @task_group
    def each(number: int):
        with ephemeral_environment(
            "preview",
            prefix="pr",
            app_id="{{ params.app_id }}",
            source="staging",
            ttl=timedelta(hours=6),
            max_concurrent=3,
            keep_on_failure=timedelta(hours=2),
            default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
            deferrable=True,
        ) as env:
            fill(env.name, env.outputs["user_pool_id"]) >> check(env.name, number)

    each.expand(number=pull_requests())


example_preview_environment()
