"""Which error is retried, and when: the whole table, and what Airflow does with it."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend import exceptions, retries
from airflow_provider_amplifybackend._compat import AirflowFailException
from airflow_provider_amplifybackend._errors import request_error, wait_error
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.retries import Action, advice_for, backend_retry_policy
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner

needs_policies = pytest.mark.skipif(AIRFLOW < (3, 3), reason="retry policies came with Airflow 3.3")
REF = JobRef("d1", "job-1", ("staging",), "CloneBackend")
FAILED = Job("d1", "staging", "job-1", "CloneBackend", "FAILED")

SOON, LATER = timedelta(seconds=30), timedelta(minutes=5)
ERRORS: list[tuple[BaseException, Action, timedelta | None]] = [
    (exceptions.BackendParameterError("no"), Action.FAIL, None),
    (exceptions.BackendGuardError("no", reason=GuardRefusal.CONDITION), Action.FAIL, None),
    (exceptions.BackendRequestError("the triggerer's own words"), Action.DEFAULT, None),
    (exceptions.BackendStartError("no", reason=StartFailure.PENDING_JOB), Action.RETRY, LATER),
    (exceptions.BackendJobFailedError(FAILED), Action.DEFAULT, None),
    (exceptions.BackendLeftoversError(REF, []), Action.RETRY, LATER),
    (exceptions.BackendRecordError("no"), Action.RETRY, SOON),
    (exceptions.BackendLeaseError("no", reason=LeaseFailure.NOT_GONE), Action.RETRY, LATER),
    (exceptions.BackendStorageError("no"), Action.RETRY, SOON),
    (exceptions.BackendDriftError("differs"), Action.FAIL, None),
    (exceptions.BackendTimeoutError(REF, waited=1, last_status=None), Action.DEFAULT, None),
    (exceptions.BackendJobTimeoutError(REF, waited=1, last_status=None), Action.RETRY, SOON),
    (exceptions.AmplifyBackendError("an event that cannot be read"), Action.RETRY, SOON),
    (RuntimeError("the user's own"), Action.DEFAULT, None),
]
STARTS: dict[StartFailure, tuple[Action, timedelta | None]] = {
    StartFailure.PENDING_JOB: (Action.RETRY, LATER),
    StartFailure.EXISTS: (Action.FAIL, None),
    StartFailure.LEFTOVER: (Action.FAIL, None),
    StartFailure.MISSING: (Action.FAIL, None),
    StartFailure.UNKNOWN_OWNER: (Action.FAIL, None),
    StartFailure.OUT_OF_TIME: (Action.RETRY, SOON),
    StartFailure.UNREADABLE_STATE: (Action.FAIL, None),
    StartFailure.SLOW_STORE: (Action.RETRY, SOON),
}
FAULTS: dict[FaultKind, tuple[Action, timedelta | None]] = {
    FaultKind.NOT_FOUND: (Action.DEFAULT, None),
    FaultKind.REFUSED: (Action.FAIL, None),
    FaultKind.THROTTLED: (Action.RETRY, LATER),
    FaultKind.UNSENT: (Action.RETRY, SOON),
    FaultKind.UNCLEAR: (Action.RETRY, SOON),
    FaultKind.EXPIRED: (Action.RETRY, SOON),
    FaultKind.CREDENTIALS: (Action.DEFAULT, None),
    FaultKind.SETUP: (Action.FAIL, None),
}


@pytest.mark.parametrize(("error", "action", "delay"), ERRORS, ids=lambda value: type(value).__name__)
def test_each_error_has_its_advice(error: BaseException, action: Action, delay: timedelta | None) -> None:
    advice = advice_for(error)
    assert (advice.action, advice.delay) == (action, delay)
    assert advice.reason


def test_the_table_has_every_error_of_the_package() -> None:
    classes = {
        each for each in vars(exceptions).values() if inspect.isclass(each) and each.__module__ == exceptions.__name__
    }
    assert {type(error) for error, _, _ in ERRORS} >= classes


def test_what_airflow_fails_by_itself_is_advised_the_same() -> None:
    failing = [error for error, _, _ in ERRORS if isinstance(error, AirflowFailException)]
    assert failing
    assert {advice_for(error).action for error in failing} == {Action.FAIL}


@pytest.mark.parametrize("reason", StartFailure)
def test_a_start_that_failed_is_decided_by_its_reason(reason: StartFailure) -> None:
    advice = advice_for(exceptions.BackendStartError("no", reason=reason))
    assert (advice.action, advice.delay) == STARTS[reason]


@pytest.mark.parametrize("kind", FaultKind)
def test_a_call_that_failed_is_decided_by_what_went_wrong(kind: FaultKind) -> None:
    fault = ServiceError(kind, "GetBackend", "SomeException", "no")
    for error in (request_error(fault, {"AppId": "d1"}), wait_error(REF, fault)):
        error.__cause__ = fault
        advice = advice_for(error)
        assert (advice.action, advice.delay) == FAULTS[kind]
    outer = exceptions.BackendRequestError("cannot check")
    outer.__cause__ = request_error(fault, {})
    outer.__cause__.__cause__ = fault
    assert advice_for(outer).action == FAULTS[kind][0]


# In Airflow


GET = """
from airflow_provider_amplifybackend.retries import backend_retry_policy
GetBackendOperator(
    task_id="get", app_id=APP, backend_environment_name="staging", retries=2, retry_delay=timedelta(0),
    botocore_config={{"retries": {{"total_max_attempts": 1}}}}, retry_policy={policy},
)
"""


@needs_policies
def test_what_a_retry_cannot_help_is_tried_once(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("GetBackend", kind="error", status=403, code="AccessDeniedException")
    run = dags.run(GET.format(policy="backend_retry_policy()"))
    assert (run.states, run.tries) == ({"get": "failed"}, {"get": 1})


@needs_policies
def test_without_a_policy_it_is_tried_as_often_as_airflow_likes(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("GetBackend", kind="error", status=403, code="AccessDeniedException")
    run = dags.run(GET.format(policy="None"))
    assert (run.states, run.tries) == ({"get": "failed"}, {"get": 3})


@needs_policies
def test_what_is_throttled_is_retried_when_the_service_may_have_recovered(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        retries.REQUEST_ADVICE, FaultKind.THROTTLED, retries.Advice(Action.RETRY, "at once", timedelta(0))
    )
    service.control.add_fault("GetBackend", kind="throttle", times=1)
    run = dags.run(GET.format(policy="backend_retry_policy()"))
    assert (run.states, run.tries) == ({"get": "success"}, {"get": 2})


@needs_policies
def test_another_policy_decides_what_this_one_does_not() -> None:
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    other = ExceptionRetryPolicy(rules=[RetryRule(exception=RuntimeError, action=RetryAction.FAIL, reason="theirs")])
    policy: Any = backend_retry_policy(otherwise=other)
    assert policy.evaluate(RuntimeError("no"), 1, 3).reason == "theirs"
    assert policy.evaluate(exceptions.BackendRecordError("no"), 1, 3).action is RetryAction.RETRY
    assert backend_retry_policy().evaluate(RuntimeError("no"), 1, 3).action is RetryAction.DEFAULT


@pytest.mark.skipif(AIRFLOW >= (3, 3), reason="about Airflow before 3.3")
def test_an_airflow_without_policies_says_so() -> None:
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3"):
        backend_retry_policy()
