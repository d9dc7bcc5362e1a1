"""Fifty assets that are watched, over five environments, a DAG that runs when any of them has an event, and a clone.

And a failure that is told to the environment's owner and not tried again, and an inventory with a drift check.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, AssetAny, AssetWatcher, task

from airflow_provider_amplifybackend.assets import backend_asset
from airflow_provider_amplifybackend.notifications.owner import BackendOwnerNotifier
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator
from airflow_provider_amplifybackend.retries import backend_retry_policy
from airflow_provider_amplifybackend.triggers.change import BackendChangeTrigger
from tests.samples import APP

ENVIRONMENTS = [f"env{number}" for number in range(5)]
# All of them have UpdateBackendAPI among the operations that they watch, and no two watch the same ones.
OTHERS = ["CloneBackend", "CreateBackendAPI", "DeleteBackendAPI", "UpdateBackendAuth"]
CHOICES = [[each for bit, each in enumerate(OTHERS) if number >> bit & 1] for number in range(10)]


def watched(environment: str, number: int) -> Any:
    from airflow.sdk import Asset

    trigger = BackendChangeTrigger(
        app_id=APP,
        backend_environment_name=environment,
        operations=["UpdateBackendAPI", *CHOICES[number]],
        waiter_delay=3,
    )
    return Asset(name=f"{environment}-{number}", watchers=[AssetWatcher(name="changes", trigger=trigger)])


with DAG("reacts", schedule=AssetAny(*(watched(name, number) for name in ENVIRONMENTS for number in range(10)))):

    @task
    def react(triggering_asset_events: Any = None) -> Any:
        found = {asset.name: events for asset, events in triggering_asset_events.items()}
        return {name: [event.extra["payload"]["job_id"] for event in events] for name, events in found.items()}

    react()

with DAG("clones", schedule=None):
    CloneBackendOperator(
        task_id="clone",
        app_id=APP,
        backend_environment_name="env0",
        target_environment_name="{{ params.target }}",
        params={"target": "copy"},
        deferrable=True,
        waiter_delay=1,
    )

with DAG("after_clone", schedule=[backend_asset(APP, "copy")]):

    @task
    def look(triggering_asset_events: Any = None) -> Any:
        # By asset: each event is there once more, by the alias through which it came.
        return [event.extra["job_id"] for event in triggering_asset_events[backend_asset(APP, "copy")]]

    look()


def tell(context: Any) -> None:
    with Path(context["params"]["told"]).open("a") as file:
        file.write(json.dumps(context["backend_failure"]) + "\n")


with DAG("tells", schedule=None, params={"told": "", "target": "env1"}):
    CloneBackendOperator(
        task_id="clone",
        app_id=APP,
        backend_environment_name="env0",
        target_environment_name="{{ params.target }}",
        retries=5,
        retry_delay=timedelta(seconds=1),
        retry_policy=backend_retry_policy(),
        on_failure_callback=[BackendOwnerNotifier(channels={"web": tell})],
    )

with DAG("looks_after", schedule=None, params={"folder": ""}):
    inventory = BackendInventoryOperator(task_id="inventory", path="file://{{ params.folder }}/inventory")
    snapshot = SnapshotBackendOperator(
        task_id="snapshot", app_id=APP, backend_environment_name="env0", path="file://{{ params.folder }}/snapshots"
    )
    compare = CompareBackendsOperator(
        task_id="compare",
        left=snapshot.output,
        right={"app_id": APP, "backend_environment_name": "env0"},
        fail_on="difference",
    )
    inventory >> snapshot >> compare
