"""Wherever a try dies, the job that completes is one asset event: Airflow stores it with the success of the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from tests.airflow_versions import AIRFLOW
from tests.faults.airflow_stand_in import TaskInstance, Triggerer
from tests.samples import APP
from tests.state_store import Crash, StateStore

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 has datasets, and no events of ours")


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def task(request: pytest.FixtureRequest, hurry: LocalAmplifyBackend, triggerer: Triggerer) -> Callable[[], Any]:
    """Makes a task instance that clones, with a state store."""
    hook = AmplifyBackendHook()

    def operator() -> CloneBackendOperator:
        made = CloneBackendOperator(
            task_id="clone",
            app_id=APP,
            backend_environment_name="staging",
            target_environment_name="ours",
            waiter_delay=0.2,
            waiter_max_attempts=600,
            if_exists="skip",
            retries=3,
            deferrable=request.param,
        )
        made.__dict__["hook"] = hook
        return made

    return lambda: TaskInstance(operator, triggerer, store=StateStore())


def started(service: LocalAmplifyBackend) -> list[str]:
    return [entry["job_id"] for entry in service.control.journal("CloneBackend", effective=True)]


def jobs(instance: TaskInstance) -> list[str]:
    return [event["job_id"] for event in instance.events]


def until_success(instance: TaskInstance) -> int:
    """Try until a try lives long enough, and return how many have died."""
    for died in range(3):
        try:
            instance.attempt()
        except Crash:
            assert instance.store is not None
            instance.store.dies_before_write = instance.store.dies_after_write = None
            continue
        return died
    raise AssertionError("no try has come to its end")


def write_count(instance: TaskInstance) -> int:
    store = instance.store
    assert store is not None
    return len(store.history)


def test_wherever_a_try_dies_its_job_is_one_event(task: Callable[[], TaskInstance], hurry: LocalAmplifyBackend) -> None:
    instance = task()
    instance.attempt()
    writes = write_count(instance)
    assert writes >= 3, "the intent, its answer, and the report"
    for number in range(1, writes + 1):
        for moment in ("dies_before_write", "dies_after_write"):
            hurry.control.reset()
            hurry.control.seed_app(APP, "staging", app_name="shop")
            hurry.control.set(job_seconds=0.3)
            instance = task()
            setattr(instance.store, moment, number)
            assert until_success(instance) == 1, f"{moment} {number}"
            assert jobs(instance) == started(hurry), f"{moment} {number}"
            assert len(jobs(instance)) == 1, f"{moment} {number}"


def test_a_crash_between_the_report_and_the_success_loses_no_event(
    task: Callable[[], TaskInstance], hurry: LocalAmplifyBackend
) -> None:
    """The store says that a try has returned with the job; Airflow has not stored that it succeeded."""
    instance = task()
    instance.dies_before_success = 1
    assert until_success(instance) == 1
    assert instance.store is not None
    assert instance.store.intent.reported
    assert jobs(instance) == started(hurry)
    assert len(jobs(instance)) == 1


def test_a_clear_that_starts_anew_emits_the_event_of_the_new_job(
    task: Callable[[], TaskInstance], hurry: LocalAmplifyBackend
) -> None:
    instance = task()
    instance.attempt()
    hurry.client().delete_backend(AppId=APP, BackendEnvironmentName="ours")
    hurry.control.advance(60)
    instance.clear()
    instance.attempt()
    assert jobs(instance) == started(hurry)
    assert len(set(jobs(instance))) == 2


def test_a_clear_that_finds_what_the_task_has_made_emits_nothing_more(
    task: Callable[[], TaskInstance], hurry: LocalAmplifyBackend
) -> None:
    instance = task()
    instance.attempt()
    instance.clear()
    assert instance.attempt()["outcome"] == "found"
    assert len(jobs(instance)) == len(started(hurry)) == 1
