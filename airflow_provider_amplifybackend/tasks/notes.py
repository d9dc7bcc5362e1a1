"""Leaving notes for the tab "Amplify job" of Airflow's UI. Whatever goes wrong here, the task itself goes its way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import HAS_PLUGIN_PAGES, AirflowSensorTimeout, AirflowSkipException, redact
from airflow_provider_amplifybackend.core.notes import ERROR_KEY, OTHER_KEY, WAIT_KEY, error_note, wait_note
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError, BackendJobFailedError

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.budget import Budget
    from airflow_provider_amplifybackend.core.status_check import Awaited
    from airflow_provider_amplifybackend.start.actions import AwaitEnd

log = logging.getLogger(__name__)

# The methods that Airflow calls, and one of ours by which it resumes.
_METHODS = ("execute", "execute_complete", "resume_start")
_NOTED = (AmplifyBackendError, AirflowSensorTimeout, AirflowSkipException)


def note_wait(context: Context, awaited: Awaited, budget: Budget, action: AwaitEnd | None = None) -> None:
    """Note what the task is about to wait for.

    :param action: The wait, where it is that of a start; nothing is noted of a clean-up.
    """
    from airflow_provider_amplifybackend.start.actions import Whose

    facts: dict[str, Any] = {"started": budget.started, "deadline": budget.deadline}
    if action is not None:
        facts |= {"outcome": str(action.outcome) if action.outcome else None, "durations": action.durations}
        facts["created_ms"] = action.created_ms
    if action is None or action.whose is Whose.OWN:
        _push(context, WAIT_KEY, wait_note(awaited, **facts))
    elif action.whose is Whose.OTHER:
        _push(context, OTHER_KEY, wait_note(awaited, **facts))


def note_failures_of(task_class: Any) -> None:
    """Have the errors that end a task of this class noted."""
    for name in _METHODS:
        if name in vars(task_class):
            setattr(task_class, name, _noting(vars(task_class)[name]))


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def run(self: Any, context: Context, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, context, *args, **kwargs)
        except _NOTED as error:
            # One method can call another, each of a class of its own: the innermost notes it.
            if "_amplify_noted" not in vars(error):
                error._amplify_noted = True  # type: ignore[union-attr]
                _push(context, ERROR_KEY, _note_of(error))
            raise

    return run


def _note_of(error: BaseException) -> dict[str, Any]:
    job = error.job if isinstance(error, BackendJobFailedError) else None
    # Airflow's masker knows secrets by their values, and sees what goes into logs but not what goes into XComs.
    service_text = str(redact(job.error)) if job and job.error else None
    return error_note(error, str(redact(str(error))), service_text, job.seconds_until_end if job else None)


def _push(context: Context, key: str, note: dict[str, Any]) -> None:
    if not HAS_PLUGIN_PAGES:
        return  # nobody would ever see it
    try:
        context["ti"].xcom_push(key=key, value=note)
    except Exception as error:  # noqa: BLE001
        log.debug("No note stored for the tab of the job: %s", type(error).__name__)
