"""The rules for a job whose result differs from the request: whose it was, and what that means for the start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from airflow_provider_amplifybackend.core.job import Job, newest
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect, Operation
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.start.decisions import CheckAgain, Decision, Refuse, Send
from airflow_provider_amplifybackend.start.intent import SERVICE_CLOCK_MARGIN_MS, Disowned, Intent, disowned
from airflow_provider_amplifybackend.start.situation import Situation


def unless_in_doubt(situation: Situation, intent: Intent, decision: Decision) -> Decision:
    """Hold a start back while it is unclear whether a job that was disowned was this task's own.

    The job that has changed its result may be listed as late as any other, so the question is asked again before the
    start is sent, and not before patience has passed since the difference was observed.
    """
    if not isinstance(decision, Send):
        return decision
    for earlier in intent.disowned:
        later = newest(job for job in situation.jobs if _may_explain(situation.operation, earlier, job))
        if later:
            return Refuse(
                f"it is unclear whether job {earlier.job_id} was started by this task and its result then changed by "
                f"{later.ref}; inspect the result, then clear the task to start again, or mark it as success",
                why=StartFailure.UNKNOWN_OWNER,
                is_final=True,
            )
    if intent.disowned and situation.patience_left > 0:
        return CheckAgain(
            f"job {intent.disowned[-1].job_id} seems to be somebody else's, but the job that has changed its result "
            "may not be listed yet"
        )
    return decision


def _may_explain(operation: Operation, earlier: Disowned, job: Job) -> bool:
    """Tell whether a job may have changed the result of the disowned one before it was compared."""
    created = job.create_time_ms or 0
    is_between = earlier.create_time_ms <= created <= earlier.seen_time_ms + SERVICE_CLOCK_MARGIN_MS
    return is_between and job.job_id != earlier.job_id and _changes(operation, job)


def has_made_target(operation: Operation, job: Job, targets: Iterable[str]) -> bool:
    """Tell whether a completed job certainly made the environment that the task is to create.

    Its row lies there. (That of a clone may lie in its source, and then it may have made another one.)
    """
    creates = operation.effect is Effect.CREATES and operation.resource == "environment"
    return creates and job.is_completed and job.backend_environment_name in set(targets)


def after_difference(
    intent: Intent,
    operation: Operation,
    job: Job,
    listed: Iterable[Job],
    difference: str,
    now_ms: int,
    targets: Iterable[str] = (),
) -> tuple[Intent | None, str]:
    """Return how to continue after the result of an adopted job differs from the request, and why.

    The result was left by the youngest job, so an older one may have been ours all the same. Where that is unclear,
    None: neither a second start nor a success would be right.

    :param targets: The environments that the task is to create.
    :param now_ms: The service's time when the difference was observed.
    """
    if has_made_target(operation, job, targets):
        # Whoever deleted it since: a removal of all environments may be listed nowhere any more.
        return None, (
            f"{difference}, although {job.ref} created it: it has been deleted since, and it is unclear whether that "
            "job was started by this task; clear the task to start again, or mark it as success"
        )
    later = newest(other for other in listed if _may_have_changed(operation, job, other))
    remembered = Disowned(job.job_id, job.create_time_ms or 0, now_ms)
    rest = replace(disowned(intent, job), disowned=(*intent.disowned, remembered))
    if later is None and not intent.passed_over:
        return rest, f"{job.ref} seems to be somebody else's: {difference}"
    if later and later.operation == operation.name and later.job_id not in intent.known_job_ids:
        return replace(rest, passed_over=True), f"{difference}, but {later.ref} may be this task's"
    whose = "an earlier job" if later is None else f"{job.ref}"
    return None, (
        f"{difference}, and it is unclear whether {whose} was started by this task and its result then changed by "
        f"{(later or job).ref}; inspect the result, then clear the task to start again, or mark it as success"
    )


def _may_have_changed(operation: Operation, job: Job, other: Job) -> bool:
    is_later = (other.create_time_ms or 0) >= (job.create_time_ms or 0)
    return is_later and other.job_id != job.job_id and _changes(operation, other)


def _changes(operation: Operation, job: Job) -> bool:
    """Tell whether a job may change the result of a job of the operation."""
    known = JOB_OPERATIONS.get(job.operation or "")
    return known is not None and known.resource in (operation.resource, "environment", "app") and not job.is_failed
