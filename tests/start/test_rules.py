"""The rules of starting a job once, as tables of situations and decisions."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import (
    KNOWN_STATUSES,
    Job,
    JobRef,
    Outcome,
    earlier_durations,
    epoch_ms,
    newest,
    readable_times,
)
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.start.decisions import Adopt, CheckAgain, Decision, Done, Refuse, Send, WaitFor
from airflow_provider_amplifybackend.start.intent import (
    MAX_KNOWN_JOB_IDS,
    SERVICE_CLOCK_MARGIN_MS,
    Disowned,
    Intent,
    Round,
    State,
    adopted,
    answered,
    disowned,
    is_unanswered,
    own_job,
    patience_since,
    request_digest,
)
from airflow_provider_amplifybackend.start.ownership import after_difference, has_made_target
from airflow_provider_amplifybackend.start.rules import decide
from airflow_provider_amplifybackend.start.situation import (
    Order,
    Sight,
    Situation,
    doubted,
    has_own_job,
    is_unresolved,
    reopened,
    turned_down,
    write_intent,
)
from tests.botocore_model import answer_of
from tests.samples import APP

NOW = 1_700_000_000_000
SEEN = NOW + 60_000  # when a difference was seen
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


CLONE = JOB_OPERATIONS["CloneBackend"]


def situation(operation: str = "CloneBackend", **changes: Any) -> Situation:
    base = Situation(JOB_OPERATIONS[operation], FIRST, "digest", None, targets=("pr1",), target_exists=False)
    return replace(base, **changes)


def delete(**changes: Any) -> Situation:
    return situation("DeleteBackend", **{"target_exists": True} | changes)


def update(**changes: Any) -> Situation:
    return situation("UpdateBackendAuth", **{"target_exists": None} | changes)


# What the reasons say, as far as the tables need it.
FRESH = "no earlier start"
WAS_REFUSED = "an earlier start was refused"
FAILED_BEFORE = "the job of an earlier try failed"
NO_TRACE = "left no trace"
AGAIN = "the task was cleared"
APPEARED = "it appeared after this task sent a start"
STARTED_BEFORE = "was started by an earlier try"
CLEARED_WHILE = "cleared while its job was running"
EXISTS = "the environment to create already exists"
IS_THERE = "it already exists"


@dataclass(frozen=True)
class Expected:
    """A whole decision, but for the wording of its reason."""

    kind: type[Decision]
    words: str
    job_id: str | None = None
    outcome: str | None = None


def sends(words: str) -> Expected:
    return Expected(Send, words)


def looks_again(words: str) -> Expected:
    return Expected(CheckAgain, words)


def refuses(words: str) -> Expected:
    return Expected(Refuse, words)


def adopts(job_id: str, words: str) -> Expected:
    return Expected(Adopt, words, job_id)


def waits_for(job_id: str, words: str) -> Expected:
    return Expected(WaitFor, words, job_id)


def succeeds(outcome: str, words: str) -> Expected:
    return Expected(Done, words, outcome=outcome)


def in_source(of: Job) -> Job:
    """The row of a clone may live in its source, and does not say which environment it was to create."""
    return replace(of, backend_environment_name="staging")


# Of the same kind as `situation`, with a name for the intent and its job: an auth resource is created.
AUTH = replace(NAMED, operation="CreateBackendAuth")
AUTH_FAILED = job("FAILED", operation="CreateBackendAuth")


def create_auth(**changes: Any) -> Situation:
    return situation("CreateBackendAuth", **{"target_exists": True, "if_exists": "skip"} | changes)


PENDING_THERE = job("PENDING", job_id="theirs", operation="UpdateBackendAPI")
FAILED_THERE = job("FAILED", job_id="theirs")

NOTHING_STARTED_BEFORE = {
    "nothing is in the way": (situation(), sends(FRESH)),
    "an update of what cannot be looked at": (update(), sends(FRESH)),
    "somebody's job is pending": (
        situation(jobs=(PENDING_THERE,)),
        waits_for("theirs", "is PENDING; will start when it has ended"),
    ),
    "a job of unknown status counts as pending": (situation(jobs=(job("BREWING"),)), waits_for("job-1", "is BREWING")),
    "somebody's job is pending, and we are not to wait": (
        situation(jobs=(PENDING_THERE,), on_pending_job="fail"),
        refuses("is still PENDING and blocks"),
    ),
    "a job is pending, but only in the source": (
        situation(jobs=(replace(PENDING_THERE, backend_environment_name="staging"),)),
        sends(FRESH),
    ),
    "an operation on the whole app minds every pending job": (
        situation("RemoveAllBackends", targets=(), target_exists=True, jobs=(PENDING_THERE,)),
        waits_for("theirs", "is PENDING; will start when it has ended"),
    ),
    "an operation that names no environment leaves it to the service which jobs are in its way": (
        situation("CreateBackendConfig", targets=(), target_exists=None, jobs=(PENDING_THERE,)),
        sends(FRESH),
    ),
    "an ended job is in nobody's way": (
        situation(jobs=(job("COMPLETED"),)),
        sends(FRESH),
    ),
    "pending comes before existing": (
        situation(jobs=(PENDING_THERE,), target_exists=True, if_exists="skip"),
        waits_for("theirs", "is PENDING; will start when it has ended"),
    ),
    "it exists": (situation(target_exists=True), refuses(EXISTS)),
    "it exists, and that is as good": (
        situation(target_exists=True, if_exists="skip"),
        succeeds("found", IS_THERE),
    ),
    "it exists as what a failed creation left": (
        situation(target_exists=True, if_exists="skip", jobs=(FAILED_THERE,)),
        refuses("only as the leftover of job theirs"),
    ),
    "it exists as what a clone left whose job lives in the source": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(replace(FAILED_THERE, backend_environment_name="staging"),),
        ),
        refuses("it may be the leftover of job theirs"),
    ),
    "it was created well, another clone of the same source failed": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(job("COMPLETED"), replace(FAILED_THERE, backend_environment_name="staging", create_time_ms=NOW * 2)),
        ),
        succeeds("found", IS_THERE),
    ),
    "a failed creation was made good by a later one": (
        situation(
            target_exists=True,
            if_exists="skip",
            jobs=(job("COMPLETED", at=9_000, job_id="second"), FAILED_THERE),
        ),
        succeeds("found", IS_THERE),
    ),
    "an auth resource is not what a failed clone left": (
        situation("CreateBackendAuth", target_exists=True, if_exists="skip", jobs=(FAILED_THERE,)),
        succeeds("found", IS_THERE),
    ),
    "there is something to remove": (delete(), sends(FRESH)),
    "there is nothing to remove": (delete(target_exists=False), refuses("the environment to remove does not exist")),
    "there is nothing to remove, and that is as good": (
        delete(target_exists=False, if_missing="skip"),
        succeeds("skipped", "there is nothing to remove"),
    ),
    "whether there is something to remove is not known": (
        delete(target_exists=None, if_missing="skip"),
        sends(FRESH),
    ),
    "the youngest of several pending jobs is waited for": (
        situation(jobs=(PENDING_THERE, job("RUNNING", at=9_000, job_id="younger"), job("RUNNING", job_id="older"))),
        waits_for("younger", "is RUNNING"),
    ),
    "it exists, and a clone that may not be whole runs in its source": (
        situation(target_exists=True, if_exists="skip", jobs=(in_source(job("RUNNING")),)),
        waits_for("job-1", "is RUNNING"),
    ),
    "it exists, a clone runs in its source, and we are not to wait": (
        situation(target_exists=True, if_exists="skip", on_pending_job="fail", jobs=(in_source(job("RUNNING")),)),
        refuses("job-1 (CloneBackend, app d1a2b3c4d5, environment staging) is still RUNNING"),
    ),
    "it exists, which is a failure, whatever runs in the source": (
        situation(target_exists=True, jobs=(in_source(job("RUNNING")),)),
        refuses(EXISTS),
    ),
    "it exists, and something else runs in the source": (
        situation(target_exists=True, if_exists="skip", jobs=(in_source(PENDING_THERE),)),
        succeeds("found", IS_THERE),
    ),
    "an auth resource exists, whatever is cloned from elsewhere": (
        create_auth(jobs=(in_source(job("RUNNING")),)),
        succeeds("found", IS_THERE),
    ),
    "it exists empty, as what a clone left whose job lives in the source": (
        situation(target_exists=True, target_is_empty=True, if_exists="skip", jobs=(in_source(FAILED_THERE),)),
        refuses("it may be the leftover of job theirs"),
    ),
    "it exists and holds something, so no failed clone of its source left it": (
        situation(target_exists=True, target_is_empty=False, if_exists="skip", jobs=(in_source(FAILED_THERE),)),
        succeeds("found", IS_THERE),
    ),
    "somebody's creation of an auth resource failed: its row does not tell the name": (
        create_auth(jobs=(AUTH_FAILED,)),
        succeeds("found", IS_THERE),
    ),
}

AN_ANSWER_WAS_LOST = {
    "its job runs": (
        situation(intent=INTENT, jobs=(job("RUNNING"),)),
        adopts("job-1", APPEARED),
    ),
    "its job completed meanwhile": (
        situation(intent=INTENT, jobs=(job("COMPLETED"),), target_exists=True),
        adopts("job-1", APPEARED),
    ),
    "its job failed while nobody looked": (
        situation(intent=INTENT, jobs=(job("FAILED"),)),
        sends(FAILED_BEFORE),
    ),
    "a job failed that may be somebody else's": (
        situation(intent=INTENT, jobs=(job("FAILED"),), patience_left=1),
        looks_again("may be somebody else's: this task's job may not be listed yet"),
    ),
    "its job failed in this very try": (
        situation(intent=INTENT, jobs=(job("FAILED"),), sent_in_this_try=True),
        adopts("job-1", APPEARED),
    ),
    "its job may still show up": (situation(intent=INTENT, patience_left=1), looks_again("start may have been sent")),
    "nothing showed up": (situation(intent=INTENT, patience_left=0), sends(NO_TRACE)),
    "the target showed up, no job": (
        situation(intent=INTENT, target_exists=True, if_exists="skip"),
        refuses("whose answer was lost, but no job for it is listed"),
    ),
    "the target was there before": (
        situation(intent=replace(INTENT, target_existed=True), target_exists=True, if_exists="skip"),
        succeeds("found", IS_THERE),
    ),
    "a known job is not ours": (
        situation(intent=replace(INTENT, known_job_ids=("job-1",)), jobs=(job("COMPLETED"),)),
        sends(NO_TRACE),
    ),
    "an older job is not ours": (
        situation(intent=INTENT, jobs=(job("COMPLETED", at=-2_001),)),
        sends(NO_TRACE),
    ),
    "the service's clock counts whole seconds": (
        situation(intent=INTENT, jobs=(job("RUNNING", at=-2_000),)),
        adopts("job-1", APPEARED),
    ),
    "a job of another operation is not ours": (
        situation(intent=INTENT, jobs=(job("COMPLETED", operation="CreateBackend"),)),
        sends(NO_TRACE),
    ),
    "a job without a time may be ours": (
        situation(intent=INTENT, jobs=(job("RUNNING", create_time_ms=None),)),
        adopts("job-1", APPEARED),
    ),
    "what was to be removed is gone": (
        delete(intent=replace(INTENT, operation="DeleteBackend"), target_exists=False),
        succeeds("adopted", "it is gone, and the answer to an earlier start was lost"),
    ),
    "what was to be removed is still there": (
        delete(intent=replace(INTENT, operation="DeleteBackend"), patience_left=1),
        looks_again("start may have been sent"),
    ),
    "an update that left no trace": (
        update(intent=replace(INTENT, operation="UpdateBackendAuth")),
        sends(NO_TRACE),
    ),
    "another version's digest cannot be compared": (
        situation(intent=replace(INTENT, digest="of another kind", version=99), jobs=(job("RUNNING"),)),
        adopts("job-1", APPEARED),
    ),
    "its job may show up within the last moment": (
        situation(intent=INTENT, patience_left=0.001),
        looks_again("start may have been sent"),
    ),
    "patience was over before": (situation(intent=INTENT, patience_left=-1), sends(NO_TRACE)),
    "of two jobs that may be its own, the older counts, though it has ended": (
        situation(intent=INTENT, jobs=(job("RUNNING", at=9_000, job_id="younger"), job("COMPLETED"))),
        adopts("job-1", APPEARED),
    ),
    "a job with the operation's own name comes before one with an unknown word": (
        situation(intent=INTENT, jobs=(job("RUNNING", job_id="odd", operation="CLONE"), job("RUNNING", at=9_000))),
        adopts("job-1", APPEARED),
    ),
    "a job with an unknown word may be its own": (
        situation(intent=INTENT, jobs=(job("RUNNING", operation="CLONE"),)),
        adopts("job-1", APPEARED),
    ),
    "a job without a time comes before one with a time": (
        situation(intent=INTENT, jobs=(job("RUNNING"), job("RUNNING", job_id="timeless", create_time_ms=None))),
        adopts("timeless", APPEARED),
    ),
    "its job failed in this very try, and patience is left": (
        situation(intent=INTENT, jobs=(job("FAILED"),), sent_in_this_try=True, patience_left=1),
        adopts("job-1", APPEARED),
    ),
    "a clone failed in the source, and what exists holds something": (
        situation(
            intent=INTENT,
            jobs=(in_source(job("FAILED")),),
            target_exists=True,
            target_is_empty=False,
            if_exists="skip",
        ),
        succeeds("found", IS_THERE),
    ),
    "what is to be removed was not seen before, and is there now": (
        delete(intent=replace(INTENT, operation="DeleteBackend", target_existed=None)),
        sends(NO_TRACE),
    ),
}

THE_START_WAS_REFUSED = {
    "it is sent again": (situation(intent=REFUSED), sends(WAS_REFUSED)),
    "it never became a job": (
        situation(intent=REFUSED, jobs=(job("COMPLETED"),)),
        sends(WAS_REFUSED),
    ),
    "somebody else's clone is not ours": (
        situation(intent=REFUSED, jobs=(job("RUNNING"),)),
        waits_for("job-1", "is RUNNING; will start when it has ended"),
    ),
    "nor after a clear": (
        situation(intent=REFUSED, round=CLEARED, jobs=(job("RUNNING"),)),
        waits_for("job-1", "is RUNNING; will start when it has ended"),
    ),
    "nothing is waited for that was refused": (situation(intent=REFUSED, patience_left=1), sends(WAS_REFUSED)),
    "nor after a clear, whatever patience is left": (
        situation(intent=REFUSED, round=CLEARED, patience_left=1),
        sends(AGAIN),
    ),
}

AN_EARLIER_TRY_HAS_A_JOB = {
    "it runs": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), target_exists=True),
        adopts("job-1", STARTED_BEFORE),
    ),
    "it completed": (
        situation(intent=NAMED, jobs=(job("COMPLETED"),), target_exists=True),
        adopts("job-1", STARTED_BEFORE),
    ),
    "it failed and left nothing": (
        situation(intent=NAMED, jobs=(job("FAILED"),)),
        sends(FAILED_BEFORE),
    ),
    "it failed and left an empty environment": (
        situation(intent=NAMED, jobs=(job("FAILED"),), target_exists=True, if_exists="skip"),
        refuses("only as the leftover of job job-1"),
    ),
    "it was found by looking and failed, and ours may still show up": (
        situation(intent=FOUND, jobs=(job("FAILED"),), patience_left=1),
        looks_again("start may have been sent"),
    ),
    "it was found by looking and failed, and ours has shown up": (
        situation(intent=FOUND, jobs=(job("FAILED"), job("RUNNING", at=9_000, job_id="ours")), patience_left=1),
        adopts("ours", APPEARED),
    ),
    "it was found by looking and failed, and nothing else showed up": (
        situation(intent=FOUND, jobs=(job("FAILED"),)),
        sends(NO_TRACE),
    ),
    "it is not listed yet": (
        situation(intent=NAMED, patience_left=1),
        looks_again("of an earlier try is not listed yet"),
    ),
    "it is not listed any more": (situation(intent=NAMED), adopts("job-1", "but is no longer listed")),
    "retries were edited in the DAG file": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), round=replace(FIRST, max_tries=9)),
        adopts("job-1", STARTED_BEFORE),
    ),
    "another task of the run was cleared": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), round=replace(FIRST, clear_number=4)),
        adopts("job-1", STARTED_BEFORE),
    ),
    "it was reported, the process died, and another task of the run was cleared": (
        situation(intent=REPORTED, jobs=(job("COMPLETED"),), round=replace(FIRST, clear_number=4)),
        adopts("job-1", STARTED_BEFORE),
    ),
    "the parameters render differently now, and the job runs": (
        situation(intent=NAMED, jobs=(job("RUNNING"),), digest="another"),
        waits_for("job-1", "with other parameters, is still running"),
    ),
    "the parameters render differently now, and the job ended": (
        situation(intent=NAMED, jobs=(job("COMPLETED"),), digest="another"),
        sends(AGAIN),
    ),
    "it was found by looking and runs": (
        situation(intent=FOUND, jobs=(job("RUNNING"),), patience_left=1),
        adopts("job-1", STARTED_BEFORE),
    ),
    "it was found by looking and is not listed any more": (
        situation(intent=FOUND),
        adopts("job-1", "but is no longer listed"),
    ),
    "it failed in the source, and what exists is its leftover": (
        situation(intent=NAMED, jobs=(in_source(job("FAILED")),), target_exists=True, if_exists="skip"),
        refuses("only as the leftover of job job-1"),
    ),
    "it failed in the source, and its leftover holds something": (
        situation(
            intent=NAMED,
            jobs=(in_source(job("FAILED")),),
            target_exists=True,
            target_is_empty=False,
            if_exists="skip",
        ),
        refuses("only as the leftover of job job-1"),
    ),
    "it failed in the source, and what exists was there before": (
        situation(
            intent=replace(NAMED, target_existed=True),
            jobs=(in_source(job("FAILED")),),
            target_exists=True,
            target_is_empty=False,
            if_exists="skip",
        ),
        succeeds("found", IS_THERE),
    ),
    "it failed, and somebody's later clone of the same source, too": (
        situation(
            intent=replace(NAMED, target_existed=True),
            jobs=(in_source(job("FAILED")), in_source(job("FAILED", at=9_000, job_id="theirs"))),
            target_exists=True,
            if_exists="skip",
        ),
        refuses("it may be the leftover of job theirs"),
    ),
    "its creation of an auth resource failed": (
        create_auth(intent=AUTH, jobs=(AUTH_FAILED,)),
        refuses("the auth exists, but only as the leftover of job job-1"),
    ),
    "its creation of an auth resource failed, and a later one may be of the same name": (
        create_auth(intent=AUTH, jobs=(AUTH_FAILED, replace(AUTH_FAILED, job_id="b", create_time_ms=NOW + 9_000))),
        succeeds("found", IS_THERE),
    ),
    "its creation of an auth resource failed, under another word": (
        create_auth(intent=AUTH, jobs=(replace(AUTH_FAILED, operation="CREATE_AUTH"),)),
        refuses("the auth exists, but only as the leftover of job job-1"),
    ),
    "the parameters render differently now, and the job failed: it created something else": (
        situation(intent=NAMED, jobs=(job("FAILED"),), digest="another", target_exists=True, if_exists="skip"),
        succeeds("found", IS_THERE),
    ),
}

THE_TASK_WAS_CLEARED = {
    "its job runs": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("RUNNING"),)),
        adopts("job-1", CLEARED_WHILE),
    ),
    "its job runs, with other parameters": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("RUNNING"),), digest="another"),
        waits_for("job-1", "with other parameters, is still running"),
    ),
    "its job completed: do it again": (
        situation(intent=REPORTED, round=CLEARED, jobs=(job("COMPLETED"),)),
        sends(AGAIN),
    ),
    "its job completed: do it again, though no DAG run was reset": (
        situation(intent=REPORTED, round=replace(FIRST, max_tries=4), jobs=(job("COMPLETED"),)),
        sends(AGAIN),
    ),
    "its job runs unwaited: it is not started twice, though no DAG run was reset": (
        situation(intent=REPORTED, round=replace(FIRST, max_tries=4), jobs=(job("RUNNING"),)),
        adopts("job-1", CLEARED_WHILE),
    ),
    "its job completed before it could say so": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        adopts("job-1", "cleared before it could report"),
    ),
    "its start became a job that completed": (
        situation(intent=INTENT, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        adopts("job-1", "cleared before it could report"),
    ),
    "its job completed, and what it created is gone": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=False),
        sends(AGAIN),
    ),
    "its job completed, and another came after it": (
        situation(
            intent=NAMED,
            round=CLEARED,
            jobs=(job("COMPLETED"), job("COMPLETED", at=9_000, job_id="later")),
            target_exists=True,
        ),
        refuses(EXISTS),
    ),
    "its job completed, with other parameters": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True, digest="another"),
        refuses(EXISTS),
    ),
    "its job failed: do it again": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("FAILED"),)),
        sends(AGAIN),
    ),
    "a job of its failed that may be somebody else's: ours may still show up": (
        situation(intent=FOUND, round=CLEARED, jobs=(job("FAILED"),), patience_left=1),
        looks_again("start of the task's earlier round may have been sent"),
    ),
    "its job is forgotten: do it again": (
        situation(intent=NAMED, round=CLEARED),
        sends(AGAIN),
    ),
    "its start may still become a job": (
        situation(intent=INTENT, round=CLEARED, patience_left=1),
        looks_again("start of the task's earlier round may have been sent"),
    ),
    "its start became a job": (
        situation(intent=INTENT, round=CLEARED, jobs=(job("RUNNING"),)),
        adopts("job-1", CLEARED_WHILE),
    ),
    "its start left no trace": (
        situation(intent=INTENT, round=CLEARED),
        sends(AGAIN),
    ),
    "what it created exists": (
        situation(intent=REPORTED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True),
        refuses(EXISTS),
    ),
    "its job runs, and what it creates shows already": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("RUNNING"),), target_exists=True),
        adopts("job-1", CLEARED_WHILE),
    ),
    "its start became a job, and patience is left": (
        situation(intent=INTENT, round=CLEARED, jobs=(job("RUNNING"),), patience_left=1),
        adopts("job-1", CLEARED_WHILE),
    ),
    "its job completed before it could say so, and patience is left": (
        situation(intent=NAMED, round=CLEARED, jobs=(job("COMPLETED"),), target_exists=True, patience_left=1),
        adopts("job-1", "cleared before it could report"),
    ),
    "its job completed in the source before it could say so": (
        situation(intent=NAMED, round=CLEARED, jobs=(in_source(job("COMPLETED")),), target_exists=True),
        adopts("job-1", "cleared before it could report"),
    ),
    "its deletion completed before it could say so": (
        delete(
            intent=replace(NAMED, operation="DeleteBackend"),
            round=CLEARED,
            jobs=(job("COMPLETED", operation="DeleteBackend"),),
            target_exists=False,
        ),
        adopts("job-1", "cleared before it could report"),
    ),
    "its deletion completed, and what it removed is there again": (
        delete(
            intent=replace(NAMED, operation="DeleteBackend"),
            round=CLEARED,
            jobs=(job("COMPLETED", operation="DeleteBackend"),),
        ),
        sends(AGAIN),
    ),
    "its update completed before it could say so": (
        update(
            intent=replace(NAMED, operation="UpdateBackendAuth"),
            round=CLEARED,
            jobs=(job("COMPLETED", operation="UpdateBackendAuth"),),
        ),
        adopts("job-1", "cleared before it could report"),
    ),
    "its job is not listed yet": (
        situation(intent=NAMED, round=CLEARED, patience_left=1),
        looks_again("job job-1 of the task's earlier round is not listed yet"),
    ),
    "its job was seen to fail: do it again, listed or not": (
        situation(intent=replace(NAMED, job_failed=True), round=CLEARED, patience_left=1),
        sends(AGAIN),
    ),
    "its job completed well, after somebody's failure": (
        situation(
            intent=REPORTED,
            round=CLEARED,
            jobs=(job("COMPLETED"), job("FAILED", at=1_000, job_id="theirs")),
            target_exists=True,
            if_exists="skip",
        ),
        succeeds("found", IS_THERE),
    ),
    "its job completed in the source, and somebody's clone of the same source failed": (
        situation(
            intent=REPORTED,
            round=CLEARED,
            jobs=(in_source(job("COMPLETED")), in_source(job("FAILED", at=9_000, job_id="theirs"))),
            target_exists=True,
            if_exists="skip",
        ),
        refuses("it may be the leftover of job theirs"),
    ),
}

NOTHING_IS_STORED_BEFORE_AIRFLOW_3_3 = {
    "a job runs that may be ours": (
        situation(intent=PRESUMED, jobs=(job("RUNNING"),)),
        adopts("job-1", APPEARED),
    ),
    "a job completed that may be ours": (
        situation(intent=PRESUMED, jobs=(job("COMPLETED"),)),
        refuses("Airflow before 3.3 has no task state store"),
    ),
    "a job failed that may be ours": (
        situation(intent=PRESUMED, jobs=(job("FAILED"),)),
        sends(FAILED_BEFORE),
    ),
    "no job since the run began": (
        situation(intent=PRESUMED, patience_left=60),
        sends(FRESH),
    ),
    "an older job completed": (
        situation(intent=PRESUMED, jobs=(job("COMPLETED", at=-60_000),)),
        sends(FRESH),
    ),
    "what is to be removed is still there": (
        delete(intent=replace(PRESUMED, operation="DeleteBackend")),
        sends(FRESH),
    ),
    "what was to be removed is gone, and a job says so": (
        delete(
            intent=replace(PRESUMED, operation="DeleteBackend"),
            jobs=(job("COMPLETED", operation="DeleteBackend"),),
            target_exists=False,
        ),
        adopts("job-1", APPEARED),
    ),
    "what was to be removed was never there": (
        delete(intent=replace(PRESUMED, operation="DeleteBackend"), target_exists=False),
        refuses("the environment to remove does not exist"),
    ),
    "a job runs that may be ours, and another completed since the run began": (
        situation(intent=PRESUMED, jobs=(job("COMPLETED", job_id="earlier"), job("RUNNING", at=9_000))),
        adopts("job-1", APPEARED),
    ),
    "cleared, and a job runs that may be ours": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier), jobs=(job("RUNNING"),)),
        adopts("job-1", CLEARED_WHILE),
    ),
    "cleared, and a job completed that may be ours: do it again": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier), jobs=(job("COMPLETED"),)),
        sends(AGAIN),
    ),
    "cleared, and nothing to be seen": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier)),
        sends(AGAIN),
    ),
    "a job failed that may be ours, and nothing else is waited for": (
        situation(intent=PRESUMED, jobs=(job("FAILED"),), patience_left=1),
        sends(FAILED_BEFORE),
    ),
    "the job that was adopted failed": (
        situation(intent=adopted(PRESUMED, job("RUNNING"), FIRST), jobs=(job("FAILED"),), patience_left=1),
        sends(FAILED_BEFORE),
    ),
    "a job failed that may be ours, and this try has sent": (
        situation(intent=PRESUMED, jobs=(job("FAILED"),), sent_in_this_try=True),
        refuses("Airflow before 3.3 has no task state store"),
    ),
    "cleared, and the job that was adopted failed": (
        situation(intent=adopted(PRESUMED, job("RUNNING"), FIRST), round=CLEARED, jobs=(job("FAILED"),)),
        sends(AGAIN),
    ),
    "cleared, and the job that was adopted completed: do it again": (
        update(
            intent=replace(adopted(PRESUMED, job("RUNNING"), FIRST), operation="UpdateBackendAuth"),
            round=CLEARED,
            jobs=(job("COMPLETED", operation="UpdateBackendAuth"),),
        ),
        sends(AGAIN),
    ),
    "cleared, a job completed that may be ours, and what it created is there": (
        situation(intent=replace(PRESUMED, round=FIRST.earlier), jobs=(job("COMPLETED"),), target_exists=True),
        refuses(EXISTS),
    ),
}


def table(cases: dict[str, tuple[Situation, Expected]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("given", "expected"), [pytest.param(*case, id=name) for name, case in cases.items()]
    )


def check(given: Situation, expected: Expected) -> None:
    """Compare the whole decision: a job is the row that was listed or, if none is, what the intent knows of it."""
    decision = decide(given)
    assert type(decision) is expected.kind, decision.reason
    assert expected.words in decision.reason
    assert getattr(decision, "outcome", None) == expected.outcome
    job = getattr(decision, "job", None)
    assert (job and job.job_id) == expected.job_id
    if job:
        stored = given.intent.job if given.intent else None
        assert job == next((row for row in given.jobs if row.job_id == job.job_id), stored)


@table(NOTHING_STARTED_BEFORE)
def test_decides_where_nothing_was_started_before(given: Situation, expected: Expected) -> None:
    check(given, expected)


@table(AN_ANSWER_WAS_LOST)
def test_decides_after_an_answer_was_lost(given: Situation, expected: Expected) -> None:
    check(given, expected)


@table(THE_START_WAS_REFUSED)
def test_decides_after_a_refusal(given: Situation, expected: Expected) -> None:
    check(given, expected)


@table(AN_EARLIER_TRY_HAS_A_JOB)
def test_decides_on_a_retry(given: Situation, expected: Expected) -> None:
    check(given, expected)


@table(THE_TASK_WAS_CLEARED)
def test_decides_after_a_clear(given: Situation, expected: Expected) -> None:
    check(given, expected)


@table(NOTHING_IS_STORED_BEFORE_AIRFLOW_3_3)
def test_decides_without_a_state_store(given: Situation, expected: Expected) -> None:
    check(given, expected)


NOT_LISTED = "is not listed yet"
EARLIER_ROUND_SENT = "of the task's earlier round may have been sent"
BEFORE_IT_COULD = "cleared before it could report"
IS_RUNNING = "is RUNNING; will start when it has ended"
# By the intent's state: what is done if nothing shows of its job, or it runs, has completed or has failed.
CELLS = {
    Order.SAME: {
        State.SENT: (
            looks_again("a start may have been sent"),
            adopts("job-1", APPEARED),
            adopts("job-1", APPEARED),
            looks_again("may be somebody else's"),
        ),
        State.ANSWERED: (
            looks_again(f"of an earlier try {NOT_LISTED}"),
            adopts("job-1", STARTED_BEFORE),
            adopts("job-1", STARTED_BEFORE),
            sends(FAILED_BEFORE),
        ),
        State.FOUND: (
            looks_again(f"of an earlier try {NOT_LISTED}"),
            adopts("job-1", STARTED_BEFORE),
            adopts("job-1", STARTED_BEFORE),
            looks_again("a start may have been sent"),
        ),
        State.FAILED: (
            sends(FAILED_BEFORE),
            waits_for("job-1", IS_RUNNING),
            sends(FAILED_BEFORE),
            sends(FAILED_BEFORE),
        ),
        State.REFUSED: (sends(WAS_REFUSED), waits_for("job-1", IS_RUNNING), sends(WAS_REFUSED), sends(WAS_REFUSED)),
        State.PRESUMED: (
            sends(FRESH),
            adopts("job-1", APPEARED),
            refuses("Airflow before 3.3 has no task state store"),
            sends(FAILED_BEFORE),
        ),
    },
    Order.NEW: {
        State.SENT: (
            looks_again(EARLIER_ROUND_SENT),
            adopts("job-1", CLEARED_WHILE),
            adopts("job-1", BEFORE_IT_COULD),
            looks_again(EARLIER_ROUND_SENT),
        ),
        State.ANSWERED: (
            looks_again(f"of the task's earlier round {NOT_LISTED}"),
            adopts("job-1", CLEARED_WHILE),
            adopts("job-1", BEFORE_IT_COULD),
            sends(AGAIN),
        ),
        State.FOUND: (
            looks_again(f"of the task's earlier round {NOT_LISTED}"),
            adopts("job-1", CLEARED_WHILE),
            adopts("job-1", BEFORE_IT_COULD),
            looks_again(EARLIER_ROUND_SENT),
        ),
        State.FAILED: (
            sends(AGAIN),
            adopts("job-1", CLEARED_WHILE),
            adopts("job-1", BEFORE_IT_COULD),
            sends(AGAIN),
        ),
        State.REFUSED: (sends(AGAIN), waits_for("job-1", IS_RUNNING), sends(AGAIN), sends(AGAIN)),
        State.PRESUMED: (sends(AGAIN), adopts("job-1", CLEARED_WHILE), sends(AGAIN), sends(AGAIN)),
    },
}
INTENTS = {
    State.SENT: INTENT,
    State.ANSWERED: NAMED,
    State.FOUND: FOUND,
    State.FAILED: replace(NAMED, job_failed=True),
    State.REFUSED: REFUSED,
    State.PRESUMED: PRESUMED,
}


@pytest.mark.parametrize("sight", Sight)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("order", Order)
def test_decides_in_each_state_of_the_intent_by_what_its_job_shows(order: Order, state: State, sight: Sight) -> None:
    """While patience lasts, for a change, which leaves nothing by which to tell whether it was made."""
    intent = replace(INTENTS[state], operation="UpdateBackendAuth")
    assert intent.state is state
    listed = () if sight is Sight.NOTHING else (job(sight.upper(), operation="UpdateBackendAuth"),)
    round = FIRST if order is Order.SAME else CLEARED
    check(
        update(intent=intent, jobs=listed, round=round, patience_left=60), CELLS[order][state][list(Sight).index(sight)]
    )


def test_the_first_new_job_after_the_intent_is_ours() -> None:
    listed = (job("RUNNING", at=9_000, job_id="later"), job("RUNNING", at=1_000, job_id="first"))
    decision = decide(situation(intent=INTENT, jobs=listed))
    assert isinstance(decision, Adopt)
    assert decision.job.job_id == "first"


def test_no_job_comes_of_a_start_that_was_refused() -> None:
    listed = (job("RUNNING"),)
    assert own_job(listed, INTENT) == listed[0]
    assert own_job(listed, REFUSED) is None
    assert not has_own_job(situation(intent=REFUSED, jobs=listed))


@pytest.mark.parametrize("listed", [(), (job("RUNNING"),), (job("COMPLETED"),)])
def test_only_a_failed_job_that_was_found_by_looking_reopens_the_start(listed: tuple[Job, ...]) -> None:
    given = situation(intent=FOUND, jobs=listed)
    assert reopened(given) is given
    failed = job("FAILED")
    assert reopened(replace(given, jobs=(failed,))).intent == disowned(FOUND, failed)
    answered_one = situation(intent=NAMED, jobs=(failed,))
    assert reopened(answered_one) is answered_one


def test_outcomes_say_how_a_task_came_to_success_without_a_job() -> None:
    found = decide(situation(target_exists=True, if_exists="skip"))
    skipped = decide(delete(target_exists=False, if_missing="skip"))
    gone = decide(delete(intent=replace(INTENT, operation="DeleteBackend"), target_exists=False))
    assert [d.outcome for d in (found, skipped, gone) if isinstance(d, Done)] == ["found", "skipped", "adopted"]


def test_a_job_that_is_no_longer_listed_is_still_named() -> None:
    decision = decide(situation(intent=NAMED))
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
    decision = decide(given)
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


def test_the_stored_form_is_one_that_older_versions_have_written() -> None:
    """More members may come; these stay as they are."""
    stored = {
        "operation": "CloneBackend",
        "app_id": APP,
        "digest": "digest",
        "round": {"max_tries": 2, "clear_number": 0},
        "service_time_ms": NOW,
        "known_job_ids": ["a"],
        "environments": ["pr1", "staging"],
        "target_existed": False,
        "resent_time_ms": NOW + 1,
        "starts": 2,
        "refused": True,
        "presumed": False,
        "job_id": "job-1",
        "job_environment": "pr1",
        "found_by_looking": True,
        "job_failed": True,
        "passed_over": True,
        "reported": True,
        "version": 1,
    }
    intent = Intent.from_stored(stored)
    assert intent == replace(
        FOUND,
        known_job_ids=("a",),
        environments=("pr1", "staging"),
        resent_time_ms=NOW + 1,
        starts=2,
        refused=True,
        job_failed=True,
        passed_over=True,
        reported=True,
    )
    written = intent.to_stored()
    assert {key: written[key] for key in stored} == stored


def test_an_intent_begins_with_nothing_known() -> None:
    begun = Intent("CloneBackend", APP, "digest", FIRST, NOW)
    assert (begun.starts, begun.resent_time_ms, begun.known_job_ids, begun.environments) == (0, 0, (), ())
    assert not any((begun.refused, begun.presumed, begun.found_by_looking, begun.job_failed))
    assert not any((begun.passed_over, begun.reported))
    assert begun.job == Job(APP, "", "", "CloneBackend")


def test_a_situation_begins_with_the_careful_policies() -> None:
    given = Situation(CLONE, FIRST, "digest", None)
    assert (given.on_pending_job, given.if_exists, given.if_missing) == ("wait", "fail", "fail")
    assert (given.jobs, given.targets, given.patience_left, given.sent_in_this_try) == ((), (), 0.0, False)
    assert (given.target_exists, given.target_is_empty) == (None, None)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FIRST, True),
        (Round(9, 0), True),
        (Round(2, 4), True),
        (Round(9, 4), False),
        (FIRST.earlier, False),
    ],
)
def test_a_round_is_another_where_both_numbers_differ(other: Round, same: bool) -> None:
    assert FIRST.is_same(other) is same


def test_the_earlier_round_is_one_before() -> None:
    assert CLEARED.earlier == Round(4, 0)


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
    intent = write_intent(situation(jobs=old), APP, NOW)
    assert len(intent.known_job_ids) == MAX_KNOWN_JOB_IDS == 200
    stored = replace(intent, known_job_ids=(*intent.known_job_ids, "more")).to_stored()
    assert stored["known_job_ids"] == [*intent.known_job_ids[1:], "more"]
    assert intent.known_job_ids[-1] == "job-300"
    assert "job-001" not in intent.known_job_ids


def test_only_jobs_of_the_same_operation_are_worth_knowing() -> None:
    listed = (job("COMPLETED"), job("COMPLETED", job_id="other", operation="DeleteBackend"))
    assert write_intent(situation(jobs=listed), APP, NOW).known_job_ids == ("job-1",)


def test_a_start_sent_again_after_one_that_left_no_trace_still_looks_from_before_the_first() -> None:
    again = write_intent(situation(intent=INTENT, target_exists=True), APP, NOW + 60_000)
    assert again == replace(INTENT, starts=2)
    late = decide(situation(intent=again, jobs=(job("RUNNING", at=100),)))
    assert isinstance(late, Adopt)


@pytest.mark.parametrize("earlier", [REFUSED, PRESUMED, replace(NAMED, digest="another")])
def test_a_start_after_a_settled_one_looks_from_its_own_time(earlier: Intent) -> None:
    again = write_intent(situation(intent=earlier), APP, NOW + 60_000)
    assert again.service_time_ms == NOW + 60_000
    assert again.starts == 2
    assert not again.refused
    assert not again.presumed
    assert again.job_id is None


def test_starts_are_counted_anew_in_each_round() -> None:
    assert write_intent(situation(intent=NAMED, round=CLEARED), APP, NOW).starts == 1


def test_a_start_after_a_found_job_that_failed_still_looks_for_the_one_before() -> None:
    """The failed one may have been somebody else's."""
    again = write_intent(situation(intent=FOUND, jobs=(job("FAILED"),)), APP, NOW + 60_000)
    assert (again.service_time_ms, again.starts) == (NOW, 2)
    assert (again.known_job_ids, again.job_id, again.found_by_looking) == (("job-1",), None, False)


def test_a_job_that_failed_is_known_to_the_next_start() -> None:
    """Otherwise the next lost answer would find the old failure and send for ever."""
    again = write_intent(situation(intent=INTENT, jobs=(job("FAILED"),)), APP, NOW + 60_000)
    assert again.known_job_ids == ("job-1",)


def test_the_answer_completes_the_intent() -> None:
    assert answered(INTENT, job("PENDING")) == NAMED
    assert answered(replace(INTENT, job_failed=True), job("PENDING")) == NAMED


def test_a_first_start_notes_all_that_its_job_is_known_by() -> None:
    listed = (
        job("COMPLETED", at=9_000, job_id="young"),
        job("COMPLETED", create_time_ms=1, job_id="old"),
        job("COMPLETED", create_time_ms=None, job_id="timeless", operation="CLONE"),
    )
    written = write_intent(situation(jobs=listed), APP, NOW, ("pr1", "staging"))
    assert written == replace(
        INTENT, known_job_ids=("timeless", "old", "young"), environments=("pr1", "staging"), target_existed=False
    )


@pytest.mark.parametrize(("existed", "exists", "kept"), [(True, True, True), (True, None, True), (True, False, False)])
def test_what_was_gone_before_a_start_was_sent_again_did_not_exist_before(
    existed: bool, exists: bool | None, kept: bool
) -> None:
    earlier = replace(INTENT, target_existed=existed)
    assert write_intent(situation(intent=earlier, target_exists=exists), APP, NOW).target_existed is kept


def test_a_start_sent_again_is_of_this_round_and_request_and_version() -> None:
    older = replace(INTENT, digest="of another kind", version=99)
    now = replace(FIRST, max_tries=9)
    again = write_intent(situation(intent=older, round=now), APP, NOW + 60_000)
    assert again == replace(INTENT, round=now, starts=2)


@pytest.mark.parametrize("changes", [{"round": CLEARED}, {"digest": "another"}], ids=["cleared", "other parameters"])
def test_a_start_for_another_order_looks_from_its_own_time(changes: dict[str, Any]) -> None:
    """Though the one before has left no trace."""
    again = write_intent(situation(intent=INTENT, **changes), APP, NOW + 60_000)
    assert again.service_time_ms == NOW + 60_000
    assert (again.round, again.digest) == (changes.get("round", FIRST), changes.get("digest", "digest"))
    assert again.starts == (1 if "round" in changes else 2)


@pytest.mark.parametrize(
    ("intent", "unanswered"),
    [
        (INTENT, True),
        (NAMED, False),
        (REFUSED, False),
        (PRESUMED, False),
    ],
    ids=["sent", "answered", "refused", "presumed"],
)
def test_a_start_is_unanswered_until_its_job_or_a_no_is_known(intent: Intent, unanswered: bool) -> None:
    assert is_unanswered(intent) is unanswered
    assert is_unresolved(situation(intent=intent)) is unanswered


def test_a_start_whose_job_shows_is_resolved() -> None:
    shown = situation(intent=INTENT, jobs=(job("RUNNING"),))
    assert (has_own_job(shown), is_unresolved(shown)) == (True, False)
    nothing = situation(jobs=(job("RUNNING"),))
    assert (has_own_job(nothing), is_unresolved(nothing)) == (False, False)


# Digests


def test_a_digest_tells_requests_apart_but_not_their_secrets() -> None:
    def digest(secret: str, client: str) -> str:
        request = {"AppId": APP, "ResourceConfig": {"Google": {"ClientId": client, "ClientSecret": secret}}}
        return request_digest("CreateBackendAuth", redact_secrets(request))

    assert digest("one", "a") == digest("two", "a")
    assert digest("one", "a") != digest("one", "b")
    assert request_digest("CloneBackend", {}) != request_digest("DeleteBackend", {})


def test_a_digest_is_short_and_takes_what_json_does_not_know() -> None:
    assert len(request_digest("X", {"since": date(2030, 1, 1)})) == 16


def test_a_digest_does_not_depend_on_the_order_of_members() -> None:
    assert request_digest("X", {"a": 1, "b": 2}) == request_digest("X", {"b": 2, "a": 1})


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


def test_what_an_answer_leaves_out_comes_from_the_defaults() -> None:
    names = {"app_id": APP, "backend_environment_name": "dev", "job_id": "j", "operation": "DeleteBackend"}
    assert Job.from_response({}, **names) == Job(APP, "dev", "j", "DeleteBackend")
    assert Job.from_response({}) == Job("", "", "")
    row = {"AppId": "a", "BackendEnvironmentName": "e", "JobId": "k", "Operation": "CloneBackend"}
    assert Job.from_response(row, **names) == Job("a", "e", "k", "CloneBackend")


def test_an_empty_member_of_a_row_is_none() -> None:
    row = {"JobId": "j", "Status": "", "Error": "", "Operation": "", "CreateTime": "", "UpdateTime": None}
    assert Job.from_response(row) == Job("", "", "j")
    assert Job.from_response({"JobId": "j", "Error": "it broke"}).error == "it broke"


def test_times_are_read_beside_those_of_the_service() -> None:
    row = {"JobId": "j", "CreateTime": str(NOW), "UpdateTime": str(NOW + 1_500)}
    assert readable_times(row) == row | {
        "created_at": "2023-11-14T22:13:20.000+00:00",
        "updated_at": "2023-11-14T22:13:21.500+00:00",
    }
    assert readable_times({}) == {"created_at": None, "updated_at": None}


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 1.5),
        ({"status": "FAILED"}, None),
        ({"status": "RUNNING"}, None),
        ({"create_time_ms": None}, None),
        ({"update_time_ms": None}, None),
    ],
)
def test_only_a_job_that_ended_well_took_its_time(changes: dict[str, Any], seconds: float | None) -> None:
    done = job("COMPLETED", update_time_ms=NOW + 6_500)
    assert replace(done, **changes).seconds == seconds


@pytest.mark.parametrize(("status", "seconds"), [("COMPLETED", 1.5), ("FAILED", 1.5), ("RUNNING", None)])
def test_a_job_that_ended_badly_took_its_time_too_for_whoever_asks_when_jobs_end(
    status: str, seconds: float | None
) -> None:
    assert job(status, update_time_ms=NOW + 6_500).seconds_until_end == seconds


def test_earlier_durations_are_those_of_the_youngest_jobs_of_the_operation() -> None:
    """The oldest first, as many as ten."""
    done = [
        job("COMPLETED", at=number * 10_000, update_time_ms=NOW + number * 10_000 + number * 1_000)
        for number in range(12, 0, -1)
    ]
    others = [job("COMPLETED", at=1, update_time_ms=NOW + 1, operation="DeleteBackend"), job("FAILED", at=1)]
    assert earlier_durations(done + others, "CloneBackend") == [float(number) for number in range(3, 13)]
    timeless = job("COMPLETED", create_time_ms=None, update_time_ms=NOW)
    assert earlier_durations([*done, timeless], "CloneBackend", most=1) == [12.0]


def test_a_job_without_a_time_is_the_oldest() -> None:
    old, timeless = job("COMPLETED", create_time_ms=1), job("COMPLETED", create_time_ms=None, job_id="timeless")
    assert newest([timeless, old]) == old
    assert newest([old, timeless]) == old
    assert newest([]) is None


def test_a_job_is_asked_for_in_its_likeliest_environment() -> None:
    ref = JobRef(APP, "j", ("pr1", "staging"))
    assert ref.request == {"AppId": APP, "JobId": "j", "BackendEnvironmentName": "pr1"}
    assert JobRef(APP, "j", ()).request == {"AppId": APP, "JobId": "j"}
    command = f"aws amplifybackend get-backend-job --app-id {APP} --backend-environment-name"
    assert ref.check_command == f"{command} pr1 --job-id j"
    assert JobRef(APP, "j", ()).check_command == f"{command} ENVIRONMENT --job-id j"
    assert job("RUNNING").ref == JobRef(APP, "job-1", ("pr1",), "CloneBackend")


@pytest.mark.parametrize("value", [None, "", "soon", "2021-04-02T15:05:07Z", "-1", "1.5"])
def test_a_time_that_is_none_is_none(value: object) -> None:
    assert epoch_ms(value) is None


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
    full = job("FAILED", error="it broke", update_time_ms=NOW + 6_500).to_xcom(Outcome.STARTED)
    assert full == {
        "AppId": APP,
        "BackendEnvironmentName": "pr1",
        "JobId": "job-1",
        "Operation": "CloneBackend",
        "Status": "FAILED",
        "Error": "it broke",
        "CreateTime": str(NOW + 5_000),
        "UpdateTime": str(NOW + 6_500),
        "created_at": "2023-11-14T22:13:25.000+00:00",
        "updated_at": "2023-11-14T22:13:26.500+00:00",
        "outcome": "started",
    }
    assert json.loads(json.dumps(full)) == full
    nothing = dict.fromkeys(full) | {"AppId": APP, "outcome": "skipped"}
    assert Job(APP, "", "").to_xcom(Outcome.SKIPPED) == nothing


def test_words_that_others_store_or_read_stay_as_they_are() -> None:
    assert [*Outcome] == ["started", "adopted", "found", "skipped"]
    assert {"PENDING", "RUNNING", "COMPLETED", "FAILED"} == KNOWN_STATUSES


VERBS = {
    **dict.fromkeys(("Clone", "Create", "Import"), Effect.CREATES),
    **dict.fromkeys(("Generate", "Update"), Effect.CHANGES),
    **dict.fromkeys(("Delete", "Remove"), Effect.REMOVES),
}
NOUNS = {
    "Backend": "environment",
    "AllBackends": "app",
    "BackendAuth": "auth",
    "BackendAPI": "api",
    "BackendAPIModels": "models",
    "BackendStorage": "storage",
    "BackendConfig": "config",
}


@pytest.mark.parametrize("name", JOB_OPERATIONS)
def test_the_name_of_an_operation_says_what_it_does_to_what(name: str) -> None:
    verb = next(verb for verb in VERBS if name.startswith(verb))
    operation = JOB_OPERATIONS[name]
    assert (operation.name, operation.effect, operation.resource) == (name, VERBS[verb], NOUNS[name[len(verb) :]])


def test_every_job_operation_of_the_service_is_known() -> None:
    from airflow_provider_amplifybackend.parameters.service_model import service_model

    model = service_model()
    answering_a_job = {
        name
        for name in model.operation_names
        if "JobId" in answer_of(name) and not name.startswith(("Get", "UpdateBackendJob"))
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
    words = shlex.split(JobRef(name, name, (name,)).check_command)
    assert words[3:] == ["--app-id", name, "--backend-environment-name", name, "--job-id", name]
    assert JobRef(APP, "j", ()).check_command.endswith(
        f"--app-id {APP} --backend-environment-name ENVIRONMENT --job-id j"
    )


# Whose job it was


OURS_LATER = job("COMPLETED", at=9_000, job_id="job-2")


def test_a_failed_job_is_not_ours_if_another_can_be() -> None:
    """Somebody else's job was accepted first and failed, then our late start was."""
    for status in ("RUNNING", "COMPLETED"):
        later = replace(OURS_LATER, status=status)
        decision = decide(situation(intent=INTENT, jobs=(job("FAILED"), later)))
        assert isinstance(decision, Adopt)
        assert decision.job.job_id == "job-2"
    decision = decide(situation(intent=FOUND, jobs=(job("FAILED"), OURS_LATER)))
    assert isinstance(decision, Adopt)
    assert decision.job.job_id == "job-2"
    assert isinstance(decide(situation(intent=NAMED, jobs=(job("FAILED"),))), Send)


def test_a_job_that_was_seen_to_fail_need_not_be_seen_again() -> None:
    gone = situation(intent=replace(NAMED, job_failed=True), patience_left=10)
    assert isinstance(decide(gone), Send)


def test_an_adopted_job_remembers_how_it_was_found() -> None:
    found = adopted(INTENT, job("RUNNING"), FIRST)
    assert found.found_by_looking
    assert adopted(found, job("COMPLETED"), CLEARED).found_by_looking
    assert not adopted(NAMED, job("RUNNING"), FIRST).found_by_looking
    assert Intent.from_stored(json.loads(json.dumps(found.to_stored()))) == found


def test_an_adopted_job_belongs_to_the_round_that_adopted_it() -> None:
    before = replace(REFUSED, reported=True, job_failed=True)
    after = adopted(before, job("RUNNING"), CLEARED)
    assert after == replace(FOUND, round=CLEARED)


def test_somebody_elses_job_leaves_the_intent_as_it_was_before_it_was_found() -> None:
    known = replace(FOUND, known_job_ids=("older",))
    assert disowned(known, job("COMPLETED")) == replace(INTENT, known_job_ids=("older", "job-1"), target_existed=True)
    deletion = replace(known, operation="DeleteBackend", target_existed=None)
    assert disowned(deletion, job("COMPLETED")).target_existed is None


def test_somebody_elses_job_is_not_taken_for_ours_again() -> None:
    rest = disowned(FOUND, job("COMPLETED"))
    assert (rest.job_id, rest.found_by_looking, rest.target_existed) == (None, False, True)
    assert isinstance(decide(situation(intent=rest, jobs=(job("COMPLETED"),), target_exists=False)), Send)
    assert isinstance(decide(situation(intent=rest, jobs=(job("COMPLETED"), OURS_LATER))), Adopt)


TIMELESS = job("COMPLETED", create_time_ms=None)
REMOVED = replace(OURS_LATER, operation="DeleteBackend")
# The adopted job, what came after it, and whether what is seen tells that the job was somebody else's.
AFTER = {
    "nothing came later": (job("COMPLETED"), (), True),
    "it is listed itself": (job("COMPLETED"), (job("COMPLETED"),), True),
    "something failed later": (job("COMPLETED"), (replace(REMOVED, status="FAILED"),), True),
    "something else changed later": (job("COMPLETED"), (replace(OURS_LATER, operation="UpdateBackendStorage"),), True),
    "something unknown happened later": (job("COMPLETED"), (replace(OURS_LATER, operation="VACUUM"),), True),
    "something without a name happened later": (job("COMPLETED"), (replace(OURS_LATER, operation=None),), True),
    "it was removed before": (job("COMPLETED"), (replace(REMOVED, create_time_ms=NOW),), True),
    "it was removed, and when is not known": (job("COMPLETED"), (replace(REMOVED, create_time_ms=None),), True),
    "it was removed, and when is not known, long ago": (
        job("COMPLETED", create_time_ms=1),
        (replace(REMOVED, create_time_ms=None),),
        True,
    ),
    "it was removed later": (job("COMPLETED"), (REMOVED,), False),
    "it was removed in the same millisecond": (job("COMPLETED", at=9_000), (REMOVED,), False),
    "it is being removed": (job("COMPLETED"), (replace(REMOVED, status="RUNNING"),), False),
    "all was removed later": (job("COMPLETED"), (replace(REMOVED, operation="RemoveAllBackends"),), False),
    "it was removed, and when it was made is not known": (TIMELESS, (REMOVED,), False),
    "neither time is known": (TIMELESS, (replace(REMOVED, create_time_ms=None),), False),
}


@pytest.mark.parametrize("what", AFTER)
def test_a_difference_tells_only_what_the_youngest_job_left(what: str) -> None:
    adopted, later, tells = AFTER[what]
    rest, reason = after_difference(FOUND, CLONE, adopted, later, "it differs", SEEN)
    if tells:
        remembered = Disowned(adopted.job_id, adopted.create_time_ms or 0, SEEN)
        assert rest == replace(disowned(FOUND, adopted), disowned=(remembered,))
        assert f"{adopted.ref} seems to be somebody else's: it differs" in reason
    else:
        assert rest is None
        assert f"whether {adopted.ref} was started by this task and its result then changed by {later[0].ref}" in reason


@pytest.mark.parametrize(
    ("operation", "has_made"),
    [
        ("CloneBackend", True),
        ("CreateBackend", True),
        ("DeleteBackend", False),
        ("RemoveAllBackends", False),
        ("CreateBackendAuth", False),
    ],
)
def test_only_a_creation_has_made_the_environment_that_its_row_lies_in(operation: str, has_made: bool) -> None:
    done = job("COMPLETED", operation=operation)
    assert has_made_target(JOB_OPERATIONS[operation], done, ["pr1"]) is has_made
    assert not has_made_target(JOB_OPERATIONS[operation], replace(done, status="FAILED"), ["pr1"])
    assert not has_made_target(JOB_OPERATIONS[operation], done, ["pr2"])


@pytest.mark.parametrize("resource", ["auth", "environment", "app"])
def test_a_difference_of_an_auth_resource_may_come_from_its_environment_or_app(resource: str) -> None:
    operation = {"auth": "DeleteBackendAuth", "environment": "DeleteBackend", "app": "RemoveAllBackends"}[resource]
    update = JOB_OPERATIONS["UpdateBackendAuth"]
    intent = replace(FOUND, operation=update.name)
    done = job("COMPLETED", operation=update.name)
    rest, _ = after_difference(intent, update, done, (replace(OURS_LATER, operation=operation),), "it differs", SEEN)
    assert rest is None


def test_a_later_job_of_the_same_operation_that_is_known_is_not_this_tasks() -> None:
    known = replace(FOUND, known_job_ids=("job-2",))
    rest, reason = after_difference(known, CLONE, job("COMPLETED"), (OURS_LATER,), "it differs", SEEN)
    assert rest is None
    assert "it is unclear whether" in reason


def test_after_a_job_was_passed_over_no_difference_tells() -> None:
    rest, reason = after_difference(replace(FOUND, passed_over=True), CLONE, job("COMPLETED"), (), "it differs", SEEN)
    assert rest is None
    assert (
        f"whether an earlier job was started by this task and its result then changed by {job('COMPLETED').ref}"
        in reason
    )


def test_of_two_jobs_that_may_be_ours_the_later_is_looked_at_and_then_it_cannot_be_told() -> None:
    both = (job("COMPLETED"), OURS_LATER)
    rest, _ = after_difference(FOUND, CLONE, both[0], both, "it differs", SEEN)
    remembered = Disowned("job-1", both[0].create_time_ms or 0, SEEN)
    assert rest == replace(disowned(FOUND, both[0]), passed_over=True, disowned=(remembered,))
    decision = decide(situation(intent=rest, jobs=both))
    assert isinstance(decision, Adopt)
    assert decision.job == OURS_LATER
    unknown, reason = after_difference(adopted(rest, OURS_LATER, FIRST), CLONE, OURS_LATER, both, "it differs", SEEN)
    assert unknown is None
    assert "it is unclear whether" in reason


# A job that was disowned

UPDATE = JOB_OPERATIONS["UpdateBackendAuth"]
THEIRS = job("COMPLETED", operation=UPDATE.name, job_id="theirs")
DISOWNED = Disowned("theirs", NOW + 5_000, SEEN)
IN_DOUBT = replace(INTENT, operation=UPDATE.name, known_job_ids=("theirs",), disowned=(DISOWNED,))
DELETED = job("COMPLETED", operation="DeleteBackendAuth", job_id="deletion", at=6_000)


def in_doubt(*listed: Job, **changes: Any) -> Situation:
    return update(**{"intent": IN_DOUBT, "jobs": (THEIRS, *listed)} | changes)


@pytest.mark.parametrize(
    ("created", "is_explained"),
    [
        (NOW + 4_999, False),
        (NOW + 5_000, True),
        (SEEN, True),
        (SEEN + SERVICE_CLOCK_MARGIN_MS, True),
        (SEEN + SERVICE_CLOCK_MARGIN_MS + 1, False),
        (None, False),
    ],
)
def test_what_came_between_a_disowned_job_and_the_look_may_explain_the_difference(
    created: int | None, is_explained: bool
) -> None:
    later = replace(DELETED, create_time_ms=created)
    decision = decide(in_doubt(later))
    assert isinstance(decision, Refuse if is_explained else Send)
    if isinstance(decision, Refuse):
        assert decision.is_final
        assert (
            f"whether job theirs was started by this task and its result then changed by {later.ref}" in decision.reason
        )


@pytest.mark.parametrize(
    "other",
    [
        replace(DELETED, status="FAILED"),
        replace(DELETED, operation="UpdateBackendStorage"),
        replace(DELETED, job_id="theirs"),
    ],
    ids=["failed", "of another resource", "itself"],
)
def test_what_changes_nothing_explains_nothing(other: Job) -> None:
    assert isinstance(decide(in_doubt(other)), Send)


def test_a_start_waits_for_what_may_explain_a_difference_and_for_nothing_else() -> None:
    # Only a presumed start is not looked for itself as long as there is patience.
    presumed = replace(IN_DOUBT, presumed=True)
    waiting = decide(in_doubt(intent=presumed, patience_left=0.1))
    assert isinstance(waiting, CheckAgain)
    assert "job theirs seems to be somebody else's" in waiting.reason
    assert isinstance(decide(in_doubt(intent=presumed, patience_left=0.0)), Send)
    without = replace(presumed, disowned=())
    assert isinstance(decide(in_doubt(intent=without, patience_left=0.1)), Send)
    pending = job("RUNNING", operation="CreateBackendAPI", job_id="pending")
    assert isinstance(decide(in_doubt(pending, intent=presumed, patience_left=0.1)), WaitFor)


def test_after_a_failed_job_the_doubt_about_a_disowned_one_remains() -> None:
    failed = job("FAILED", operation=UPDATE.name, job_id="failed", at=7_000)
    assert isinstance(decide(in_doubt(failed, DELETED)), Refuse)
    assert isinstance(decide(in_doubt(failed)), Send)


def test_the_job_that_was_disowned_last_is_compared_once_more() -> None:
    assert doubted(in_doubt()) == THEIRS
    assert doubted(in_doubt(jobs=(DELETED, THEIRS))) == THEIRS
    earlier = Disowned("earlier", NOW, SEEN)
    assert doubted(in_doubt(intent=replace(IN_DOUBT, disowned=(earlier, DISOWNED)))) == THEIRS
    for changes in (
        {"intent": None},
        {"intent": replace(IN_DOUBT, disowned=())},
        {"intent": replace(IN_DOUBT, job_id="other")},
        {"intent": replace(IN_DOUBT, refused=True)},
        {"round": CLEARED},
        {"digest": "another"},
        {"jobs": ()},
        {"jobs": (replace(THEIRS, status="FAILED"),)},
    ):
        assert doubted(in_doubt(**changes)) is None, changes


@pytest.mark.parametrize(
    ("times", "since"),
    [
        ({}, NOW),
        ({"resent_time_ms": NOW + 1}, NOW + 1),
        ({"lost_time_ms": NOW + 2}, NOW + 2),
        ({"disowned": (DISOWNED, Disowned("b", NOW, SEEN - 1))}, SEEN),
        ({"presumed": True}, None),
        ({"presumed": True, "lost_time_ms": NOW + 2, "disowned": (DISOWNED,)}, SEEN),
    ],
)
def test_patience_counts_from_the_last_thing_that_may_be_listed_late(times: dict[str, Any], since: int | None) -> None:
    assert patience_since(replace(INTENT, **times)) == since


def test_a_plain_no_leaves_an_earlier_lost_start_as_it_was() -> None:
    lost = replace(INTENT, lost_time_ms=NOW + 3, sent_in_try=1, resent_time_ms=NOW + 1)
    then = situation(intent=lost)
    sent = replace(write_intent(then, APP, NOW + 90_000, try_number=2), resent_time_ms=NOW + 90_000)
    assert sent.sent_in_try == 2
    refused = turned_down(sent, then)
    assert refused == replace(sent, resent_time_ms=NOW + 1, lost_time_ms=NOW + 3, sent_in_try=1)
    assert not refused.refused


def test_a_plain_no_to_the_only_start_is_refused() -> None:
    sent = write_intent(situation(), APP, NOW, try_number=2)
    assert sent.sent_in_try == 2
    assert turned_down(sent, situation()) == replace(sent, refused=True)
    answered = situation(intent=NAMED, jobs=(job("FAILED"),))
    assert turned_down(sent, answered) == replace(sent, refused=True)


def test_what_an_earlier_intent_knew_is_known_to_the_next() -> None:
    cleared = situation(
        intent=replace(REPORTED, known_job_ids=("old",)), round=CLEARED, jobs=(job("COMPLETED", job_id="listed"),)
    )
    assert write_intent(cleared, APP, NOW).known_job_ids == ("old", "job-1", "listed")


def test_a_disowned_job_is_stored_and_read_again() -> None:
    stored = json.loads(json.dumps(IN_DOUBT.to_stored()))
    assert Intent.from_stored(stored) == IN_DOUBT
    assert Intent.from_stored(stored | {"disowned": [{"job_id": "x"}]}) is None


def test_what_is_stored_is_read_back_as_it_was_written() -> None:
    """A store keeps JSON, which has lists and no tuples."""
    stored = replace(IN_DOUBT, known_job_ids=("one",), environments=("staging",)).to_stored()
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize("name", ["resent_time_ms", "lost_time_ms", "sent_in_try"])
def test_a_stored_number_that_is_none_makes_the_intent_unreadable(name: str) -> None:
    assert Intent.from_stored(INTENT.to_stored() | {name: "yesterday"}) is None
    stored = {key: value for key, value in INTENT.to_stored().items() if key != name}
    assert getattr(Intent.from_stored(stored), name) == 0


def test_each_job_that_was_disowned_is_remembered_one_without_a_time_as_well() -> None:
    timeless = job("COMPLETED", create_time_ms=None)
    rest, _ = after_difference(replace(FOUND, disowned=(DISOWNED,)), CLONE, timeless, (), "it differs", SEEN)
    assert rest is not None
    assert rest.disowned == (DISOWNED, Disowned("job-1", 0, SEEN))
    assert Intent.from_stored(rest.to_stored()) == rest
