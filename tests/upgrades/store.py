"""Show what a version of the package stores for waiting tasks.

It runs with that version, and so imports nothing of these tests:

    PYTHONPATH=/folder/of/that/version python tests/upgrades/store.py ENDPOINT > tests/upgrades/stored/COMMIT.json

The endpoint is that of a local AmplifyBackend whose jobs do not end (`amplifybackend-local --job-seconds 9999`).
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

APP = "d1a2b3c4d5"
STORAGE: Any = {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}


class Store(dict[str, Any]):
    """Airflow's task state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


def operators() -> dict[str, Any]:
    from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
    from airflow_provider_amplifybackend.operators.storage import CreateBackendStorageOperator
    from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor

    long: dict[str, Any] = {"app_id": APP, "deferrable": True, "waiter_max_attempts": 10**6}
    return {
        "clone": CloneBackendOperator(
            task_id="clone", backend_environment_name="staging", target_environment_name="copy", **long
        ),
        "storage": CreateBackendStorageOperator(
            task_id="storage",
            backend_environment_name="busy",
            resource_name="files",
            resource_config=STORAGE,
            **long,
        ),
        "sensor": BackendEnvironmentSensor(
            task_id="sensor", app_id=APP, backend_environment_name="late", deferrable=True, timeout=10**8
        ),
    }


def stored(operator: Any) -> dict[str, Any]:
    """Return what is stored when a task defers itself."""
    from airflow.sdk.exceptions import TaskDeferred

    store = Store()
    ti = SimpleNamespace(
        try_number=1, max_tries=3, xcom_push=lambda **_: None, get_first_reschedule_date=lambda context: None
    )
    dag_run = SimpleNamespace(clear_number=0, start_date=datetime.now(UTC))
    context = {"ti": ti, "dag_run": dag_run, "task_state_store": store, "outlet_events": {}}
    try:
        inspect.unwrap(type(operator).execute)(operator, context)
    except TaskDeferred as deferred:
        path, arguments = deferred.trigger.serialize()
        return {
            "trigger": {"classpath": path, "kwargs": arguments},
            "method_name": deferred.method_name,
            "kwargs": deferred.kwargs,
            "store": dict(store),
        }
    raise SystemExit(f"{operator.task_id} does not wait")


if __name__ == "__main__":
    connection = {"conn_type": "aws", "login": "123456789012", "password": "any"}
    extra = {"region_name": "us-east-1", "endpoint_url": sys.argv[1]}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection | {"extra": extra})
    print(json.dumps({name: stored(operator) for name, operator in operators().items()}, indent=1, sort_keys=True))
