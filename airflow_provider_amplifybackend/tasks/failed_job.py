"""Reading the error text of a failed job on the worker, after the triggerer has reported the failure without it.

Only the worker knows the secrets that the text may repeat. Whatever goes wrong here, the job has failed, and that is
what the task says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.status_check import check_job

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook


def with_error_text(failed: Job, hook: Callable[[], AmplifyBackendHook]) -> Job:
    """Return a failed job with the service's text about it, or with a sentence on why that could not be read.

    :param hook: Returns the hook to ask, which knows the secrets of the job's request if anybody does.
    """
    try:
        return replace(failed, error=hook().run(check_job(failed.ref)).error)
    except ServiceError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001
        # Without its text: nobody has looked for secrets in that.
        reason = type(error).__name__
    return replace(failed, error=f"[the text could not be read: {reason}. Read it with: {failed.ref.check_command}]")
