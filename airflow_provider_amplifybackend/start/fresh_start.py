"""The rules for a start that is to be sent: the obstacles, whoever made them."""

from __future__ import annotations

from airflow_provider_amplifybackend.core.job import Job, Outcome, newest, newest_creation
from airflow_provider_amplifybackend.core.operations import Effect
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.start.actions import StartPolicy
from airflow_provider_amplifybackend.start.decisions import Decision, Done, Refuse, Send, WaitFor
from airflow_provider_amplifybackend.start.intent import own_job
from airflow_provider_amplifybackend.start.situation import Situation, is_in_target


def decide_fresh(situation: Situation, before: str) -> Decision:
    """Decide about a start that is to be sent: somebody else's pending job comes first, then what exists already.

    :param before: What is known of earlier starts, for the log.
    """
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
            "if_missing='skip' to succeed if it is already gone",
            why=StartFailure.MISSING,
        )
    return Send(f"{before}, and nothing is in the way")


def decide_pending(situation: Situation, pending: Job) -> Decision:
    """Decide what to do about another job that holds the environment."""
    if situation.on_pending_job == "wait":
        return WaitFor(f"{pending.ref} is {pending.status}; will start when it has ended", job=pending)
    return Refuse(
        f"{pending.ref} is still {pending.status} and blocks the environment; set on_pending_job='wait' to start "
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
            f"the {resource} exists but is empty: it may be the leftover of {leftover.ref}, which failed and whose row "
            "does not name its target; inspect it, then delete it or mark the task as success",
            why=StartFailure.LEFTOVER,
        )
    if leftover:
        advice = (
            "delete it first (DeleteBackendOperator with if_missing='skip'); on_failure='delete_target' does that "
            "where the failed job is certainly this task's own"
            if resource == "environment"
            else "inspect it, then delete it or mark the task as success"
        )
        return Refuse(
            f"the {resource} exists, but only as the leftover of {leftover.ref}, which failed; {advice}",
            why=StartFailure.LEFTOVER,
        )
    if situation.if_exists == "skip":
        return Done("it already exists (if_exists='skip')", outcome=Outcome.FOUND)
    return Refuse(
        f"the {situation.operation.resource} to create already exists; choose another name, or set if_exists='skip' "
        "to accept it",
        why=StartFailure.EXISTS,
    )


def _leftover(situation: Situation) -> Job | None:
    """Return the failed job that left behind what exists, if the newest creation of it failed.

    The first place that lists a creation counts: the target, then the source, where the row of a
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


def accepted_instead(effect: Effect, policy: StartPolicy) -> bool | None:
    """Return what makes a refused start unnecessary: that by now the resource exists (True), or is gone (False).

    None where nothing does.
    """
    if effect is Effect.CREATES and policy.if_exists == "skip":
        return True
    if effect is Effect.REMOVES and policy.if_missing == "skip":
        return False
    return None
