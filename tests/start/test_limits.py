"""The numbers and names of a start: how often, how long, until when, and what is stored of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.timing import Timing
from airflow_provider_amplifybackend.exceptions import BackendRequestError, BackendStartError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.start.actions import StartPolicy, StartResult
from airflow_provider_amplifybackend.start.driver import StartOnce
from airflow_provider_amplifybackend.start.intent import STORE_KEY
from airflow_provider_amplifybackend.start.report import report
from airflow_provider_amplifybackend.start.sending import Fence
from tests.not_started import not_started
from tests.samples import APP
from tests.start.test_once import CLONE, DELETE, STORAGE, Accepted, Task, outcome
from tests.start.test_once import task as task
from tests.state_store import StateStore

LOG = logging.getLogger("start")


class Pauses:
    """Takes the place of a sleep: the service's time passes, and the seconds are written down."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(round(seconds, 1))
        self.task.sleep(seconds)

    def of(self, attempt: StartOnce) -> StartOnce:
        attempt.protocol.timing = replace(attempt.protocol.timing, sleep=self)
        return attempt


@pytest.fixture
def pauses(task: Task) -> Pauses:
    return Pauses(task)


# Names


def test_running_tasks_have_stored_their_start_under_this_key(task: Task) -> None:
    task.start()
    assert [*task.store.content] == [STORE_KEY] == ["amplifybackend_start"]


def test_a_start_is_careful_where_nothing_else_is_wanted() -> None:
    policy = StartPolicy()
    assert (policy.on_pending_job, policy.if_exists, policy.if_missing) == ("wait", "fail", "fail")
    assert policy.patience == 60.0


# Numbers


@pytest.mark.parametrize(("passed", "fresh"), [(5.0, True), (5.001, False)])
def test_the_right_to_send_lasts_five_seconds(passed: float, fresh: bool) -> None:
    clock = [1000.0]
    fence = Fence(Timing(monotonic=lambda: clock[0], now=lambda: 1000.0))
    clock[0] += passed
    assert fence.is_fresh() is fresh


def test_a_throttled_start_is_sent_again_ever_later_up_to_half_a_minute(
    task: Task, pauses: Pauses, accepted: Accepted
) -> None:
    task.service.control.add_fault("CloneBackend", kind="throttle", times=6)
    assert outcome(pauses.of(task.attempt(seconds=600)).advance()) == "started"
    assert pauses.seconds == [3, 6, 12, 24, 30, 30]
    assert len(accepted("CloneBackend")) == 1


def test_a_throttled_start_is_not_sent_again_where_that_would_be_too_late(task: Task, pauses: Pauses) -> None:
    task.service.control.add_fault("CloneBackend", kind="throttle", times=1)
    with pytest.raises(BackendRequestError, match="TooManyRequestsException"):
        pauses.of(task.attempt(seconds=2.5)).advance()
    assert pauses.seconds == []


def test_a_refusal_that_nothing_explains_is_tried_five_times(task: Task, pauses: Pauses) -> None:
    task.service.control.add_fault("CloneBackend", kind="pending")
    with pytest.raises(BackendRequestError, match="ValidationException"):
        pauses.of(task.attempt(patience=0)).advance()
    assert pauses.seconds == [2, 2, 2, 2]
    assert len(task.service.control.journal("CloneBackend")) == 5


def test_a_refusal_that_nothing_explains_is_final_where_we_are_not_to_wait(task: Task, pauses: Pauses) -> None:
    """However patient the task is otherwise."""
    task.service.control.add_fault("CloneBackend", kind="pending")
    with pytest.raises(BackendRequestError, match="ValidationException"):
        pauses.of(task.attempt(patience=60, on_pending_job="fail")).advance()
    assert len(task.service.control.journal("CloneBackend")) == 5


def test_refusals_are_counted_anew_after_one_that_a_job_explains(task: Task, accepted: Accepted) -> None:
    """Four without an explanation, then somebody's job, then four more."""
    control = task.service.control
    control.seed_app(APP, {"name": "staging", "auth": {"main": None}})

    class Between(AmplifyBackendHook):
        def prepare_start(self) -> None:
            super().prepare_start()
            if len(control.journal("CreateBackendStorage")) == 4:
                task.service.client().delete_backend_auth(**DELETE, ResourceName="main")

    control.add_fault("CreateBackendStorage", kind="pending", times=4)
    attempt = task.attempt("CreateBackendStorage", STORAGE, patience=0, hook=Between())
    blocked = attempt.advance()
    assert blocked.job is not None
    assert blocked.job.operation == "DeleteBackendAuth"
    control.advance(60)
    control.add_fault("CreateBackendStorage", kind="pending", times=4)
    assert outcome(attempt.advance()) == "started"
    assert len(control.journal("CreateBackendStorage")) == 10
    assert len(accepted("CreateBackendStorage")) == 1


def test_the_last_pause_ends_with_the_time_budget(task: Task, pauses: Pauses) -> None:
    task.service.control.add_fault("CloneBackend", kind="pending")
    with pytest.raises((BackendRequestError, BackendStartError)):
        pauses.of(task.attempt(seconds=1)).advance()
    assert pauses.seconds
    assert max(pauses.seconds) <= 1.0


# What is reached


def test_what_is_reached_tells_how_long_earlier_jobs_took(task: Task) -> None:
    control = task.service.control
    first = task.start("CreateBackendStorage", STORAGE)
    assert isinstance(first, StartResult)
    assert first == replace(first, durations=())
    task.end(first)
    task.report(first)
    task.service.client().delete_backend_storage(**DELETE, ResourceName="files", ServiceName="S3")
    control.advance(60)
    second = Task(task.service).start("CreateBackendStorage", STORAGE)
    assert isinstance(second, StartResult)
    assert second.durations == (10.0,)


# Reports


@pytest.fixture
def started(task: Task) -> Job:
    job = task.start().job
    assert job is not None
    return job


def test_a_task_reports_its_job_once(task: Task, started: Job) -> None:
    before = len(task.store.history)
    report(task.store, started, LOG)
    report(task.store, started, LOG)
    assert task.store.intent.reported
    assert len(task.store.history) == before + 1


def test_a_task_does_not_report_another_job_as_its_own(task: Task, started: Job) -> None:
    report(task.store, replace(started, job_id="theirs"), LOG)
    assert not task.store.intent.reported


def test_a_report_needs_neither_a_store_nor_a_start(
    started: Job, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(None, started, LOG)
    empty = StateStore()
    report(empty, started, LOG)
    assert not empty.content
    assert not caplog.records


def test_a_failure_and_its_clean_up_are_stored(task: Task, started: Job) -> None:
    attempt = task.attempt()
    attempt.drive(attempt.protocol.note_failure())
    assert task.store.intent.job_failed
    attempt.drive(attempt.protocol.note_cleaned())
    assert task.store.intent.target_existed is True
    assert task.store.intent.job_id == started.job_id


def test_without_a_start_nothing_is_stored_of_its_failure(task: Task) -> None:
    attempt = task.attempt()
    attempt.drive(attempt.protocol.note_failure())
    attempt.drive(attempt.protocol.note_cleaned())
    assert not task.store.content


def test_each_decision_is_logged_once(task: Task, caplog: pytest.LogCaptureFixture, pauses: Pauses) -> None:
    caplog.set_level("INFO", logger="start")
    task.service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=10, times=1)
    pauses.of(task.attempt(patience=60)).advance()
    lines = [record.getMessage() for record in caplog.records if record.name == "start"]
    assert len(lines) == len(set(lines))
    assert pauses.seconds == [2] * len(pauses.seconds)


# What the time budget ends


def test_a_job_that_does_not_show_ends_with_the_time_budget(
    task: Task, monkeypatch: pytest.MonkeyPatch, frozen_out: Callable[[StartOnce], Any]
) -> None:
    task.service.control.add_fault("CloneBackend", kind="timeout_before", times=1)
    with not_started(StartFailure.OUT_OF_TIME, match="answer to the last start"):
        frozen_out(task.attempt(request=CLONE, patience=60))
    assert len(task.service.control.journal("CloneBackend")) == 1


@pytest.fixture
def frozen_out(task: Task) -> Callable[[StartOnce], Any]:
    """Runs an attempt whose time budget ends with its first pause."""

    def run(attempt: StartOnce) -> Any:
        def sleep(seconds: float) -> None:
            attempt.protocol.deadline = time.time()

        attempt.protocol.timing = replace(attempt.protocol.timing, sleep=sleep)
        return attempt.advance()

    return run
