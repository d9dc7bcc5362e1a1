"""What older versions have stored for waiting tasks is continued by this one: triggers, and intents to start a job.

`stored/` holds what `store.py` has printed with the package of each commit; tests/system/test_upgrade.py does the same
with the whole of Airflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import outlet_events
from tests.faults.airflow_stand_in import TaskInstance, Triggerer
from tests.samples import APP
from tests.state_store import StateStore
from tests.upgrades.store import operators

COMMITS = sorted(path.stem for path in (Path(__file__).parent / "stored").glob("*.json"))


@pytest.fixture(params=COMMITS)
def stored(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a version has stored, by task."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "stored" / f"{request.param}.json").read_text())
    return found


@pytest.fixture
def triggerer() -> Iterator[Triggerer]:
    with Triggerer() as running, timing.replaced(earliest_event=0.0, first_check=0.05, between_checks=0.01):
        yield running


def seed(service: LocalAmplifyBackend, environment: str, trigger: dict[str, Any], *, status: str) -> None:
    """Let the job exist that a stored trigger waits for."""
    names = {"operation": trigger["kwargs"]["operation"], "job_id": trigger["kwargs"]["job_id"]}
    job = {"environment": environment, "status": status, **names}
    service.control.seed(apps=[{"app_id": APP, "environments": ["staging", environment], "jobs": [job]}])


def rebuilt(trigger: dict[str, Any]) -> Any:
    """The trigger as a triggerer makes it from its row."""
    module, _, name = trigger["classpath"].rpartition(".")
    return getattr(import_module(module), name)(**trigger["kwargs"])


def resumed(task: str, stored: dict[str, Any], event: Any, store: StateStore) -> Any:
    """What the task returns that is resumed with an event."""
    ti = SimpleNamespace(try_number=1, max_tries=3, xcom_push=lambda **_: None)
    dag_run = SimpleNamespace(clear_number=0, start_date=None)
    context = {"ti": ti, "dag_run": dag_run, "task_state_store": store, "outlet_events": outlet_events()}
    operator = operators()[task]
    operator.deferrable = False
    return getattr(operator, stored[task]["method_name"])(context, event=event)


def store_of(stored: dict[str, Any]) -> StateStore:
    return StateStore({key: json.dumps(value) for key, value in stored["store"].items()})


def starts(service: LocalAmplifyBackend) -> list[str]:
    """The operations that have started a job."""
    return [entry["operation"] for entry in service.control.journal() if entry["operation"] in JOB_OPERATIONS]


def test_there_are_two_versions() -> None:
    assert COMMITS == ["5b812b4", "fdf3f6d"]


def test_a_trigger_that_waits_for_the_job_of_its_task(
    service: LocalAmplifyBackend, stored: dict[str, Any], triggerer: Triggerer
) -> None:
    seed(service, "copy", stored["clone"]["trigger"], status="COMPLETED")
    event = triggerer.event_of(rebuilt(stored["clone"]["trigger"]))
    result = resumed("clone", stored, event, store_of(stored["clone"]))
    assert (result["JobId"], result["Status"], result["outcome"]) == (
        stored["clone"]["trigger"]["kwargs"]["job_id"],
        "COMPLETED",
        "started",
    )
    assert starts(service) == []


@pytest.mark.parametrize("status", ["RUNNING", "COMPLETED"])
def test_a_retry_adopts_the_job_of_the_intent(
    service: LocalAmplifyBackend, stored: dict[str, Any], triggerer: Triggerer, status: str
) -> None:
    seed(service, "copy", stored["clone"]["trigger"], status=status)
    job_id = stored["clone"]["trigger"]["kwargs"]["job_id"]

    def make() -> Any:
        if status == "RUNNING":  # until it is waited for
            service.control.end_job(job_id)
        return operators()["clone"]

    task = TaskInstance(make, triggerer, store_of(stored["clone"]), try_number=1)
    result = task.attempt()
    assert (result["JobId"], result["outcome"]) == (job_id, "adopted")
    assert starts(service) == []


def test_a_trigger_that_waits_for_the_job_of_somebody_else(
    service: LocalAmplifyBackend, stored: dict[str, Any], triggerer: Triggerer
) -> None:
    seed(service, "busy", stored["storage"]["trigger"], status="COMPLETED")
    event = triggerer.event_of(rebuilt(stored["storage"]["trigger"]))
    assert stored["storage"]["method_name"] == "resume_start"
    result = resumed("storage", stored, event, store_of(stored["storage"]))
    assert (result["Operation"], result["outcome"]) == ("CreateBackendStorage", "started")
    assert starts(service) == ["CreateBackendStorage"]


def test_a_trigger_of_a_sensor(service: LocalAmplifyBackend, stored: dict[str, Any], triggerer: Triggerer) -> None:
    service.control.seed_app(APP, "late")
    event = triggerer.event_of(rebuilt(stored["sensor"]["trigger"]))
    result = resumed("sensor", stored, event, StateStore())
    assert (result["BackendEnvironmentName"], result["condition"]) == ("late", "exists")
