"""Many tasks want the same environment, in which the service lets one job run at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import AmplifyBackendError, BackendJobTimeoutError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.storage import CreateBackendStorageOperator
from tests.faults.airflow_stand_in import TaskInstance, Triggerer
from tests.samples import APP, storage

TASKS = 6
READ: Any = storage()


@pytest.fixture(autouse=True)
def here(hurry: LocalAmplifyBackend) -> LocalAmplifyBackend:
    hurry.control.seed_app(APP, "staging")
    return hurry


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def all_at_once(request: pytest.FixtureRequest, triggerer: Triggerer) -> Callable[..., list[Any]]:
    """Runs the tasks side by side, each with a resource of its own; returns their results and errors."""

    def one(number: int, parameters: dict[str, Any]) -> Any:
        hook = AmplifyBackendHook(config={"retries": {"total_max_attempts": 2}})

        def operator() -> Any:
            made = CreateBackendStorageOperator(
                task_id=f"task{number}",
                app_id=APP,
                backend_environment_name="staging",
                resource_name=f"files{number}",
                resource_config=READ,
                waiter_delay=0.1,
                deferrable=request.param,
                **parameters,
            )
            made.__dict__["hook"] = hook
            return made

        try:
            return TaskInstance(operator, triggerer).attempt()
        except AmplifyBackendError as error:
            return error

    def run(**parameters: Any) -> list[Any]:
        with ThreadPoolExecutor(TASKS) as pool:
            return list(pool.map(lambda number: one(number, parameters), range(TASKS)))

    return run


def test_they_go_one_by_one(here: LocalAmplifyBackend, all_at_once: Callable[..., list[Any]]) -> None:
    results = all_at_once(waiter_max_attempts=600)
    assert [result["outcome"] for result in results] == ["started"] * TASKS
    assert len(here.control.journal("CreateBackendStorage", effective=True)) == TASKS
    jobs = sorted(here.control.jobs(), key=lambda job: int(job["CreateTime"]))
    assert len(jobs) == TASKS
    assert all(int(before["UpdateTime"]) <= int(after["CreateTime"]) for before, after in pairwise(jobs))


def test_each_ends_by_its_deadline_where_the_environment_never_becomes_free(
    here: LocalAmplifyBackend, all_at_once: Callable[..., list[Any]]
) -> None:
    here.control.add_fault("GenerateBackendAPIModels", kind="job_stuck")
    here.control.seed_app(APP, {"name": "staging", "api": {"graph": None}})
    place = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "graph"}
    stuck = here.client().generate_backend_api_models(**place)["JobId"]
    for error in all_at_once(waiter_max_attempts=15):
        assert isinstance(error, BackendJobTimeoutError)
        assert stuck in str(error)
        assert "environment staging" in str(error)
    assert not here.control.journal("CreateBackendStorage", effective=True)


def test_each_ends_by_its_deadline_where_not_all_get_their_turn(
    here: LocalAmplifyBackend, all_at_once: Callable[..., list[Any]]
) -> None:
    here.control.set(job_seconds=1.0)
    results = all_at_once(waiter_max_attempts=25)
    errors = [result for result in results if isinstance(result, AmplifyBackendError)]
    assert errors
    assert all("app d1a2b3c4d5, environment staging" in str(error) for error in errors)
    started = here.control.journal("CreateBackendStorage", effective=True)
    resources = [entry["parameters"]["ResourceName"] for entry in started]
    assert len(set(resources)) == len(resources)
    done = [result["JobId"] for result in results if result not in errors]
    assert set(done) <= {entry["job_id"] for entry in started}
