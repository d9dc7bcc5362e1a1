"""What an app's environments consist of, written down: before a migration, and as the record of what was there.

One JSON file for each environment with everything that the service tells of it (API keys are ``***``), and an
inventory of the ids by which its resources are known elsewhere.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

try:
    from airflow.sdk import ObjectStoragePath, Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.environment import GetBackendOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "folder": Param(
            "file:///tmp/amplify-inventory", type="string", description="Where to, e.g. s3://bucket/folder"
        ),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_environment_inventory():
    app = GetBackendOperator(task_id="app", app_id="{{ params.app_id }}")

    @task
    def names(app: dict) -> list[str]:
        return app["BackendEnvironmentList"]

    environments = GetBackendOperator.partial(task_id="environments", app_id="{{ params.app_id }}").expand(
        backend_environment_name=names(app.output)
    )

    @task
    def write(environments: list[dict], params: dict | None = None) -> dict[str, dict]:
        folder = ObjectStoragePath((params or {})["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        for environment in environments:
            name = environment["BackendEnvironmentName"]
            (folder / f"{environment['AppId']}-{name}.json").write_text(json.dumps(environment, indent=2))
        return {environment["BackendEnvironmentName"]: environment["outputs"] for environment in environments}

    write(environments.output)


example_environment_inventory()
