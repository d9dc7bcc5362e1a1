"""The situation: all that a decision about a start depends on, and its consequences for the intent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.operations import Operation
from airflow_provider_amplifybackend.start.intent import (
    INTENT_VERSION,
    MAX_KNOWN_JOB_IDS,
    Intent,
    Round,
    disowned,
    is_unanswered,
    may_be_named,
    own_job,
)


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on."""

    operation: Operation
    round: Round
    digest: str
    intent: Intent | None
    # The rows of the environments that the job may live in.
    jobs: tuple[Job, ...] = ()
    # The environments that the job will hold: a pending job elsewhere is not in the way, unless the whole app is
    # removed.
    targets: tuple[str, ...] = ()
    # Whether this try has sent the start that the intent stands for: then its job's end is this try's end.
    sent_in_this_try: bool = False
    # Whether what the operation creates or removes exists now; None where the service cannot tell.
    target_exists: bool | None = None
    # Whether an environment that exists holds neither auth nor API nor storage, as what a failed job leaves behind.
    target_is_empty: bool | None = None
    on_pending_job: str = "wait"
    if_exists: str = "fail"
    if_missing: str = "fail"
    # Seconds for which a start that left no trace can still show up: it may be under way, and the list may lag.
    patience_left: float = 0.0


class Order(StrEnum):
    """The relation of the intent to what the task is to do now."""

    SAME = "same"
    # The task was cleared since, which means to do it again, or it has other parameters.
    NEW = "new"


class Sight(StrEnum):
    """The observation of an intent's job."""

    NOTHING = "nothing"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


def order_of(situation: Situation, intent: Intent) -> Order:
    """Return the relation of an intent to what the task is to do now."""
    return Order.SAME if intent.is_of(situation.round) and intent.is_for(situation.digest) else Order.NEW


def sight_of(job: Job | None) -> Sight:
    """Return the observation of a job; an unknown status is that of a job that has not ended."""
    if job is None:
        return Sight.NOTHING
    if job.is_failed:
        return Sight.FAILED
    return Sight.COMPLETED if job.is_completed else Sight.RUNNING


def reopened(situation: Situation) -> Situation:
    """Return the situation as it is once a job that was found by looking has failed.

    It may have been somebody else's, and our own start may still show up: it is looked for as before.
    """
    intent = situation.intent
    if intent is None or intent.presumed or not intent.found_by_looking:
        return situation
    found = own_job(situation.jobs, intent)
    if found is None or not found.is_failed:
        return situation
    return replace(situation, intent=disowned(intent, found))


def is_unresolved(situation: Situation) -> bool:
    """Tell whether an earlier start of this request left no trace: neither an answer nor a job."""
    situation = reopened(situation)
    intent = situation.intent
    return intent is not None and is_unanswered(intent) and not has_own_job(situation)


def has_own_job(situation: Situation) -> bool:
    """Tell whether the service shows the job of an earlier start."""
    return situation.intent is not None and own_job(situation.jobs, situation.intent) is not None


def is_in_target(situation: Situation, job: Job) -> bool:
    return situation.operation.resource == "app" or job.backend_environment_name in situation.targets


def write_intent(
    situation: Situation,
    app_id: str,
    service_time_ms: int,
    environments: tuple[str, ...] = (),
    *,
    try_number: int = 0,
) -> Intent:
    """Return the intent to store just before sending.

    :param environments: Where its job may live, as far as the request tells.
    :param try_number: The try that is about to send.
    """
    situation = reopened(situation)
    earlier = situation.intent
    same_round = earlier is not None and earlier.is_of(situation.round)
    if earlier and same_round and earlier.is_for(situation.digest) and is_unresolved(situation):
        # The lost start may still show up: whoever looks for the job must look from before it.
        return replace(
            earlier,
            round=situation.round,
            digest=situation.digest,
            target_existed=earlier.target_existed and situation.target_exists is not False,
            starts=earlier.starts + 1,
            sent_in_try=try_number,
            version=INTENT_VERSION,
        )
    return Intent(
        operation=situation.operation.name,
        app_id=app_id,
        digest=situation.digest,
        round=situation.round,
        service_time_ms=service_time_ms,
        known_job_ids=_known_job_ids(situation),
        environments=environments,
        target_existed=situation.target_exists,
        starts=(earlier.starts if earlier and same_round else 0) + 1,
        sent_in_try=try_number,
    )


def _known_job_ids(situation: Situation) -> tuple[str, ...]:
    """Return the jobs that cannot come of a start that is sent now, the newest last.

    What an earlier intent knew counts too: its jobs may not be listed just now.
    """
    earlier = situation.intent
    listed = sorted(situation.jobs, key=lambda job: job.create_time_ms or 0)
    known = dict.fromkeys(
        (
            *(earlier.known_job_ids if earlier else ()),
            *([earlier.job_id] if earlier and earlier.job_id else ()),
            *(job.job_id for job in listed if may_be_named(job, situation.operation.name)),
        )
    )
    return tuple(known)[-MAX_KNOWN_JOB_IDS:]


def turned_down(intent: Intent, situation: Situation) -> Intent:
    """Return the intent after a plain refusal: this start was not accepted and never will be.

    :param intent: As it was stored before sending.
    :param situation: In which that was decided. An earlier start that left no trace is then looked for as before.
    """
    earlier = reopened(situation).intent
    if earlier is None or not is_unresolved(situation):
        return replace(intent, refused=True)
    return replace(intent, resent_time_ms=earlier.resent_time_ms, sent_in_try=earlier.sent_in_try)


def doubted(situation: Situation) -> Job | None:
    """Return the job that was disowned last, if its result is to be compared once more before a start is sent."""
    intent = situation.intent
    if intent is None or not intent.disowned or intent.job_id or intent.refused:
        return None
    if not (intent.is_of(situation.round) and intent.is_for(situation.digest)):
        return None
    last = intent.disowned[-1].job_id
    return next((job for job in situation.jobs if job.job_id == last and job.is_completed), None)
