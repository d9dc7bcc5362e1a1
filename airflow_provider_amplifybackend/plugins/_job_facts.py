"""The facts that the tab "Amplify job" shows of a task instance: what the task has left in Airflow, in one place.

Nothing is asked of AWS. What a task has left may come from another version of this package, or from a task that has
nothing to do with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.core.job import COMPLETED, FAILED, epoch_ms
from airflow_provider_amplifybackend.core.notes import ERROR_KEY, OTHER_KEY, WAIT_KEY, read_note
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.core.schedule import usual_seconds
from airflow_provider_amplifybackend.links import AmplifyConsoleLink, AmplifyStudioLink
from airflow_provider_amplifybackend.start.intent import Intent

MOST_SECONDS = 2.5e11  # of the epoch, in the last century that a date can have
RESULT_KEY, JOB_ID_KEY = "return_value", "JobId"
# The XComs that are read: those that only a task of this package leaves, and those that others can leave, too.
NOTE_KEYS = (WAIT_KEY, OTHER_KEY, ERROR_KEY, AmplifyConsoleLink.key, AmplifyStudioLink.key)
OTHERS_KEYS = (RESULT_KEY, JOB_ID_KEY)
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
# States before a try has begun: whatever the task has left, an earlier try has.
BEFORE_A_TRY = frozenset({"", "scheduled", "queued", "restarting", "upstream_failed", "removed"})


@dataclass(frozen=True)
class TaskState:
    """A task instance, as Airflow's database has it."""

    state: str
    operator: str = ""
    try_number: int = 0
    # Whether it is to go on after a deferral: then it is queued once more.
    is_resumed: bool = False
    # The names that the task was rendered with.
    rendered: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_waiting(self) -> bool:
        """Tell whether the task is at work or waits."""
        return self.is_resumed or self.state in ("running", "deferred", "up_for_reschedule")

    @property
    def is_before_its_try(self) -> bool:
        """Tell whether the try that comes next has not begun, so that all notes are those of the last one."""
        return self.state in BEFORE_A_TRY and not self.is_resumed

    @property
    def is_sensor(self) -> bool:
        """Tell whether the task waits for jobs and starts none."""
        return self.operator.endswith("Sensor")

    @property
    def operation(self) -> str:
        """Return the operation that its operator is named after."""
        name = self.operator.removesuffix("Operator")
        return name if name in OPERATIONS else ""

    @property
    def starts_no_job(self) -> bool:
        """Tell whether the task is known to start none: it waits for one, only reads, or changes something at once.

        Of a class of the user's own nothing is known.
        """
        return self.is_sensor or self.waits_for_nothing

    @property
    def waits_for_nothing(self) -> bool:
        """Tell whether the task is known to do all that it does at once."""
        return bool(self.operation) and not OPERATIONS[self.operation].starts_job


@dataclass(frozen=True)
class JobFacts:
    """The job of a task instance, as far as the task has left word of it."""

    task: TaskState
    app_id: str = ""
    environment: str = ""
    operation: str = ""
    job_id: str = ""
    status: str = ""
    outcome: str = ""
    # Seconds: when the job was created, since when it is known to run (both of the epoch), how long it took, how long
    # such jobs usually take.
    created: float | None = None
    since: float | None = None
    took: float | None = None
    usual: float | None = None
    deadline: float | None = None
    # What the task waits for, in words; of the other job only as long as it waits for that.
    waits_for: str = ""
    waited_for_other: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    # Whether the task has anything to do with AmplifyBackend. Those of other packages have a `job_id`, too.
    is_ours: bool = True
    # Whether it is known to have succeeded before it was cleared.
    last_try_succeeded: bool = False

    @property
    def waits_for_other(self) -> bool:
        """Tell whether the task waits for another job to end, and its own has not begun."""
        return self.task.is_waiting and self.waited_for_other is not None and not self.outcome

    @property
    def was_not_waited_for(self) -> bool:
        """Tell whether the task has succeeded before its job had ended: the status is that of then.

        The service's status is a free string: an unknown one is no end.
        """
        return self.task.state == "success" and bool(self.job_id) and self.status not in ("", COMPLETED, FAILED)


def facts_of(task: TaskState, xcoms: Mapping[str, Any], stored: Any = None, earlier: Sequence[Any] = ()) -> JobFacts:
    """Return the facts of a task instance.

    :param xcoms: Its XComs by key, those of ``NOTE_KEYS`` and ``OTHERS_KEYS``.
    :param stored: What the task state store has of its start, where there is one.
    :param earlier: What earlier instances of the task returned.
    """
    has_result = task.state == "success" or task.is_before_its_try
    result = _mapping(xcoms.get(RESULT_KEY)) if has_result else {}
    wait, other = read_note(xcoms.get(WAIT_KEY)) or {}, read_note(xcoms.get(OTHER_KEY))
    error = None if task.state == "success" else read_note(xcoms.get(ERROR_KEY))
    intent = Intent.from_stored(stored)
    job = _job(result, wait, intent, xcoms, task)
    waits = wait or other or {}
    created = _number(wait.get("created")) or _created(result)
    return JobFacts(
        task,
        **job,
        status=_text(result.get("Status")) or _status(task, wait, error),
        outcome=_text(result.get("outcome")) or _text(wait.get("outcome")),
        created=created,
        since=created or _number(waits.get("started")),
        took=_seconds(result) if result else _number((error or {}).get("took_seconds")),
        usual=_number(wait.get("usual_seconds")) or usual_seconds(_durations(earlier, job["operation"])),
        deadline=_number(waits.get("deadline")),
        waits_for=_text(waits.get("what")),
        waited_for_other=other,
        error=error,
        links={
            link.name: address
            for link in (AmplifyConsoleLink, AmplifyStudioLink)
            if (address := _text(xcoms.get(link.key))).startswith("https://")
        },
        is_ours=intent is not None or any(key in xcoms for key in NOTE_KEYS),
        last_try_succeeded=task.is_before_its_try and error is None and RESULT_KEY in xcoms,
    )


def _job(
    result: Mapping[str, Any], wait: Mapping[str, Any], intent: Intent | None, xcoms: Mapping[str, Any], task: TaskState
) -> dict[str, str]:
    """Return what identifies the job: from what the task returned, else from what it has left on the way."""
    noted = _mapping(wait.get("job"))
    started = intent.job if intent else None
    rendered = task.rendered
    target = rendered.get("target_environment_name") or rendered.get("backend_environment_name")
    return {
        "app_id": _first(result.get("AppId"), noted.get("AppId"), intent and intent.app_id, rendered.get("app_id")),
        "environment": _first(
            result.get("BackendEnvironmentName"),
            noted.get("BackendEnvironmentName"),
            started and started.backend_environment_name,
            target,
        ),
        "operation": _first(
            result.get("Operation"), noted.get("Operation"), intent and intent.operation, task.operation
        ),
        "job_id": _first(
            result.get("JobId"),
            noted.get("JobId"),
            started and started.job_id,
            xcoms.get(JOB_ID_KEY),
            rendered.get("job_id"),
        ),
    }


def _status(task: TaskState, wait: Mapping[str, Any], error: Mapping[str, Any] | None) -> str:
    if error and error.get("type") == "BackendJobFailedError":
        return "FAILED"
    return "RUNNING" if task.is_waiting and wait.get("job") else ""


def _first(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """Return seconds, of the epoch or of a time span; None where there is no such number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < MOST_SECONDS else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _created(result: Mapping[str, Any]) -> float | None:
    began = epoch_ms(result.get("CreateTime"))
    return None if began is None else _number(began // 1000)


def _seconds(result: Mapping[str, Any]) -> float | None:
    """Return how long a job took. The time of the last change of one that has not ended is no end."""
    if result.get("Status") not in (COMPLETED, FAILED):
        return None
    began, ended = epoch_ms(result.get("CreateTime")), epoch_ms(result.get("UpdateTime"))
    return None if began is None or ended is None or ended < began else (ended - began) / 1000


def _durations(earlier: Sequence[Any], operation: str) -> list[float]:
    """Return how long the jobs of earlier instances of the task took."""
    jobs = [_mapping(value) for value in earlier]
    done = [job for job in jobs if job.get("Status") == COMPLETED and job.get("Operation") in (operation, None)]
    return [seconds for job in done if (seconds := _seconds(job)) is not None]
