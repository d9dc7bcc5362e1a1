"""The whole course of a start: from an earlier try's leftover, through waits, to the end of the job."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_amplifybackend.core.job import Job, Outcome, ended_text
from airflow_provider_amplifybackend.exceptions import BackendRequestError, BackendTimeoutError
from airflow_provider_amplifybackend.start.actions import Announce, AwaitEnd, Obstacle, StartResult, Steps, Whose
from airflow_provider_amplifybackend.start.leftover import delete_earlier
from airflow_provider_amplifybackend.start.protocol import StartProtocol


def run(start: StartProtocol, *, wait: bool = True) -> Steps[StartResult]:
    """Come to the end of the job: start it, wait for it, and for other jobs before it.

    :param wait: Whether to wait for its end.
    :return: The result, with the job as last observed, also if it failed.
    """
    if start.policy.delete_leftover:
        yield from delete_earlier(start, start.policy.delete_leftover)
    return (yield from _start_and_wait(start, wait=wait))


def resume(start: StartProtocol, outcome: Outcome, ended: Job) -> Steps[StartResult]:
    """Come to the end of the job, once one that was waited for elsewhere has ended."""
    if (yield from _is_end_of_try(start, ended, outcome)):
        return StartResult(outcome, ended)
    return (yield from _start_and_wait(start, wait=True))


def resume_after_other(
    start: StartProtocol, ended: Job | BackendTimeoutError | BackendRequestError, *, wait: bool
) -> Steps[StartResult]:
    """Come to the end of the job, once another job that was waited for elsewhere has ended, or the wait has failed."""
    if isinstance(ended, Job):
        _note_other_ended(start, ended)
    else:
        yield from after_failed_wait(start, ended)
    return (yield from run(start, wait=wait))


def _start_and_wait(start: StartProtocol, *, wait: bool) -> Steps[StartResult]:
    while True:
        step = yield from start.advance()
        if isinstance(step, Obstacle):
            yield from _wait_for_other(start, step.job)
            continue
        yield Announce(step.job)
        if step.job is None or not (wait or step.job.is_finished):
            return step
        ended = yield from _end_of(start, step, step.job)
        if (yield from _is_end_of_try(start, ended, step.outcome)):
            return replace(step, job=ended)


def _is_end_of_try(start: StartProtocol, ended: Job, outcome: Outcome) -> Steps[bool]:
    if ended.is_failed or outcome is not Outcome.ADOPTED:
        return True
    return not (yield from start.disowns(ended))


def _end_of(start: StartProtocol, result: StartResult, job: Job) -> Steps[Job]:
    ref = yield from start.place_of(job)
    seen = job if job.is_finished else (yield from start.first_check(ref))
    # A job that has ended needs no trigger, and one trigger that fires at once can fail its task (Airflow 3.3).
    if seen is not None and seen.is_finished:
        return seen
    ended: Job = yield AwaitEnd(ref, Whose.OWN, result.outcome, result.durations, (seen or job).create_time_ms)
    return ended


def _wait_for_other(start: StartProtocol, job: Job) -> Steps[None]:
    try:
        ended = yield AwaitEnd(job.ref, Whose.OTHER, created_ms=job.create_time_ms)
    except (BackendTimeoutError, BackendRequestError) as error:
        yield from after_failed_wait(start, error)
    else:
        _note_other_ended(start, ended)


def _note_other_ended(start: StartProtocol, ended: Job) -> None:
    """Log the end of the job that was waited for: the wait itself may have another log."""
    say = start.log.warning if ended.is_failed else start.log.info
    say("No longer in the way: %s", ended_text(ended))


def after_failed_wait(start: StartProtocol, error: BackendTimeoutError | BackendRequestError) -> Steps[None]:
    """Continue if the other job, whose end was not observed, is gone; else name the start in the error.

    :raises BackendJobTimeoutError: The wait timed out before the other job had ended.
    :raises BackendRequestError: Its status cannot be checked, and it is still listed as pending.
    """
    if isinstance(error, BackendRequestError) and not (yield from start.pending_job((yield from start.observe()))):
        start.log.info("No job is pending any longer (%s) [%s]", error, start.label)
        return
    error.args = (f"{start.label}: nothing was started: {error}",)
    raise error
