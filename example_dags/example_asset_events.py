"""Act on whatever changes an environment: Amplify Studio, the Amplify CLI, another DAG.

The watcher reports each job that ends; the DAG then reads the environment as it is, because one run can stand for
several events. Needs Airflow 3.0 or newer. On Airflow 2, which has no asset watchers, nothing schedules the DAG.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from airflow_provider_amplifybackend.assets import backend_asset
from airflow_provider_amplifybackend.operators.environment import GetBackendOperator
from airflow_provider_amplifybackend.triggers.change import BackendChangeTrigger

try:
    from airflow.sdk import AssetWatcher, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

# A watcher begins when the DAG is parsed, so that these are no templates.
APP = "d1example"
ENVIRONMENT = "staging"


def changes():
    """Return what schedules the DAG."""
    try:
        trigger = BackendChangeTrigger(app_id=APP, backend_environment_name=ENVIRONMENT, statuses=["COMPLETED"])
    except ImportError:  # Airflow 2
        return None
    return [backend_asset(APP, ENVIRONMENT, watchers=[AssetWatcher(name="changes", trigger=trigger)])]


@dag(
    schedule=changes(),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    params={"app_id": APP, "environment": ENVIRONMENT},
    tags=["amplifybackend"],
)
def example_asset_events():
    now = GetBackendOperator(
        task_id="now",
        app_id="{{ params.app_id }}",
        backend_environment_name="{{ params.environment }}",
        if_missing="skip",
    )

    @task
    def react(now: dict, triggering_asset_events=None) -> list[str]:
        """Put here what is to be done. A job that was handled before can come again: its id tells."""
        events = [event for events in dict(triggering_asset_events or {}).values() for event in events]
        # What a watcher reports is the payload; what an operator reports stands in the extra itself.
        jobs = [event.extra.get("payload") or event.extra for event in events]
        for job in jobs:
            logging.getLogger(__name__).info("%(operation)s ended at %(updated_at)s: job %(job_id)s", job)
        if now["exists"]:
            logging.getLogger(__name__).info("User pool now: %s", now["outputs"]["user_pool_id"])
        else:
            logging.getLogger(__name__).warning("The environment is gone")
        return sorted({job["job_id"] for job in jobs if job["job_id"]})

    react(now.output)


example_asset_events()
