"""The part "What next" of the tab "Amplify job": what comes by itself, and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_amplifybackend.core.job import STILL_RUNNING, JobRef
from airflow_provider_amplifybackend.plugins._job_facts import JobFacts

MAY_STILL_RUN = "may still be running; AmplifyBackend cannot cancel jobs."


def what_next(facts: JobFacts) -> Iterable[str]:
    """Yield what comes next, in sentences; at the end, the command that shows the job."""
    yield from _steps(facts)
    environments = (facts.environment,) if facts.environment else ()
    command = JobRef(facts.app_id or "APP", facts.job_id, environments).check_command
    is_over = facts.task.state == "success" and not facts.was_not_waited_for and not _has_no_result(facts)
    if facts.job_id and not is_over and command not in str((facts.error or {}).get("text")):
        yield f"To see the job: {command}"


def _steps(facts: JobFacts) -> Iterable[str]:
    state = facts.task.state
    if state == "success":
        yield from _after_success(facts)
    elif facts.task.is_waiting:
        yield from _while_waiting(facts)
    elif facts.task.is_before_its_try:
        yield from _before_a_try(facts)
    elif state == "up_for_retry":
        yield f"Airflow tries again by itself. {_again(facts)}"
    elif state == "skipped":
        yield "Nothing: the task was skipped."
    elif facts.error:
        job = "" if facts.task.starts_no_job else ": a job that still runs is not started twice"
        yield f"The message above says what to do. Then clear the task{job}."
    else:
        yield from _after_an_end_without_a_word(facts)


def _after_success(facts: JobFacts) -> Iterable[str]:
    if facts.was_not_waited_for:
        yield (
            f"The task has succeeded, and did not wait for the job: the status was {facts.status} when the task ended, "
            "and may be another one now. Clearing the task does it again."
        )
        return
    yield "Nothing: the task has succeeded. Clearing it does it again."
    if _has_no_result(facts):
        yield f"It has left no result: if it was marked as successful while it waited, its job {MAY_STILL_RUN}"


def _while_waiting(facts: JobFacts) -> Iterable[str]:
    if facts.task.waits_for_nothing:
        yield "Nothing: the task ends by itself."
        return
    until = "the other job has ended" if facts.waits_for_other else "what it waits for has come"
    yield f"Nothing: the task continues by itself when {until}."
    if facts.job_id and not facts.waits_for_other:
        yield f"Marking it as failed ends the task and not the job. {STILL_RUNNING}"


def _before_a_try(facts: JobFacts) -> Iterable[str]:
    if facts.task.state in ("upstream_failed", "removed"):
        yield "Nothing: Airflow does not run this task."
    elif facts.last_try_succeeded:
        yield "Nothing: Airflow starts the task by itself. Its last try succeeded; this one does it again."
    else:
        yield f"Nothing: Airflow starts the task by itself. {_again(facts)}"


def _after_an_end_without_a_word(facts: JobFacts) -> Iterable[str]:
    """Say what to do after an end of which only Airflow knows: nothing of this package had the last word."""
    yield (
        "The task has left no message about its end. It ended from outside (marked as failed, its worker or its "
        "triggerer lost, a time-out of Airflow), or with an error of another kind; its log and its state say more."
    )
    whose = "The job" if facts.job_id else "A job that it has started"
    if not facts.task.starts_no_job:
        yield f"{whose} {MAY_STILL_RUN}"
    yield f"To go on, clear the task. {_again(facts)}"


def _again(facts: JobFacts) -> str:
    """Return what another try makes of the job of the one before."""
    if facts.task.is_sensor:
        return "It then waits again."
    if facts.task.starts_no_job:
        return "It then runs again."
    return "A job that still runs is adopted, not started twice."


def _has_no_result(facts: JobFacts) -> bool:
    """Tell whether a success has not said how its job ended: it may have been somebody who called it one."""
    return bool(facts.job_id) and not facts.status and not facts.task.starts_no_job
