"""A job is started once, also where its row, its environment or its name is not what one would expect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.start.actions import Obstacle, StartResult
from airflow_provider_amplifybackend.start.driver import StartOnce
from tests.not_started import not_started
from tests.start.test_once import (
    APP,
    CLEARED,
    CLONE,
    DELETE,
    STARTS,
    STORAGE,
    UPDATE,
    Accepted,
    Crash,
    Task,
    outcome,
    presumed,
)
from tests.start.test_once import task as task

AUTH = {**DELETE, "ResourceName": "main", "ResourceConfig": UPDATE}
MODELS = {"AppId": APP, "BackendEnvironmentName": "api", "ResourceName": "graph"}


def until_reached(task: Task, step: Callable[[], StartResult | Obstacle]) -> StartResult:
    """What the operator does: wait for what is in the way, then come again."""
    for _ in range(10):
        reached = step()
        if isinstance(reached, StartResult):
            return reached
        task.service.control.advance(60)
    raise AssertionError("it waits for ever")


@pytest.fixture
def auth(task: Task) -> None:
    task.service.control.seed_app(APP, {"name": "staging", "auth": {"main": None}})


# Rows


def test_a_clear_waits_for_a_job_that_is_known_and_not_listed_yet(task: Task, accepted: Accepted, auth: None) -> None:
    task.service.control.add_fault("UpdateBackendAuth", kind="list_lag", seconds=6, get_too=True, times=1)
    task.start("UpdateBackendAuth", AUTH, patience=60)
    cleared = until_reached(task, lambda: task.start("UpdateBackendAuth", AUTH, patience=60, round=CLEARED))
    assert outcome(cleared) == "adopted"
    assert len(accepted("UpdateBackendAuth")) == 1


class OtherWord(AmplifyBackendHook):
    """The service calls the operation something else in its rows."""

    def job_pages(self, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for page in super().job_pages(filters):
            for row in page.get("Jobs", []):
                row["Operation"] = "GENERATE_MODELS"
            yield page


def test_a_row_with_an_unknown_word_for_the_operation_may_be_ours(task: Task, accepted: Accepted) -> None:
    control = task.service.control
    control.seed_app(APP, {"name": "api", "api": {"graph": None}})
    task.service.client().generate_backend_api_models(**MODELS)  # known before, so not ours
    control.advance(60)
    control.add_fault("GenerateBackendAPIModels", kind="timeout_after", times=1)
    attempt = task.attempt("GenerateBackendAPIModels", MODELS, patience=0, hook=OtherWord())
    reached = until_reached(task, attempt.advance)
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    assert [entry["job_id"] for entry in accepted("GenerateBackendAPIModels")][1:] == [reached.job.job_id]


@pytest.mark.parametrize("operation", ["CreateBackend", "ImportBackendStorage"])
def test_a_clear_goes_on_where_the_service_knows_the_earlier_job_no_more(
    task: Task, accepted: Accepted, operation: str
) -> None:
    """It may say so with a ValidationException."""
    control = task.service.control
    request = {**STARTS[operation], "BackendEnvironmentName": "pr1"}
    if operation != "CreateBackend":
        control.seed_app(APP, "pr1")
    first = task.start(operation, request)
    assert task.end(first) == "COMPLETED"
    task.report(first)
    task.service.client().delete_backend(AppId=APP, BackendEnvironmentName="pr1")
    control.advance(60)
    if operation != "CreateBackend":
        control.seed_app(APP, "pr1")
    control.set(deleted_environment_jobs="NotFoundException")
    control.add_fault("GetBackendJob", kind="error", status=400, code="ValidationException", message="no such job")
    assert outcome(task.start(operation, request, round=CLEARED)) == "started"


# Clones whose rows live in their source


@pytest.fixture
def in_source(task: Task) -> None:
    task.service.control.set(clone_job_environment="source")


def test_what_a_running_clone_creates_is_not_found_before_it_is_whole(task: Task, in_source: None) -> None:
    task.service.control.set(environment_appears="start")
    task.service.client().clone_backend(**CLONE)
    assert isinstance(task.start(if_exists="skip"), Obstacle)
    task.service.control.advance(60)
    assert outcome(task.start(if_exists="skip")) == "found"


def test_what_our_failed_clone_left_is_not_taken_for_a_clone_though_others_have_come_since(
    task: Task, accepted: Accepted, in_source: None
) -> None:
    task.service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    assert task.end(task.start(if_exists="skip")) == "FAILED"
    task.service.client().clone_backend(**CLONE | {"TargetEnvironmentName": "other"})
    task.service.control.advance(60)
    with not_started(StartFailure.LEFTOVER):
        task.start(if_exists="skip")


def test_an_environment_that_holds_something_is_not_what_somebodys_failed_clone_left(
    task: Task, in_source: None, auth: None
) -> None:
    control = task.service.control
    task.service.client().clone_backend(**CLONE)
    control.advance(60)
    control.add_fault("CloneBackend", kind="job_fails", times=1)
    task.service.client().clone_backend(**CLONE | {"TargetEnvironmentName": "other"})
    control.advance(60)
    assert outcome(task.start(if_exists="skip")) == "found"
    with not_started(StartFailure.LEFTOVER, match="does not name its target"):
        task.start(request=CLONE | {"TargetEnvironmentName": "other"}, if_exists="skip")


def test_what_our_failed_creation_left_of_a_resource_is_not_found(task: Task) -> None:
    control = task.service.control
    control.add_fault("CreateBackendStorage", kind="job_fails", times=1)
    assert task.end(task.start("CreateBackendStorage", STORAGE, if_exists="skip")) == "FAILED"
    control.seed_app(APP, {"name": "staging", "storage": {"files": None}})
    with not_started(StartFailure.LEFTOVER, match="the storage exists"):
        task.start("CreateBackendStorage", STORAGE, if_exists="skip")


# Jobs elsewhere


def test_the_removal_of_all_is_waited_for_wherever_its_job_lives(task: Task) -> None:
    control = task.service.control
    control.seed_app(APP, "staging", "dev")
    control.set(remove_all_job_environment="last", job_seconds=300)
    task.service.client().remove_all_backends(AppId=APP)
    attempt = task.attempt("CreateBackendStorage", STORAGE)
    step = attempt.advance()
    assert isinstance(step, Obstacle)
    assert step.job.operation == "RemoveAllBackends"


def test_a_lost_start_is_found_though_the_retry_names_another_environment(task: Task, accepted: Accepted) -> None:
    task.store.dies_before_write = 2
    with pytest.raises(Crash):
        task.start("CreateBackend", STARTS["CreateBackend"])
    task.store.dies_before_write = None
    [lost] = accepted("CreateBackend")
    step = task.start("CreateBackend", {**STARTS["CreateBackend"], "BackendEnvironmentName": "pr2"}, patience=0)
    assert isinstance(step, Obstacle)
    assert step.job.job_id == lost["job_id"]


def test_a_refusal_that_speaks_of_something_else_is_not_put_down_to_any_job_of_the_app(task: Task) -> None:
    control = task.service.control
    stuck = {"environment": "dev", "operation": "UpdateBackendAPI", "status": "RUNNING"}
    control.seed_app(APP, "dev", jobs=[stuck])
    said = {"status": 400, "code": "ValidationException", "message": "BackendManagerAppId is malformed"}
    control.add_fault("CreateBackendConfig", kind="error", **said)
    with pytest.raises(BackendRequestError, match="BackendManagerAppId is malformed"):
        task.start("CreateBackendConfig", {"AppId": APP, "BackendManagerAppId": "!"})


# Errors


@pytest.mark.parametrize("patience", [0, 60])
def test_a_start_whose_answer_is_lost_for_ever_fails_with_the_services_words(task: Task, patience: float) -> None:
    said = {"status": 500, "code": "InternalFailure", "message": "Something broke"}
    task.service.control.add_fault("CloneBackend", kind="error", **said)
    attempt = task.attempt(seconds=2, patience=patience)
    attempt.protocol.timing = replace(attempt.protocol.timing, sleep=lambda seconds: time.sleep(0.3))
    with not_started(StartFailure.OUT_OF_TIME, match="InternalFailure: Something broke"):
        attempt.advance()


def test_a_busy_service_is_asked_again_once_a_start_may_have_been_sent(task: Task, accepted: Accepted) -> None:
    control = task.service.control

    class Busy(AmplifyBackendHook):
        def attempt_start(self, *arguments: Any, **options: Any) -> Any:
            control.add_fault("CloneBackend", kind="timeout_after", times=1)
            control.add_fault("ListBackendJobs", kind="timeout_before", times=9)
            return super().attempt_start(*arguments, **options)

    assert outcome(task.start(hook=Busy(config={"retries": {"total_max_attempts": 2}}))) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_clear_does_it_again_after_it_could_not_be_told_whose_a_job_was(task: Task, accepted: Accepted) -> None:
    control = task.service.control
    control.seed_app(APP, {"name": "staging", "storage": {"files": None}})
    theirs = {**STORAGE, "ResourceConfig": {"Permissions": {"Authenticated": ["DELETE"]}, "ServiceName": "S3"}}
    control.set(job_seconds=0)
    control.add_fault("UpdateBackendStorage", kind="timeout_after", times=1)
    control.add_fault("UpdateBackendStorage", kind="list_lag", seconds=1, times=1)
    attempt = task.attempt("UpdateBackendStorage", STORAGE, patience=60)

    def sleep(seconds: float) -> None:
        """Somebody else starts the same while ours is not listed yet."""
        control.advance(2)
        if len(accepted("UpdateBackendStorage")) == 1:
            task.service.client().update_backend_storage(**theirs)

    attempt.protocol.timing = replace(attempt.protocol.timing, sleep=sleep)
    with not_started(StartFailure.UNKNOWN_OWNER):
        adopt_what_comes(attempt)
    retried = task.attempt("UpdateBackendStorage", STORAGE, patience=60)
    with not_started(StartFailure.UNKNOWN_OWNER):
        adopt_what_comes(retried)
    assert len(accepted("UpdateBackendStorage")) == 2
    assert outcome(task.start("UpdateBackendStorage", STORAGE, patience=60, round=CLEARED)) == "started"


def adopt_what_comes(attempt: StartOnce) -> None:
    """What the operator does with jobs that have ended."""
    for _ in range(5):
        reached = attempt.advance()
        assert reached.job is not None
        if not attempt.disowns(reached.job):
            return


# Without a state store (Airflow before 3.3)


def test_without_a_store_a_retry_adopts_what_the_list_shows_late(task: Task, accepted: Accepted, auth: None) -> None:
    task.service.control.add_fault("UpdateBackendAuth", kind="list_lag", seconds=5, times=1)
    task.start("UpdateBackendAuth", AUTH, store=None)
    earlier = presumed(task, "UpdateBackendAuth")
    attempt = task.attempt("UpdateBackendAuth", AUTH, store=None, presumed=earlier, patience=60)
    assert outcome(until_reached(task, attempt.advance)) == "adopted"
    assert len(accepted("UpdateBackendAuth")) == 1
