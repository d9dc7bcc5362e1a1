"""The start protocol, action by action: what it looks at, stores, sends and waits for, and in which order.

Each action is answered by hand (see by_hand.py), so that these tests need milliseconds. They are the first of
`make test-mutants`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome
from airflow_provider_amplifybackend.core.operations import Effect
from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import (
    BackendJobTimeoutError,
    BackendParameterError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.retries import Action, advice_for
from airflow_provider_amplifybackend.start.actions import AwaitEnd, Obstacle, Save, StartPolicy, StartResult, Whose
from airflow_provider_amplifybackend.start.course import after_failed_wait, resume, resume_after_other, run
from airflow_provider_amplifybackend.start.driver import StartOnce
from airflow_provider_amplifybackend.start.fresh_start import accepted_instead
from airflow_provider_amplifybackend.start.intent import STORE_KEY, Disowned, Intent, arrived, travelling
from airflow_provider_amplifybackend.start.observation import ServiceClock
from airflow_provider_amplifybackend.start.protocol import StartProtocol
from airflow_provider_amplifybackend.start.report import report
from airflow_provider_amplifybackend.start.sending import Fence
from tests.start.by_hand import APP, BEGINNING, CLEARED, FIRST, Hand, fault, missing, ms, refused, row

CREATE = {"AppId": APP, "AppName": "shop", "BackendEnvironmentName": "pr"}
CLONE = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr"}
STORAGE = {
    "AppId": APP,
    "BackendEnvironmentName": "staging",
    "ResourceName": "files",
    "ResourceConfig": {"ServiceName": "S3", "Permissions": {"Authenticated": ["READ"]}},
}
DELETE_STORAGE = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "files", "ServiceName": "S3"}
LOST = fault(FaultKind.UNCLEAR, "ReadTimeout", "no answer")
BUSY = fault(FaultKind.THROTTLED, "TooManyRequestsException", "slow down")


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level("INFO", logger="start")
    return lambda: [f"{record.levelname} {record.getMessage()}" for record in caplog.records if record.name == "start"]


def outcome(step: StartResult | Obstacle) -> str:
    assert isinstance(step, StartResult), step
    return str(step.outcome)


def intent_of(start: StartProtocol, **changes: Any) -> Intent:
    """An intent that an earlier try of this task has stored."""
    return replace(
        Intent(start.operation.name, APP, start.digest, FIRST, ms(), environments=("pr",), sent_in_try=1, starts=1),
        **changes,
    )


def with_intent(hand: Hand, *arguments: Any, changes: dict[str, Any] | None = None, **options: Any) -> StartProtocol:
    """A start that finds this intent in its store."""
    intent = intent_of(hand.start(*arguments, **options), **(changes or {}))
    hand.content[STORE_KEY] = intent.to_stored()
    return hand.start(*arguments, **options)


# The plain case


def test_a_start_looks_stores_and_sends_in_this_order(hand: Hand) -> None:
    start = hand.start()
    reached = hand.run(start.advance())
    assert hand.kinds == ["ListBackendJobs", "GetBackend", "Prepare", "Save", "SendStart", "Save"]
    assert reached == StartResult(
        Outcome.STARTED, Job(APP, "pr", "ours", "CreateBackend", "RUNNING", create_time_ms=ms())
    )
    before, after = hand.saved
    assert before == Intent(
        "CreateBackend",
        APP,
        start.digest,
        FIRST,
        ms() - 1,
        environments=("pr",),
        target_existed=False,
        resent_time_ms=ms() - 1,
        starts=1,
        sent_in_try=1,
    )
    assert after == replace(before, job_id="ours", job_environment="pr")
    assert start.intent == after == hand.stored


def test_a_start_by_the_services_clock_takes_the_end_of_its_second(hand: Hand) -> None:
    """The header names whole seconds, and of those the last moment, less the resolution, is the earliest."""
    hand.rows = {"pr": []}
    hand.skew = 5_000.0
    hand.run(hand.start().advance())
    assert hand.saved[0].service_time_ms == ms() + 999 - 1_000


def test_without_a_store_nothing_is_saved_and_the_intent_is_known_all_the_same(hand: Hand) -> None:
    start = hand.start(has_store=False)
    assert outcome(hand.run(start.advance())) == "started"
    assert not hand.saved
    assert start.intent is not None
    assert start.intent.job_id == "ours"


def test_a_start_is_careful_and_patient_where_nothing_else_is_wanted() -> None:
    policy = StartPolicy()
    assert (policy.on_pending_job, policy.if_exists, policy.if_missing) == ("wait", "fail", "fail")
    assert policy.patience == 60.0


def test_running_tasks_have_stored_their_start_under_this_key(hand: Hand) -> None:
    hand.run(hand.start().advance())
    assert [*hand.content] == ["amplifybackend_start"]


def test_the_intent_lies_under_the_key_that_is_named(hand: Hand) -> None:
    hand.run(hand.start(key="another").advance())
    assert [*hand.content] == ["another"]


def test_a_run_announces_its_job_and_waits_for_its_end(hand: Hand) -> None:
    start = hand.start()
    done = Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")
    hand.ends = [done]
    assert hand.run(run(start)) == StartResult(Outcome.STARTED, done)
    assert hand.announced == ["ours"]
    [wait] = hand.awaited
    assert wait == AwaitEnd(JobRef(APP, "ours", ("pr",), "CreateBackend"), Whose.OWN, Outcome.STARTED)
    assert hand.kinds[-3:] == ["Announce", "GetBackendJob", "AwaitEnd"]


def test_a_wait_knows_when_its_job_was_created_as_soon_as_the_service_shows_it(hand: Hand) -> None:
    hand.answers = {
        "CreateBackend": Job(APP, "pr", "ours", "CreateBackend", "RUNNING"),
        "GetBackendJob": row("ours", "CreateBackend", at=3.0),
    }
    hand.ends = [Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")]
    hand.run(run(hand.start()))
    assert [wait.created_ms for wait in hand.awaited] == [ms(3.0)]


def test_a_run_that_is_not_to_wait_ends_with_the_running_job(hand: Hand) -> None:
    reached = hand.run(run(hand.start(), wait=False))
    assert reached.job is not None
    assert reached.job.status == "RUNNING"
    assert hand.announced == ["ours"]
    assert hand.kinds[-1] == "Announce"


def test_a_run_waits_unless_it_is_told_not_to(hand: Hand) -> None:
    hand.ends = [Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")]
    hand.run(run(hand.start()))
    assert len(hand.awaited) == 1


def test_a_job_that_has_ended_already_is_not_waited_for(hand: Hand) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "job_environment": "pr"})
    hand.rows = {"pr": [row("ours", "CreateBackend", "COMPLETED")]}
    reached = hand.run(run(start))
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    assert reached.job.is_completed
    assert not hand.awaited
    # Not looked at once more than to know it, either.
    assert len(hand.calls("GetBackendJob")) == 1


def test_a_job_that_ends_between_two_looks_is_not_waited_for(hand: Hand) -> None:
    start = hand.start()
    hand.answers["GetBackendJob"] = row("ours", "CreateBackend", "COMPLETED")
    reached = hand.run(run(start))
    assert reached.job is not None
    assert reached.job.is_completed
    assert not hand.awaited


def test_a_first_look_that_fails_is_no_reason_not_to_wait(hand: Hand, lines: Any) -> None:
    hand.answers["GetBackendJob"] = BUSY
    hand.ends = [Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")]
    assert hand.run(run(hand.start())).job == Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")
    assert len(hand.awaited) == 1
    assert any("Still waiting after a failed status check (AnOperation: TooMany" in line for line in lines())


def test_a_first_look_returns_the_job(hand: Hand) -> None:
    hand.rows = {"pr": [row("ours", "CreateBackend", "FAILED")]}
    seen = hand.run(hand.start().first_check(JobRef(APP, "ours", ("pr",), "CreateBackend")))
    assert seen is not None
    assert seen.is_failed


def test_nothing_to_start_is_announced_without_a_job(hand: Hand) -> None:
    hand.environments = ["staging", "pr"]
    reached = hand.run(run(hand.start(policy={"if_exists": "skip"}), wait=False))
    assert reached == StartResult(Outcome.FOUND)
    assert hand.announced == [None]


def test_a_start_without_an_environment_is_named_by_its_app(hand: Hand) -> None:
    with pytest.raises(BackendStartError, match=rf"^RemoveAllBackends \(app {APP}\): time budget exceeded"):
        hand.run(hand.start("RemoveAllBackends", {"AppId": APP}, seconds=0).advance())


def test_what_is_reached_tells_how_long_earlier_jobs_took(hand: Hand) -> None:
    hand.rows = {"pr": [row("old", "CreateBackend", "COMPLETED", at=-100, UpdateTime=str(ms(-93)))]}
    hand.ends = [Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")]
    reached = hand.run(run(hand.start()))
    assert reached.durations == (7.0,)
    assert hand.awaited[0].durations == (7.0,)


# Where a job may live


@pytest.mark.parametrize(
    ("operation", "request_", "environment", "places"),
    [
        ("CloneBackend", CLONE, "", ("pr", "staging")),
        ("CloneBackend", CLONE, "staging", ("staging", "pr")),
        ("RemoveAllBackends", {"AppId": APP}, "", ("staging", "dev")),
        ("RemoveAllBackends", {"AppId": APP}, "dev", ("dev",)),
    ],
)
def test_a_job_is_looked_for_where_the_answer_and_then_the_request_say(
    hand: Hand, operation: str, request_: dict[str, Any], environment: str, places: tuple[str, ...]
) -> None:
    hand.environments = ["staging", "..", "dev"]
    start = hand.start(operation, request_)
    place = hand.run(start.place_of(Job(APP, environment, "ours")))
    assert place == JobRef(APP, "ours", places, operation)
    assert bool(hand.calls("GetBackend")) is (places == ("staging", "dev"))


def test_the_job_of_a_removal_is_looked_for_where_there_were_environments_before_it(hand: Hand) -> None:
    start = hand.start("RemoveAllBackends", {"AppId": APP})
    hand.run(start.observe())
    hand.environments = []
    assert hand.run(start.place_of(Job(APP, "", "ours"))).environments == ("staging",)


def test_jobs_are_listed_in_every_environment_that_the_request_names(hand: Hand) -> None:
    hand.run(hand.start("CloneBackend", CLONE).advance())
    assert hand.looked == ["pr", "staging"]
    assert hand.saved[0].environments == ("pr", "staging")


def test_where_the_request_names_none_jobs_are_listed_in_all_that_can_be_named(hand: Hand) -> None:
    hand.environments = ["staging", "..", "dev"]
    hand.run(hand.start("RemoveAllBackends", {"AppId": APP}).advance())
    assert hand.looked == ["staging", "dev"]


def test_rows_are_completed_by_where_they_were_found(hand: Hand) -> None:
    hand.rows = {"pr": [row("a", "CreateBackend"), row("b", "CreateBackend", AppId="x", BackendEnvironmentName="y")]}
    listed = hand.run(hand.start().observer.jobs(("pr",)))
    assert [(job.app_id, job.backend_environment_name) for job in listed] == [(APP, "pr"), ("x", "y")]
    assert hand.calls("ListBackendJobs")[0]["AppId"] == APP
    [job] = hand.run(hand.start().observer.jobs(("pr",), "other"))[:1]
    assert job.app_id == "other"
    assert hand.calls("ListBackendJobs")[1]["AppId"] == "other"


def test_a_list_that_cannot_be_read_names_where(hand: Hand) -> None:
    hand.answers["ListBackendJobs"] = BUSY
    with pytest.raises(BackendRequestError, match=f"for AppId={APP}, BackendEnvironmentName=pr: slow down"):
        hand.run(hand.start().observer.jobs(("pr",)))
    with pytest.raises(BackendRequestError, match="for AppId=other, BackendEnvironmentName=pr: slow down"):
        hand.run(hand.start().observer.jobs(("pr",), "other"))


def test_a_page_without_jobs_or_headers_is_read_all_the_same(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "dated", lambda response: response)
    hand.answers["ListBackendJobs"] = {}
    assert hand.run(hand.start().observer.jobs(("pr",))) == []


# Names


@pytest.mark.parametrize("member", ["AppId", "BackendEnvironmentName", "TargetEnvironmentName"])
def test_what_is_no_name_is_refused_before_anything_is_stored(hand: Hand, member: str) -> None:
    with pytest.raises(BackendParameterError, match=r"\.\."):
        hand.start("CloneBackend", CLONE | {member: ".."})
    assert not hand.content


def test_members_that_are_absent_need_no_name(hand: Hand) -> None:
    assert hand.start("RemoveAllBackends", {"AppId": APP}).app_id == APP


# The intents of a try: stored, arrived, presumed


def test_a_state_that_cannot_be_read_is_no_licence_to_send(hand: Hand) -> None:
    hand.content[STORE_KEY] = {"of": "a newer version"}
    with pytest.raises(BackendStartError, match="this version of the package cannot read 'amplifybackend_start'"):
        hand.start()


def test_a_start_begins_with_the_stored_intent(hand: Hand) -> None:
    start = with_intent(hand, changes={"starts": 4})
    assert start.intent is not None
    assert start.intent.starts == 4


def test_an_arrived_intent_goes_before_a_presumed_one_and_a_stored_one_before_both(hand: Hand) -> None:
    one, two = intent_of(hand.start(), starts=1), intent_of(hand.start(), starts=2)
    assert hand.start(has_store=False, arrived=one, presumed=two).intent == one
    assert hand.start(has_store=False, presumed=two).intent == two
    assert hand.start(has_store=False, arrived=one).intent == one
    assert hand.start(arrived=one, presumed=two).intent is None


def test_an_intent_travels_with_a_deferral(hand: Hand) -> None:
    intent = intent_of(hand.start(), disowned=(Disowned("theirs", 1, 2),))
    travelled = travelling(intent)
    assert travelled is not None
    assert travelled["version"] == 1
    assert arrived(json.loads(json.dumps(travelled))) == intent
    assert travelling(None) is None
    assert arrived(None) is None


@pytest.mark.parametrize(
    "travelled",
    [
        ["version"],
        {"version": 2, "intent": {}},
        {"version": 1},
        {"version": 1, "intent": {"of": "a newer version"}},
        {"intent": {}},
    ],
)
def test_what_cannot_be_read_after_a_deferral_is_no_licence_to_send(travelled: Any) -> None:
    with pytest.raises(BackendStartError, match="cannot read what the task stored before its deferral"):
        arrived(travelled)


def test_another_version_of_a_readable_intent_cannot_be_read_either(hand: Hand) -> None:
    travelled = travelling(intent_of(hand.start()))
    assert travelled is not None
    with pytest.raises(BackendStartError):
        arrived(travelled | {"version": 2})


@pytest.mark.parametrize("sent_in", [1, 2])
def test_a_failed_job_ends_the_try_that_sent_it_and_no_other(hand: Hand, sent_in: int) -> None:
    """Found by looking: another one's failure leaves our own start to be looked for."""
    start = with_intent(hand, changes={"sent_in_try": sent_in}, try_number=1)
    hand.rows = {"pr": [row("found", "CreateBackend", "FAILED")]}
    reached = hand.run(start.advance())
    assert outcome(reached) == ("adopted" if sent_in == 1 else "started")


def test_the_start_of_no_try_is_not_of_this_try(hand: Hand) -> None:
    assert hand.start(try_number=0).try_number == 0
    plain = StartProtocol(
        "CreateBackend", CREATE, round=FIRST, policy=hand.start().policy, deadline=0, log=logging.getLogger("start")
    )
    assert (plain.try_number, plain.has_store) == (0, False)
    assert plain.timing is current()


# Reports


@pytest.fixture
def reporting(hand: Hand) -> Callable[..., Intent]:
    def make(**changes: Any) -> Intent:
        hand.content[STORE_KEY] = intent_of(hand.start(), job_id="ours", **changes).to_stored()
        return hand.stored

    return make


def test_a_task_reports_its_own_job(hand: Hand, reporting: Callable[..., Intent]) -> None:
    before = reporting()
    report(hand, Job(APP, "pr", "theirs"), logging.getLogger("start"))
    assert hand.stored == before
    report(hand, Job(APP, "pr", "ours"), logging.getLogger("start"))
    assert hand.stored == replace(before, reported=True)


def test_a_report_is_written_once(
    hand: Hand, reporting: Callable[..., Intent], monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting(reported=True)
    writes: list[str] = []
    monkeypatch.setattr(hand, "set", lambda key, value: writes.append(key))
    report(hand, Job(APP, "pr", "ours"), logging.getLogger("start"))
    assert not writes


def test_a_report_without_a_store_or_an_intent_says_nothing(hand: Hand, lines: Any) -> None:
    report(None, Job(APP, "pr", "ours"), logging.getLogger("start"))
    report(hand, Job(APP, "pr", "ours"), logging.getLogger("start"))
    assert not hand.content
    assert not lines()


def test_a_report_that_cannot_be_stored_is_a_warning(
    hand: Hand, reporting: Callable[..., Intent], monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    def fail(key: str, value: Any) -> None:
        raise OSError("the store is away")

    reporting()
    monkeypatch.setattr(hand, "set", fail)
    report(hand, Job(APP, "pr", "ours"), logging.getLogger("start"))
    [line] = lines()
    assert line.startswith("WARNING Could not store that the job has ended (the store is away)")


# The right to send


def test_the_right_to_send_lasts_five_seconds_by_either_clock(hand: Hand) -> None:
    fence = Fence(hand.timing)
    assert fence.is_fresh()
    hand.now += 5.0
    assert fence.is_fresh()
    hand.now += 0.5
    assert not fence.is_fresh()
    fence = Fence(hand.timing)
    hand.skew = 6.0
    assert not fence.is_fresh()
    hand.skew = -6.0
    assert fence.is_fresh()


def test_an_intent_that_is_slow_to_store_is_stored_three_times_and_nothing_is_sent(hand: Hand) -> None:
    hand.save_seconds = 5.5
    with pytest.raises(BackendStartError, match="storing the intent took more than 5 s, 3 times in a row"):
        hand.run(hand.start().advance())
    assert hand.kinds[-4:] == ["Prepare", "Save", "Save", "Save"]
    assert not hand.sent


def test_a_start_may_be_sent_for_as_long_as_its_intent_is_fresh(hand: Hand) -> None:
    hand.save_seconds = 5.0
    hand.run(hand.start().advance())
    assert hand.kinds == ["ListBackendJobs", "GetBackend", "Prepare", "Save", "SendStart", "Save"]


def test_patience_counts_from_the_intent_however_long_the_guard_reads_before_it(hand: Hand) -> None:
    hand.prepare_seconds = 30.0
    hand.answers["CreateBackend"] = RuntimeError("the process dies while it waits for the answer")
    with pytest.raises(RuntimeError):
        hand.run(hand.start(policy={"patience": 10}).advance())
    died_at = hand.now
    hand.prepare_seconds = 0.0
    del hand.answers["CreateBackend"]
    assert outcome(hand.run(hand.start(policy={"patience": 10}, try_number=2).advance())) == "started"
    assert hand.now - died_at >= 9.0  # a second less: the service's clock counts whole ones


def test_patience_counts_from_the_last_time_that_an_intent_was_stored(hand: Hand) -> None:
    hand.save_seconds = 5.5
    with pytest.raises(BackendStartError):
        hand.run(hand.start().advance())
    times = [action.intent.resent_time_ms for action in hand.actions if isinstance(action, Save)]
    assert [later - earlier for earlier, later in pairwise(times)] == [5500, 5500]


# What is in the way


def test_another_job_is_waited_for_and_then_all_is_decided_anew(hand: Hand, lines: Any) -> None:
    hand.rows = {"pr": [row("theirs", "UpdateBackendAPI")]}
    start = hand.start()
    seen = Job(APP, "pr", "theirs", "UpdateBackendAPI", "COMPLETED", create_time_ms=ms(), update_time_ms=ms(9))

    class Ended(list[Any]):
        def pop(self, *position: Any) -> Any:
            hand.rows["pr"][0]["Status"] = "COMPLETED"
            return super().pop(*position)

    done = Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")
    hand.ends = Ended([seen, done])
    assert hand.run(run(start)) == StartResult(Outcome.STARTED, done)
    assert hand.awaited[0] == AwaitEnd(JobRef(APP, "theirs", ("pr",), "UpdateBackendAPI"), Whose.OTHER)
    assert hand.awaited[0].created_ms == ms(1.0)  # which the tab shows, and an AwaitEnd is not compared by
    assert hand.announced == ["ours"]
    assert any(line.startswith("INFO No longer in the way: COMPLETED") for line in lines())


@pytest.mark.parametrize(("status", "level"), [("FAILED", "WARNING"), ("COMPLETED", "INFO")])
def test_how_another_job_ended_is_said_as_loudly_as_it_deserves(
    hand: Hand, lines: Any, status: str, level: str
) -> None:
    hand.run(resume_after_other(hand.start(), Job(APP, "pr", "theirs", "UpdateBackendAPI", status), wait=False))
    assert lines()[0].startswith(f"{level} No longer in the way: {status}")
    assert hand.sent == ["CreateBackend"]


def late(job_id: str = "theirs") -> BackendTimeoutError:
    return BackendJobTimeoutError(JobRef(APP, job_id, ("pr",)), waited=60, last_status="RUNNING")


@pytest.mark.parametrize("error", [late(), BackendRequestError("AccessDenied")])
def test_a_wait_in_vain_for_a_job_that_is_still_pending_says_that_nothing_was_started(
    hand: Hand, error: BackendTimeoutError | BackendRequestError
) -> None:
    hand.rows = {"pr": [row("theirs", "UpdateBackendAPI")]}
    hand.ends = [error]
    with pytest.raises(type(error), match=rf"^CreateBackend \(app {APP}, environment pr\): nothing was started: ."):
        hand.run(run(hand.start()))
    assert not hand.sent


def test_after_a_wait_elsewhere_that_failed_the_start_goes_on_if_nothing_is_pending(hand: Hand) -> None:
    error = BackendRequestError("no such job")
    assert outcome(hand.run(resume_after_other(hand.start(), error, wait=False))) == "started"
    with pytest.raises(BackendTimeoutError, match="nothing was started"):
        hand.run(resume_after_other(hand.start(), late(), wait=False))


def test_a_run_first_deletes_what_an_earlier_try_left(hand: Hand) -> None:
    known = {"job_id": "ours", "job_environment": "pr", "target_existed": False}
    start = with_intent(hand, changes=known, policy={"delete_leftover": "pr"})
    there, away = ({"BackendEnvironmentList": listed} for listed in (["pr"], []))
    hand.rows = {"pr": [row("ours", "CreateBackend", "FAILED")]}
    hand.answers |= {
        "GetBackend": [there, there, away],
        "DeleteBackend": Job(APP, "pr", "deletion", "DeleteBackend", "RUNNING"),
        "CreateBackend": Job(APP, "pr", "second", "CreateBackend", "RUNNING"),
    }
    hand.ends = [
        Job(APP, "pr", "deletion", "DeleteBackend", "COMPLETED"),
        Job(APP, "pr", "second", "CreateBackend", "COMPLETED"),
    ]
    assert outcome(hand.run(run(start))) == "started"
    assert hand.sent == ["DeleteBackend", "CreateBackend"]


def test_a_job_that_cannot_be_looked_at_and_is_pending_no_more_is_in_nobodys_way(hand: Hand) -> None:
    hand.run(after_failed_wait(hand.start(), BackendRequestError("no such job")))


def test_a_time_budget_that_ended_is_an_error_even_where_nothing_is_pending_any_more(hand: Hand) -> None:
    with pytest.raises(BackendTimeoutError):
        hand.run(after_failed_wait(hand.start(), late()))
    assert not hand.actions


@pytest.mark.parametrize(
    ("operation", "is_in_the_way"), [("CloneBackend", True), ("RemoveAllBackends", True), ("UpdateBackendAPI", False)]
)
def test_what_may_be_in_the_way_from_another_environment(hand: Hand, operation: str, is_in_the_way: bool) -> None:
    hand.rows = {"staging": [row("theirs", operation)]}
    hand.answers["CreateBackend"] = [refused(), Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    step = hand.run(hand.start().advance())
    if is_in_the_way:
        assert isinstance(step, Obstacle)
        assert step.job.job_id == "theirs"
    else:
        assert outcome(step) == "started"


def test_a_finished_clone_elsewhere_is_in_nobodys_way(hand: Hand) -> None:
    hand.rows = {"staging": [row("theirs", "CloneBackend", "COMPLETED")]}
    hand.answers["CreateBackend"] = [refused(), Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    assert outcome(hand.run(hand.start().advance())) == "started"


def test_a_job_that_comes_just_before_ours_is_waited_for_or_is_an_error(hand: Hand) -> None:
    """It is listed only after the service has refused our start for it."""
    theirs = {"Jobs": [row("theirs", "UpdateBackendAPI")]}
    hand.answers |= {"CreateBackend": refused("busy"), "ListBackendJobs": [{"Jobs": []}, theirs]}
    step = hand.run(hand.start().advance())
    assert isinstance(step, Obstacle)
    assert step.job.job_id == "theirs"
    assert hand.stored.refused
    hand.content.clear()
    hand.answers["ListBackendJobs"] = [{"Jobs": []}, theirs]
    with pytest.raises(BackendStartError, match=r"is still RUNNING and blocks .*AmplifyBackend reported: busy"):
        hand.run(hand.start(policy={"on_pending_job": "fail"}).advance())


# What the service refuses


def test_a_refusal_that_nothing_explains_is_tried_five_times(hand: Hand) -> None:
    hand.answers["CreateBackend"] = refused("something is malformed")
    with pytest.raises(BackendRequestError, match="something is malformed"):
        hand.run(hand.start(policy={"patience": 60}).advance())
    assert hand.pauses == [2, 2, 2, 2]
    assert len(hand.sent) == 5


@pytest.mark.parametrize(("patience", "times"), [(0, 5), (9, 6), (10, 6), (11, 7), (30, 16)])
def test_a_refusal_for_a_pending_job_that_is_not_listed_is_tried_for_as_long_as_patience_lasts(
    hand: Hand, patience: float, times: int
) -> None:
    hand.answers["CreateBackend"] = refused()
    with pytest.raises(BackendRequestError, match="pending job"):
        hand.run(hand.start(policy={"patience": patience}).advance())
    assert len(hand.sent) == times
    assert set(hand.pauses) == {2}


def test_patience_with_refusals_ends_with_the_time_budget(hand: Hand) -> None:
    """The last one is sent, and refused, just before."""
    hand.answers["CreateBackend"] = refused()
    with pytest.raises(BackendStartError, match="time budget exceeded before the start was sent"):
        hand.run(hand.start(policy={"patience": 60}, seconds=11).advance())
    assert hand.pauses == [2, 2, 2, 2, 2, 1]


def test_a_refusal_that_comes_when_the_time_budget_has_ended_is_the_reason(hand: Hand) -> None:
    hand.answers["CreateBackend"] = refused()
    hand.send_seconds = 3
    with pytest.raises(BackendRequestError, match="pending job"):
        hand.run(hand.start(policy={"patience": 60}, seconds=23).advance())
    assert hand.pauses == [2, 2, 2, 2]


def test_a_refusal_that_is_not_listed_is_final_where_we_are_not_to_wait(hand: Hand) -> None:
    hand.answers["CreateBackend"] = refused()
    with pytest.raises(BackendRequestError):
        hand.run(hand.start(policy={"patience": 60, "on_pending_job": "fail"}).advance())
    assert len(hand.sent) == 5


@pytest.mark.parametrize("seen_by", ["a refusal", "a look"])
def test_refusals_are_counted_anew_after_one_that_a_job_explains(hand: Hand, seen_by: str) -> None:
    hand.environments = []
    idle: dict[str, Any] = {"Jobs": []}
    busy = {"Jobs": [row("theirs", "UpdateBackendAPI")]}
    # Each refusal is followed by a look, and each start comes after one.
    looks = [idle] * 8 + ([idle, busy] if seen_by == "a refusal" else [busy]) + [idle]
    hand.answers |= {"ListBackendJobs": looks, "CreateBackend": refused("something")}
    start = hand.start()
    assert isinstance(hand.run(start.advance()), Obstacle)
    before = len(hand.sent)
    with pytest.raises(BackendRequestError):
        hand.run(start.advance())
    assert len(hand.sent) - before == 5


@pytest.mark.parametrize("looks_before", [1, 2], ids=["before another start", "after another start was refused"])
def test_the_job_of_a_lost_start_is_adopted_once_it_is_listed(hand: Hand, looks_before: int) -> None:
    ours = {"Jobs": [row("ours", "CreateBackend")]}
    hand.answers |= {"CreateBackend": [LOST, refused()], "ListBackendJobs": [{"Jobs": []}] * looks_before + [ours]}
    assert outcome(hand.run(hand.start(policy={"patience": 0}).advance())) == "adopted"
    assert hand.pauses == [2]
    assert len(hand.sent) == looks_before


@pytest.mark.parametrize(("message", "is_blocked"), [("You have a pending job", True), ("malformed", False)])
def test_without_an_environment_only_the_word_pending_puts_a_refusal_down_to_a_job(
    hand: Hand, message: str, is_blocked: bool
) -> None:
    hand.rows = {"staging": [row("theirs", "UpdateBackendAPI")]}
    hand.answers["CreateBackendConfig"] = refused(message)
    start = hand.start("CreateBackendConfig", {"AppId": APP})
    if is_blocked:
        assert isinstance(hand.run(start.advance()), Obstacle)
    else:
        with pytest.raises(BackendRequestError, match="malformed"):
            hand.run(start.advance())


@pytest.mark.parametrize("kind", [FaultKind.THROTTLED, FaultKind.UNSENT])
def test_what_did_not_arrive_is_sent_again_ever_later_up_to_half_a_minute(hand: Hand, kind: FaultKind) -> None:
    hand.answers["CreateBackend"] = [fault(kind)] * 6 + [Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    assert outcome(hand.run(hand.start().advance())) == "started"
    assert hand.pauses == [3, 6, 12, 24, 30, 30]
    assert [intent.refused for intent in hand.saved] == [False, True] * 6 + [False, False]


@pytest.mark.parametrize(("seconds", "pauses"), [(3.0, []), (3.5, [3]), (9.0, [3])])
def test_what_did_not_arrive_is_not_sent_again_where_that_would_be_too_late(
    hand: Hand, seconds: float, pauses: list[float]
) -> None:
    hand.answers["CreateBackend"] = BUSY
    with pytest.raises(BackendRequestError, match="slow down"):
        hand.run(hand.start(seconds=seconds).advance())
    assert hand.pauses == pauses


def test_any_other_refusal_is_final(hand: Hand) -> None:
    hand.answers["CreateBackend"] = fault(FaultKind.REFUSED, "AccessDenied", "you may not")
    with pytest.raises(BackendRequestError, match=f"AccessDenied.*AppId={APP}.*pr: you may not"):
        hand.run(hand.start().advance())
    assert hand.stored.refused
    assert len(hand.sent) == 1


@pytest.mark.parametrize(
    ("effect", "policy", "accepted"),
    [
        (Effect.CREATES, {"if_exists": "skip"}, True),
        (Effect.CREATES, {"if_missing": "skip"}, None),
        (Effect.REMOVES, {"if_missing": "skip"}, False),
        (Effect.REMOVES, {"if_exists": "skip"}, None),
        (Effect.CHANGES, {"if_exists": "skip", "if_missing": "skip"}, None),
    ],
)
def test_what_has_come_about_otherwise_settles_a_refused_start_where_the_task_accepts_it(
    effect: Effect, policy: dict[str, str], accepted: bool | None
) -> None:
    assert accepted_instead(effect, StartPolicy(**policy)) is accepted  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["BadRequest", "NotFoundException"])
def test_a_start_that_is_settled_is_not_an_error(hand: Hand, code: str) -> None:
    there, away = ({"BackendEnvironmentList": listed} for listed in (["pr"], []))
    hand.answers |= {"DeleteBackend": fault(FaultKind.REFUSED, code), "GetBackend": [there, away]}
    start = hand.start("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "pr"}, policy={"if_missing": "skip"})
    assert outcome(hand.run(start.advance())) == "skipped"


@pytest.mark.parametrize("policy", [{}, {"if_missing": "skip"}, {"if_exists": "skip"}])
def test_a_refused_change_is_settled_by_nothing(hand: Hand, policy: dict[str, str]) -> None:
    hand.answers["UpdateBackendStorage"] = fault(FaultKind.REFUSED, "BadRequest")
    with pytest.raises(BackendRequestError):
        hand.run(hand.start("UpdateBackendStorage", STORAGE, policy=policy).advance())


@pytest.mark.parametrize(
    ("operation", "request_", "listed", "policy"),
    [
        ("CreateBackend", CREATE, [], {"if_exists": "skip"}),
        ("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "pr"}, ["pr"], {"if_missing": "skip"}),
    ],
)
@pytest.mark.parametrize("listed_later", [["pr"], []])
def test_a_refused_start_is_settled_by_what_its_task_accepts_and_by_nothing_else(
    hand: Hand,
    operation: str,
    request_: dict[str, str],
    listed: list[str],
    policy: dict[str, str],
    listed_later: list[str],
) -> None:
    hand.answers |= {
        operation: fault(FaultKind.REFUSED, "BadRequest"),
        "GetBackend": [{"BackendEnvironmentList": listed}, *[{"BackendEnvironmentList": listed_later}] * 5],
    }
    advance = hand.start(operation, request_, policy=policy).advance()
    if listed_later == listed:
        with pytest.raises(BackendRequestError, match=r"failed \(BadRequest\)"):
            hand.run(advance)
    else:
        assert outcome(hand.run(advance)) in ("found", "skipped")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [("CreateBackend", CREATE), ("UpdateBackendStorage", STORAGE), ("DeleteBackendStorage", DELETE_STORAGE)],
)
def test_after_a_refusal_nothing_is_read_that_could_not_settle_it(
    hand: Hand, operation: str, request_: dict[str, Any]
) -> None:
    hand.answers |= {operation: fault(FaultKind.REFUSED, "BadRequest"), "GetBackendStorage": {"ResourceName": "files"}}
    with pytest.raises(BackendRequestError, match=r"^AnOperation failed \(BadRequest\)"):
        hand.run(hand.start(operation, request_).advance())
    assert hand.kinds[-2:] == ["SendStart", "Save"]


def test_what_cannot_be_read_after_a_refusal_stands_behind_the_refusal(hand: Hand) -> None:
    hand.answers |= {
        "CreateBackend": fault(FaultKind.REFUSED, "BadRequest", "no more backends"),
        "GetBackend": [{"BackendEnvironmentList": []}, BUSY],
    }
    with pytest.raises(
        BackendRequestError,
        match=r"^AnOperation failed \(BadRequest\) .*no more backends\. After that: "
        r"AnOperation failed \(TooManyRequestsException\)",
    ) as caught:
        hand.run(hand.start(policy={"if_exists": "skip"}).advance())
    # A retry may be able to read it, and find that nothing is left to do.
    assert advice_for(caught.value).action is Action.RETRY


def test_jobs_that_cannot_be_listed_after_a_refusal_stand_behind_the_refusal(hand: Hand) -> None:
    hand.answers |= {
        "CreateBackend": fault(FaultKind.REFUSED, "ValidationException", "there is a pending job"),
        "ListBackendJobs": [{"Jobs": []}, fault(FaultKind.REFUSED, "AccessDeniedException", "not allowed")],
    }
    with pytest.raises(
        BackendRequestError,
        match=r"^AnOperation failed \(ValidationException\) .*pending job\. After that: .* failed \(AccessDenied",
    ):
        hand.run(hand.start().advance())


# A lost answer


def test_after_a_lost_answer_the_job_is_looked_for_until_patience_ends(hand: Hand) -> None:
    hand.answers["CreateBackend"] = [LOST, Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    start = hand.start(policy={"patience": 10})
    assert outcome(hand.run(start.advance())) == "started"
    # By the end of the second of the service's clock: that takes a look more than the bare ten seconds.
    assert hand.pauses == [2, 2, 2, 2, 2]
    lost = hand.saved[1]
    assert lost.lost_time_ms == ms() + 999
    assert not lost.refused
    assert [intent.starts for intent in hand.saved] == [1, 1, 2, 2]


def test_without_patience_a_lost_start_is_looked_for_once(hand: Hand) -> None:
    hand.answers["CreateBackend"] = [LOST, Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    assert outcome(hand.run(hand.start(policy={"patience": 0}).advance())) == "started"
    assert hand.pauses == [2]


def test_a_time_budget_that_ends_after_a_lost_answer_says_what_was_lost(hand: Hand) -> None:
    hand.answers["CreateBackend"] = LOST
    with pytest.raises(
        BackendStartError,
        match=r"time budget exceeded before the outcome .*\(the answer to the last start was lost: .*no answer\)$",
    ):
        hand.run(hand.start(policy={"patience": 60}, seconds=3).advance())
    assert hand.pauses == [2, 1]


def test_a_time_budget_that_ends_before_a_start_says_so_and_no_more(hand: Hand) -> None:
    with pytest.raises(BackendStartError, match=r"exceeded before the start was sent: .* nothing is in the way$"):
        hand.run(hand.start(seconds=0).advance())
    assert not hand.sent


def test_the_time_budget_does_not_end_what_needs_no_start(hand: Hand) -> None:
    hand.environments = ["pr"]
    start = hand.start(seconds=-5, policy={"if_exists": "skip"})
    assert outcome(hand.run(start.advance())) == "found"


def test_each_decision_is_logged_once(hand: Hand, lines: Any) -> None:
    hand.answers["CreateBackend"] = [LOST, Job(APP, "pr", "ours", "CreateBackend", "RUNNING")]
    hand.run(hand.start().advance())
    said = [line for line in lines() if "Accepted" not in line and "Lost the answer" not in line]
    assert [line.partition(":")[0] for line in said] == ["INFO Starting", "INFO Checking for the job", "INFO Starting"]


def test_a_start_that_is_refused_by_policy_says_that_it_fails(hand: Hand, lines: Any) -> None:
    hand.environments = ["pr"]
    with pytest.raises(BackendStartError, match="already exists"):
        hand.run(hand.start().advance())
    [line] = lines()
    assert line.startswith("INFO Failing: the environment to create already exists")


@pytest.mark.parametrize(("asked", "left", "paused"), [(2, 10, 2), (2, 1, 1), (2, 0, 0), (2, -3, 0)])
def test_a_pause_ends_with_the_time_budget(hand: Hand, asked: float, left: float, paused: float) -> None:
    hand.run(hand.start(seconds=left).pause(asked))
    assert hand.pauses == [paused]


# Looking again


def test_a_busy_service_is_an_error_while_nothing_was_sent(hand: Hand) -> None:
    hand.answers["ListBackendJobs"] = BUSY
    with pytest.raises(BackendRequestError, match=r"^CreateBackend .*cannot check whether it .*slow"):
        hand.run(hand.start().advance())
    assert not hand.pauses


def test_a_busy_service_is_asked_again_once_a_start_may_have_been_sent(hand: Hand, lines: Any) -> None:
    hand.answers |= {"CreateBackend": LOST, "ListBackendJobs": [{}, BUSY, BUSY, {"Jobs": [row("o", "CreateBackend")]}]}
    assert outcome(hand.run(hand.start().advance())) == "adopted"
    assert hand.pauses == [2, 2]
    assert [line.partition(":")[0] for line in lines()].count("WARNING Retrying") == 1


@pytest.mark.parametrize("known", [{"job_id": "ours", "job_environment": "pr"}, {"refused": True}])
def test_a_busy_service_is_an_error_once_it_is_known_what_became_of_the_start(hand: Hand, known: Any) -> None:
    start = with_intent(hand, changes=known)
    hand.answers["ListBackendJobs"] = BUSY
    with pytest.raises(BackendRequestError):
        hand.run(start.advance())
    assert not hand.pauses


@pytest.mark.parametrize(("seconds", "pauses"), [(4.0, [2, 2]), (3.0, [2, 1]), (0.0, [])])
def test_a_service_that_stays_busy_is_asked_until_the_time_budget_ends(
    hand: Hand, seconds: float, pauses: list[float]
) -> None:
    start = with_intent(hand, seconds=seconds)
    hand.answers["ListBackendJobs"] = BUSY
    with pytest.raises(BackendRequestError):
        hand.run(start.advance())
    assert hand.pauses == pauses


def test_a_look_that_is_refused_is_not_repeated(hand: Hand) -> None:
    start = with_intent(hand)
    hand.answers["ListBackendJobs"] = fault(FaultKind.REFUSED, "AccessDenied")
    with pytest.raises(BackendRequestError):
        hand.run(start.advance())
    assert not hand.pauses


@pytest.mark.parametrize(
    ("kind", "has_answered", "passes"),
    [
        (FaultKind.THROTTLED, False, True),
        (FaultKind.CREDENTIALS, True, True),
        (FaultKind.CREDENTIALS, False, False),
        (FaultKind.REFUSED, True, False),
    ],
)
def test_credentials_may_come_back_where_they_have_been_good(
    hand: Hand, kind: FaultKind, has_answered: bool, passes: bool
) -> None:
    start = hand.start()
    if has_answered:
        hand.run(start.observer.jobs(("pr",)))
        hand.rows = {"pr": []}
        hand.run(start.observer.jobs(("pr",)))
    assert start.may_pass(fault(kind)) is passes
    assert start.may_pass(None) is False


def test_an_error_of_ours_that_no_call_has_led_to_is_not_waited_out(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = with_intent(hand)
    hand.answers["ListBackendJobs"] = BackendRequestError("not of a call")
    with pytest.raises(BackendRequestError, match="not of a call"):
        hand.run(start.advance())
    assert not hand.pauses


# What is known of earlier starts


def test_a_job_whose_id_is_known_is_looked_at_wherever_it_may_be_named(hand: Hand) -> None:
    changes = {"job_id": "ours", "job_environment": "one", "environments": ("two", "pr")}
    start = with_intent(hand, changes=changes)
    hand.rows = {"two": [row("ours", "CreateBackend")]}
    step = hand.run(start.advance())
    assert outcome(step) == "adopted"
    assert [request["BackendEnvironmentName"] for request in hand.calls("GetBackendJob")] == ["one", "two"]
    hand.actions.clear()
    hand.rows = {}
    start = with_intent(hand, changes=changes)
    hand.answers["GetBackend"] = {"BackendEnvironmentList": ["one", "two", "pr"]}
    assert outcome(hand.run(start.advance())) == "adopted"
    assert [request["BackendEnvironmentName"] for request in hand.calls("GetBackendJob")][:3] == ["one", "two", "pr"]


def test_a_job_without_an_environment_of_its_own_is_looked_at_where_the_try_looks(hand: Hand) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "environments": ()})
    hand.rows = {"pr": [row("ours", "CreateBackend")]}
    assert outcome(hand.run(start.advance())) == "adopted"
    assert [request["BackendEnvironmentName"] for request in hand.calls("GetBackendJob")] == ["pr"]


def test_a_known_job_stands_first_and_once_in_the_list(hand: Hand) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "job_environment": "pr"})
    hand.rows = {"pr": [row("other", "CreateBackend", "COMPLETED"), row("ours", "CreateBackend")]}
    hand.answers["GetBackendJob"] = row("ours", "CreateBackend", "COMPLETED")
    situation = hand.run(start.observe())
    assert [(job.job_id, job.status) for job in situation.jobs] == [("ours", "COMPLETED"), ("other", "COMPLETED")]


@pytest.mark.parametrize("error", [BUSY, fault(FaultKind.REFUSED, "AccessDenied")])
def test_a_known_job_that_cannot_be_looked_at_is_an_error(hand: Hand, error: ServiceError) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "job_environment": "pr"})
    hand.answers["GetBackendJob"] = error
    with pytest.raises(BackendRequestError, match="cannot check whether it was already started"):
        hand.run(start.advance())


def test_a_known_job_that_shows_nowhere_is_adopted_by_its_id(hand: Hand) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "job_environment": "pr"}, policy={"patience": 0})
    step = hand.run(start.advance())
    assert isinstance(step, StartResult)
    assert step.job is not None
    assert (step.outcome, step.job.job_id) == (Outcome.ADOPTED, "ours")
    assert step.job.status is None


def test_a_lost_start_is_looked_for_where_it_was_sent_though_this_try_names_another_place(hand: Hand) -> None:
    changes = {"environments": ("old", "pr"), "app_id": "d9z9y9x9w9"}
    start = with_intent(hand, changes=changes)
    hand.rows = {"old": [row("ours", "CreateBackend")]}
    situation = hand.run(start.observe())
    assert [job.job_id for job in situation.jobs] == ["ours"]
    assert [(request["AppId"], request["BackendEnvironmentName"]) for request in hand.calls("ListBackendJobs")] == [
        (APP, "pr"),
        ("d9z9y9x9w9", "old"),
    ]


@pytest.mark.parametrize("known", [{"refused": True}, {"presumed": True}])
def test_what_was_answered_is_not_looked_for_elsewhere(hand: Hand, known: dict[str, Any]) -> None:
    start = with_intent(hand, changes={"environments": ("old", "pr"), **known})
    hand.rows = {"old": [row("ours", "CreateBackend")]}
    hand.run(start.observe())
    assert hand.looked == ["pr"]


def test_an_adopted_job_is_stored_as_that_of_this_round(hand: Hand) -> None:
    start = with_intent(hand, round=CLEARED)
    hand.rows = {"pr": [row("ours", "CreateBackend")]}
    assert outcome(hand.run(start.advance())) == "adopted"
    assert hand.saved == [hand.stored]
    assert (hand.stored.job_id, hand.stored.round, hand.stored.found_by_looking) == ("ours", CLEARED, True)


@pytest.mark.parametrize(
    ("status", "refused_", "is_recalled"),
    [("RUNNING", True, True), ("COMPLETED", True, False), (None, True, False), ("RUNNING", False, False)],
)
def test_without_a_store_an_earlier_trys_job_is_recalled_after_a_refusal(
    hand: Hand, status: str | None, refused_: bool, is_recalled: bool
) -> None:
    presumed = intent_of(hand.start(), presumed=True)
    start = hand.start(has_store=False, presumed=presumed)
    mine = intent_of(start, service_time_ms=ms(100), refused=refused_)
    start.intent = mine
    hand.rows = {"pr": [row("earlier", "CreateBackend", status)] if status else []}
    hand.run(start.observe())
    assert start.intent == (presumed if is_recalled else mine)
    alone = hand.start(has_store=False)
    alone.intent = mine
    hand.run(alone.observe())
    assert alone.intent == mine
    fresh = hand.start(has_store=False, presumed=presumed)
    fresh.intent = None
    hand.run(fresh.observe())
    assert fresh.intent is None


def test_a_store_recalls_nothing_that_is_presumed(hand: Hand) -> None:
    presumed = intent_of(hand.start(), presumed=True)
    start = hand.start(presumed=presumed)
    start.intent = intent_of(start, refused=True)
    hand.rows = {"pr": [row("earlier", "CreateBackend")]}
    hand.run(start.observe())
    assert start.intent is not presumed


# What a situation is made of


def test_a_situation_holds_all_that_a_decision_depends_on(hand: Hand) -> None:
    policy = {"on_pending_job": "fail", "if_exists": "skip", "if_missing": "skip", "patience": 10.0}
    start = with_intent(hand, policy=policy)
    hand.environments = ["pr"]
    hand.rows = {"pr": [row("a", "UpdateBackendAPI")]}
    hand.now += 4
    situation = hand.run(start.observe())
    assert (situation.operation, situation.round, situation.digest) == (start.operation, FIRST, start.digest)
    assert situation.intent == start.intent
    assert [job.job_id for job in situation.jobs] == ["a"]
    assert situation.targets == ("pr",)
    assert situation.sent_in_this_try is True
    assert situation.target_exists is True
    assert (situation.on_pending_job, situation.if_exists, situation.if_missing) == ("fail", "skip", "skip")
    assert situation.patience_left == pytest.approx(10 - 4.999)
    assert hand.run(with_intent(hand, try_number=2).observe()).sent_in_this_try is False


def test_without_an_intent_nothing_was_sent_and_patience_is_over(hand: Hand) -> None:
    situation = hand.run(hand.start(try_number=0).observe())
    assert situation.sent_in_this_try is False
    assert situation.patience_left == 0.0
    assert situation.target_exists is False
    assert situation.target_is_empty is None


def test_a_presumed_start_needs_no_patience(hand: Hand) -> None:
    start = with_intent(hand, changes={"presumed": True})
    assert hand.run(start.observe()).patience_left == 0.0


def test_what_a_change_needs_is_not_looked_for(hand: Hand) -> None:
    situation = hand.run(hand.start("UpdateBackendStorage", STORAGE).observe())
    assert situation.target_exists is None
    assert hand.kinds == ["ListBackendJobs"]


@pytest.mark.parametrize(("listed", "exists"), [(["staging", "pr"], True), (["staging"], False), (None, False)])
def test_an_environment_exists_if_the_app_lists_it(hand: Hand, listed: list[str] | None, exists: bool) -> None:
    hand.environments = listed
    assert hand.run(hand.start("CloneBackend", CLONE).observer.target_exists()) is exists


@pytest.mark.parametrize(("listed", "exists"), [(["staging"], True), ([], False), (None, False)])
def test_an_app_exists_if_it_has_an_environment(hand: Hand, listed: list[str] | None, exists: bool) -> None:
    hand.environments = listed
    assert hand.run(hand.start("RemoveAllBackends", {"AppId": APP}).observer.target_exists()) is exists


def test_an_app_whose_answer_lacks_the_list_has_no_environment(hand: Hand) -> None:
    hand.answers["GetBackend"] = {"AppId": APP}
    assert hand.run(hand.start().observer.environments_of_app()) == ()


@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("CreateBackendAuth", "GetBackendAuth"),
        ("CreateBackendAPI", "GetBackendAPI"),
        ("CreateBackendStorage", "GetBackendStorage"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_resource_is_asked_for_by_its_name(hand: Hand, operation: str, read: str, exists: bool) -> None:
    if exists:
        hand.answers[read] = {"ResourceName": "files"}
    start = hand.start(operation, STORAGE)
    assert hand.run(start.observer.target_exists()) is exists
    names = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "files"}
    assert hand.actions == [Call(read, names)]


@pytest.mark.parametrize("operation", ["GenerateBackendAPIModels", "CreateBackendConfig"])
def test_of_some_things_it_cannot_be_told_whether_they_exist(hand: Hand, operation: str) -> None:
    assert hand.run(hand.start(operation, STORAGE).observer.target_exists()) is None
    assert not hand.actions


META = {"auth": {"userpool": {"service": "Cognito", "output": {"UserPoolId": "us-east-1_a"}}}}
BUCKET = {"storage": {"files": {"service": "S3", "output": {"BucketName": "files"}}}}
IMPORT = {"AppId": APP, "BackendEnvironmentName": "staging", "ServiceName": "S3", "BucketName": "files"}


@pytest.mark.parametrize(("document", "exists"), [(META, False), (META | BUCKET, True), (None, None)])
def test_an_import_has_no_name_so_that_any_resource_of_its_category_counts(
    hand: Hand, document: dict[str, Any] | None, exists: bool | None
) -> None:
    hand.answers["GetBackend"] = {"AmplifyMetaConfig": json.dumps(document)} if document else {}
    assert hand.run(hand.start("ImportBackendStorage", IMPORT).observer.target_exists()) is exists
    assert hand.actions == [Call("GetBackend", {"AppId": APP, "BackendEnvironmentName": "staging"})]


@pytest.mark.parametrize(
    ("document", "is_empty"), [(META, False), (BUCKET, False), (META | BUCKET, False), ({"x": {}}, True), (None, None)]
)
@pytest.mark.parametrize(("operation", "request_"), [("CreateBackend", CREATE), ("CloneBackend", CLONE)])
def test_an_environment_is_empty_if_it_holds_no_resource(
    hand: Hand, operation: str, request_: Any, document: dict[str, Any] | None, is_empty: bool | None
) -> None:
    hand.answers["GetBackend"] = {"AmplifyMetaConfig": json.dumps(document)} if document else {}
    assert hand.run(hand.start(operation, request_).observer.target_is_empty()) is is_empty
    assert hand.actions == [Call("GetBackend", {"AppId": APP, "BackendEnvironmentName": "pr"})]


@pytest.mark.parametrize("operation", ["DeleteBackend", "CreateBackendStorage", "RemoveAllBackends"])
def test_only_of_an_environment_to_create_it_matters_whether_it_is_empty(hand: Hand, operation: str) -> None:
    hand.answers["GetBackend"] = {"AmplifyMetaConfig": json.dumps({"x": {}})}
    assert hand.run(hand.start(operation, STORAGE).observer.target_is_empty()) is None
    assert not hand.actions


def test_an_environment_that_exists_is_looked_into_before_it_is_taken_for_a_leftover(hand: Hand) -> None:
    hand.answers["GetBackend"] = [
        {"BackendEnvironmentList": ["pr"]},
        {"AmplifyMetaConfig": json.dumps(META)},
    ]
    situation = hand.run(hand.start().observe())
    assert (situation.target_exists, situation.target_is_empty) == (True, False)


@pytest.mark.parametrize("error", [missing(), refused("no such thing")])
def test_what_the_service_does_not_know_is_empty(hand: Hand, error: ServiceError) -> None:
    hand.answers["GetBackend"] = error
    assert hand.run(hand.start().observer.read("GetBackend", {"AppId": APP})) == {}


def test_what_is_read_holds_nothing_of_its_transport(hand: Hand) -> None:
    hand.answers["GetBackend"] = {"AppId": APP}
    assert hand.run(hand.start().observer.read("GetBackend", {"AppId": APP})) == {"AppId": APP}


def test_what_cannot_be_read_is_an_error(hand: Hand) -> None:
    hand.answers["GetBackend"] = fault(FaultKind.REFUSED, "AccessDenied", "you may not")
    with pytest.raises(BackendRequestError, match="you may not"):
        hand.run(hand.start().observer.read("GetBackend", {"AppId": APP}))


# An app that is unknown


@pytest.mark.parametrize(
    ("environments", "is_warned"), [(None, True), ([], False)], ids=["no such app", "an app without environments"]
)
def test_a_removal_of_nothing_warns_where_the_app_itself_is_unknown(
    hand: Hand, lines: Any, environments: list[str] | None, is_warned: bool
) -> None:
    hand.environments = environments
    start = hand.start("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "pr"}, policy={"if_missing": "skip"})
    assert outcome(hand.run(start.advance())) == "skipped"
    assert [line for line in lines() if line.startswith("WARNING")] == (
        [line for line in lines() if "Unknown app" in line] if is_warned else []
    )
    assert any("Unknown app" in line for line in lines()) is is_warned


def test_a_creation_of_what_exists_does_not_ask_for_the_app_again(hand: Hand) -> None:
    hand.environments = ["pr"]
    hand.run(hand.start(policy={"if_exists": "skip"}).advance())
    assert hand.calls("GetBackend") == [{"AppId": APP}, {"AppId": APP, "BackendEnvironmentName": "pr"}]


def test_the_hint_about_an_unknown_app_needs_no_permission(hand: Hand, lines: Any) -> None:
    hand.answers["GetBackend"] = [{"BackendEnvironmentList": []}, fault(FaultKind.REFUSED, "AccessDenied")]
    start = hand.start("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "pr"}, policy={"if_missing": "skip"})
    assert outcome(hand.run(start.advance())) == "skipped"
    assert not [line for line in lines() if line.startswith("WARNING")]


# Whose a job was


def adopted(
    hand: Hand,
    operation: str = "CreateBackendStorage",
    *,
    options: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[StartProtocol, Job]:
    """A job for storage that was found by looking, and has completed."""
    start = with_intent(
        hand,
        operation,
        STORAGE,
        changes={"job_id": "found", "job_environment": "staging", "found_by_looking": True, **changes},
        **(options or {}),
    )
    hand.rows = {"staging": [row("found", operation, "COMPLETED")]}
    return start, Job(APP, "staging", "found", operation, "COMPLETED", create_time_ms=ms(1))


THEIRS = {"ResourceConfig": {"ServiceName": "S3", "Permissions": {"Authenticated": ["DELETE"]}}}
OURS = {"ResourceConfig": STORAGE["ResourceConfig"]}


def test_a_job_that_left_what_was_asked_for_is_ours(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = OURS
    assert hand.run(start.disowns(job)) is False
    assert hand.kinds == ["GetBackendStorage"]


def test_a_job_that_left_something_else_is_looked_at_twice_and_remembered_as_somebody_elses(
    hand: Hand, lines: Any
) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = THEIRS
    assert hand.run(start.disowns(job)) is True
    assert hand.kinds == ["GetBackendStorage", "Pause", "GetBackendStorage", "ListBackendJobs", "Save"]
    assert hand.pauses == [2]
    assert hand.stored.disowned == (Disowned("found", ms(1), ms(2) + 999),)
    assert hand.stored.job_id is None
    assert (hand.stored.starts, hand.stored.known_job_ids) == (1, ("found",))
    assert any("seems to be somebody else's" in line for line in lines())


def test_what_a_job_left_may_show_a_little_later(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = [THEIRS, OURS]
    assert hand.run(start.disowns(job)) is False
    assert hand.kinds == ["GetBackendStorage", "Pause", "GetBackendStorage"]


def test_a_job_that_was_answered_is_not_even_compared(hand: Hand) -> None:
    start, job = adopted(hand, found_by_looking=False)
    assert hand.run(start.disowns(job)) is False
    assert not hand.actions
    # Another one than that which was answered is.
    hand.answers["GetBackendStorage"] = THEIRS
    assert hand.run(start.disowns(replace(job, job_id="another"))) is True


def test_without_an_intent_a_job_is_compared_and_nothing_is_stored(hand: Hand) -> None:
    _, job = adopted(hand)
    hand.content.clear()
    start = hand.start("CreateBackendStorage", STORAGE)
    hand.answers["GetBackendStorage"] = THEIRS
    assert hand.run(start.disowns(job)) is True
    assert not hand.saved
    assert start.intent is None


def test_where_it_cannot_be_told_whose_a_job_was_the_task_fails_for_good(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = THEIRS
    hand.rows["staging"].append(row("later", "DeleteBackendStorage", "COMPLETED", at=1.5))
    with pytest.raises(BackendStartError, match=r"it is unclear whether .* was started by this task"):
        hand.run(start.disowns(job))
    assert hand.stored.reported
    assert hand.stored.job_id == "found"


def test_what_cannot_be_listed_before_a_job_is_disowned_names_the_start(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers |= {"GetBackendStorage": THEIRS, "ListBackendJobs": BUSY}
    with pytest.raises(BackendRequestError, match=r"^CreateBackendStorage .*cannot check whether"):
        hand.run(start.disowns(job))


@pytest.mark.parametrize(("patience", "looks"), [(0, 1), (2, 1), (5, 2), (10, 5)])
def test_what_a_job_has_left_is_asked_for_as_often_as_patience_has_looks(
    hand: Hand, patience: float, looks: int
) -> None:
    start, job = adopted(hand, options={"policy": {"patience": patience}})
    hand.answers["GetBackendStorage"] = BUSY
    with pytest.raises(BackendRequestError, match=r"cannot check the result of its job: .*slow down"):
        hand.run(start.disowns(job))
    assert len(hand.calls("GetBackendStorage")) == looks
    assert hand.pauses == [2] * (looks - 1)


@pytest.mark.parametrize(("seconds", "pauses"), [(4.0, [2, 2]), (3.0, [2, 1]), (0.0, [])])
def test_what_a_job_has_left_is_asked_for_no_longer_than_the_time_budget(
    hand: Hand, seconds: float, pauses: list[float]
) -> None:
    start, job = adopted(hand, options={"policy": {"patience": 60}, "seconds": seconds})
    hand.answers["GetBackendStorage"] = BUSY
    with pytest.raises(BackendRequestError):
        hand.run(start.disowns(job))
    assert hand.pauses == pauses


def test_what_must_not_be_read_is_not_asked_for_again(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = fault(FaultKind.REFUSED, "AccessDenied")
    with pytest.raises(BackendRequestError):
        hand.run(start.disowns(job))
    assert not hand.pauses


@pytest.mark.parametrize(
    ("status", "outcome_", "left", "counts"),
    [
        ("COMPLETED", Outcome.ADOPTED, OURS, True),
        ("COMPLETED", Outcome.ADOPTED, THEIRS, False),
        ("COMPLETED", Outcome.STARTED, THEIRS, True),
        ("FAILED", Outcome.ADOPTED, THEIRS, True),
    ],
)
def test_the_end_of_an_adopted_job_counts_if_it_was_ours(
    hand: Hand, status: str, outcome_: Outcome, left: Any, counts: bool
) -> None:
    start, job = adopted(hand, "UpdateBackendStorage")
    hand.answers["GetBackendStorage"] = left
    hand.ends = [Job(APP, "staging", "ours", "UpdateBackendStorage", "COMPLETED")]
    ended = replace(job, status=status)
    result = hand.run(resume(start, outcome_, ended))
    assert (result == StartResult(outcome_, ended)) is counts
    assert bool(hand.sent) is not counts


def test_after_a_wait_elsewhere_what_counts_is_the_result(hand: Hand) -> None:
    start, job = adopted(hand)
    hand.answers["GetBackendStorage"] = OURS
    assert hand.run(resume(start, Outcome.ADOPTED, job)) == StartResult(Outcome.ADOPTED, job)


@pytest.mark.parametrize("way", ["run", "resume"])
def test_after_somebody_elses_job_our_own_is_started_once_that_is_beyond_doubt(hand: Hand, way: str) -> None:
    start, job = adopted(hand, "UpdateBackendStorage")
    hand.answers["GetBackendStorage"] = THEIRS
    hand.ends = [Job(APP, "staging", "ours", "UpdateBackendStorage", "COMPLETED")]
    steps = run(start) if way == "run" else resume(start, Outcome.ADOPTED, job)
    reached = hand.run(steps)
    assert (reached.outcome, hand.sent) == (Outcome.STARTED, ["UpdateBackendStorage"])
    assert len(hand.awaited) == 1
    assert len(hand.announced) == (2 if way == "run" else 1)


def test_somebody_elses_job_that_has_ended_is_not_the_end_of_a_run_that_does_not_wait(hand: Hand) -> None:
    start, _ = adopted(hand, "UpdateBackendStorage")
    hand.answers["GetBackendStorage"] = THEIRS
    assert outcome(hand.run(run(start, wait=False))) == "started"


def disowned(hand: Hand) -> StartProtocol:
    """A change that has been held back: a job was disowned longer ago than patience lasts."""
    once = (Disowned("found", ms(1), ms(2)),)
    changes = {"disowned": once, "known_job_ids": ("found",), "environments": ("staging",)}
    hand.now += 100
    start = with_intent(hand, "UpdateBackendStorage", STORAGE, changes=changes)
    hand.rows = {"staging": [row("found", "UpdateBackendStorage", "COMPLETED")]}
    return start


def test_a_doubted_job_that_shows_no_difference_any_more_is_adopted_after_all(hand: Hand) -> None:
    start = disowned(hand)
    hand.answers["GetBackendStorage"] = OURS
    step = hand.run(start.advance())
    assert outcome(step) == "adopted"
    assert step.job is not None
    assert step.job.job_id == "found"
    assert not hand.sent


def test_a_doubted_job_that_still_differs_is_somebody_elses(hand: Hand) -> None:
    start = disowned(hand)
    hand.answers["GetBackendStorage"] = THEIRS
    assert outcome(hand.run(start.advance())) == "started"


def test_without_a_doubt_nothing_is_compared_before_a_start(hand: Hand) -> None:
    assert outcome(hand.run(hand.start("UpdateBackendStorage", STORAGE).advance())) == "started"
    assert not hand.calls("GetBackendStorage")


def test_a_removal_whose_answer_was_lost_and_that_is_done_is_stored_as_reported(hand: Hand) -> None:
    """To clear the task after its success means to remove once more what may be there again."""
    hand.answers["GetBackend"] = missing()
    start = with_intent(hand, "DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "pr"})
    assert outcome(hand.run(start.advance())) == "adopted"
    assert hand.stored.reported
    assert not hand.sent


def test_what_is_refused_for_good_is_stored_as_reported_and_the_rest_is_not(hand: Hand) -> None:
    start = disowned(hand)
    hand.rows["staging"].append(row("later", "UpdateBackendStorage", "COMPLETED", at=1.5))
    start.intent = replace(start.intent, known_job_ids=("found", "later"))  # type: ignore[type-var]
    with pytest.raises(BackendStartError, match="it is unclear whether job found"):
        hand.run(start.advance())
    assert hand.stored.reported
    other = with_intent(hand, changes={"refused": True})
    hand.environments = ["pr"]
    with pytest.raises(BackendStartError, match="already exists"):
        hand.run(other.advance())
    assert not hand.stored.reported


def test_a_failure_and_its_clean_up_are_stored_where_there_is_an_intent(hand: Hand) -> None:
    start = with_intent(hand, changes={"job_id": "ours", "target_existed": False})
    hand.run(start.note_failure())
    assert (hand.stored.job_failed, hand.stored.target_existed) == (True, False)
    hand.run(start.note_cleaned())
    assert (hand.stored.job_failed, hand.stored.target_existed) == (True, True)
    hand.content.clear()
    hand.run(hand.start().note_failure())
    assert not hand.content


# The service's time


def gmt(seconds: float) -> str:
    return formatdate(BEGINNING + seconds, usegmt=True)


@pytest.mark.parametrize("date", [None, "no date", "Fri, 99 Foo 2027 00:00:00 GMT", b"Fri, 15 Jan 2027 08:00:00 GMT"])
def test_a_header_that_is_no_date_says_nothing(hand: Hand, date: Any) -> None:
    clock = ServiceClock(hand.timing)
    clock.note({"date": date} if date is not None else {})
    assert not clock.has_been_read
    assert clock.now_ms == int(BEGINNING * 1000)


def test_the_services_time_goes_on_with_the_workers_other_clock(hand: Hand) -> None:
    hand.skew = 1234.0
    clock = ServiceClock(hand.timing)
    assert (clock.now_ms, clock.has_been_read) == (ms(1234), False)
    clock.note({"date": gmt(50)})
    assert (clock.now_ms, clock.has_been_read) == (ms(50) + 999, True)
    hand.now += 2.5
    assert clock.now_ms == ms(50) + 999 + 2_500
    assert clock.earliest_now_ms == clock.now_ms - 1_000


@pytest.mark.parametrize(
    ("passed", "header", "kept"),
    [
        # The clock says 50.999 + passed. A header that may be of that same moment changes nothing.
        (0.0, 50, True),
        (0.0012, 51, True),
        (1.0, 51, True),
        (1.0012, 51, False),
        (0.0, 51, False),
        (0.0, 49, False),
        (5.0, 60, False),
    ],
)
def test_the_services_time_is_corrected_only_where_its_header_contradicts(
    hand: Hand, passed: float, header: int, kept: bool
) -> None:
    clock = ServiceClock(hand.timing)
    clock.note({"date": gmt(50)})
    hand.now += passed
    before = clock.now_ms
    clock.note({"date": gmt(header)})
    assert clock.now_ms == (before if kept else ms(header) + 999)
    hand.now += 2
    assert clock.now_ms == pytest.approx((before if kept else ms(header) + 999) + 2_000, abs=1)


def test_every_answer_tells_the_services_time_an_error_too(hand: Hand) -> None:
    ahead = {"date": gmt(500)}
    for operation in ("ListBackendJobs", "GetBackend"):
        observer = hand.start().observer
        hand.answers = {operation: fault(FaultKind.NOT_FOUND, "NotFoundException", headers=ahead)}
        hand.run(observer.jobs(("pr",)) if operation == "ListBackendJobs" else observer.app_is_known())
        assert observer.clock.now_ms == ms(500) + 999
    hand.answers = {"ListBackendJobs": {"Jobs": []}, "GetBackend": {"AppId": APP}}
    hand.now += 3
    one, two = hand.start().observer, hand.start().observer
    hand.run(one.jobs(("pr",)))
    hand.run(two.app_is_known())
    assert one.clock.now_ms == two.clock.now_ms == ms(3) + 999


# The driver on a worker


class Hook:
    """Takes the place of a hook: notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: Exception | None = None

    def attempt(self, operation: str, request: Any) -> Any:
        self.asked.append(operation)
        if self.error:
            raise self.error
        if operation == "GetBackendStorage":
            return THEIRS
        return {"Jobs": [], "BackendEnvironmentList": []}

    def attempt_start(self, operation: str, request: Any, *, may_send: Callable[[], bool]) -> Job:
        assert may_send()
        self.asked.append(f"start {operation}")
        return Job(APP, "pr", "ours", operation, "RUNNING")

    def check_guard(self, api_operation: str, request: Any) -> None:
        self.asked.append(f"guard of {api_operation}")

    def prepare_start(self) -> None:
        self.asked.append("prepare")


def once(hand: Hand, hook: Hook, **options: Any) -> StartOnce:
    made = hand.start()
    common = {"round": FIRST, "policy": made.policy, "deadline": made.deadline, "log": made.log}
    common |= {"store": hand, "timing": hand.timing}
    return StartOnce(hook, "CreateBackend", CREATE, **common | options)  # type: ignore[arg-type]


def test_the_driver_does_each_action_once(hand: Hand) -> None:
    hook, waits = Hook(), []
    announced: list[Job | None] = []

    def wait(action: AwaitEnd) -> Job:
        waits.append(action)
        return Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")

    driver = once(hand, hook, announce=announced.append, wait=wait)
    reached = driver.run()
    assert reached.job is not None
    assert reached.job.is_completed
    assert hook.asked == [
        "ListBackendJobs",
        "GetBackend",
        "guard of CreateBackend",
        "prepare",
        "start CreateBackend",
        "GetBackendJob",
    ]
    assert [job and job.job_id for job in announced] == ["ours"]
    assert [action.whose for action in waits] == ["own"]
    assert driver.intent == hand.stored
    assert (Whose.OWN, Whose.OTHER, Whose.CLEANUP) == ("own", "other", "cleanup")


def test_the_driver_needs_neither_a_listener_nor_a_store(hand: Hand) -> None:
    driver = once(hand, Hook(), store=None)
    assert outcome(driver.run(wait=False)) == "started"
    assert not hand.content
    with pytest.raises(TypeError, match="nobody waits for the end of job ours"):
        once(hand, Hook(), store=None).run()


def test_the_driver_throws_errors_of_calls_into_the_protocol(hand: Hand) -> None:
    hook = Hook()
    hook.error = BUSY
    with pytest.raises(BackendRequestError, match="cannot check whether it was already started"):
        once(hand, hook).advance()


def test_the_driver_throws_errors_of_waits_into_the_protocol(hand: Hand) -> None:
    def wait(action: AwaitEnd) -> Job:
        raise late("theirs")

    hand.rows = {"pr": [row("theirs", "UpdateBackendAPI")]}
    hook = Hook()
    hook.attempt = hand.read  # type: ignore[method-assign]
    with pytest.raises(BackendTimeoutError, match="nothing was started"):
        once(hand, hook, wait=wait).run()


def test_the_driver_lets_time_pass_as_it_is_told(hand: Hand) -> None:
    driver = once(hand, Hook())
    driver.drive(driver.protocol.pause(2))
    assert hand.now == BEGINNING + 2


def test_the_driver_begins_with_what_is_stored(hand: Hand) -> None:
    once(hand, Hook()).run(wait=False)
    assert once(hand, Hook()).intent == hand.stored


def test_the_driver_goes_on_after_a_wait_elsewhere(hand: Hand) -> None:
    done = Job(APP, "pr", "ours", "CreateBackend", "COMPLETED")
    assert once(hand, Hook()).resume(Outcome.STARTED, done) == StartResult(Outcome.STARTED, done)
    theirs = Job(APP, "pr", "theirs", "UpdateBackendAPI", "COMPLETED")
    assert outcome(once(hand, Hook()).resume_after_other(theirs, wait=False)) == "started"


def test_the_driver_deletes_what_is_certainly_ours(hand: Hand) -> None:
    failed = Job(APP, "pr", "found", "CreateBackend", "FAILED")
    said = once(hand, Hook()).delete_leftover(failed, Outcome.ADOPTED)
    assert said == "Kept what it left behind, because the job may be somebody else's."


@pytest.mark.parametrize(("operation", "request_"), [("CreateBackend", CREATE), ("CloneBackend", CLONE)])
def test_what_a_job_created_and_somebody_deleted_is_not_created_again(
    hand: Hand, operation: str, request_: dict[str, str]
) -> None:
    """A removal of all environments may be listed nowhere: nothing but the missing environment tells of it."""
    start = hand.start(operation, request_)
    made = Job(APP, "pr", "found", operation, "COMPLETED", create_time_ms=ms(1))
    with pytest.raises(BackendStartError, match="has been deleted since, and it is unclear whether that job") as error:
        hand.run(start.disowns(made))
    assert error.value.reason is StartFailure.UNKNOWN_OWNER


def test_the_driver_tells_whose_a_job_was(hand: Hand) -> None:
    driver = once(hand, Hook())
    made = Job(APP, "", "found", "CreateBackend", "COMPLETED")
    assert driver.disowns(made) is True
    hand.content.clear()
    hook = Hook()
    hook.attempt = lambda operation, request: {"BackendEnvironmentList": ["pr"]}  # type: ignore[method-assign]
    assert once(hand, hook).disowns(made) is False


def test_the_job_that_answered_is_known_as_long_as_the_request_is_the_same(hand: Hand) -> None:
    """Its text may be shown: the secrets that it can repeat are known."""
    driver = once(hand, Hook())
    known = [driver.answered_job]
    driver.run(wait=False)
    known.append(driver.answered_job)
    same, changed, found = (
        replace(hand.stored, **changes)
        for changes in ({}, {"digest": "of another request"}, {"found_by_looking": True})
    )
    known += [once(hand, Hook(), store=None, arrived=intent).answered_job for intent in (same, changed, found)]
    assert known == [None, "ours", "ours", None, None]
