"""The event between triggerer and worker, which may run different versions of this package."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition, EnvironmentStatus
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendJobTimeoutError,
    BackendRequestError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.triggers import _events as events

REF = JobRef("d1", "job-1", ("pr1", "staging"), "CloneBackend")
JOB = Job("d1", "pr1", "job-1", "CloneBackend", "COMPLETED", None, 1, 2)
FINISHED = events.finished(REF, JOB)
# As version 0.1 writes them: what a triggerer has yielded, a newer worker must read.
GOLDEN_FINISHED = {
    "version": 1,
    "kind": "finished",
    "job": {
        "app_id": "d1",
        "backend_environment_name": "pr1",
        "job_id": "job-1",
        "operation": "CloneBackend",
        "status": "COMPLETED",
        "error": None,
        "create_time_ms": 1,
        "update_time_ms": 2,
    },
}
GOLDEN_TIMEOUT = {
    "version": 1,
    "kind": "timeout",
    "ref": {"app_id": "d1", "job_id": "job-1", "environments": ["pr1", "staging"], "operation": "CloneBackend"},
    "waited": 12.0,
    "last_status": "RUNNING",
    "last_error": None,
}


def test_events_are_written_as_they_always_were() -> None:
    wait = Wait(REF, deadline=12, started=0)
    wait.last_status = "RUNNING"
    assert FINISHED == GOLDEN_FINISHED
    assert events.timed_out(wait, 12.0) == GOLDEN_TIMEOUT
    assert events.error("why") == {"version": 1, "kind": "error", "message": "why"}


def test_an_ended_job_is_read() -> None:
    assert events.job_of_event(GOLDEN_FINISHED) == JOB


def test_a_newer_event_with_more_members_is_read() -> None:
    newer = GOLDEN_FINISHED | {"version": 2, "more": 1, "job": {**GOLDEN_FINISHED["job"], "colour": "blue"}}  # type: ignore[dict-item]
    assert events.job_of_event(newer) == JOB


def job_event(**changes: Any) -> dict[str, Any]:
    return GOLDEN_FINISHED | {"job": {**GOLDEN_FINISHED["job"], **changes}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "event",
    [
        None,
        "success",
        "failed",
        "",
        True,
        42,
        [],
        {},
        [GOLDEN_FINISHED],
        {"status": "success"},
        {"status": "success", "job_id": "job-1"},
        {"kind": "finished"},
        {"kind": "finished", "job": None},
        {"kind": "finished", "job": "job-1"},
        {"kind": "finished", "job": {}},
        {"kind": "success", "job": GOLDEN_FINISHED["job"]},
        {"kind": ["finished"], "job": GOLDEN_FINISHED["job"]},
        job_event(status="RUNNING"),
        job_event(status=None),
        job_event(status="completed"),
        job_event(job_id=None),
        job_event(job_id=""),
        {"kind": "timeout"},
        {"kind": "timeout", "ref": {}, "waited": 1},
        GOLDEN_TIMEOUT | {"waited": "long"},
        {"kind": "error"},
        events.finished(EnvironmentCondition("d1", "pr1", Condition.EXISTS), EnvironmentStatus("exists", True)),
    ],
    ids=repr,
)
def test_what_says_nothing_is_never_success(event: Any) -> None:
    with pytest.raises(AmplifyBackendError, match="Unusable event") as raised:
        events.job_of_event(event)
    assert type(raised.value) is AmplifyBackendError


def test_an_unusable_event_is_described_without_its_content() -> None:
    with pytest.raises(AmplifyBackendError) as raised:
        events.job_of_event({"kind": "other", "secret": "hush"})
    assert "hush" not in str(raised.value)
    assert "secret" in str(raised.value)


def test_a_time_out_is_raised_with_all_that_the_trigger_knew() -> None:
    with pytest.raises(BackendJobTimeoutError) as raised:
        events.job_of_event(GOLDEN_TIMEOUT | {"last_error": "GetBackendJob: 429"})
    words = str(raised.value)
    assert all(word in words for word in ("job-1", "pr1 or staging", "12 s", "RUNNING", "GetBackendJob: 429"))


def test_a_time_out_of_a_job_without_an_environment_is_still_one() -> None:
    with pytest.raises(BackendJobTimeoutError):
        events.job_of_event(GOLDEN_TIMEOUT | {"ref": {"app_id": "d1", "job_id": "job-1", "environments": []}})


def test_an_error_is_raised_with_the_triggers_words() -> None:
    with pytest.raises(BackendRequestError, match=r"^the connection is gone$"):
        events.job_of_event(events.error("the connection is gone"))


def test_the_end_of_an_environments_wait_is_only_for_its_own_target() -> None:
    awaited = EnvironmentCondition("d1", "pr1", Condition.GONE)
    event = events.finished(awaited, EnvironmentStatus("gone", True))
    assert events.check_event(event, awaited) == "gone"
    for other in (
        EnvironmentCondition("d1", "pr2", Condition.GONE),
        EnvironmentCondition("d1", "pr1", Condition.EXISTS),
    ):
        with pytest.raises(AmplifyBackendError, match="Unusable event"):
            events.check_event(event, other)


def test_a_time_out_of_an_environment_is_its_own() -> None:
    wait = Wait(EnvironmentCondition("d1", "pr1", Condition.IDLE), deadline=12, started=0)
    with pytest.raises(BackendTimeoutError, match=r"pr1.*no pending job"):
        events.check_event(events.timed_out(wait, 12.0), EnvironmentCondition("d1", "pr1", Condition.IDLE))
