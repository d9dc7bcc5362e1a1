"""The hook, with real boto3, against a real service."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.config import Config

from airflow_provider_amplifybackend._compat import AirflowNotFoundException
from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.timing import REAL_TIME
from airflow_provider_amplifybackend.exceptions import (
    BackendJobFailedError,
    BackendJobTimeoutError,
    BackendParameterError,
    BackendRequestError,
)
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

CLONE = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr1"}
Sent = Callable[[str], int]
Accepted = Callable[..., list[dict[str, Any]]]


def seed_job(service: LocalAmplifyBackend, status: str = "RUNNING", **job: Any) -> JobRef:
    job = {"environment": "staging", "operation": "UpdateBackendAPI", "status": status, "job_id": "job-1"} | job
    service.control.seed_app(APP, jobs=[job])
    return JobRef(APP, job["job_id"], (job["environment"],), job["operation"])


# Reading


def test_the_client_is_boto3s(hook: AmplifyBackendHook) -> None:
    assert hook.conn.get_backend(AppId=APP)["AppName"] == "shop"
    assert hook.client_type == "amplifybackend"


def test_environments_are_listed(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    service.control.seed_app(APP, "dev")
    assert hook.get_environments(APP) == ["staging", "dev"]
    assert hook.get_environments("dunknown") == []


def test_an_environment_exists_or_does_not(hook: AmplifyBackendHook) -> None:
    assert hook.environment_exists(APP, "staging")
    assert not hook.environment_exists(APP, "pr1")
    assert not hook.environment_exists("dunknown", "staging")


def test_a_job_is_read(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    seed_job(service, "FAILED", error="no")
    job = hook.get_job(APP, "staging", "job-1")
    assert (job.status, job.error, job.operation, job.ref.environments) == (
        "FAILED",
        "no",
        "UpdateBackendAPI",
        ("staging",),
    )


def test_an_unknown_job_is_an_error_that_names_it(hook: AmplifyBackendHook) -> None:
    with pytest.raises(BackendRequestError) as raised:
        hook.get_job(APP, "staging", "nope")
    assert str(raised.value).startswith(
        f"GetBackendJob failed (NotFoundException) for AppId={APP}, BackendEnvironmentName=staging, JobId=nope: "
    )


def test_jobs_are_iterated_over_all_pages(service: LocalAmplifyBackend, hook: AmplifyBackendHook, sent: Sent) -> None:
    jobs = [{"environment": "staging", "job_id": f"job-{number:02}"} for number in range(60)]
    service.control.seed_app(APP, jobs=jobs)
    assert {job.job_id for job in hook.iter_jobs(APP, "staging")} == {job["job_id"] for job in jobs}
    assert sent("ListBackendJobs") == 3


def test_pages_are_asked_for_only_as_far_as_they_are_read(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, sent: Sent
) -> None:
    service.control.seed_app(APP, jobs=[{"environment": "staging"} for _ in range(60)])
    assert next(hook.iter_jobs(APP, "staging")).backend_environment_name == "staging"
    assert sent("ListBackendJobs") == 1


def test_jobs_are_filtered_by_the_service(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    seed_job(service, "COMPLETED", job_id="a")
    seed_job(service, "COMPLETED", job_id="b", operation="CloneBackend")
    seed_job(service, "FAILED", job_id="c")

    def ids(**filters: Any) -> list[str]:
        return sorted(job.job_id for job in hook.iter_jobs(APP, "staging", **filters))

    assert ids() == ["a", "b", "c"]
    assert ids(job_id="b") == ["b"]
    assert ids(operation="UpdateBackendAPI") == ["a", "c"]
    assert ids(operation="UpdateBackendAPI", status="FAILED") == ["c"]


def test_jobs_of_an_unknown_environment_are_an_error(hook: AmplifyBackendHook) -> None:
    with pytest.raises(BackendRequestError, match=r"ListBackendJobs failed \(NotFoundException\).*pr1"):
        list(hook.iter_jobs(APP, "pr1"))


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "reset_before", "truncate", "empty", "throttle"])
def test_reads_are_repeated(service: LocalAmplifyBackend, hook: AmplifyBackendHook, sent: Sent, kind: str) -> None:
    service.control.add_fault("GetBackend", kind=kind, times=1)
    assert hook.call("GetBackend", {"AppId": APP})["AppName"] == "shop"
    assert sent("GetBackend") == 2


def test_an_empty_answer_is_never_an_empty_list(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    service.control.add_fault("*", kind="empty")
    with pytest.raises(BackendRequestError, match="EmptyAnswer"):
        hook.get_environments(APP)
    with pytest.raises(BackendRequestError, match="EmptyAnswer"):
        list(hook.iter_jobs(APP, "staging"))


def test_an_operation_without_an_answer_is_not_an_empty_one(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    service.control.seed_app(APP, config={})
    service.control.add_fault("RemoveBackendConfig", kind="empty")
    assert "Error" not in hook.call("RemoveBackendConfig", {"AppId": APP})


# What is said where it fails


def test_an_error_names_operation_place_code_and_the_services_words(hook: AmplifyBackendHook) -> None:
    with pytest.raises(BackendRequestError) as raised:
        hook.call("CloneBackend", CLONE | {"BackendEnvironmentName": "prod"})
    words = str(raised.value)
    assert words.startswith(
        f"CloneBackend failed (NotFoundException) for AppId={APP}, BackendEnvironmentName=prod, "
        "TargetEnvironmentName=pr1: "
    )
    assert "prod" in words.partition("pr1: ")[2]


def test_a_request_that_does_not_fit_the_model_is_not_sent(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    with pytest.raises(BackendParameterError, match="ParamValidationError"):
        hook.call("GetBackend", {"AppId": APP, "Environment": "staging"})
    with pytest.raises(BackendParameterError, match="AppId='' is missing a value"):
        hook.call("GetBackend", {})
    assert not service.control.journal()


def test_a_connection_that_was_named_must_exist(service: LocalAmplifyBackend) -> None:
    hook = AmplifyBackendHook(aws_conn_id="nobody_knows_it")
    with pytest.raises(AirflowNotFoundException, match=r"aws_conn_id='nobody_knows_it' does not exist.*Create it"):
        hook.get_environments(APP)
    with pytest.raises(AirflowNotFoundException):
        hook.get_environments(APP)  # not with whatever other credentials this machine has
    assert not service.control.journal()


@pytest.mark.parametrize("aws_conn_id", ["aws_default", None])
def test_without_a_connection_boto3_looks_for_itself(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, aws_conn_id: str | None
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    assert AmplifyBackendHook(aws_conn_id=aws_conn_id).environment_exists(APP, "staging")


@pytest.mark.parametrize("aws_conn_id", ["", " ", "None", False, 0, []])
def test_an_id_that_came_out_empty_is_not_the_identity_of_boto3(aws_conn_id: Any) -> None:
    for args, kwargs in (([aws_conn_id], {}), ([], {"aws_conn_id": aws_conn_id})):
        with pytest.raises(BackendParameterError, match=r"aws_conn_id=.*for boto3's own credentials pass None"):
            AmplifyBackendHook(*args, **kwargs)


@pytest.mark.parametrize("region_name", ["", "None", "us-east-1\n", "eu west 1", 1])
def test_a_region_that_can_be_none_is_named_before_there_is_a_client(region_name: Any) -> None:
    with pytest.raises(BackendParameterError, match="region_name="):
        AmplifyBackendHook(region_name=region_name)


def test_no_region_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", '{"conn_type": "aws", "login": "nobody", "password": "nothing-secret"}')
    with pytest.raises(BackendRequestError, match=r"NoRegionError.*region_name in the extra of the connection"):
        AmplifyBackendHook(aws_conn_id="nowhere").get_environments(APP)


def test_no_credentials_are_said_with_what_to_do(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"region_name": "us-east-1", "endpoint_url": service.endpoint_url}
    monkeypatch.setenv("AIRFLOW_CONN_NOBODY", json.dumps({"conn_type": "aws", "extra": extra}))
    with pytest.raises(BackendRequestError, match=r"NoCredentialsError.*login and password, a role_arn"):
        AmplifyBackendHook(aws_conn_id="nobody").get_environments(APP)


def test_an_unknown_profile_is_said_with_what_to_do(connection: Callable[..., str]) -> None:
    name = connection(profile_name="nobody")
    with pytest.raises((BackendRequestError, AirflowNotFoundException), match="profile"):
        AmplifyBackendHook(aws_conn_id=name).get_environments(APP)


def test_no_access_is_an_error_with_the_services_words(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    words = "User x is not authorized to perform amplifybackend:GetBackend"
    service.control.add_fault("GetBackend", kind="error", status=403, code="AccessDeniedException", message=words)
    with pytest.raises(BackendRequestError, match=rf"GetBackend failed \(AccessDeniedException\).*{APP}.*{words}"):
        hook.get_environments(APP)


def test_an_endpoint_that_is_not_the_service_is_not_an_empty_app(connection: Callable[..., str]) -> None:
    """It answers 404 to everything, and that is not NotFoundException."""

    class NotHere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), NotHere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = connection(endpoint_url=f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(BackendRequestError, match=r"GetBackend failed \(404\)"):
            AmplifyBackendHook(aws_conn_id=name).get_environments(APP)
        server.shutdown()


# Starting


def test_a_start_is_answered_with_its_job(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    job = hook.start_operation("CloneBackend", CLONE)
    assert (job.app_id, job.backend_environment_name, job.operation, job.status) == (
        APP,
        "pr1",
        "CloneBackend",
        "PENDING",
    )


def test_what_an_answer_leaves_out_is_taken_from_the_request(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    """A real DeleteBackend answer has no Operation, RemoveAllBackends no environment."""
    service.control.set(operation_in_answers="never")
    removed = hook.start_operation("RemoveAllBackends", {"AppId": APP})
    assert (removed.operation, removed.backend_environment_name) == ("RemoveAllBackends", "")


NOT_REPEATED = {
    "timeout_before": ("GatewayTimeoutException", 0),
    "timeout_after": ("GatewayTimeoutException", 1),
    "reset_before": ("ConnectionClosedError", 0),
    "reset_after": ("ConnectionClosedError", 1),
    "truncate": ("", 1),
    "empty": ("EmptyAnswer", 1),
    "throttle": ("TooManyRequestsException", 0),
    "error": ("InternalFailure", 0),
}


@pytest.mark.parametrize("kind", NOT_REPEATED)
def test_a_start_is_sent_exactly_once_whatever_happens(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, sent: Sent, accepted: Accepted, kind: str
) -> None:
    code, effects = NOT_REPEATED[kind]
    service.control.add_fault("CloneBackend", kind=kind)
    with pytest.raises(BackendRequestError, match=rf"CloneBackend failed \(.*{code}.*AppId={APP}.*pr1"):
        hook.start_operation("CloneBackend", CLONE)
    assert sent("CloneBackend") == 1
    assert len(accepted("CloneBackend")) == effects


def test_a_start_that_times_out_is_sent_exactly_once(
    service: LocalAmplifyBackend, sent: Sent, accepted: Accepted
) -> None:
    """A read time-out of the connection holds for starts too where it is shorter than ours."""
    service.control.add_fault("CloneBackend", kind="delay", seconds=0.5, when="after")
    hook = AmplifyBackendHook(config=Config(read_timeout=0.2, retries={"mode": "standard", "total_max_attempts": 5}))
    with pytest.raises(BackendRequestError, match="ReadTimeoutError"):
        hook.start_operation("CloneBackend", CLONE)
    assert sent("CloneBackend") == 1
    assert len(accepted("CloneBackend")) == 1


def test_what_starts_no_job_cannot_be_started(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    with pytest.raises(BackendRequestError, match="starts no job"):
        hook.start_operation("CreateToken", {"AppId": APP})
    assert not service.control.journal()


def test_retries_from_the_environment_do_not_reach_starts(
    service: LocalAmplifyBackend, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    service.control.add_fault("CloneBackend", kind="timeout_before")
    with pytest.raises(BackendRequestError):
        AmplifyBackendHook().start_operation("CloneBackend", CLONE)
    assert sent("CloneBackend") == 1


@pytest.fixture
def proxy(service: LocalAmplifyBackend) -> Iterator[tuple[str, list[str]]]:
    """A proxy that passes on to the local service, whatever host it is asked for, and the hosts it was asked for."""
    import urllib.error
    import urllib.request

    hosts: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            scheme, _, rest = self.path.partition("://")
            host, _, path = rest.partition("/")
            hosts.append(f"{scheme}://{host}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            request = urllib.request.Request(f"{service.endpoint_url}/{path}", body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
                self.send_response(answer.status)
                for name in ("Content-Type", "Date"):
                    self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", hosts
        server.shutdown()


def test_starts_keep_the_connections_proxy_and_endpoint(
    connection: Callable[..., str], proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, hosts = proxy
    name = connection(
        endpoint_url="http://amplify.example:8000", config_kwargs={"proxies": {"http": address}, "read_timeout": 17}
    )
    hook = AmplifyBackendHook(aws_conn_id=name)
    assert hook.environment_exists(APP, "staging")
    assert hook.start_operation("CloneBackend", CLONE).job_id
    assert hosts == ["http://amplify.example:8000"] * 2
    start: Any = hook._start_conn.meta.config  # botocore gives its settings at run time
    assert (start.read_timeout, start.connect_timeout) == (17, 5)


def test_the_time_of_a_start_is_bounded_whatever_the_configuration_says(service: LocalAmplifyBackend) -> None:
    hook = AmplifyBackendHook(config={"read_timeout": 900, "connect_timeout": 900, "user_agent_extra": "us"})
    configs: list[Any] = [hook._start_conn.meta.config, hook.conn.meta.config]
    start, read = configs
    assert (start.read_timeout, start.connect_timeout, read.read_timeout) == (30, 5, 900)
    assert "us" in start.user_agent_extra
    assert hook._start_conn.meta.endpoint_url == service.endpoint_url


# Waiting


class Clock:
    """Waits by letting the service's time pass."""

    def __init__(self, service: LocalAmplifyBackend) -> None:
        self.service = service
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.service.control.advance(max(seconds, 0.01))


@pytest.fixture
def clock(service: LocalAmplifyBackend) -> Clock:
    service.control.set_clock(frozen=True)
    return Clock(service)


def test_a_job_is_waited_for(service: LocalAmplifyBackend, hook: AmplifyBackendHook, clock: Clock) -> None:
    job = hook.wait_for_job(seed_job(service, seconds=100), timeout=600, waiter_delay=30, sleep=clock.sleep)
    assert job.is_completed
    assert max(clock.slept) <= 30
    assert clock.slept[0] <= REAL_TIME.first_check


def test_a_failed_job_raises_with_the_services_error(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    with pytest.raises(BackendJobFailedError) as raised:
        hook.wait_for_job(seed_job(service, "FAILED", error="CLI\nsays no"), timeout=1)
    words = str(raised.value)
    assert all(word in words for word in ("job-1", APP, "staging", "UpdateBackendAPI", "CLI\nsays no"))
    assert raised.value.job.is_failed


def test_a_wait_ends_at_its_deadline_with_what_was_seen(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, clock: Clock
) -> None:
    with pytest.raises(BackendJobTimeoutError) as raised:
        hook.wait_for_job(seed_job(service), timeout=0.05, waiter_delay=0.01, sleep=clock.sleep)
    words = str(raised.value)
    assert all(word in words for word in ("job-1", "last status: RUNNING", "aws amplifybackend get-backend-job"))


def test_a_wait_that_begins_after_its_deadline_still_looks_once(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    assert hook.wait_for_job(seed_job(service, "COMPLETED"), timeout=-1).is_completed


@pytest.mark.parametrize("kind", ["throttle", "timeout_before", "reset_before", "empty", "truncate"])
def test_trouble_on_the_way_does_not_end_a_wait(
    service: LocalAmplifyBackend, clock: Clock, kind: str, sent: Sent
) -> None:
    service.control.add_fault("GetBackendJob", kind=kind, times=4)
    hook = AmplifyBackendHook(config={"retries": {"total_max_attempts": 1}})
    assert hook.wait_for_job(seed_job(service, "COMPLETED"), timeout=60, sleep=clock.sleep).is_completed
    assert sent("GetBackendJob") == 5


def test_a_job_that_is_not_listed_yet_is_looked_for_again(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook, clock: Clock
) -> None:
    service.control.add_fault("CloneBackend", kind="list_lag", seconds=10, get_too=True)
    ref = hook.start_operation("CloneBackend", CLONE).ref
    assert hook.wait_for_job(ref, timeout=60, sleep=clock.sleep).is_completed


def test_a_job_that_cannot_be_looked_at_ends_the_wait(service: LocalAmplifyBackend, hook: AmplifyBackendHook) -> None:
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="AccessDeniedException")
    with pytest.raises(BackendRequestError, match=r"AccessDeniedException.*job job-1 "):
        hook.wait_for_job(seed_job(service), timeout=60)


def test_a_job_is_found_in_whichever_environment_it_lives(
    service: LocalAmplifyBackend, hook: AmplifyBackendHook
) -> None:
    seed_job(service, "COMPLETED")
    assert hook.wait_for_job(JobRef(APP, "job-1", ("pr1", "staging")), timeout=1).backend_environment_name == "staging"


# Hiccups and quotas


def wait_briefly(hook: AmplifyBackendHook, ref: JobRef, seconds: float = 30) -> Any:
    return hook.wait_for_job(ref, timeout=seconds, waiter_delay=0.05)


@pytest.mark.parametrize("code", ["InvalidSignatureException", "UnrecognizedClientException", "ExpiredToken"])
def test_credentials_that_are_refused_for_a_moment_do_not_end_a_wait(service: LocalAmplifyBackend, code: str) -> None:
    ref = seed_job(service, "COMPLETED")
    own = AmplifyBackendHook(config={"retries": {"total_max_attempts": 1}})
    own.get_environments(APP)
    before = own.conn
    service.control.add_fault("GetBackendJob", kind="error", status=403, code=code, times=2)
    assert wait_briefly(own, ref).is_completed
    assert own.conn is not before


def test_a_connection_that_vanishes_for_a_moment_does_not_end_a_wait(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does its wait go on as whoever boto3 finds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "999999999999")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    ref = seed_job(service, "COMPLETED")
    own = AmplifyBackendHook()
    own.get_environments(APP)
    own.renew_clients()
    connection, sleeps = os.environ["AIRFLOW_CONN_AWS_DEFAULT"], 0
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")

    def come_back(_: float) -> None:
        nonlocal sleeps
        sleeps += 1
        if sleeps == 2:
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)

    assert own.wait_for_job(ref, timeout=60, sleep=come_back).is_completed
    assert sleeps == 2
    assert {entry["account"] for entry in service.control.journal()} == {"123456789012"}


def test_credentials_that_were_never_good_are_said_at_once(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", '{"conn_type": "aws", "extra": {"region_name": "us-east-1"}}')
    with pytest.raises(BackendRequestError, match="NoCredentialsError"):
        wait_briefly(AmplifyBackendHook(aws_conn_id="empty"), seed_job(service), seconds=3600)


def test_a_wait_says_from_time_to_time_that_it_waits(
    service: LocalAmplifyBackend, pace: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    pace(report_every=0.2)
    own = AmplifyBackendHook()
    vars(own)["_log"] = logging.getLogger("tests.wait")
    caplog.set_level("INFO", "tests.wait")
    running = seed_job(service, seconds=3600)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if "still waiting after" in caplog.text:
            service.control.advance(3600)

    deadline = time.time() + 60
    assert own.await_end(running, deadline=deadline, waiter_delay=0.5, durations=[222.0], sleep=sleep).is_completed
    failed = seed_job(service, "FAILED", job_id="job-2")
    assert own.await_end(failed, deadline=time.time() + 60, waiter_delay=0.5).is_failed
    lines = [record for record in caplog.records if record.name == "tests.wait"]
    reports = [record.getMessage() for record in lines if "still waiting after" in record.getMessage()]
    assert reports
    assert all("such jobs usually take 3 min 42 s; timing out at " in report for report in reports)
    assert (lines[-1].levelname, lines[-1].getMessage()[:6]) == ("WARNING", "FAILED")


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("status", [400, 429])
def test_a_quota_is_no_reason_to_ask_again(service: LocalAmplifyBackend, sent: Sent, mode: str, status: int) -> None:
    fault: dict[str, Any] = {
        "kind": "error",
        "status": status,
        "code": "LimitExceededException",
        "message": "Too many apps",
    }
    own = AmplifyBackendHook(config={"retries": {"mode": mode, "max_attempts": 3}})
    for operation in ("GetBackend", "CloneBackend"):
        service.control.add_fault(operation, **fault)
    with pytest.raises(BackendRequestError, match=r"\(LimitExceededException\).*Too many apps\. This is a quota"):
        own.call("GetBackend", {"AppId": APP})
    with pytest.raises(own.conn.exceptions.ClientError):
        own.conn.get_backend(AppId=APP)
    for start in (own.call, own.start_operation):
        with pytest.raises(BackendRequestError, match="This is a quota"):
            start("CloneBackend", CLONE)
    assert (sent("GetBackend"), sent("CloneBackend")) == (2, 2)
