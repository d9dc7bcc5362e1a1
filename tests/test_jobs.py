"""The rules of starting a job once, as tables of situations and decisions."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend import jobs
from airflow_provider_amplifybackend.jobs import (
    JOB_OPERATIONS,
    Adopt,
    Done,
    Intent,
    Job,
    JobRef,
    LookAgain,
    Outcome,
    Refuse,
    Round,
    Send,
    Situation,
    WaitFor,
)
from airflow_provider_amplifybackend.secrets import redact_secrets

APP = "d1a2b3c4d5"
NOW = 1_700_000_000_000
FIRST = Round(max_tries=2, clear_number=0)
CLEARED = Round(max_tries=5, clear_number=1)


def job(status: str, *, at: int = 5_000, **changes: Any) -> Job:
    """A clone that is listed in its target, created `at` milliseconds after the intent."""
    made = Job(APP, "pr1", "job-1", "CloneBackend", status, create_time_ms=NOW + at)
    return replace(made, **changes)


INTENT = Intent("CloneBackend", APP, "digest", FIRST, NOW, target_existed=False, starts=1)
NAMED = replace(INTENT, job_id="job-1", job_environment="pr1")
REPORTED = replace(NAMED, reported=True)
FOUND = replace(NAMED, found_by_looking=True)
REFUSED = replace(INTENT, refused=True)
PRESUMED = replace(INTENT, digest="", presumed=True)


def situation(operation: str = "CloneBackend", **changes: Any) -> Situation:
    base = Situation(JOB_OPERATIONS[operation], FIRST, "digest", None, targets=("pr1",), target_exists=False)
    return replace(base, **changes)


def delete(**changes: Any) -> Situation:
    return situation("DeleteBackend", **{"target_exists": True} | changes)


def update(**changes: Any) -> Situation:
    return situation("UpdateBackendAuth", **{"target_exists": None} | changes)


PENDING_THERE = job("PENDING", job_id="theirs", operation="UpdateBackendAPI")
FAILED_THERE = job("FAILED", job_id="theirs")

NOTHING_STARTED_BEFORE = {
    "nothing is in the way": (situation(), Send),
    "an update of what cannot be looked at": (update(), Send),
    "somebody's job is pending": (situation(jobs=(PENDING_THERE,)), WaitFor),
    "a job of unknown status counts as pending": (situation(jobs=(job("BREWING"),)), WaitFor),
    "somebody's job is pending, and we are not to wait": (
        situation(jobs=(PENDING_THERE,), on_pending_job="fail"),
        Refuse,
    ),
    "a job is pending, but only in the source": (
        situation(jobs=(replace(PENDING_THERE, backend_environment_name="staging"),)),
        Send,
    ),
    "an operation on the whole app minds every pending job": (
        situation("RemoveAllBackends", targets=(), target_exists=True, jobs=(PENDING_THERE,)),
        WaitFor,
    ),
    "an operation that names no environment leaves it to the service which jobs are in its way": (
        situation("CreateBackendConfig", targets=(), target_exists=None, jobs=(PENDING_THERE,)),
        Send,
    ),
    "an ended job is in nobody's way": (situation(jobs=(job("COMPLETED"),)), Send),
    "pending comes before existing": (
        situation(jobs=(PENDING_THERE,), target_exists=True, if_exists="skip"),
        WaitFor,
    ),
    "it exists": (situation(target_exists=True), Refuse),
    "it exists, and that is as good": (situation(target_exists=True, if_exists="skip"), Done),
    "it exists as what a failed creation left": (
        situation(target_exists=True, if_exists="skip", jobs=(FAILED_THERE,)),
        Refuse,
    ),
    "it exists as what a clone left whose job lives in the source": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(replace(FAILED_THERE, backend_environment_name="staging"),),
        ),
        Refuse,
    ),
    "it was created well, another clone of the same source failed": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(job("COMPLETED"), replace(FAILED_THERE, backend_environment_name="staging", create_time_ms=NOW * 2)),
        ),
        Done,
    ),
    "a failed creation was made good by a later one": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(job("COMPLETED", at=9_000, job_id="second"), FAILED_THERE),
        ),
        Done,
    ),
    "an auth resource is not what a failed clone left": (
        situation("CreateBackendAuth", target_exists=True, if_exists="skip", jobs=(FAILED_THERE,)),
        Done,
    ),
    "there is something to remove": (delete(), Send),
    "there is nothing to remove": (delete(target_exists=False), Refuse),
    "there is nothing to remove, and that is as good": (delete(target_exists=False, if_missing="skip"), Done),
    "whether there is something to remove is not known": (delete(target_exists=None, if_missing="skip"), Send),
}

AN_ANSWER_WAS_LOST = {
    "its job runs": (situation(intent=INTENT, jobs=(job("RUNNING"),)), Adopt),
    "its job completed meanwhile": (situation(intent=INTENT, jobs=(job("COMPLETED"),), target_exists=True), Adopt),
    "its job failed while nobody looked": (situation(intent=INTENT, jobs=(job("FAILED"),)), Send),
    "a job failed that may be somebody else's": (
        situation(intent=INTENT, jobs=(job("FAILED"),), patience_left=1),
        LookAgain,
    ),
    "its job failed in this very try": (situation(intent=INTENT, jobs=(job("FAILED"),), sent_in_this_try=True), Adopt),
    "its job may still show up": (situation(intent=INTENT, patience_left=1), LookAgain),
    "nothing showed up": (situation(intent=INTENT, patience_left=0), Send),
    "the target showed up, no job": (situation(intent=INTENT, target_exists=True, if_exists="skip"), Refuse),
    "the target was there before": (
        situation(intent=replace(INTENT, target_existed=True), target_exists=True, if_exists="skip"),
        Done,
    ),
    "a known job is not ours": (
        situation(intent=replace(INTENT, known_job_ids=("job-1",)), jobs=(job("COMPLETED"),)),
        Send,
    ),
    "an older job is not ours": (situation(intent=INTENT, jobs=(job("COMPLETED", at=-2_001),)), Send),
    "the service's clock counts whole seconds": (situation(intent=INTENT, jobs=(job("RUNNING", at=-2_000),)), Adopt),
    "a job of another operation is not ours": (
        situation(intent=INTENT, jobs=(job("COMPLETED", operation="CreateBackend"),)),
        Send,
    ),
    "a job without a time may be ours": (situation(intent=INTENT, jobs=(job("RUNNING", create_time_ms=None),)), Adopt),
    "what was to be removed is gone": (
        delete(intent=replace(INTENT, operation="DeleteBackend"), target_exists=False),
        Done,
    ),
    "what was to be removed is still there": (
        delete(intent=replace(INTENT, operation="DeleteBackend"), patience_left=1),
        LookAgain,
    ),
    "an update that left no trace": (update(intent=replace(INTENT, operation="UpdateBackendAuth")), Send),
    "another version's digest cannot be compared": (
        situation(intent=replace(INTENT, digest="of another kind", version=99), jobs=(job("RUNNING"),)),
        Adopt,
    ),
}

THE_START_WAS_REFUSED = {
    "it is sent again": (situation(intent=REFUSED), Send),
    "it never became a job": (situation(intent=REFUSED, jobs=(job("COMPLETED"),)), Send),
    "somebody else's clone is not ours": (situation(intent=REFUSED, jobs=(job("RUNNING"),)), WaitFor),
    "nor after a clear": (situation(intent=REFUSED, round=CLEARED, jobs=(job("RUNNING"),)), WaitFor),
}

AN_EARLIER_TRY_HAS_A_JOB = {
    "it runs": (situation(intent=NAMED, jobs=(job("RUNNING"),), target_exists=True), Adopt),
    "it completed": (situation(intent=NAMED, jobs=(job("COMPLETED"),), target_exists=True), Adopt),
    "it failed and left nothing": (situation(intent=NAMED, jobs=(job("FAILED"),)), Send),
    "it failed and left an empty environment": (
        situation(intent=NAMED, jobs=(job("FAILED"),), target_exists=True, if_exists="skip"),
        Refuse,
    ),
    "it was found by looking and failed, and ours may still show up": (
        situation(intent=FOUND, jobs=(job("FAILED"),), patience_left=1),
        LookAgain,
    ),
    "it was found by looking and failed, and ours has shown up": (
        situation(intent=FOUND, jobs=(job("FAILED"), job("RUNNING", at=9_000, job_id="ours")), patience_left=1),
        Adopt,
    ),
    "it was found by looking and failed, and nothing else showed up": (
        situation(intent=FOUND, jobs=(job("FAILED"),)),
        Send,
    ),
    "it is not listed yet": (situation(intent=NAMED, patience_left=1), LookAgain),
    "it is not listed any more": (situation(intent=NAMED), Adopt),
    "retries were edited in the DAG file": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), round=replace(FIRST, max_tries=9)),
        Adopt,
    ),
    "another task of the run was cleared": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), round=replace(FIRST, clear_number=4)),
        Adopt,
    ),
    "it was reported, the process died, and another task of the run was cleared": (
        situation(intent=REPORTED, jobs=(job("COMPLETED"),), round=replace(FIRST, clear_number=4)),
        Adopt,
    ),
    "the parameters render differently now, and the job runs": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), digest="another"),
        WaitFor,
    ),
    "the parameters render differently now, and the job ended": (
        situation(intent=NAMED, jobs=(job("COMPLETED"),), digest="another"),
        Send,
    ),
}

THE_TASK_WAS_CLEARED = {
    "its job runs": (situation(intent=NAMED, round=CLEARED, jobs=(job("RUNNING"),)), Adopt),
    "its job runs, with other parameters": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("RUNNING"),), digest="another"),
        WaitFor,
    ),
    "its job completed: do it again": (situation(intent=REPORTED, round=CLEARED, jobs=(job("COMPLETED"),)), Send),
    "its job completed: do it again, though no DAG run was reset": (
        situation(intent=REPORTED, round=replace(FIRST, max_tries=4), jobs=(job("COMPLETED"),)),
        Send,
    ),
    "its job runs unwaited: it is not started twice, though no DAG run was reset": (
        situation(intent=REPORTED, round=replace(FIRST, max_tries=4), jobs=(job("RUNNING"),)),
        Adopt,
    ),
    "its job completed before it could say so": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        Adopt,
    ),
    "its start became a job that completed": (
        situation(intent=INTENT, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        Adopt,
    ),
    "its job completed, and what it created is gone": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=False),
        Send,
    ),
    "its job completed, and another came after it": (
        situation(
            intent=NAMED,
            round=CLEARED,
            jobs=(job("COMPLETED"), job("COMPLETED", at=9_000, job_id="later")),
            target_exists=True,
        ),
        Refuse,
    ),
    "its job completed, with other parameters": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True, digest="another"),
        Refuse,
    ),
    "its job failed: do it again": (situation(intent=NAMED, round=CLEARED, jobs=(job("FAILED"),)), Send),
    "a job of its failed that may be somebody else's: ours may still show up": (
        situation(intent=FOUND, round=CLEARED, jobs=(job("FAILED"),), patience_left=1),
        LookAgain,
    ),
    "its job is forgotten: do it again": (situation(intent=NAMED, round=CLEARED), Send),
    "its start may still become a job": (situation(intent=INTENT, round=CLEARED, patience_left=1), LookAgain),
    "its start became a job": (situation(intent=INTENT, round=CLEARED, jobs=(job("RUNNING"),)), Adopt),
    "its start left no trace": (situation(intent=INTENT, round=CLEARED), Send),
    "what it created exists": (
        situation(intent=REPORTED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        Refuse,
    ),
}

NOTHING_IS_STORED_BEFORE_AIRFLOW_3_3 = {
    "a job runs that may be ours": (situation(intent=PRESUMED, jobs=(job("RUNNING"),)), Adopt),
    "a job completed that may be ours": (situation(intent=PRESUMED, jobs=(job("COMPLETED"),)), Refuse),
    "a job failed that may be ours": (situation(intent=PRESUMED, jobs=(job("FAILED"),)), Send),
    "no job since the run began": (situation(intent=PRESUMED, patience_left=60), Send),
    "an older job completed": (situation(intent=PRESUMED, jobs=(job("COMPLETED", at=-60_000),)), Send),
    "what is to be removed is still there": (delete(intent=replace(PRESUMED, operation="DeleteBackend")), Send),
    "what was to be removed is gone, and a job says so": (
        delete(
            intent=replace(PRESUMED, operation="DeleteBackend"),
            jobs=(job("COMPLETED", operation="DeleteBackend"),),
            target_exists=False,
        ),
        Adopt,
    ),
    "what was to be removed was never there": (
        delete(intent=replace(PRESUMED, operation="DeleteBackend"), target_exists=False),
        Refuse,
    ),
    "a job runs that may be ours, and another completed since the run began": (
        situation(intent=PRESUMED, jobs=(job("COMPLETED", job_id="earlier"), job("RUNNING", at=9_000))),
        Adopt,
    ),
    "cleared, and a job runs that may be ours": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier), jobs=(job("RUNNING"),)),
        Adopt,
    ),
    "cleared, and a job completed that may be ours: do it again": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier), jobs=(job("COMPLETED"),)),
        Send,
    ),
    "cleared, and nothing to be seen": (situation(intent=replace(PRESUMED, round=FIRST.earlier)), Send),
}


def table(cases: dict[str, tuple[Situation, type[jobs.Decision]]]) -> Any:
    return pytest.mark.parametrize(
        ("given", "expected"), [pytest.param(*case, id=name) for name, case in cases.items()]
    )


def check(given: Situation, expected: type[jobs.Decision]) -> None:
    decision = jobs.decide(given)
    assert type(decision) is expected, decision.reason
    assert decision.reason


@table(NOTHING_STARTED_BEFORE)
def test_decides_where_nothing_was_started_before(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


@table(AN_ANSWER_WAS_LOST)
def test_decides_after_an_answer_was_lost(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


@table(THE_START_WAS_REFUSED)
def test_decides_after_a_refusal(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


@table(AN_EARLIER_TRY_HAS_A_JOB)
def test_decides_on_a_retry(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


@table(THE_TASK_WAS_CLEARED)
def test_decides_after_a_clear(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


@table(NOTHING_IS_STORED_BEFORE_AIRFLOW_3_3)
def test_decides_without_a_state_store(given: Situation, expected: type[jobs.Decision]) -> None:
    check(given, expected)


def test_the_first_new_job_after_the_intent_is_ours() -> None:
    listed = (job("RUNNING", at=9_000, job_id="later"), job("RUNNING", at=1_000, job_id="first"))
    decision = jobs.decide(situation(intent=INTENT, jobs=listed))
    assert isinstance(decision, Adopt)
    assert decision.job.job_id == "first"


def test_outcomes_say_how_a_task_came_to_success_without_a_job() -> None:
    found = jobs.decide(situation(target_exists=True, if_exists="skip"))
    skipped = jobs.decide(delete(target_exists=False, if_missing="skip"))
    gone = jobs.decide(delete(intent=replace(INTENT, operation="DeleteBackend"), target_exists=False))
    assert [d.outcome for d in (found, skipped, gone) if isinstance(d, Done)] == ["found", "skipped", "adopted"]


def test_a_job_that_is_no_longer_listed_is_still_named() -> None:
    decision = jobs.decide(situation(intent=NAMED))
    assert isinstance(decision, Adopt)
    assert decision.job == Job(APP, "pr1", "job-1", "CloneBackend")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (situation(target_exists=True), "if_exists='skip'"),
        (delete(target_exists=False), "if_missing='skip'"),
        (situation(jobs=(PENDING_THERE,), on_pending_job="fail"), "theirs"),
        (situation(target_exists=True, jobs=(FAILED_THERE,)), "DeleteBackendOperator"),
        (situation(intent=PRESUMED, jobs=(job("COMPLETED"),)), "mark it as success"),
    ],
)
def test_a_refusal_says_what_to_do(given: Situation, words: str) -> None:
    decision = jobs.decide(given)
    assert isinstance(decision, Refuse)
    assert words in decision.reason


# The intent as it is stored


def test_an_intent_survives_the_state_store() -> None:
    intent = replace(NAMED, known_job_ids=("a", "b"))
    assert Intent.from_stored(json.loads(json.dumps(intent.to_stored()))) == intent


def test_the_state_store_gets_no_none() -> None:
    assert None not in INTENT.to_stored().values()
    assert "job_id" not in INTENT.to_stored()


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "text",
        [],
        {},
        {"round": "1"},
        {"round": {"max_tries": 1}},
        {"round": {"max_tries": "x", "clear_number": 0}},
        {key: value for key, value in INTENT.to_stored().items() if key != "operation"},
        {key: value for key, value in INTENT.to_stored().items() if key != "service_time_ms"},
        INTENT.to_stored() | {"service_time_ms": "yesterday"},
        INTENT.to_stored() | {"known_job_ids": None},
    ],
)
def test_what_is_not_an_intent_is_not_read_as_one(stored: object) -> None:
    assert Intent.from_stored(stored) is None


def test_an_older_version_without_optional_members_is_read() -> None:
    names = ("operation", "app_id", "digest", "round", "service_time_ms")
    older = {name: value for name, value in INTENT.to_stored().items() if name in names}
    assert Intent.from_stored(older) == Intent("CloneBackend", APP, "digest", FIRST, NOW)


def test_a_newer_version_with_more_members_is_read() -> None:
    newer = INTENT.to_stored() | {"version": 99, "colour": "blue"}
    newer["round"] = dict(newer["round"]) | {"logical_date": "2030-01-01"}
    assert Intent.from_stored(newer) == replace(INTENT, version=99)


def test_only_the_newest_known_ids_are_stored() -> None:
    old = tuple(job("COMPLETED", at=number, job_id=f"job-{number:03}") for number in range(300, 0, -1))
    intent = jobs.write_intent(situation(jobs=old), APP, NOW)
    assert len(intent.known_job_ids) == jobs.MAX_KNOWN_JOB_IDS
    assert intent.known_job_ids[-1] == "job-300"
    assert "job-001" not in intent.known_job_ids


def test_only_jobs_of_the_same_operation_are_worth_knowing() -> None:
    listed = (job("COMPLETED"), job("COMPLETED", job_id="other", operation="DeleteBackend"))
    assert jobs.write_intent(situation(jobs=listed), APP, NOW).known_job_ids == ("job-1",)


def test_a_start_sent_again_after_one_that_left_no_trace_still_looks_from_before_the_first() -> None:
    again = jobs.write_intent(situation(intent=INTENT, target_exists=True), APP, NOW + 60_000)
    assert again == replace(INTENT, starts=2, resent_time_ms=NOW + 60_000)
    late = jobs.decide(situation(intent=again, jobs=(job("RUNNING", at=100),)))
    assert isinstance(late, Adopt)


@pytest.mark.parametrize("earlier", [REFUSED, PRESUMED, replace(NAMED, digest="another")])
def test_a_start_after_a_settled_one_looks_from_its_own_time(earlier: Intent) -> None:
    again = jobs.write_intent(situation(intent=earlier), APP, NOW + 60_000)
    assert again.service_time_ms == NOW + 60_000
    assert again.starts == 2
    assert not again.refused
    assert not again.presumed
    assert again.job_id is None


def test_starts_are_counted_anew_in_each_round() -> None:
    assert jobs.write_intent(situation(intent=NAMED, round=CLEARED), APP, NOW).starts == 1


def test_a_start_after_a_found_job_that_failed_still_looks_for_the_one_before() -> None:
    """The failed one may have been somebody else's."""
    again = jobs.write_intent(situation(intent=FOUND, jobs=(job("FAILED"),)), APP, NOW + 60_000)
    assert (again.service_time_ms, again.resent_time_ms, again.starts) == (NOW, NOW + 60_000, 2)
    assert (again.known_job_ids, again.job_id, again.found_by_looking) == (("job-1",), None, False)


def test_a_job_that_failed_is_known_to_the_next_start() -> None:
    """Otherwise the next lost answer would find the old failure and send for ever."""
    again = jobs.write_intent(situation(intent=INTENT, jobs=(job("FAILED"),)), APP, NOW + 60_000)
    assert again.known_job_ids == ("job-1",)


def test_the_answer_completes_the_intent() -> None:
    assert jobs.answered(INTENT, job("PENDING")) == NAMED


# Digests


def test_a_digest_tells_requests_apart_but_not_their_secrets() -> None:
    def digest(secret: str, client: str) -> str:
        request = {"AppId": APP, "ResourceConfig": {"Google": {"ClientId": client, "ClientSecret": secret}}}
        return jobs.digest("CreateBackendAuth", redact_secrets(request))

    assert digest("one", "a") == digest("two", "a")
    assert digest("one", "a") != digest("one", "b")
    assert jobs.digest("CloneBackend", {}) != jobs.digest("DeleteBackend", {})


def test_a_digest_does_not_depend_on_the_order_of_members() -> None:
    assert jobs.digest("X", {"a": 1, "b": 2}) == jobs.digest("X", {"b": 2, "a": 1})


# Jobs


def test_a_real_row_is_read() -> None:
    row = {
        "AppId": APP,
        "BackendEnvironmentName": "dev",
        "CreateTime": "1617375907613",
        "JobId": "j",
        "Operation": "DeleteBackend",
        "Status": "RUNNING",
        "UpdateTime": "1617375915764",
    }
    read = Job.from_response(row)
    assert read == Job(APP, "dev", "j", "DeleteBackend", "RUNNING", None, 1617375907613, 1617375915764)
    assert not read.is_finished


def test_the_answer_to_a_start_is_completed_from_the_request() -> None:
    answer = {"AppId": APP, "BackendEnvironmentName": "", "JobId": "j", "Status": "PENDING", "Operation": None}
    read = Job.from_response(answer, backend_environment_name="dev", operation="DeleteBackend")
    assert (read.backend_environment_name, read.operation) == ("dev", "DeleteBackend")


@pytest.mark.parametrize("value", [None, "", "soon", "2021-04-02T15:05:07Z", "-1", "1.5"])
def test_a_time_that_is_none_is_none(value: object) -> None:
    assert jobs.epoch_ms(value) is None


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ("COMPLETED", True),
        ("FAILED", True),
        ("PENDING", False),
        ("RUNNING", False),
        ("SUCCEEDED", False),
        (None, False),
    ],
)
def test_only_the_two_known_ends_are_ends(status: str | None, finished: bool) -> None:
    assert Job(APP, "dev", "j", status=status).is_finished is finished


def test_the_result_of_a_task_has_the_same_keys_with_and_without_a_job() -> None:
    full = job("COMPLETED").to_xcom(Outcome.STARTED)
    empty = Job(APP, "", "").to_xcom(Outcome.SKIPPED)
    assert full.keys() == empty.keys()
    assert full["created_at"] == "2023-11-14T22:13:25.000+00:00"
    assert (empty["JobId"], empty["BackendEnvironmentName"], empty["outcome"]) == (None, None, "skipped")
    assert json.loads(json.dumps(full)) == full


def test_every_job_operation_of_the_service_is_known() -> None:
    from airflow_provider_amplifybackend.service_model import service_model

    model = service_model()
    answering_a_job = {
        name
        for name in model.operation_names
        if "JobId" in model.operation_model(name).output_shape.members
        and not name.startswith(("Get", "UpdateBackendJob"))
    }
    assert set(JOB_OPERATIONS) == answering_a_job


def test_a_job_may_live_in_the_target_or_in_the_source_of_a_clone() -> None:
    request = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr1"}
    clone = JOB_OPERATIONS["CloneBackend"]
    assert clone.environments(request) == ("pr1", "staging")
    assert clone.target_environments(request) == ("pr1",)


def test_a_job_is_named_with_all_that_finds_it() -> None:
    assert str(JobRef(APP, "j", ("pr1", "staging"), "CloneBackend")) == (
        f"job j (CloneBackend, app {APP}, environment pr1 or staging)"
    )
    assert str(JobRef(APP, "j", ())) == f"job j (operation unknown, app {APP}, environment unknown)"


@pytest.mark.parametrize("name", ["pr 1", "$(reboot)", "it's", "`id`", "a;b", "a&b", "größe", '"'])
def test_the_command_that_looks_at_a_job_can_be_pasted_into_a_shell(name: str) -> None:
    words = shlex.split(JobRef(name, name, (name,)).look_command)
    assert words[3:] == ["--app-id", name, "--backend-environment-name", name, "--job-id", name]
    assert JobRef(APP, "j", ()).look_command.endswith(
        f"--app-id {APP} --backend-environment-name ENVIRONMENT --job-id j"
    )


# Whose job it was


FOUND = replace(NAMED, found_by_looking=True)
OURS_LATER = job("COMPLETED", at=9_000, job_id="job-2")


def test_a_failed_job_is_not_ours_if_another_can_be() -> None:
    """Somebody else's job was accepted first and failed, then our late start was."""
    for status in ("RUNNING", "COMPLETED"):
        later = replace(OURS_LATER, status=status)
        decision = jobs.decide(situation(intent=INTENT, jobs=(job("FAILED"), later)))
        assert isinstance(decision, Adopt)
        assert decision.job.job_id == "job-2"
    decision = jobs.decide(situation(intent=FOUND, jobs=(job("FAILED"), OURS_LATER)))
    assert isinstance(decision, Adopt)
    assert decision.job.job_id == "job-2"
    assert isinstance(jobs.decide(situation(intent=NAMED, jobs=(job("FAILED"),))), Send)


def test_a_job_that_was_seen_to_fail_need_not_be_seen_again() -> None:
    gone = situation(intent=replace(NAMED, job_failed=True), patience_left=10)
    assert isinstance(jobs.decide(gone), Send)


def test_an_adopted_job_remembers_how_it_was_found() -> None:
    found = jobs.adopted(INTENT, job("RUNNING"), FIRST)
    assert found.found_by_looking
    assert jobs.adopted(found, job("COMPLETED"), CLEARED).found_by_looking
    assert not jobs.adopted(NAMED, job("RUNNING"), FIRST).found_by_looking
    assert Intent.from_stored(json.loads(json.dumps(found.to_stored()))) == found


def test_somebody_elses_job_is_not_taken_for_ours_again() -> None:
    rest = jobs.disowned(FOUND, job("COMPLETED"))
    assert (rest.job_id, rest.found_by_looking, rest.target_existed) == (None, False, True)
    assert isinstance(jobs.decide(situation(intent=rest, jobs=(job("COMPLETED"),), target_exists=False)), Send)
    assert isinstance(jobs.decide(situation(intent=rest, jobs=(job("COMPLETED"), OURS_LATER))), Adopt)


AFTER = {
    "nothing came later": ((), True),
    "something failed later": ((replace(OURS_LATER, status="FAILED"),), True),
    "something else changed later": ((replace(OURS_LATER, operation="UpdateBackendStorage"),), True),
    "it was removed later": ((replace(OURS_LATER, operation="DeleteBackend"),), False),
    "it is being removed": ((replace(OURS_LATER, operation="DeleteBackend", status="RUNNING"),), False),
}


@pytest.mark.parametrize("what", AFTER)
def test_a_difference_tells_only_what_the_youngest_job_left(what: str) -> None:
    later, tells = AFTER[what]
    rest, reason = jobs.after_difference(FOUND, JOB_OPERATIONS["CloneBackend"], job("COMPLETED"), later, "it differs")
    assert (rest is not None) is tells
    assert reason.count("it differs") == 1


def test_of_two_jobs_that_may_be_ours_the_later_is_looked_at_and_then_it_cannot_be_told() -> None:
    clone = JOB_OPERATIONS["CloneBackend"]
    both = (job("COMPLETED"), OURS_LATER)
    rest, _ = jobs.after_difference(FOUND, clone, both[0], both, "it differs")
    assert rest
    assert rest.passed_over
    decision = jobs.decide(situation(intent=rest, jobs=both))
    assert isinstance(decision, Adopt)
    assert decision.job == OURS_LATER
    unknown, reason = jobs.after_difference(
        jobs.adopted(rest, OURS_LATER, FIRST), clone, OURS_LATER, both, "it differs"
    )
    assert unknown is None
    assert "cannot be told" in reason
