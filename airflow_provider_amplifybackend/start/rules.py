"""The rules: when a start is sent, a job adopted, awaited, looked for again, or the start refused.

AmplifyBackend has no client token and no cancel, and it refuses a second job while one is pending in the same app and
environment. Everything here is a pure function of what was stored and what the service shows, so that the rules can be
read and tested without Airflow, boto or a network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from airflow_provider_amplifybackend.core.job import Job, Outcome, newest, newest_creation
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect, Operation
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.start.actions import StartPolicy
from airflow_provider_amplifybackend.start.intent import (
    SERVICE_CLOCK_MARGIN_MS,
    Disowned,
    Intent,
    disowned,
    is_unanswered,
    own_job,
)
from airflow_provider_amplifybackend.start.situation import Situation, is_in_target, reopened


@dataclass(frozen=True)
class Decision:
    """What to do next, and why: the two are the log line."""

    reason: str
    act: ClassVar[str]


@dataclass(frozen=True)
class Send(Decision):
    """Store the intent, then send the start."""

    act = "Starting"


@dataclass(frozen=True)
class Adopt(Decision):
    """Take this job as the one that this task started."""

    act = "Taking an existing job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class WaitFor(Decision):
    """Wait until somebody else's job has ended, then decide again."""

    act = "Waiting for another job"

    job: Job = field(kw_only=True)


@dataclass(frozen=True)
class LookAgain(Decision):
    """Look again a little later."""

    act = "Looking for the job"


@dataclass(frozen=True)
class Done(Decision):
    """Succeed without starting anything."""

    act = "Nothing to start"

    outcome: Outcome = field(kw_only=True)


@dataclass(frozen=True)
class Refuse(Decision):
    """Fail, with the reason."""

    act = "Failing"

    why: StartFailure = field(kw_only=True)
    # Whether every retry comes to the same end, so that whoever clears the task wants it done again.
    is_final: bool = field(default=False, kw_only=True)


_EARLIER_FAILED = "the job of an earlier try failed"


def decide(situation: Situation) -> Decision:
    """Decide how to come to a job that is started once.

    The order matters: first what this task may have started before, then somebody else's pending job, then
    what exists already.
    """
    situation = reopened(situation)
    intent = situation.intent
    if intent is None:
        return _decide_fresh(situation)
    if not (intent.is_of(situation.round) and intent.is_for(situation.digest)):
        return _decide_after_clear(situation, intent)
    if intent.job_id:
        return _decide_with_job_id(situation, intent)
    if intent.refused:
        return _decide_fresh(situation, "an earlier start was refused")
    return _decide_without_job_id(situation, intent)


def _decide_fresh(situation: Situation, before: str = "nothing was started before") -> Decision:
    pending = newest(job for job in situation.jobs if not job.is_finished and is_in_target(situation, job))
    if pending:
        return decide_pending(situation, pending)
    if situation.operation.effect is Effect.CREATES and situation.target_exists:
        return _decide_existing(situation)
    if situation.operation.effect is Effect.REMOVES and situation.target_exists is False:
        if situation.if_missing == "skip":
            return Done("there is nothing to remove (if_missing='skip')", outcome=Outcome.SKIPPED)
        return Refuse(
            f"the {situation.operation.resource} to remove does not exist; check the name, or set "
            "if_missing='skip' to accept that it is gone already",
            why=StartFailure.MISSING,
        )
    return Send(f"{before}, and nothing is in the way")


def decide_pending(situation: Situation, pending: Job) -> Decision:
    """Decide what to do about another job that holds the environment."""
    if situation.on_pending_job == "wait":
        return WaitFor(f"{pending.ref} is {pending.status}; starting when it has ended", job=pending)
    return Refuse(
        f"{pending.ref} is still {pending.status} and blocks its environment; set on_pending_job='wait' to start "
        "when it has ended",
        why=StartFailure.PENDING_JOB,
    )


def _decide_existing(situation: Situation) -> Decision:
    resource = situation.operation.resource
    if situation.if_exists == "skip" and resource == "environment":
        # It may show before it is whole, and the row of a clone may live in its source.
        cloning = newest(job for job in situation.jobs if job.operation == "CloneBackend" and not job.is_finished)
        if cloning:
            return decide_pending(situation, cloning)
    leftover = _leftover(situation)
    intent = situation.intent
    is_own = leftover is not None and intent is not None and leftover.job_id == intent.job_id
    if leftover and not (is_own or is_in_target(situation, leftover)):
        return Refuse(
            f"the {resource} exists and shows nothing in it: it may be only the leftover of {leftover.ref}, which "
            "failed and whose row does not name its target; look at it, then delete it or mark the task as success",
            why=StartFailure.LEFTOVER,
        )
    if leftover:
        advice = (
            "delete it first (DeleteBackendOperator with if_missing='skip'); on_failure='delete_target' does that "
            "where the failed job is certainly this task's own"
            if resource == "environment"
            else "look at it, and delete it first or mark the task as success"
        )
        return Refuse(
            f"the {resource} exists, but only as the leftover of {leftover.ref}, which failed; {advice}",
            why=StartFailure.LEFTOVER,
        )
    if situation.if_exists == "skip":
        return Done("it exists already (if_exists='skip')", outcome=Outcome.FOUND)
    return Refuse(
        f"the {situation.operation.resource} to create exists already; choose another name, or set if_exists='skip' "
        "to accept what exists",
        why=StartFailure.EXISTS,
    )


def _leftover(situation: Situation) -> Job | None:
    """Return the failed job that left behind what exists, if the newest creation of it failed.

    The places to look, of which the first that lists a creation counts: the target, then the source, where the row of a
    clone may live and does not say which environment it was to create, so that it counts for an empty one only. Of
    auth, an API or storage a row does not tell the name, so there only our own job counts.
    """
    intent, resource = situation.intent, situation.operation.resource
    own = own_job(situation.jobs, intent) if intent and intent.job_id and intent.is_for(situation.digest) else None
    ours = own if own and own.is_failed and intent and intent.target_existed is False else None
    # The job of an earlier start with other parameters created another environment.
    others = intent.job_id if intent and not intent.is_for(situation.digest) else None
    listed = [job for job in situation.jobs if job.job_id != others]
    here = newest_creation(resource, (job for job in listed if is_in_target(situation, job)))
    if resource != "environment":
        return ours if here is None or (ours and here.job_id == ours.job_id) else None
    last = here or ours
    if last is None and situation.target_is_empty is not False:
        last = newest_creation(resource, listed)
    return last if last and last.is_failed else None


def _decide_after_clear(situation: Situation, intent: Intent) -> Decision:
    earlier = own_job(situation.jobs, intent)
    if _may_show_up(situation, intent, earlier):
        return LookAgain("a start of the task's earlier round may have been sent and its job is not listed yet")
    if earlier is None and intent.job_id and not intent.job_failed and situation.patience_left > 0:
        return LookAgain(f"job {intent.job_id} of the task's earlier round is not listed yet")
    if earlier and earlier.is_completed and intent.is_for(situation.digest) and _is_unreported(situation, earlier):
        return Adopt("the task was cleared before it could report this job, which has completed since", job=earlier)
    if earlier is None or earlier.is_finished:
        return _decide_fresh(situation, "the task was cleared, so it is done again")
    if intent.is_for(situation.digest):
        return Adopt("the task was cleared while its job was running: it is awaited, not started twice", job=earlier)
    return WaitFor(f"{earlier.ref}, which this task started with other parameters, is still running", job=earlier)


def _is_unreported(situation: Situation, completed: Job) -> bool:
    """Whether no try has returned with this completed job yet, and nothing has come after it that may undo it.

    The task was cleared while the job was running, then, however long it took until a worker looked.
    """
    if situation.intent is None or situation.intent.reported or situation.intent.presumed:
        return False
    undone_if = {Effect.CREATES: False, Effect.REMOVES: True}.get(situation.operation.effect)
    if undone_if is not None and situation.target_exists is undone_if:
        return False
    last = newest(job for job in situation.jobs if is_in_target(situation, job) or job.job_id == completed.job_id)
    return last is not None and last.job_id == completed.job_id


def _decide_with_job_id(situation: Situation, intent: Intent) -> Decision:
    if intent.job_failed:
        return _decide_fresh(situation, _EARLIER_FAILED)
    job = own_job(situation.jobs, intent)
    if job is None:
        if situation.patience_left > 0:
            return LookAgain(f"job {intent.job_id} of an earlier try is not listed yet")
        return Adopt(
            f"job {intent.job_id} was started by an earlier try of this task, though the list no longer shows it",
            job=intent.job,
        )
    if job.is_failed:
        return _decide_fresh(situation, _EARLIER_FAILED)
    return Adopt(f"job {job.job_id} was started by an earlier try of this task", job=job)


def _decide_without_job_id(situation: Situation, intent: Intent) -> Decision:
    job = own_job(situation.jobs, intent)
    if job and job.is_failed and not situation.sent_in_this_try:
        if _may_show_up(situation, intent, job):
            return LookAgain(f"{job.ref} failed, and may be somebody else's: ours may not be listed yet")
        return _unless_in_doubt(situation, intent, _decide_fresh(situation, _EARLIER_FAILED))
    is_gone = situation.operation.effect is Effect.REMOVES and situation.target_exists is False
    if job and intent.presumed and job.is_finished and not is_gone:
        return Refuse(
            f"{job.ref} ended since this DAG run began, and without Airflow's task state store (3.3+) it cannot be "
            "told whether an earlier try of this task started it; look at the environment, then clear the task or "
            "mark it as success",
            why=StartFailure.UNKNOWN_OWNER,
        )
    if job:
        return Adopt("it appeared after this task's start was sent, whose answer was lost", job=job)
    if intent.presumed:
        return _unless_in_doubt(situation, intent, _decide_fresh(situation))
    if is_gone:
        return Done("it is gone, after a start whose answer was lost", outcome=Outcome.ADOPTED)
    if _may_show_up(situation, intent, job):
        return LookAgain("a start may have been sent and its job is not listed yet")
    if situation.operation.effect is Effect.CREATES and situation.target_exists and not intent.target_existed:
        return Refuse(
            f"the {situation.operation.resource} appeared after this task's start was sent, whose answer was lost, "
            "but no job for it is listed; look at it, then clear the task with if_exists='skip' or delete it",
            why=StartFailure.UNKNOWN_OWNER,
        )
    no_trace = "an earlier start has left no trace for as long as it may take to show"
    return _unless_in_doubt(situation, intent, _decide_fresh(situation, no_trace))


def _unless_in_doubt(situation: Situation, intent: Intent, decision: Decision) -> Decision:
    """Hold a start back while it cannot be told whether a job that was disowned was this task's own.

    What has changed what it left may be listed as late as any other job, so the question is asked anew before the start
    is sent, and not before patience has passed since the difference was seen.
    """
    if not isinstance(decision, Send):
        return decision
    for earlier in intent.disowned:
        later = newest(job for job in situation.jobs if _may_explain(situation.operation, earlier, job))
        if later:
            return Refuse(
                f"it cannot be told whether job {earlier.job_id} was started by this task and changed by {later.ref} "
                "since; look at it, then clear the task to do it again, or mark it as success",
                why=StartFailure.UNKNOWN_OWNER,
                is_final=True,
            )
    if intent.disowned and situation.patience_left > 0:
        return LookAgain(
            f"job {intent.disowned[-1].job_id} seems to be somebody else's, but the job that has changed its result "
            "may not be listed yet"
        )
    return decision


def _may_explain(operation: Operation, earlier: Disowned, job: Job) -> bool:
    """Whether a job may have changed what the disowned one left, before that was looked at."""
    created = job.create_time_ms or 0
    is_between = earlier.create_time_ms <= created <= earlier.seen_time_ms + SERVICE_CLOCK_MARGIN_MS
    return is_between and job.job_id != earlier.job_id and _changes(operation, job)


def _may_show_up(situation: Situation, intent: Intent, found: Job | None) -> bool:
    """Whether a job of ours can still come to be listed; one that failed may be somebody else's."""
    is_open = found is None or found.is_failed
    return is_open and is_unanswered(intent) and situation.patience_left > 0


def after_difference(
    intent: Intent, operation: Operation, job: Job, listed: Iterable[Job], difference: str, now_ms: int
) -> tuple[Intent | None, str]:
    """Return how to go on after an adopted job has left something else than was asked for, and why.

    What is seen was left by the youngest job, so an older one may have been ours all the same. Where that cannot be
    told, None: neither is a second start right, nor a success.

    :param now_ms: The service's time when the difference was seen.
    """
    later = newest(other for other in listed if _may_have_changed(operation, job, other))
    remembered = Disowned(job.job_id, job.create_time_ms or 0, now_ms)
    rest = replace(disowned(intent, job), disowned=(*intent.disowned, remembered))
    if later is None and not intent.passed_over:
        return rest, f"{job.ref} seems to be somebody else's: {difference}"
    if later and later.operation == operation.name and later.job_id not in intent.known_job_ids:
        return replace(rest, passed_over=True), f"{difference}, but {later.ref} may be this task's"
    whose = "an earlier job" if later is None else f"{job.ref}"
    return None, (
        f"{difference}, and it cannot be told whether {whose} was started by this task and changed by "
        f"{(later or job).ref} since; look at it, then clear the task to do it again, or mark it as success"
    )


def _may_have_changed(operation: Operation, job: Job, other: Job) -> bool:
    is_later = (other.create_time_ms or 0) >= (job.create_time_ms or 0)
    return is_later and other.job_id != job.job_id and _changes(operation, other)


def _changes(operation: Operation, job: Job) -> bool:
    """Whether a job may change what a job of the operation leaves."""
    known = JOB_OPERATIONS.get(job.operation or "")
    return known is not None and known.resource in (operation.resource, "environment", "app") and not job.is_failed


def is_settled(effect: Effect, exists: bool | None, policy: StartPolicy) -> bool:
    """Whether a start that was refused is not needed: by now something exists, or is missing, and that is accepted."""
    if effect is Effect.CREATES:
        return exists is True and policy.if_exists == "skip"
    if effect is Effect.REMOVES:
        return exists is False and policy.if_missing == "skip"
    return False
