"""A retry policy from the errors of this package: whether a retry can help, and when (Airflow 3.3 and later).

``retry_policy=backend_retry_policy()`` of any task. Airflow asks a policy only while retries are left, and never about
an ``AirflowFailException``, such as ``BackendParameterError`` and ``BackendGuardError``: those fail at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import retry_policy_module
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendDriftError,
    BackendGuardError,
    BackendJobFailedError,
    BackendJobTimeoutError,
    BackendLeaseError,
    BackendLeftoversError,
    BackendParameterError,
    BackendRecordError,
    BackendRequestError,
    BackendStartError,
    BackendStorageError,
    BackendTimeoutError,
)

if TYPE_CHECKING:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy


class Action(StrEnum):
    """The actions after a failure, in Airflow's words."""

    RETRY = "retry"
    FAIL = "fail"
    # As the task's own settings say.
    DEFAULT = "default"


@dataclass(frozen=True)
class Advice:
    """The advice on a failure, and its reason.

    :param delay: When to retry; None: after the task's ``retry_delay``.
    """

    action: Action
    reason: str
    delay: timedelta | None = None


_SOON, _LATER = timedelta(seconds=30), timedelta(minutes=5)
_OTHERS = Advice(Action.DEFAULT, "not an error of this package")

START_ADVICE = {
    StartFailure.PENDING_JOB: Advice(Action.RETRY, "another job holds the environment", _LATER),
    StartFailure.EXISTS: Advice(Action.FAIL, "what is to be created exists"),
    StartFailure.LEFTOVER: Advice(Action.FAIL, "what a failed job has left behind is in the way"),
    StartFailure.MISSING: Advice(Action.FAIL, "what is to be removed does not exist"),
    StartFailure.UNKNOWN_OWNER: Advice(Action.FAIL, "a retry cannot tell whose job it was either; a clear starts anew"),
    StartFailure.OUT_OF_TIME: Advice(Action.RETRY, "a retry has a new time budget, and finds what was started", _SOON),
    StartFailure.UNREADABLE_STATE: Advice(Action.FAIL, "this version cannot read what an earlier try has stored"),
    StartFailure.SLOW_STORE: Advice(Action.RETRY, "Airflow was too slow to store the intent", _SOON),
}
REQUEST_ADVICE = {
    FaultKind.NOT_FOUND: Advice(Action.DEFAULT, "it was not found, which a list that lags can be the reason for"),
    FaultKind.REFUSED: Advice(Action.FAIL, "the service refuses the request"),
    FaultKind.THROTTLED: Advice(Action.RETRY, "the service throttles", _LATER),
    FaultKind.UNSENT: Advice(Action.RETRY, "the request could not leave", _SOON),
    FaultKind.UNCLEAR: Advice(Action.RETRY, "the answer was lost", _SOON),
    FaultKind.EXPIRED: Advice(Action.RETRY, "the credentials had expired", _SOON),
    FaultKind.CREDENTIALS: Advice(Action.DEFAULT, "credentials cannot be had, or are refused"),
    FaultKind.SETUP: Advice(Action.FAIL, "a setting of the connection or the client cannot be used"),
}
# The first class that an error is an instance of counts.
ERROR_ADVICE: dict[type[AmplifyBackendError], Advice] = {
    BackendParameterError: Advice(Action.FAIL, "a parameter is wrong"),
    BackendGuardError: Advice(Action.FAIL, "the guard refuses the operation"),
    BackendJobFailedError: Advice(Action.DEFAULT, "the job failed; a retry starts another one"),
    BackendJobTimeoutError: Advice(Action.RETRY, "the job is still running, and a retry waits for it again", _SOON),
    BackendTimeoutError: Advice(Action.DEFAULT, "the wait timed out"),
    BackendLeftoversError: Advice(Action.RETRY, "what is left behind can be gone a little later", _LATER),
    BackendRecordError: Advice(Action.RETRY, "a retry completes the record, and deletes nothing more", _SOON),
    BackendLeaseError: Advice(Action.RETRY, "room, or what is still there, can be different a little later", _LATER),
    BackendStorageError: Advice(Action.RETRY, "nothing was changed, and a retry writes the files", _SOON),
    BackendDriftError: Advice(Action.FAIL, "a retry finds the same difference"),
    BackendRequestError: Advice(Action.DEFAULT, "a call was refused or could not be made"),
    AmplifyBackendError: Advice(Action.RETRY, "a retry checks the status again", _SOON),
}


def advice_for(error: BaseException) -> Advice:
    """Return what to do after an error, whatever Airflow is installed."""
    if isinstance(error, BackendStartError):
        return START_ADVICE[error.reason]
    if isinstance(error, BackendRequestError) and (fault := _fault(error)):
        return REQUEST_ADVICE[fault.kind]
    return next((advice for kind, advice in ERROR_ADVICE.items() if isinstance(error, kind)), _OTHERS)


def _fault(error: BaseException | None) -> ServiceError | None:
    """Return the error of a call that has led to this one, if it is known on this worker."""
    while error is not None and not isinstance(error, ServiceError):
        error = error.__cause__
    return error


def backend_retry_policy(otherwise: RetryPolicy | None = None) -> RetryPolicy:
    """
    Return a policy for ``retry_policy=``: fail at once where a retry comes to the same end, and wait where it helps.

    :param otherwise: The policy for other errors, and for those about which nothing is known. Default: the task's own
        settings.
    :raises ImportError: This Airflow is older than 3.3.
    """
    policy: RetryPolicy = _policy_class()(otherwise)
    return policy


@lru_cache(maxsize=1)
def _policy_class() -> Any:
    module = retry_policy_module("backend_retry_policy()")
    base: Any = module.RetryPolicy

    class BackendRetryPolicy(base):  # type: ignore[misc]
        """Decide by the errors of this package."""

        def __init__(self, otherwise: RetryPolicy | None) -> None:
            self.otherwise = otherwise

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> RetryDecision:
            """Return what Airflow is to do."""
            advice = advice_for(exception)
            decision: RetryDecision
            if advice.action is Action.DEFAULT and self.otherwise is not None:
                decision = self.otherwise.evaluate(exception, try_number, max_tries, context)
            else:
                action = module.RetryAction(str(advice.action))
                decision = module.RetryDecision(action, retry_delay=advice.delay, reason=advice.reason)
            return decision

    return BackendRetryPolicy
