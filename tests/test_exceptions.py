"""What a user reads where something went wrong."""

from __future__ import annotations

import copy
import pickle

import pytest

from airflow_provider_amplifybackend import exceptions
from airflow_provider_amplifybackend._compat import AirflowException, AirflowFailException
from airflow_provider_amplifybackend._errors import request_error, timeout_error
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendJobFailedError,
    BackendJobTimeoutError,
    BackendParameterError,
    BackendRequestError,
    BackendTimeoutError,
)

REF = JobRef("d1", "job-1", ("pr1", "staging"), "CloneBackend")


def test_all_errors_are_airflows_and_have_one_base() -> None:
    errors = [
        value for name, value in vars(exceptions).items() if name.startswith("Backend") and name.endswith("Error")
    ]
    assert len(errors) == 12
    assert all(issubclass(error, AmplifyBackendError) for error in errors)
    assert issubclass(AmplifyBackendError, AirflowException)


def test_only_a_wrong_parameter_is_not_worth_a_retry() -> None:
    assert issubclass(BackendParameterError, AirflowFailException)
    assert not issubclass(BackendRequestError, AirflowFailException)
    assert not issubclass(BackendJobFailedError, AirflowFailException)


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    assert exceptions.__doc__
    names = {name for name, value in vars(exceptions).items() if isinstance(value, type) and name.endswith("Error")}
    assert all(name in exceptions.__doc__ for name in names - {"ServiceError"})


@pytest.mark.parametrize(
    ("error", "words"),
    [("first line\nsecond line", "AmplifyBackend reported: first line\nsecond line"), (None, "reported no error text")],
)
def test_a_failed_job_says_what_the_service_says(error: str | None, words: str) -> None:
    failed = BackendJobFailedError(Job("d1", "pr1", "job-1", "CloneBackend", "FAILED", error))
    assert str(failed).startswith("FAILED: CloneBackend, environment pr1 (app d1, job job-1).\n")
    assert str(failed).endswith(words) or "reported no error text." in str(failed).splitlines()[-1]
    assert failed.job.job_id == "job-1"


def test_a_failed_job_says_before_the_services_text_how_long_it_took_what_is_left_and_what_to_do() -> None:
    job = Job("d1", "pr1", "job-1", "CloneBackend", "FAILED", "long\nstory", 1_617_375_907_613, 1_617_375_940_700)
    assert str(BackendJobFailedError(job)) == (
        "FAILED after 33 s: CloneBackend, environment pr1 (app d1, job job-1).\n"
        "The new environment may be left behind, empty; a retry then refuses to start. Delete it, or set "
        'on_failure="delete_target" to have it deleted.\n'
        "Check it with: aws amplifybackend get-backend-job --app-id d1 --backend-environment-name pr1 --job-id job-1\n"
        "AmplifyBackend reported: long\nstory"
    )
    done = str(BackendJobFailedError(job, "Environment pr1 was deleted."))
    assert done.splitlines()[1] == "Environment pr1 was deleted."
    update = Job("d1", "pr1", "job-1", "UpdateBackendAPI", "FAILED")
    assert "CloudFormation" in str(BackendJobFailedError(update))
    assert "delete_target" not in str(BackendJobFailedError(update))


ERRORS = (
    BackendJobFailedError(Job("d1", "pr1", "job-1", "CloneBackend", "FAILED", "why")),
    BackendJobTimeoutError(REF, waited=60, last_status="RUNNING"),
    BackendTimeoutError(EnvironmentCondition("d1", "pr1", Condition.GONE), waited=60, last_status=None),
    BackendRequestError("refused"),
    BackendParameterError("wrong"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_on_its_way_between_processes(error: AmplifyBackendError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_airflows_own_serialization(error: AmplifyBackendError) -> None:
    from airflow.serialization.serialized_objects import BaseSerialization

    other = BaseSerialization.deserialize(BaseSerialization.serialize(error))
    assert isinstance(other, AmplifyBackendError)
    assert str(other) == str(error)


def test_a_time_out_says_how_long_what_was_seen_and_what_to_do() -> None:
    wait = Wait(REF, deadline=100, started=0)
    wait.saw(Job("d1", "pr1", "job-1", status="RUNNING"))
    wait.missed(ServiceError(FaultKind.THROTTLED, "GetBackendJob", "TooManyRequestsException", "slow"), 50)
    error = timeout_error(wait, 100)
    assert type(error) is BackendJobTimeoutError
    for words in (
        "job job-1 (CloneBackend, app d1, environment pr1 or staging)",
        "100 s",
        "last status: RUNNING",
        "last error: GetBackendJob: TooManyRequestsException: slow",
        "aws amplifybackend get-backend-job --app-id d1 --backend-environment-name pr1 --job-id job-1",
        "waiter_max_attempts",
        "cannot cancel jobs",
    ):
        assert words in str(error)


def test_a_time_out_without_a_look_says_so() -> None:
    assert "not observed" in str(timeout_error(Wait(JobRef("d1", "j", ()), deadline=1, started=0), 1))


def test_a_time_out_of_an_environment_says_what_was_wished() -> None:
    error = timeout_error(Wait(EnvironmentCondition("d1", "pr1", Condition.GONE), deadline=1, started=0), 1)
    assert type(error) is BackendTimeoutError
    assert "pr1" in str(error)
    assert "to be gone" in str(error)


def test_a_request_error_names_the_place_and_the_services_words() -> None:
    error = ServiceError(FaultKind.REFUSED, "GetBackend", "BadRequestException", "no such form")
    said = str(request_error(error, {"AppId": "d1", "BackendEnvironmentName": "pr1", "ResourceConfig": {"x": "y"}}))
    assert said == ("GetBackend failed (BadRequestException) for AppId=d1, BackendEnvironmentName=pr1: no such form")
    assert "for this account" in str(request_error(error, {}))


def test_a_request_that_never_fits_is_a_wrong_parameter() -> None:
    error = ServiceError(FaultKind.SETUP, "GetBackend", "ParamValidationError", "Missing AppId")
    assert type(request_error(error, {})) is BackendParameterError
