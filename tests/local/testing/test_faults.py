"""Every kind of fault, as boto3 sees it and as the journal keeps it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.fault_kinds import KINDS

APP = "d1a2b3c4d5"
STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


def starts(service: LocalAmplifyBackend) -> int:
    return len(service.control.journal("DeleteBackend", effective=True))


def test_throttle(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="throttle", times=1, limit_type="Daily")
    with pytest.raises(client.exceptions.TooManyRequestsException) as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["LimitType"] == "Daily"
    assert starts(service) == 0
    client.delete_backend(**STAGING)


@pytest.mark.parametrize(("kind", "effective"), [("timeout_before", 0), ("timeout_after", 1)])
def test_timeout(service: LocalAmplifyBackend, client: Any, kind: str, effective: int) -> None:
    service.control.add_fault("DeleteBackend", kind=kind, times=1)
    with pytest.raises(client.exceptions.GatewayTimeoutException) as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["Message"]
    assert starts(service) == len(service.control.jobs()) == effective


@pytest.mark.parametrize(("kind", "effective"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_a_real_one(service: LocalAmplifyBackend, client: Any, kind: str, effective: int) -> None:
    client.get_backend(AppId=APP)
    service.control.add_fault("DeleteBackend", kind=kind, times=1)
    with pytest.raises(ConnectionClosedError) as refusal:
        client.delete_backend(**STAGING)
    assert "ConnectionResetError" in repr(refusal.value.__context__) + repr(refusal.value.kwargs)
    assert starts(service) == len(service.control.jobs()) == effective
    assert service.control.journal("DeleteBackend")[-1]["status_code"] == 0
    client.get_backend(AppId=APP)


def test_boto3s_own_retry_starts_a_job_twice_unless_the_service_refuses(service: LocalAmplifyBackend) -> None:
    """Why start requests must go out with retries off."""
    service.control.set(job_seconds=0)
    service.control.add_fault("CreateBackendAuth", kind="reset_after", times=1)
    retrying = service.client()
    config = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {"RequiredSignUpAttributes": ["EMAIL"], "SignInMethod": "EMAIL", "UserPoolName": "p"},
    }
    with pytest.raises(retrying.exceptions.BadRequestException, match="already exists"):
        retrying.create_backend_auth(**STAGING, ResourceName="new", ResourceConfig=config)
    assert [entry["effective"] for entry in service.control.journal("CreateBackendAuth")] == [True, False]


def test_a_truncated_answer_is_an_empty_one_to_boto3(service: LocalAmplifyBackend, client: Any) -> None:
    """botocore does not enforce the content length: it sees neither the job id nor an error."""
    service.control.add_fault("DeleteBackend", kind="truncate", times=1)
    answer = client.delete_backend(**STAGING)
    assert "JobId" not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert starts(service) == 1


def test_an_empty_answer(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="empty", times=1)
    assert set(client.delete_backend(**STAGING)) == {"ResponseMetadata"}
    assert starts(service) == 1


def test_pending_though_nothing_is(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="pending", times=1)
    with pytest.raises(ClientError, match="already a pending job") as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert starts(service) == 0


def test_any_other_error(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("*", kind="error", times=1, status=403, code="ExpiredTokenException", message="old")
    with pytest.raises(ClientError, match="old") as refusal:
        client.get_backend(AppId=APP)
    assert refusal.value.response["Error"]["Code"] == "ExpiredTokenException"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_past_the_read_timeout(service: LocalAmplifyBackend, when: str) -> None:
    service.control.add_fault("DeleteBackend", kind="delay", times=1, seconds=0.6, when=when)
    hasty = service.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    with pytest.raises(ReadTimeoutError):
        hasty.delete_backend(**STAGING)
    took_effect_at_once = starts(service) == 1
    assert took_effect_at_once is (when == "after")
    # The service goes on with a request whose caller has left: it takes effect in either case.
    patient = service.client(config=Config(retries={"total_max_attempts": 1}))
    service.control.add_fault("GetBackend", kind="delay", times=1, seconds=0.7)
    patient.get_backend(AppId=APP)
    assert starts(service) == 1


def test_a_reset_of_a_caller_who_has_left_harms_nobody(service: LocalAmplifyBackend) -> None:
    service.control.add_fault("DeleteBackend", kind="delay", times=1, seconds=0.4)
    service.control.add_fault("DeleteBackend", kind="reset_after", times=1)
    hasty = service.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.1))
    with pytest.raises(ReadTimeoutError):
        hasty.delete_backend(**STAGING)
    hasty.close()
    service.control.add_fault("GetBackend", kind="delay", times=1, seconds=0.6)
    service.client().get_backend(AppId=APP)
    assert starts(service) == 1


@pytest.mark.parametrize("error", ["Resource is in a wrong state\n  at stack", None])
def test_a_job_that_fails(service: LocalAmplifyBackend, client: Any, finish: Finish, error: str | None) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1, error=error)
    row = finish(client.delete_backend(**STAGING))
    assert (row["Status"], row.get("Error")) == ("FAILED", error)
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"


@pytest.mark.parametrize("leaves", [True, False])
def test_a_failed_clone_can_leave_an_empty_environment(
    service: LocalAmplifyBackend, client: Any, finish: Finish, leaves: bool
) -> None:
    service.control.set(failed_creation_leaves_environment=leaves)
    service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    assert finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))["Status"] == "FAILED"
    assert ("copy" in client.get_backend(AppId=APP)["BackendEnvironmentList"]) is leaves
    if leaves:
        with pytest.raises(client.exceptions.BadRequestException, match="already exists"):
            client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    else:
        assert finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))["Status"] == "COMPLETED"


def test_a_stuck_job_holds_its_environment_until_somebody_ends_it(
    service: LocalAmplifyBackend, client: Any, finish: Finish
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_stuck", times=1)
    answer = client.delete_backend(**STAGING)
    assert finish(answer)["Status"] == "RUNNING"
    with pytest.raises(ClientError, match="pending job"):
        client.delete_backend(**STAGING)
    service.control.end_job(answer["JobId"])
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []


def test_an_unknown_status_for_a_time(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="job_status", times=1, status="WAITING_FOR_MOON", seconds=30)
    job = {**STAGING, "JobId": client.delete_backend(**STAGING)["JobId"]}
    service.control.advance(10)
    assert client.get_backend_job(**job)["Status"] == "WAITING_FOR_MOON"
    service.control.advance(30)
    assert client.get_backend_job(**job)["Status"] == "COMPLETED"


def test_an_unknown_status_for_ever(service: LocalAmplifyBackend, client: Any, finish: Finish) -> None:
    service.control.add_fault("DeleteBackend", kind="job_status", times=1, status="WAITING_FOR_MOON")
    assert finish(client.delete_backend(**STAGING))["Status"] == "WAITING_FOR_MOON"


@pytest.mark.parametrize("get_too", [False, True])
def test_a_job_list_that_lags(service: LocalAmplifyBackend, client: Any, get_too: bool) -> None:
    service.control.add_fault("DeleteBackend", kind="list_lag", times=1, seconds=5, get_too=get_too)
    job_id = client.delete_backend(**STAGING)["JobId"]
    assert client.list_backend_jobs(**STAGING)["Jobs"] == []
    if get_too:
        with pytest.raises(client.exceptions.NotFoundException):
            client.get_backend_job(**STAGING, JobId=job_id)
    else:
        client.get_backend_job(**STAGING, JobId=job_id)
    service.control.advance(5)
    assert [row["JobId"] for row in client.list_backend_jobs(**STAGING)["Jobs"]] == [job_id]
    assert client.get_backend_job(**STAGING, JobId=job_id)


def test_faults_add_up(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="timeout_after", times=1)
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1, error="both")
    with pytest.raises(client.exceptions.GatewayTimeoutException):
        client.delete_backend(**STAGING)
    service.control.advance(60)
    (job,) = service.control.jobs()
    assert (job["Status"], job["Error"]) == ("FAILED", "both")


def test_a_job_fault_waits_for_a_start_that_is_accepted(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1)
    with pytest.raises(client.exceptions.NotFoundException):
        client.delete_backend(AppId=APP, BackendEnvironmentName="none")
    assert service.control.faults()[0]["used"] == 0


def test_a_probability_with_a_seed_repeats_itself(service: LocalAmplifyBackend, client: Any) -> None:
    def run() -> list[int]:
        service.control.clear_journal()
        fault = service.control.add_fault("GetBackend", kind="throttle", probability=0.5, seed=7)
        for _ in range(20):
            with contextlib.suppress(client.exceptions.TooManyRequestsException):
                client.get_backend(AppId=APP)
        service.control.remove_fault(fault["fault_id"])
        return [entry["status_code"] for entry in service.control.journal("GetBackend")]

    first = run()
    assert set(first) == {200, 429}
    assert run() == first


def test_a_fault_can_be_for_one_environment(service: LocalAmplifyBackend, client: Any) -> None:
    service.control.add_fault("CloneBackend", kind="throttle", app_id=APP, environment="two")
    client.clone_backend(**STAGING, TargetEnvironmentName="one")
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.clone_backend(**STAGING, TargetEnvironmentName="two")
    service.control.clear_faults()
    client.clone_backend(**STAGING, TargetEnvironmentName="two")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ({"operation": "Nonsense", "kind": "throttle"}, "no operation is called 'Nonsense'"),
        ({"kind": "nonsense"}, "there are:"),
        ({"kind": "throttle", "seconds": 1}, "throttle has no option seconds"),
        ({"kind": "throttle", "times": 0}, "times"),
        ({"kind": "throttle", "probability": 2}, "probability"),
        ({"operation": "GetBackend", "kind": "job_fails"}, "starts no job"),
        ({"kind": "delay", "when": "never"}, "when"),
        ({}, "a fault needs kind"),
        ({"kind": 5}, "kind must be a string"),
        ({"kind": "throttle", "operation": 5}, "operation must be a string"),
        ({"kind": "throttle", "times": "3"}, "times"),
        ({"kind": "throttle", "times": -1}, "times"),
        ({"kind": "throttle", "times": 1.5}, "times"),
        ({"kind": "throttle", "times": True}, "times"),
        ({"kind": "throttle", "probability": "half"}, "probability"),
        ({"kind": "throttle", "probability": 0}, "probability"),
        ({"kind": "throttle", "seed": [1]}, "seed"),
        ({"kind": "throttle", "app_id": 5}, "app_id"),
        ({"kind": "throttle", "environment": ["staging"]}, "environment"),
        ({"kind": "throttle", "message": None}, "message must be a string"),
        ({"kind": "truncate", "keep_bytes": -1}, "keep_bytes"),
        ({"kind": "error", "status": 200}, "status must be a whole number from 400 to 599"),
        ({"kind": "error", "status": "500"}, "status"),
        ({"kind": "error", "code": "a\r\nb: c"}, "code must be 1 to 200 visible ASCII characters"),
        ({"kind": "error", "code": ""}, "code"),
        ({"kind": "delay", "seconds": -1}, "seconds"),
        ({"kind": "delay", "seconds": None}, "seconds"),
        ({"kind": "delay", "seconds": 1e300}, "seconds"),
        ({"kind": "list_lag", "seconds": "soon"}, "seconds"),
        ({"kind": "list_lag", "get_too": "yes"}, "get_too must be true or false"),
        ({"kind": "job_fails", "error": 5}, "error must be a string"),
        ({"kind": "job_status", "status": None}, "status must be a string"),
        ({"kind": "job_row", "members": {"Colour": "red"}}, "a job's row has no Colour"),
        ({"kind": "job_row", "members": {"Status": 5}}, "Status must be a string"),
        ({"kind": "answer", "members": []}, "members must be an object"),
    ],
)
def test_a_wrong_script_is_refused(service: LocalAmplifyBackend, script: dict[str, Any], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        service.control._ask("POST", "/faults", script)
    assert service.control.faults() == []


def test_every_kind_of_fault_is_tested_here() -> None:
    here = Path(__file__)
    text = "".join(file.read_text(encoding="utf-8") for file in (here, here.parents[1] / "http" / "test_texts.py"))
    assert not [kind for kind in KINDS if f'"{kind}"' not in text]
