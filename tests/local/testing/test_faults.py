"""Every kind of fault, as boto3 sees it and as the journal keeps it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.fault_kinds import KINDS
from tests.samples import APP, auth

BOTOCORE = tuple(int(part) for part in botocore.__version__.split("."))
STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


def starts(service: LocalAmplifyBackend) -> int:
    return len(service.control.journal("DeleteBackend", effective=True))


def test_throttle(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="throttle", times=1, limit_type="Daily")
    with pytest.raises(client.exceptions.TooManyRequestsException) as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["LimitType"] == "Daily"
    assert starts(backend) == 0
    client.delete_backend(**STAGING)


@pytest.mark.parametrize(("kind", "effective"), [("timeout_before", 0), ("timeout_after", 1)])
def test_timeout(backend: LocalAmplifyBackend, client: Any, kind: str, effective: int) -> None:
    backend.control.add_fault("DeleteBackend", kind=kind, times=1)
    with pytest.raises(client.exceptions.GatewayTimeoutException) as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["Message"]
    assert starts(backend) == len(backend.control.jobs()) == effective


@pytest.mark.parametrize(("kind", "effective"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_a_real_one(backend: LocalAmplifyBackend, client: Any, kind: str, effective: int) -> None:
    client.get_backend(AppId=APP)
    backend.control.add_fault("DeleteBackend", kind=kind, times=1)
    with pytest.raises(ConnectionClosedError) as refusal:
        client.delete_backend(**STAGING)
    assert "ConnectionResetError" in repr(refusal.value.__context__) + repr(refusal.value.kwargs)
    assert starts(backend) == len(backend.control.jobs()) == effective
    assert backend.control.journal("DeleteBackend")[-1]["status_code"] == 0
    client.get_backend(AppId=APP)


def test_boto3s_own_retry_starts_a_job_twice_unless_the_service_refuses(backend: LocalAmplifyBackend) -> None:
    """Why start requests must go out with retries off."""
    backend.control.set(job_seconds=0)
    backend.control.add_fault("CreateBackendAuth", kind="reset_after", times=1)
    retrying = backend.client()
    config = auth(UserPoolName="p")
    with pytest.raises(retrying.exceptions.BadRequestException, match="already exists"):
        retrying.create_backend_auth(**STAGING, ResourceName="new", ResourceConfig=config)
    assert [entry["effective"] for entry in backend.control.journal("CreateBackendAuth")] == [True, False]


def test_a_truncated_answer_does_not_name_the_job_that_it_started(backend: LocalAmplifyBackend, client: Any) -> None:
    """botocore 1.43.115 and later take it for a whole one, without any members; to earlier ones it is an error."""
    backend.control.add_fault("DeleteBackend", kind="truncate", times=1)
    try:
        answer = client.delete_backend(**STAGING)
    except ConnectionClosedError:
        assert BOTOCORE < (1, 43, 115)
    else:
        assert BOTOCORE >= (1, 43, 115)
        assert "JobId" not in answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert starts(backend) == 1


def test_an_empty_answer(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="empty", times=1)
    assert set(client.delete_backend(**STAGING)) == {"ResponseMetadata"}
    assert starts(backend) == 1


def test_pending_though_nothing_is(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="pending", times=1)
    with pytest.raises(ClientError, match="already a pending job") as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert starts(backend) == 0


def test_any_other_error(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("*", kind="error", times=1, status=403, code="ExpiredTokenException", message="old")
    with pytest.raises(ClientError, match="old") as refusal:
        client.get_backend(AppId=APP)
    assert refusal.value.response["Error"]["Code"] == "ExpiredTokenException"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_past_the_read_timeout(backend: LocalAmplifyBackend, when: str) -> None:
    backend.control.add_fault("DeleteBackend", kind="delay", times=1, seconds=0.6, when=when)
    hasty = backend.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    with pytest.raises(ReadTimeoutError):
        hasty.delete_backend(**STAGING)
    took_effect_at_once = starts(backend) == 1
    assert took_effect_at_once is (when == "after")
    # The service goes on with a request whose caller has left: it takes effect in either case.
    patient = backend.client(config=Config(retries={"total_max_attempts": 1}))
    backend.control.add_fault("GetBackend", kind="delay", times=1, seconds=0.7)
    patient.get_backend(AppId=APP)
    assert starts(backend) == 1


def test_a_reset_of_a_caller_who_has_left_harms_nobody(backend: LocalAmplifyBackend) -> None:
    backend.control.add_fault("DeleteBackend", kind="delay", times=1, seconds=0.4)
    backend.control.add_fault("DeleteBackend", kind="reset_after", times=1)
    hasty = backend.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.1))
    with pytest.raises(ReadTimeoutError):
        hasty.delete_backend(**STAGING)
    hasty.close()
    backend.control.add_fault("GetBackend", kind="delay", times=1, seconds=0.6)
    backend.client().get_backend(AppId=APP)
    assert starts(backend) == 1


@pytest.mark.parametrize("error", ["Resource is in a wrong state\n  at stack", None])
def test_a_job_that_fails(backend: LocalAmplifyBackend, client: Any, finish: Finish, error: str | None) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_fails", times=1, error=error)
    row = finish(client.delete_backend(**STAGING))
    assert (row["Status"], row.get("Error")) == ("FAILED", error)
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"


@pytest.mark.parametrize("leaves", [True, False])
def test_a_failed_clone_can_leave_an_empty_environment(
    backend: LocalAmplifyBackend, client: Any, finish: Finish, leaves: bool
) -> None:
    backend.control.set(failed_creation_leaves_environment=leaves)
    backend.control.add_fault("CloneBackend", kind="job_fails", times=1)
    assert finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))["Status"] == "FAILED"
    assert ("copy" in client.get_backend(AppId=APP)["BackendEnvironmentList"]) is leaves
    if leaves:
        with pytest.raises(client.exceptions.BadRequestException, match="already exists"):
            client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    else:
        assert finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))["Status"] == "COMPLETED"


def test_a_stuck_job_holds_its_environment_until_somebody_ends_it(
    backend: LocalAmplifyBackend, client: Any, finish: Finish
) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_stuck", times=1)
    answer = client.delete_backend(**STAGING)
    assert finish(answer)["Status"] == "RUNNING"
    with pytest.raises(ClientError, match="pending job"):
        client.delete_backend(**STAGING)
    backend.control.end_job(answer["JobId"])
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []


def test_an_unknown_status_for_a_time(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_status", times=1, status="WAITING_FOR_MOON", seconds=30)
    job = {**STAGING, "JobId": client.delete_backend(**STAGING)["JobId"]}
    backend.control.advance(10)
    assert client.get_backend_job(**job)["Status"] == "WAITING_FOR_MOON"
    backend.control.advance(30)
    assert client.get_backend_job(**job)["Status"] == "COMPLETED"


def test_an_unknown_status_for_ever(backend: LocalAmplifyBackend, client: Any, finish: Finish) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_status", times=1, status="WAITING_FOR_MOON")
    assert finish(client.delete_backend(**STAGING))["Status"] == "WAITING_FOR_MOON"


@pytest.mark.parametrize("get_too", [False, True])
def test_a_job_list_that_lags(backend: LocalAmplifyBackend, client: Any, get_too: bool) -> None:
    backend.control.add_fault("DeleteBackend", kind="list_lag", times=1, seconds=5, get_too=get_too)
    job_id = client.delete_backend(**STAGING)["JobId"]
    assert client.list_backend_jobs(**STAGING)["Jobs"] == []
    if get_too:
        with pytest.raises(client.exceptions.NotFoundException):
            client.get_backend_job(**STAGING, JobId=job_id)
    else:
        client.get_backend_job(**STAGING, JobId=job_id)
    backend.control.advance(5)
    assert [row["JobId"] for row in client.list_backend_jobs(**STAGING)["Jobs"]] == [job_id]
    assert client.get_backend_job(**STAGING, JobId=job_id)


def test_faults_add_up(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="timeout_after", times=1)
    backend.control.add_fault("DeleteBackend", kind="job_fails", times=1, error="both")
    with pytest.raises(client.exceptions.GatewayTimeoutException):
        client.delete_backend(**STAGING)
    backend.control.advance(60)
    (job,) = backend.control.jobs()
    assert (job["Status"], job["Error"]) == ("FAILED", "both")


def test_a_job_fault_waits_for_a_start_that_is_accepted(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_fails", times=1)
    with pytest.raises(client.exceptions.NotFoundException):
        client.delete_backend(AppId=APP, BackendEnvironmentName="none")
    assert backend.control.faults()[0]["used"] == 0


def test_a_probability_with_a_seed_repeats_itself(backend: LocalAmplifyBackend, client: Any) -> None:
    def run() -> list[int]:
        backend.control.clear_journal()
        fault = backend.control.add_fault("GetBackend", kind="throttle", probability=0.5, seed=7)
        for _ in range(20):
            with contextlib.suppress(client.exceptions.TooManyRequestsException):
                client.get_backend(AppId=APP)
        backend.control.remove_fault(fault["fault_id"])
        return [entry["status_code"] for entry in backend.control.journal("GetBackend")]

    first = run()
    assert set(first) == {200, 429}
    assert run() == first


def test_a_fault_can_be_for_one_environment(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("CloneBackend", kind="throttle", app_id=APP, environment="two")
    client.clone_backend(**STAGING, TargetEnvironmentName="one")
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.clone_backend(**STAGING, TargetEnvironmentName="two")
    backend.control.clear_faults()
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
        ({"kind": "leftovers", "what": "stack"}, "what must be a list of stack, deployment_bucket"),
        ({"kind": "leftovers", "what": ["everything"]}, "what must be a list"),
        ({"kind": "leftovers", "operation": "CloneBackend"}, "starts no job"),
        ({"kind": "denied", "service": "s3"}, "no service is called 's3'"),
        ({"kind": "denied", "service": 5}, "service must be a string"),
        ({"kind": "denied", "service": "amplify", "operation": "GetBackend"}, "no amplify operation is called"),
        ({"kind": "pending", "service": "cloudformation"}, "knows no pending job"),
        ({"kind": "pending", "operation": "GetApp"}, "knows no pending job"),
    ],
)
def test_a_wrong_script_is_refused(backend: LocalAmplifyBackend, script: dict[str, Any], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        backend.control._ask("POST", "/faults", script)
    assert backend.control.faults() == []


def test_denied_reads_of_the_neighbours(backend: LocalAmplifyBackend) -> None:
    amplify, stacks = backend.client("amplify"), backend.client("cloudformation")
    backend.control.add_fault("GetApp", kind="denied")
    backend.control.add_fault("GetStackPolicy", kind="denied")
    with pytest.raises(ClientError, match="is not authorized to perform: amplify:GetApp") as refusal:
        amplify.get_app(appId=APP)
    assert code_and_status(refusal) == ("AccessDeniedException", 403)
    with pytest.raises(ClientError, match="is not authorized to perform: cloudformation:GetStackPolicy") as refusal:
        stacks.get_stack_policy(StackName="any")
    assert code_and_status(refusal) == ("AccessDenied", 403)
    assert amplify.list_apps()["apps"]
    assert stacks.describe_stacks()["Stacks"]


def code_and_status(refusal: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = refusal.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_amplifybackend_can_be_denied_too(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="denied")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client.delete_backend(**STAGING)
    assert starts(backend) == 0


def test_a_script_without_an_operation_is_for_one_service_or_for_all(backend: LocalAmplifyBackend, client: Any) -> None:
    config = Config(retries={"total_max_attempts": 1})
    amplify, stacks = backend.client("amplify", config=config), backend.client("cloudformation", config=config)
    calls: dict[str, Callable[[], Any]] = {
        "amplifybackend": lambda: client.get_backend(AppId=APP),
        "amplify": lambda: amplify.get_app(appId=APP),
        "cloudformation": lambda: stacks.describe_stacks(),
    }

    def struck() -> set[str]:
        found = set()
        for service, call in calls.items():
            try:
                call()
            except ClientError:
                found.add(service)
        return found

    for given, expected in (
        ({}, {"amplifybackend"}),
        ({"service": "amplify"}, {"amplify"}),
        ({"service": "cloudformation"}, {"cloudformation"}),
        ({"service": "*"}, set(calls)),
    ):
        fault = backend.control.add_fault(kind="throttle", **given)
        assert struck() == expected
        backend.control.remove_fault(fault["fault_id"])


def test_a_neighbours_fault_can_be_for_one_app(backend: LocalAmplifyBackend) -> None:
    backend.control.seed_app("dother", "staging")
    amplify = backend.client("amplify")
    backend.control.add_fault(kind="denied", service="amplify", app_id="dother")
    assert amplify.get_app(appId=APP)["app"]["appId"] == APP
    with pytest.raises(ClientError, match="AccessDenied"):
        amplify.get_app(appId="dother")


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncate", "empty", "timeout_after"])
def test_answers_of_cloudformation_can_be_lost(backend: LocalAmplifyBackend, kind: str) -> None:
    stacks = backend.client("cloudformation", config=Config(retries={"total_max_attempts": 1}, read_timeout=5))
    (root,) = [one["StackName"] for one in stacks.describe_stacks()["Stacks"] if "ParentId" not in one]
    backend.control.add_fault("UpdateTerminationProtection", kind=kind, times=1)
    with contextlib.suppress(Exception):
        stacks.update_termination_protection(StackName=root, EnableTerminationProtection=True)
    took_effect = stacks.describe_stacks(StackName=root)["Stacks"][0]["EnableTerminationProtection"]
    assert took_effect == (kind != "reset_before")
    (entry,) = backend.control.journal("UpdateTerminationProtection")
    assert (entry["effective"], entry["faults"]) == (kind != "reset_before", [kind])


def test_an_answer_of_cloudformation_can_have_other_members(backend: LocalAmplifyBackend) -> None:
    stacks = backend.client("cloudformation")
    backend.control.add_fault("GetStackPolicy", kind="answer", members={"StackPolicyBody": "<odd> & \x00"}, times=1)
    root = backend.control.state()[0]["apps"][0]["environments"][0]["provider"]["StackName"]
    assert stacks.get_stack_policy(StackName=root)["StackPolicyBody"] == "<odd> & \ufffd"
    backend.control.add_fault("DescribeStacks", kind="answer", members={"Stacks": None, "NextToken": "t"}, times=1)
    answer = stacks.describe_stacks()
    assert (answer.get("Stacks"), answer["NextToken"]) == (None, "t")


def test_leftovers_without_moto(backend: LocalAmplifyBackend, client: Any, finish: Finish) -> None:
    stacks = backend.client("cloudformation")
    before = {one["StackName"] for one in stacks.describe_stacks()["Stacks"]}
    backend.control.add_fault("DeleteBackend", kind="leftovers", times=1)
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []
    assert {one["StackName"] for one in stacks.describe_stacks()["Stacks"]} == before
    backend.control.seed_app(APP, "staging")
    bucket = backend.control.state()[0]["apps"][0]["environments"][0]["provider"]["DeploymentBucketName"]
    backend.control.add_fault("RemoveAllBackends", kind="leftovers", what=["deployment_bucket"])
    finish(client.remove_all_backends(AppId=APP))
    assert bucket in [one["Name"] for one in client.list_s3_buckets()["Buckets"]]
    assert {one["StackName"] for one in stacks.describe_stacks()["Stacks"]} == before


def test_every_kind_of_fault_is_tested_here() -> None:
    here = Path(__file__)
    text = "".join(file.read_text(encoding="utf-8") for file in (here, here.parents[1] / "http" / "test_texts.py"))
    assert not [kind for kind in KINDS if f'"{kind}"' not in text]
