"""Whose an adopted job was, as told by what it left, and what is done about a job that was waited for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import (
    BackendJobTimeoutError,
    BackendParameterError,
    BackendRequestError,
)
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.start.actions import Obstacle, StartResult
from airflow_provider_amplifybackend.start.course import after_failed_wait
from airflow_provider_amplifybackend.start.driver import StartOnce
from airflow_provider_amplifybackend.start.intent import Intent, Round, arrived, travelling
from tests.not_started import not_started
from tests.start.test_once import APP, DELETE, FIRST, STORAGE, Accepted, Store, Task, outcome
from tests.start.test_once import task as task

WRITE = {"Permissions": {"Authenticated": ["CREATE_AND_UPDATE"]}, "ServiceName": "S3"}


def adopt_somebody_elses(
    task: Task, theirs: dict[str, Any], store: Store | str | None = "own"
) -> tuple[StartOnce, Job]:
    """Somebody's creation is accepted just before ours, which never arrives: theirs is found in its place."""

    class Between(AmplifyBackendHook):
        def prepare_start(self) -> None:
            super().prepare_start()
            if not task.service.control.journal("CreateBackendStorage"):
                task.service.client().create_backend_storage(**STORAGE | {"ResourceConfig": theirs})
                task.service.control.add_fault("CreateBackendStorage", kind="timeout_before", times=1)

    attempt = task.attempt("CreateBackendStorage", STORAGE, hook=Between(), store=store)
    reached = attempt.advance()
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    task.end(reached)
    return attempt, reached.job


def test_an_adopted_job_that_left_what_was_asked_for_is_kept(task: Task) -> None:
    attempt, job = adopt_somebody_elses(task, STORAGE["ResourceConfig"])
    assert not attempt.disowns(job)
    assert task.store.intent.job_id == job.job_id


@pytest.mark.parametrize("store", ["own", None], ids=["with a store", "without"])
def test_an_adopted_job_that_left_something_else_is_disowned(task: Task, accepted: Accepted, store: Any) -> None:
    attempt, job = adopt_somebody_elses(task, WRITE, store)
    assert attempt.disowns(job)
    if store:
        assert task.store.intent.job_id is None
        assert job.job_id in task.store.intent.known_job_ids
        assert task.store.intent.target_existed is True
    assert len(accepted("CreateBackendStorage")) == 1


def test_a_job_that_was_answered_is_never_disowned(task: Task) -> None:
    """Whatever it left, somebody else may have changed since; nothing is even looked at."""
    attempt = task.attempt("CreateBackendStorage", STORAGE)
    reached = attempt.advance()
    assert isinstance(reached, StartResult)
    assert reached.job is not None
    task.end(reached)
    task.service.client().delete_backend_storage(**DELETE, ResourceName="files", ServiceName="S3")
    task.service.control.advance(60)
    before = len(task.service.control.journal())
    assert not attempt.disowns(reached.job)
    assert len(task.service.control.journal()) == before


def test_a_busy_service_is_asked_again_what_a_job_has_left(task: Task) -> None:
    attempt, job = adopt_somebody_elses(task, STORAGE["ResourceConfig"])
    task.service.control.add_fault("GetBackendStorage", kind="error", status=503, code="ServiceUnavailable", times=4)
    assert not attempt.disowns(job)


def test_a_service_that_stays_busy_is_an_error_and_not_a_difference(task: Task) -> None:
    attempt, job = adopt_somebody_elses(task, STORAGE["ResourceConfig"])
    task.service.control.add_fault("GetBackendStorage", kind="error", status=503, code="ServiceUnavailable")
    with pytest.raises(BackendRequestError, match=f"CreateBackendStorage .app {APP}.*the result of its job"):
        attempt.disowns(job)
    assert task.store.intent.job_id == job.job_id


# Waiting for another job


@pytest.fixture
def blocked(task: Task) -> StartOnce:
    task.service.client().delete_backend(**DELETE)
    attempt = task.attempt("CreateBackendStorage", STORAGE)
    assert isinstance(attempt.advance(), Obstacle)
    return attempt


def test_the_time_budget_that_ended_while_waiting_for_another_job_says_that_nothing_was_started(
    blocked: StartOnce,
) -> None:
    late = BackendJobTimeoutError(JobRef(APP, "theirs", ("staging",)), waited=60, last_status="RUNNING")
    with pytest.raises(BackendJobTimeoutError, match=r"^CreateBackendStorage.*nothing was started: .*: job theirs"):
        blocked.drive(after_failed_wait(blocked.protocol, late))


def test_a_job_that_cannot_be_looked_at_and_is_still_pending_is_an_error(blocked: StartOnce) -> None:
    with pytest.raises(BackendRequestError, match="nothing was started: no such job"):
        blocked.drive(after_failed_wait(blocked.protocol, BackendRequestError("no such job")))


def test_a_job_that_cannot_be_looked_at_any_more_is_in_nobodys_way(task: Task, blocked: StartOnce) -> None:
    task.service.control.advance(60)
    blocked.drive(after_failed_wait(blocked.protocol, BackendRequestError("no such job")))


# What is listed late, and what a deferral must not forget


@pytest.mark.parametrize("lag", [0, 30])
def test_a_deletion_that_is_listed_late_leads_to_no_second_start(task: Task, accepted: Accepted, lag: int) -> None:
    """Our answer was lost, our job completed, and somebody has deleted what it made: it looks like a stranger's."""
    task.service.control.add_fault("CreateBackendStorage", kind="timeout_after", times=1)
    attempt = task.attempt("CreateBackendStorage", STORAGE, patience=60, seconds=10_000)
    reached = attempt.advance()
    assert reached.job is not None
    task.service.control.advance(11)
    task.service.control.add_fault("DeleteBackendStorage", kind="list_lag", seconds=lag, times=1)
    task.service.control.set(job_seconds=1)
    task.service.client().delete_backend_storage(**DELETE, ResourceName="files", ServiceName="S3")
    task.service.control.advance(2)
    with not_started(StartFailure.UNKNOWN_OWNER):
        attempt.resume(Outcome.ADOPTED, replace(reached.job, status="COMPLETED"))
    assert len(accepted("CreateBackendStorage")) == 1
    if lag:
        # A retry comes to the same end, and a clear that resets no run is an order to do it again.
        with not_started(StartFailure.UNKNOWN_OWNER):
            task.start("CreateBackendStorage", STORAGE)
        again = task.start("CreateBackendStorage", STORAGE, round=Round(FIRST.max_tries + 4, FIRST.clear_number))
        assert outcome(again) == "started"


def test_a_disowned_job_is_compared_once_more_before_a_start_is_sent(task: Task, accepted: Accepted) -> None:
    """What a job leaves may come to show later than its end."""
    control = task.service.control
    control.seed_app(APP, {"name": "staging", "storage": {"files": WRITE}})
    control.add_fault("UpdateBackendStorage", kind="timeout_after", times=1)
    attempt = task.attempt("UpdateBackendStorage", STORAGE, seconds=10_000)
    reached = attempt.advance()
    assert reached.job is not None
    # Its end is believed too early, so what it is to leave does not show yet.
    assert attempt.disowns(replace(reached.job, status="COMPLETED"))
    control.advance(60)
    again = attempt.advance()
    assert outcome(again) == "adopted"
    assert again.job is not None
    assert again.job.job_id == reached.job.job_id
    assert not attempt.disowns(again.job)
    assert len(accepted("UpdateBackendStorage")) == 1


@pytest.mark.parametrize("how", ["worker", "deferred", "deferred without a store"])
def test_a_try_that_was_deferred_decides_as_on_the_worker(task: Task, accepted: Accepted, how: str) -> None:
    """The start of this try has failed unseen while it waited for somebody else's job: that ends the try."""
    control = task.service.control
    control.seed_app(APP, {"name": "staging", "auth": {"main": None}, "storage": {"files": None}})
    for fault in ({"kind": "timeout_after"}, {"kind": "list_lag", "seconds": 40}, {"kind": "job_fails"}):
        control.add_fault("UpdateBackendStorage", times=1, **fault)
    store: Any = None if how == "deferred without a store" else "own"
    theirs: list[str] = []

    def sleep(seconds: float) -> None:
        control.advance(seconds)
        if not theirs and len(control.journal("ListBackendJobs")) > 6:
            control.advance(10)  # ours has ended
            control.set(job_seconds=60)
            answer = task.service.client().delete_backend_auth(**DELETE, ResourceName="main")
            theirs.append(answer["JobId"])

    def attempt(arrived: Intent | None = None) -> StartOnce:
        made = task.attempt(
            "UpdateBackendStorage",
            STORAGE,
            store=store,
            arrived=arrived,
            try_number=1,
            patience=14,
            seconds=10_000,
        )
        made.protocol.timing = replace(made.protocol.timing, sleep=sleep)
        return made

    first = attempt()
    step = first.advance()
    assert isinstance(step, Obstacle)
    assert step.job.job_id in theirs
    control.advance(70)
    if how == "worker":
        step = first.advance()
    else:
        step = attempt(arrived(json.loads(json.dumps(travelling(first.intent))))).advance()
    assert outcome(step) == "adopted"
    assert step.job is not None
    assert step.job.is_failed
    assert len(task.service.control.journal("UpdateBackendStorage")) == 1


@pytest.mark.parametrize("travelled", [{"version": 2, "intent": {}}, {"version": 1}, {"version": 1, "intent": {}}, "x"])
def test_what_travelled_and_cannot_be_read_stops_the_start(travelled: Any) -> None:
    with not_started(StartFailure.UNREADABLE_STATE, match="before its deferral"):
        arrived(travelled)


def test_nothing_need_travel() -> None:
    assert travelling(None) is None
    assert arrived(None) is None


# An app that is not there


@pytest.mark.parametrize("operation", ["DeleteBackend", "RemoveAllBackends", "DeleteBackendStorage"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_removal_that_is_skipped_warns_of_an_app_that_the_service_does_not_know(
    task: Task, caplog: pytest.LogCaptureFixture, operation: str, is_known: bool
) -> None:
    app = "d9known" if is_known else "d9unknown"
    task.service.control.seed_app("d9known")
    request: dict[str, Any] = {"AppId": app}
    if operation != "RemoveAllBackends":
        request["BackendEnvironmentName"] = "pr1"
    if operation == "DeleteBackendStorage":
        request |= {"ResourceName": "files", "ServiceName": "S3"}
    assert outcome(task.start(operation, request, if_missing="skip")) == "skipped"
    warned = [record for record in caplog.records if "Unknown app" in record.getMessage()]
    assert [record.levelname for record in warned] == ([] if is_known else ["WARNING"])


def test_a_removal_that_is_skipped_needs_no_permission_to_look_at_the_app(task: Task) -> None:
    task.service.control.add_fault("GetBackend", kind="error", status=403, code="AccessDeniedException")
    request = {**DELETE, "ResourceName": "nothing", "ServiceName": "S3"}
    assert outcome(task.start("DeleteBackendStorage", request, if_missing="skip")) == "skipped"


@pytest.mark.parametrize("member", ["AppId", "BackendEnvironmentName", "TargetEnvironmentName"])
def test_a_start_without_a_name_is_refused_before_its_intent_is_stored(task: Task, member: str) -> None:
    with pytest.raises(BackendParameterError, match=f"{member}='..'"):
        task.start("CloneBackend", {**DELETE, "TargetEnvironmentName": "pr1", member: ".."})
    assert not task.store.history
    assert not task.service.control.journal()
