"""Airflow before 3.3 has no state store: what a later try knows is what the service shows and what Airflow counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendJobTimeoutError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.storage import UpdateBackendStorageOperator
from tests.faults.airflow_stand_in import TaskInstance, Triggerer
from tests.not_started import not_started

APP = "d1a2b3c4d5"
READ = {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}


@pytest.fixture
def is_frozen() -> bool:
    """Whether the service's clock stands still, so that no job ends by itself."""
    return False


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def instance(
    request: pytest.FixtureRequest, hurry: LocalAmplifyBackend, triggerer: Triggerer, is_frozen: bool
) -> TaskInstance:
    """A task instance with one retry; its time budget is a moment where no job ends anyway."""
    hurry.control.set_clock(frozen=is_frozen)
    hurry.control.seed_app(APP, {"name": "staging", "storage": {"files": None}})
    hook = AmplifyBackendHook()

    def operator() -> UpdateBackendStorageOperator:
        made = UpdateBackendStorageOperator(
            task_id="update",
            app_id=APP,
            backend_environment_name="staging",
            resource_name="files",
            resource_config=READ,
            waiter_delay=0.2,
            waiter_max_attempts=5 if is_frozen else 600,
            retries=1,
            deferrable=request.param,
        )
        made.__dict__["hook"] = hook
        return made

    return TaskInstance(operator, triggerer, store=None, retries=1)


@pytest.fixture
def started(hurry: LocalAmplifyBackend) -> Callable[[], list[str]]:
    return lambda: [entry["job_id"] for entry in hurry.control.journal("UpdateBackendStorage", effective=True)]


@pytest.mark.parametrize("is_frozen", [True])
@pytest.mark.parametrize("act", ["retry", "clear"])
def test_a_retry_and_a_clear_adopt_what_runs(
    instance: TaskInstance, started: Callable[[], list[str]], act: str, is_frozen: bool
) -> None:
    with pytest.raises(BackendJobTimeoutError):
        instance.attempt()
    [job_id] = started()
    if act == "clear":
        instance.clear()
        # Airflow sets it anew when a run that has ended is cleared.
        instance.began = datetime.now(UTC) + timedelta(seconds=5)
    with pytest.raises(BackendJobTimeoutError, match=job_id):
        instance.attempt()
    assert started() == [job_id]


def test_a_retry_does_not_guess_whose_an_ended_job_was(
    instance: TaskInstance, started: Callable[[], list[str]]
) -> None:
    instance.attempt()
    with not_started(StartFailure.UNKNOWN_OWNER, match="clear the task"):
        instance.attempt()
    assert len(started()) == 1


def test_a_clear_does_it_again(instance: TaskInstance, started: Callable[[], list[str]]) -> None:
    """Also after a retry that could not tell, as its error says."""
    instance.attempt()
    with not_started(StartFailure.UNKNOWN_OWNER):
        instance.attempt()
    instance.clear()
    assert instance.attempt()["outcome"] == "started"
    assert len(started()) == 2
