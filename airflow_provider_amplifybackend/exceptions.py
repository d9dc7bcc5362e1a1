"""The errors of this package.

::

    AirflowException
    └── AmplifyBackendError
        ├── BackendParameterError     a parameter is wrong; nothing was sent (also an AirflowFailException)
        ├── BackendGuardError         the guard refused an operation; nothing was sent (also an AirflowFailException)
        ├── BackendRequestError       the service, or the way to it, refused a call
        ├── BackendStartError         a job was not started; ``reason`` says what is in the way
        ├── BackendJobFailedError     the job ended as FAILED
        ├── BackendLeftoversError     a deletion completed, and not everything is proven gone
        ├── BackendRecordError        a deletion has ended, and its record cannot be completed
        ├── BackendLeaseError         a lease could not be had, or not given back; ``reason`` says why
        ├── BackendStorageError       an inventory or a snapshot cannot be written or read
        ├── BackendDriftError         two sides of a comparison differ (also an AirflowFailException)
        └── BackendTimeoutError       a wait timed out
            └── BackendJobTimeoutError  the job had not ended when the wait timed out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend._compat import AirflowException, AirflowFailException
from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import STILL_RUNNING, Job, JobRef, left_behind, took_text
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.status_check import Awaited

MOST_NAMED = 20  # leftovers in one message


class AmplifyBackendError(AirflowException):
    """Base of all errors of this package. Their texts have no passwords of addresses."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*(without_userinfo(arg) if isinstance(arg, str) else arg for arg in args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling and copying, whatever the constructor takes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[AmplifyBackendError], args: tuple[Any, ...], facts: Mapping[str, Any]) -> AmplifyBackendError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


def _as_base(error: AmplifyBackendError) -> tuple[str, tuple[str], dict[str, Any]]:
    """Return the form from which Airflow rebuilds an error: its text, as the base class needs nothing else."""
    return f"{AmplifyBackendError.__module__}.{AmplifyBackendError.__name__}", (str(error),), {}


class BackendParameterError(AmplifyBackendError, AirflowFailException):
    """A parameter is wrong. A retry cannot help, so the task fails at once."""


class BackendGuardError(AmplifyBackendError, AirflowFailException):
    """The guard refused an operation that deletes or changes something: by a rule that a retry does not lift.

    :param reason: The rule, to switch on; the message says where it stands and who can lift it.
    """

    def __init__(self, message: str, *, reason: GuardRefusal) -> None:
        self.reason = reason
        super().__init__(message)

    serialize = _as_base


class BackendRequestError(AmplifyBackendError):
    """A call was refused or could not be made."""


class BackendStartError(AmplifyBackendError):
    """A job was not started, because something is in the way.

    :param reason: The kind of obstacle, to switch on; the message describes it in full.
    """

    def __init__(self, message: str, *, reason: StartFailure) -> None:
        self.reason = reason
        super().__init__(message)

    serialize = _as_base


class BackendJobFailedError(AmplifyBackendError):
    """A job ended as FAILED: how long it took, what can be left behind, what to do, and the service's own text.

    :param afterwards: A sentence on what was done about it, or is to be done. Default: the advice for its operation.
    """

    def __init__(self, job: Job, afterwards: str = "") -> None:
        self.job = job
        # The service's text comes last: it can be many lines long, and a shortened message keeps its beginning.
        cause = f"AmplifyBackend reported: {job.error}" if job.error else "AmplifyBackend reported no error text."
        what = f"{job.operation or 'a job'}, environment {job.backend_environment_name or 'unknown'}"
        parts = (
            f"FAILED{took_text(job)}: {what} (app {job.app_id}, job {job.job_id}).",
            afterwards or left_behind(job.operation),
            f"Check it with: {job.ref.check_command}",
            cause,
        )
        super().__init__("\n".join(parts))

    serialize = _as_base


class BackendLeftoversError(AmplifyBackendError):
    """A deletion completed, and something of what it should have deleted is still there, or may be.

    :param job: The job; None if there was nothing to delete any more.
    :param leftovers: What is left: ``type``, ``id``, ``state``, ``console`` and ``command`` of each.
    :param unknown: What cannot be read, so that it is not proven gone: ``what`` and ``why`` of each.
    """

    def __init__(
        self, job: JobRef | None, leftovers: Sequence[Mapping[str, str]], unknown: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.leftovers = [dict(one) for one in leftovers]
        self.unknown = [dict(one) for one in unknown]
        number = len(self.leftovers)
        found = (
            f"{number} {'thing is' if number == 1 else 'things are'} left behind"
            if number
            else "it is not proven that nothing is left behind"
        )
        parts = [
            f"COMPLETED, but {found}: {job}." if job else f"There was nothing to delete, but {found}.",
            "Nothing else is deleted by this task; a retry looks again.",
        ]
        if self.leftovers:
            parts[-1] += " To delete what is left:"
            parts += _named([f"{one['type']} {one['id']} ({one['state']}): {one['command']}" for one in leftovers])
        if self.unknown:
            parts += ["What cannot be read:", *_named([f"{one['what']}: {one['why']}" for one in unknown])]
        super().__init__("\n".join(parts))

    serialize = _as_base


def _named(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_NAMED
    return [*lines[:MOST_NAMED], *([f"and {more} more, in the task's log"] if more > 0 else [])]


class BackendRecordError(AmplifyBackendError):
    """A deletion has ended, and its record cannot be completed. A retry completes it, and deletes nothing more."""


class BackendLeaseError(AmplifyBackendError):
    """A lease of an environment could not be had, changed or given back.

    :param reason: The kind of failure, to switch on; the message describes it in full.
    """

    def __init__(self, message: str, *, reason: LeaseFailure) -> None:
        self.reason = reason
        super().__init__(message)

    serialize = _as_base


class BackendStorageError(AmplifyBackendError):
    """An inventory or a snapshot cannot be written or read. Nothing of the service was changed."""


class BackendDriftError(AmplifyBackendError, AirflowFailException):
    """Two sides of a comparison differ, or cannot be compared, and ``fail_on`` says that this fails the task.

    :param differences: The differences, as the operator returns them.
    """

    def __init__(self, message: str, *, differences: Sequence[Mapping[str, Any]] = ()) -> None:
        self.differences = [dict(one) for one in differences]
        super().__init__(message)

    serialize = _as_base


class BackendTimeoutError(AmplifyBackendError):
    """A wait timed out before the awaited job or condition was reached."""

    def __init__(
        self, awaited: Awaited, *, waited: float, last_status: str | None, last_error: str | None = None
    ) -> None:
        self.awaited = awaited
        seen = f"Timed out after {waited:.0f} s; last status: {last_status or 'not observed'}"
        error = f"; last error: {last_error.rstrip('.')}" if last_error else ""
        super().__init__(". ".join((f"{seen}{error}: {awaited}", *self._advice())))

    serialize = _as_base

    def _advice(self) -> tuple[str, ...]:
        return ("To wait longer, raise timeout, or execution_timeout if that is shorter.",)


class BackendJobTimeoutError(BackendTimeoutError):
    """A wait timed out before its job had ended."""

    awaited: JobRef

    def _advice(self) -> tuple[str, ...]:
        return (
            f"{STILL_RUNNING} Check it with: {self.awaited.check_command}",
            "To wait longer, raise waiter_delay or waiter_max_attempts (their product is the time budget in seconds), "
            "or execution_timeout or a sensor's timeout if those are shorter.",
        )
