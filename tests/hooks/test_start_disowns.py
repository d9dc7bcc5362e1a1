"""Whose an adopted job was, as told by what it left, and what is done about a job that was waited for."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendJobTimeoutError, BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.hooks.start import Blocked, Reached, StartOnce
from airflow_provider_amplifybackend.jobs import Job, JobRef
from tests.hooks.test_start import APP, DELETE, STORAGE, Accepted, Store, Task, outcome
from tests.hooks.test_start import task as task

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
    assert isinstance(reached, Reached)
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
    with pytest.raises(BackendRequestError, match=f"CreateBackendStorage .app {APP}.*cannot see what its job has left"):
        attempt.disowns(job)
    assert task.store.intent.job_id == job.job_id


# Waiting for another job


@pytest.fixture
def blocked(task: Task) -> StartOnce:
    task.service.client().delete_backend(**DELETE)
    attempt = task.attempt("CreateBackendStorage", STORAGE)
    assert isinstance(attempt.advance(), Blocked)
    return attempt


def test_the_time_budget_that_ended_while_waiting_for_another_job_says_that_nothing_was_started(
    blocked: StartOnce,
) -> None:
    late = BackendJobTimeoutError(JobRef(APP, "theirs", ("staging",)), waited=60, last_status="RUNNING")
    with pytest.raises(BackendJobTimeoutError, match=r"^CreateBackendStorage.*nothing was started: job theirs"):
        blocked.drive(blocked.protocol.after_wait_in_vain(late))


def test_a_job_that_cannot_be_looked_at_and_is_still_pending_is_an_error(blocked: StartOnce) -> None:
    with pytest.raises(BackendRequestError, match="nothing was started: no such job"):
        blocked.drive(blocked.protocol.after_wait_in_vain(BackendRequestError("no such job")))


def test_a_job_that_cannot_be_looked_at_any_more_is_in_nobodys_way(task: Task, blocked: StartOnce) -> None:
    task.service.control.advance(60)
    blocked.drive(blocked.protocol.after_wait_in_vain(BackendRequestError("no such job")))
