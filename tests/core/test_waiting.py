"""How a job is looked at, and what a wait makes of what it sees: no network, no clock."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import waiting as polling
from airflow_provider_amplifybackend.core.job import Job, JobRef, duration_text
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.schedule import Durations, EarlyEnds, PollSchedule
from airflow_provider_amplifybackend.core.status_check import (
    Condition,
    EnvironmentCondition,
    EnvironmentStatus,
    check,
    check_job,
)
from airflow_provider_amplifybackend.core.timing import REAL_TIME
from airflow_provider_amplifybackend.core.waiting import Wait

APP = "d1"
REF = JobRef(APP, "job-1", ("pr1", "staging"), "CloneBackend")
Answers = Callable[[Call], Mapping[str, Any]]


def refusal(kind: FaultKind = FaultKind.NOT_FOUND, code: str = "NotFoundException") -> ServiceError:
    return ServiceError(kind, "GetBackendJob", code, "words")


def drive(generator: Generator[Call, Mapping[str, Any], Any], answers: Answers) -> tuple[Any, list[Call]]:
    """Answer the calls of a look; return its result and the calls."""
    calls: list[Call] = []
    step: Callable[[], Call] = lambda: next(generator)  # noqa: E731
    while True:
        try:
            call = step()
        except StopIteration as stop:
            return stop.value, calls
        calls.append(call)
        try:
            answer = answers(call)
        except ServiceError as error:
            step = lambda error=error: generator.throw(error)  # type: ignore[misc]  # noqa: E731
        else:
            step = lambda answer=answer: generator.send(answer)  # type: ignore[misc]  # noqa: E731


def lives_in(*environments: str, status: str = "RUNNING") -> Answers:
    def answer(call: Call) -> Mapping[str, Any]:
        if call.operation == "GetBackend":
            return {"AppId": APP, "BackendEnvironmentList": []}
        if call.request["BackendEnvironmentName"] not in environments:
            raise refusal()
        return {"JobId": call.request["JobId"], "Status": status}

    return answer


def test_a_job_is_looked_for_where_it_likeliest_is() -> None:
    job, calls = drive(check_job(REF), lives_in("pr1", "staging"))
    assert (job.status, job.backend_environment_name, job.operation) == ("RUNNING", "pr1", "CloneBackend")
    request = {"AppId": APP, "JobId": "job-1", "BackendEnvironmentName": "pr1"}
    assert calls == [Call("GetBackendJob", request)]


def test_a_job_is_looked_for_in_every_environment_it_may_live_in() -> None:
    job, calls = drive(check_job(REF), lives_in("staging"))
    assert job.backend_environment_name == "staging"
    assert [call.request["BackendEnvironmentName"] for call in calls] == ["pr1", "staging"]


def test_a_job_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(ServiceError) as raised:
        drive(check_job(REF), lives_in())
    assert raised.value.kind is FaultKind.NOT_FOUND


def test_a_job_without_any_environment_is_not_found() -> None:
    with pytest.raises(ServiceError, match="no environment to check for"):
        drive(check_job(JobRef(APP, "job-1", (), "CloneBackend")), lives_in())


def test_another_error_is_not_a_reason_to_look_elsewhere() -> None:
    calls = []

    def answer(call: Call) -> Mapping[str, Any]:
        calls.append(call)
        raise refusal(FaultKind.THROTTLED, "TooManyRequestsException")

    with pytest.raises(ServiceError, match="TooManyRequests"):
        drive(check_job(REF), answer)
    assert len(calls) == 1


def app_of(*environments: str, code: str = "NotFoundException", app_known: bool = True) -> Answers:
    """An app with these environments, which has forgotten all jobs."""

    def answer(call: Call) -> Mapping[str, Any]:
        if call.operation == "GetBackendJob" or not app_known:
            raise refusal(FaultKind.NOT_FOUND if code == "NotFoundException" else FaultKind.REFUSED, code)
        return {"AppId": APP, "BackendEnvironmentList": list(environments)}

    return answer


@pytest.mark.parametrize("code", ["NotFoundException", "ValidationException"])
@pytest.mark.parametrize("app_known", [True, False])
@pytest.mark.parametrize(
    ("operation", "environments"),
    [("DeleteBackend", ("pr1",)), ("RemoveAllBackends", ("pr1",)), ("RemoveAllBackends", ())],
)
def test_a_removal_has_ended_where_what_it_removes_is_gone(
    operation: str, environments: tuple[str, ...], app_known: bool, code: str
) -> None:
    ref = JobRef(APP, "job-1", environments, operation)
    job, _ = drive(check_job(ref), app_of(code=code, app_known=app_known))
    assert (job.is_completed, job.job_id, job.operation) == (True, "job-1", operation)


@pytest.mark.parametrize(
    ("operation", "environments"),
    [
        ("DeleteBackend", ("pr1",)),
        ("RemoveAllBackends", ()),
        ("DeleteBackendAuth", ("gone",)),
        ("CloneBackend", ("gone",)),
    ],
)
def test_a_job_that_is_forgotten_has_not_ended(operation: str, environments: tuple[str, ...]) -> None:
    with pytest.raises(ServiceError):
        drive(check_job(JobRef(APP, "job-1", environments, operation)), app_of("pr1", "staging"))


@pytest.mark.parametrize("environments", [("gone",), ("gone", "staging"), ("staging", "gone")])
def test_a_forgotten_creation_of_what_does_not_exist_says_what_that_means(environments: tuple[str, ...]) -> None:
    ref = JobRef(APP, "job-1", environments, "CloneBackend")
    with pytest.raises(ServiceError, match="does not exist either: the job failed") as raised:
        drive(check_job(ref), app_of("staging"))
    assert raised.value.kind is FaultKind.NOT_FOUND


def test_a_refusal_that_is_not_about_missing_is_kept() -> None:
    with pytest.raises(ServiceError, match="ValidationException"):
        drive(check_job(REF), app_of("pr1", code="ValidationException"))


# Environments


@pytest.mark.parametrize(
    ("condition", "environment", "finished"),
    [("exists", "pr1", True), ("exists", "pr2", False), ("gone", "pr1", False), ("gone", "pr2", True)],
)
def test_an_environment_exists_or_is_gone(condition: str, environment: str, finished: bool) -> None:
    seen, _ = drive(check(EnvironmentCondition(APP, environment, Condition(condition))), app_of("pr1"))
    assert seen.is_finished is finished


@pytest.mark.parametrize(("last", "finished"), [("COMPLETED", True), ("RUNNING", False), ("BREWING", False)])
def test_an_environment_is_idle_when_no_page_lists_a_pending_job(last: str, finished: bool) -> None:
    pages: dict[str | None, dict[str, Any]] = {
        None: {"Jobs": [{"JobId": "a", "Status": "FAILED"}], "NextToken": "next"},
        "next": {"Jobs": [{"JobId": "b", "Status": last}]},
    }
    awaited = EnvironmentCondition(APP, "pr1", Condition.IDLE)
    seen, calls = drive(check(awaited), lambda call: pages[call.request.get("NextToken")])
    assert seen.is_finished is finished
    assert len(calls) == 2


# What a wait makes of it


@pytest.fixture
def wait() -> Wait:
    return Wait(REF, deadline=100, started=0)


def seen(status: str | None) -> Job:
    return Job(APP, "pr1", "job-1", status=status)


def test_a_change_is_noted_once(wait: Wait) -> None:
    notes = [wait.saw(seen(status)) for status in ("PENDING", "PENDING", "RUNNING", "RUNNING", "COMPLETED")]
    assert [note and note.text() for note in notes] == [
        f"PENDING: {REF}",
        None,
        f"RUNNING (was PENDING): {REF}",
        None,
        f"COMPLETED (was RUNNING): {REF}",
    ]


def test_an_unknown_status_keeps_waiting_and_is_said_once(wait: Wait) -> None:
    first, second = wait.saw(seen("BREWING")), wait.saw(seen("BREWING"))
    assert first
    assert "unknown to this version; still waiting" in first.text()
    assert second is None
    assert not seen("BREWING").is_finished


def test_an_error_is_noted_once_and_so_is_its_end(wait: Wait) -> None:
    throttled = refusal(FaultKind.THROTTLED, "TooManyRequestsException")
    wait.saw(seen("RUNNING"))
    notes = [wait.missed(throttled, 1), wait.missed(throttled, 2), wait.saw(seen("RUNNING"))]
    assert notes[0]
    assert "TooManyRequestsException" in notes[0].text()
    assert notes[0].level == logging.WARNING
    assert notes[1] is None
    assert notes[2]
    assert notes[2].text() == f"RUNNING, status checks succeed again: {REF}"
    assert wait.last_error is None


@pytest.mark.parametrize("kind", [FaultKind.THROTTLED, FaultKind.UNSENT, FaultKind.UNCLEAR, FaultKind.EXPIRED], ids=str)
def test_what_can_pass_does_not_end_a_wait(wait: Wait, kind: FaultKind) -> None:
    for now in range(0, 10_000, 100):
        wait.missed(refusal(kind, "X"), now)
    assert wait.last_error


@pytest.mark.parametrize("kind", [FaultKind.REFUSED, FaultKind.SETUP], ids=str)
def test_what_cannot_pass_ends_a_wait(wait: Wait, kind: FaultKind) -> None:
    error = refusal(kind, "AccessDeniedException")
    with pytest.raises(ServiceError) as raised:
        wait.missed(error, 0)
    assert raised.value is error


def test_credentials_that_have_just_worked_are_waited_for_and_others_are_a_mistake(wait: Wait) -> None:
    error = refusal(FaultKind.CREDENTIALS, "NoCredentialsError")
    with pytest.raises(ServiceError):
        wait.missed(error, 0)
    wait.connection_works = True
    for now in range(0, 10_000, 100):
        wait.missed(error, now)


def test_each_kind_of_error_is_logged_once_until_an_answer_comes(wait: Wait) -> None:
    throttled, lost = refusal(FaultKind.THROTTLED, "Throttled"), refusal(FaultKind.UNCLEAR, "Lost")
    assert [bool(wait.missed(error, 1)) for error in (throttled, lost, throttled, lost)] == [True, True, False, False]
    wait.saw(seen("RUNNING"))
    assert wait.missed(throttled, 2)


def test_an_error_that_nobody_can_explain_is_a_hiccup_only_for_a_few_looks(wait: Wait) -> None:
    odd = ServiceError(FaultKind.UNCLEAR, "GetBackendJob", "TypeError", "words", is_unexplained=True)
    for now in range(polling.UNEXPLAINED_PATIENCE):
        wait.missed(odd, now)
    with pytest.raises(ServiceError, match="TypeError"):
        wait.missed(odd, 9)


def test_a_silent_wait_is_not_ended_by_errors_nor_by_a_failed_job() -> None:
    silent = Wait(REF, deadline=100, started=0, silent_fail=True)
    assert silent.missed(refusal(FaultKind.SETUP, "AccessDeniedException"), 1)
    assert not silent.is_ended_by(seen("FAILED"))
    assert silent.is_ended_by(seen("COMPLETED"))
    with pytest.raises(ServiceError):
        silent.missed(refusal(FaultKind.SETUP, "ParamValidationError"), 1)


def test_a_failed_job_is_a_warning_and_its_line_says_how_long_it_took(wait: Wait) -> None:
    note = wait.saw(Job(APP, "pr1", "job-1", status="FAILED", create_time_ms=1_000, update_time_ms=223_000))
    assert note
    assert (note.level, note.text()) == (logging.WARNING, f"FAILED after 3 min 42 s: {REF}")


def test_a_task_that_waits_says_so_from_time_to_time(wait: Wait) -> None:
    wait.saw(seen("RUNNING"))
    times = [0, 1, REAL_TIME.report_every, REAL_TIME.report_every + 1, 2 * REAL_TIME.report_every]
    lines = [wait.due_report(now, 222) for now in times]
    assert [bool(line) for line in lines] == [False, False, True, False, True]
    assert lines[2]
    assert lines[2].text(8) == (
        "RUNNING, still waiting after 3 min 0 s; such jobs usually take 3 min 42 s; timing out at "
        f"1970-01-01T00:01:40.000+00:00; next status check in 8 s: {REF}"
    )


def test_the_line_of_a_waiting_task_names_the_trouble_that_there_is(wait: Wait) -> None:
    wait.due_report(0)
    wait.missed(refusal(FaultKind.THROTTLED, "Throttled"), 1)
    line = wait.due_report(REAL_TIME.report_every)
    assert line
    assert line.level == logging.WARNING
    assert line.what.startswith("Not observed yet, still waiting after ")
    assert line.what.endswith("last error: GetBackendJob: Throttled: words")


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_durations_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_job_that_was_not_seen_yet_may_be_missed_for_a_while(wait: Wait) -> None:
    wait.missed(refusal(), 500)
    wait.missed(refusal(), 500 + REAL_TIME.not_found_patience - 1)
    with pytest.raises(ServiceError):
        wait.missed(refusal(), 500 + REAL_TIME.not_found_patience)


def test_a_job_that_was_seen_may_not_vanish(wait: Wait) -> None:
    wait.saw(seen("RUNNING"))
    with pytest.raises(ServiceError):
        wait.missed(refusal(), 1)


def test_a_wait_is_over_at_its_deadline(wait: Wait) -> None:
    assert [wait.is_over(now) for now in (99.9, 100, 101)] == [False, True, True]
    assert [wait.until_deadline(now) for now in (40, 100, 101)] == [60, 0, 0]


def test_what_is_seen_of_an_environment_is_never_an_unknown_status() -> None:
    wait = Wait(EnvironmentCondition(APP, "pr1", Condition.EXISTS), deadline=1, started=0)
    note = wait.saw(EnvironmentStatus("gone", is_finished=False))
    assert note
    assert "does not know" not in note.text()


# When to look


@pytest.mark.parametrize("waiter_delay", [0.1, 1, 3, 10, 30, 600])
def test_one_look_comes_soon_and_none_later_than_the_longest_delay(waiter_delay: float) -> None:
    schedule = PollSchedule(waiter_delay)
    delays = [schedule.next_delay()]
    while len(delays) < 200:
        delays.append(schedule.next_delay(sum(delays)))
    assert 0 < delays[0] <= min(waiter_delay, REAL_TIME.first_check)
    assert all(0 < delay <= waiter_delay for delay in delays)


@pytest.mark.parametrize("durations", [(), (90, 91, 89)])
@pytest.mark.parametrize("age", [0, 100, 2399, 2401, 90_000])
def test_a_delay_of_days_is_held_at_any_age(durations: tuple[float, ...], age: float) -> None:
    schedule = PollSchedule(172_800, Durations.of(durations))
    schedule.next_delay()
    assert 0 < schedule.next_delay(age) <= 172_800


@pytest.mark.parametrize(("beside", "least", "most"), [(0, 3, 4), (40, 3, 4), (100, 6, 8), (1000, 9, 12)])
def test_the_early_check_comes_a_little_later_beside_many_waits(beside: int, least: float, most: float) -> None:
    for _ in range(50):
        assert least <= PollSchedule(30, beside=beside).first_delay() <= most


def test_an_early_check_is_given_up_where_it_has_found_nothing_a_dozen_times() -> None:
    ends = EarlyEnds()
    for _ in range(12):
        assert PollSchedule(30, early_ends=ends).next_delay() <= REAL_TIME.first_check
        ends.note(False)
    assert PollSchedule(30, early_ends=ends).next_delay() > REAL_TIME.first_check


def test_jobs_that_end_early_bring_the_early_check_back() -> None:
    ends = EarlyEnds()
    for has_ended in (*[False] * 200, *[True] * 5):
        ends.note(has_ended)
    assert PollSchedule(30, early_ends=ends).next_delay() <= REAL_TIME.first_check


def test_an_early_check_that_is_due_becomes_one_in_vain_by_what_others_found() -> None:
    ends = EarlyEnds()
    schedule = PollSchedule(30, early_ends=ends)
    schedule.next_delay()
    in_vain = [schedule.is_in_vain]
    for _ in range(12):
        ends.note(False)
    in_vain.append(schedule.is_in_vain)
    schedule.next_delay(12)
    in_vain.append(schedule.is_in_vain)
    assert in_vain == [False, True, False]


def test_known_durations_and_environments_have_no_part_in_early_checks() -> None:
    known = PollSchedule(30, Durations.of([90, 91, 89]), early_ends=EarlyEnds())
    known.next_delay()
    assert not known.is_early
    environment = PollSchedule(30)
    environment.next_delay()
    assert environment.is_early
    assert not environment.is_in_vain


def test_without_a_history_looks_are_dense_where_jobs_of_this_service_end() -> None:
    def after(age: float) -> float:
        schedule = PollSchedule(30)
        schedule.next_delay()
        return statistics.median(schedule.next_delay(age) for _ in range(50))

    assert after(5) > 20
    assert after(200) < 20


def test_waits_that_begin_together_do_not_stay_together() -> None:
    assert len({PollSchedule(30).next_delay() for _ in range(50)}) > 40


def test_a_longest_delay_that_is_changed_later_holds_at_once() -> None:
    schedule = PollSchedule(30)
    for _ in range(20):
        schedule.next_delay()
    schedule.waiter_delay = 1
    assert schedule.next_delay() <= 1


@pytest.mark.parametrize("age", [0, 100, 190, 230, 250, 1000])
def test_known_durations_never_make_a_look_later_than_the_longest_delay(age: float) -> None:
    schedule = PollSchedule(30, Durations.of([222, 228, 239]))
    assert 0 < schedule.next_delay(age) <= 30


def test_looks_are_dense_where_such_jobs_end() -> None:
    expected = Durations.of([222, 228, 239])
    assert expected
    dense = [PollSchedule(30, expected).next_delay(230) for _ in range(20)]
    early = [PollSchedule(30, expected).next_delay(10) for _ in range(20)]
    assert max(dense) < min(early)


def test_a_wait_that_was_begun_elsewhere_looks_at_once() -> None:
    for expected in (None, Durations.of([90, 91, 89])):
        assert PollSchedule(3600, expected).first_delay(300) < 1
    assert PollSchedule(3600, Durations.of([90, 91, 89])).first_delay(1) > 10


def test_no_durations_are_no_expectation() -> None:
    assert Durations.of([]) is None
    assert Durations.of([0, -1]) is None
