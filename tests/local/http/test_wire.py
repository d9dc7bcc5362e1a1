"""What goes over the wire: requests that are refused, errors with their members, names in the path."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config

from airflow_provider_amplifybackend.local.http.wire import Wire
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}


def post(service: LocalAmplifyBackend, path: str, body: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """A request that no SDK would send, unsigned."""
    request = urllib.request.Request(service.endpoint_url + path, data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers), json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.load(error)


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/backend", {"appName": "a", "backendEnvironmentName": "dev"}, "AppId"),
        ("/backend", {"appId": "d", "appName": "a", "backendEnvironmentName": ""}, "BackendEnvironmentName"),
        ("/backend", {"appId": 5, "appName": "a", "backendEnvironmentName": "dev"}, "AppId must be a string"),
        ("/backend", {"appId": "d", "appName": None, "backendEnvironmentName": "dev"}, "AppName"),
        ("/backend", {"appId": "d", "appName": "a", "backendEnvironmentName": "e" * 256}, "BackendEnvironmentName"),
        (f"/backend/{APP}/job/staging", {"maxResults": 0}, "MaxResults"),
        (f"/backend/{APP}/job/staging", {"maxResults": 26}, "MaxResults"),
        (f"/backend/{APP}/job/staging", {"maxResults": True}, "MaxResults must be a integer"),
        (f"/backend/{APP}/job/staging", {"nextToken": "%%%"}, "NextToken"),
        (f"/backend/{APP}/remove", {"cleanAmplifyApp": "yes"}, "CleanAmplifyApp"),
        (f"/backend/{APP}/storage/staging/remove", {"resourceName": "files", "serviceName": "EFS"}, "ServiceName"),
        (
            f"/backend/{APP}/storage/staging",
            {"resourceName": "files", "resourceConfig": {"permissions": {}, "serviceName": "S3"}},
            "ResourceConfig.Permissions.Authenticated",
        ),
        (
            f"/backend/{APP}/storage/staging",
            {
                "resourceName": "files",
                "resourceConfig": {"permissions": {"authenticated": ["READ", "LOOK"]}, "serviceName": "S3"},
            },
            "ResourceConfig.Permissions.Authenticated[1]",
        ),
        (f"/backend/{APP}/api/staging", {"resourceName": "graph", "resourceConfig": []}, "ResourceConfig"),
    ],
)
def test_a_malformed_request_is_refused_by_name(
    backend: LocalAmplifyBackend, path: str, body: dict[str, Any], names: str
) -> None:
    status, headers, answer = post(backend, path, json.dumps(body).encode())
    assert status == 400
    assert headers["x-amzn-errortype"] == "BadRequestException"
    assert names in answer["message"]
    assert backend.control.journal()[-1]["effective"] is False


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"maxResults": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(backend: LocalAmplifyBackend, body: bytes) -> None:
    status, headers, _ = post(backend, f"/backend/{APP}/job/staging", body)
    assert (status, headers["x-amzn-errortype"]) == (400, "BadRequestException")


def test_unknown_members_are_ignored(backend: LocalAmplifyBackend) -> None:
    status, _, answer = post(backend, f"/backend/{APP}/details", b'{"somethingNew": {"a": 1}}')
    assert (status, answer["appId"]) == (200, APP)


def test_an_unknown_path_under_our_signature_is_an_unknown_operation(backend: LocalAmplifyBackend) -> None:
    request = urllib.request.Request(
        f"{backend.endpoint_url}/backend/{APP}/nonsense",
        method="POST",
        data=b"",
        headers={
            "Authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/amplifybackend/aws4_request, "
            "SignedHeaders=host, Signature=0"
        },
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)
    assert refusal.value.code == 404
    assert refusal.value.headers["x-amzn-errortype"] == "UnknownOperationException"


def test_bad_request_as_boto3_types_it(client: Any) -> None:
    with pytest.raises(client.exceptions.BadRequestException) as refusal:
        client.clone_backend(**STAGING, TargetEnvironmentName="staging")
    assert "already exists" in refusal.value.response["Error"]["Message"]
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("method", "parameters", "resource_type"),
    [
        ("get_backend", {"AppId": "dnone"}, "App"),
        ("clone_backend", {"AppId": "dnone", "BackendEnvironmentName": "a", "TargetEnvironmentName": "b"}, "App"),
        ("delete_backend", {"AppId": APP, "BackendEnvironmentName": "none"}, "BackendEnvironment"),
        ("list_backend_jobs", {"AppId": APP, "BackendEnvironmentName": "none"}, "BackendEnvironment"),
        ("get_backend_auth", {**STAGING, "ResourceName": "none"}, "BackendAuth"),
        ("get_backend_api", {**STAGING, "ResourceName": "none"}, "BackendAPI"),
        ("get_backend_storage", {**STAGING, "ResourceName": "none"}, "BackendStorage"),
        ("get_backend_job", {**STAGING, "JobId": "none"}, "BackendJob"),
        ("get_token", {"AppId": APP, "SessionId": "none"}, "Token"),
        ("update_backend_config", {"AppId": APP}, "BackendConfig"),
    ],
)
def test_not_found_says_what_was_not_found(
    client: Any, method: str, parameters: dict[str, Any], resource_type: str
) -> None:
    with pytest.raises(client.exceptions.NotFoundException) as refusal:
        getattr(client, method)(**parameters)
    assert refusal.value.response["ResourceType"] == resource_type
    assert refusal.value.response["Message"]


def test_every_answer_has_a_request_id_and_the_services_date(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set_clock(skew_seconds=-1_000_000_000)
    metadata = client.get_backend(AppId=APP)["ResponseMetadata"]
    assert len(metadata["RequestId"]) == 32
    assert metadata["HTTPHeaders"]["date"].split()[3] < "2010"


@pytest.mark.parametrize(
    "name", ["with space", "a/b", "50%", "ümlaut", "a+b", "x?y#z", "a.b", "...", "..a", ".hidden", "大きさ"]
)
def test_names_survive_the_path(backend: LocalAmplifyBackend, client: Any, name: str) -> None:
    backend.control.seed_app(APP, name)
    assert client.list_backend_jobs(AppId=APP, BackendEnvironmentName=name)["Jobs"] == []
    job_id = client.delete_backend(AppId=APP, BackendEnvironmentName=name)["JobId"]
    row = client.get_backend_job(AppId=APP, BackendEnvironmentName=name, JobId=job_id)
    assert row["BackendEnvironmentName"] == name


DOTTED = [
    f"/backend/{APP}/environments/../remove",
    f"/backend/{APP}/environments/./remove",
    f"/backend/{APP}/environments/%2e%2e/remove",
    f"/backend/{APP}/environments/%2E%2e/remove",
    f"/backend/{APP}/environments/.%2e/remove",
    f"/backend/{APP}/environments/%252e%252e/remove",
    f"/backend/{APP}/environments/%25252e./remove",
    f"/backend/{APP}/environments/..%2Fstaging/remove",
    f"/backend/{APP}/environments/x%2F..%2Fstaging/remove",
    f"/backend/{APP}/environments/x%2f%2e%2e/remove",
    f"/backend/{APP}/environments/..%5Cstaging/remove",
    f"/backend/{APP}/environments/..%5c..%5cother/remove",
    f"/backend/{APP}/environments/..\\staging/remove",
    f"/backend/{APP}/environments/..;x/remove",
    f"/backend/{APP}/environments/%2e%2e%3bx/remove",
    f"/backend/{APP}/challenge/../remove",
    f"/backend/{APP}/challenge/..%2F..%2Fdother/remove",
    f"/backend/{APP}/environments/staging/../../remove",
    f"/backend/./{APP}/remove",
    f"/./backend/{APP}/remove",
    f"/x/../backend/{APP}/remove",
    f"/backend/{APP}/remove/.",
    f"/backend/{APP}/remove/..%2Fremove",
    "/backend/../remove",
    f"/backend/{APP}/environments/%{'25' * 30}2e%2e/remove",
]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("path", DOTTED)
def test_dot_segments_are_refused_however_they_are_encoded(
    backend: LocalAmplifyBackend, path: str, signed: bool
) -> None:
    credential = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/amplifybackend/aws4_request, SignedHeaders=host"
    headers = {"Authorization": credential} if signed else {}
    answer = raw.ask(backend, "POST", path, b"{}", headers)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert "dot segments" in answer.content["message"]
    (entry,) = backend.control.journal()
    assert (entry["status_code"], entry["effective"]) == (400, False)
    backend.control.advance(60)
    assert backend.control.jobs() == []
    ((app,),) = [store["apps"] for store in backend.control.state()]
    assert [environment["name"] for environment in app["environments"]] == ["staging"]


@pytest.mark.parametrize("name", [".", ".."])
def test_boto3_cannot_leave_its_operation_by_a_name(backend: LocalAmplifyBackend, client: Any, name: str) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "DeleteBackend": lambda: client.delete_backend(AppId=APP, BackendEnvironmentName=name),
        "DeleteToken": lambda: client.delete_token(AppId=APP, SessionId=name),
        "UpdateBackendJob": lambda: client.update_backend_job(
            AppId=APP, BackendEnvironmentName=name, JobId="remove", Status="FAILED"
        ),
        "CreateBackend": lambda: client.create_backend(AppId=APP, AppName="a", BackendEnvironmentName=name),
        "CloneBackend": lambda: client.clone_backend(**STAGING, TargetEnvironmentName=name),
        "GetBackend": lambda: client.get_backend(AppId=APP, BackendEnvironmentName=name),
    }
    for operation, call in calls.items():
        with pytest.raises(client.exceptions.BadRequestException, match="dot segment"):
            call()
        entry = backend.control.journal()[-1]
        assert (entry["operation"], entry["effective"]) == (operation, False)
    assert backend.control.jobs() == []


def test_s3_keys_keep_their_dots(backend: LocalAmplifyBackend) -> None:
    """A request that is signed for another service is none of ours."""
    credential = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host"
    assert raw.ask(backend, "GET", "/backend/../x", headers={"Authorization": credential}).status == 501
    assert backend.control.journal() == []


@pytest.mark.parametrize("name", ["%ff", "%ED%A0%80", "a%C3", "%C0%AE%C0%AE"])
def test_a_name_in_the_path_must_be_utf8(backend: LocalAmplifyBackend, name: str) -> None:
    answer = raw.ask(backend, "POST", f"/backend/{APP}/environments/{name}/remove", b"")
    assert answer.status == 400
    assert "BackendEnvironmentName in the path is not valid UTF-8" in answer.content["message"]
    assert backend.control.journal()[-1]["operation"] == "DeleteBackend"


def test_another_method_on_a_known_path_is_an_unknown_operation(backend: LocalAmplifyBackend) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        answer = raw.ask(backend, method, f"/backend/{APP}/environments/staging/remove", b"")
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert backend.control.jobs() == []


def test_answers_hold_json_without_spaces(backend: LocalAmplifyBackend, client: Any) -> None:
    answer = client.get_backend(**STAGING)
    for member in ("AmplifyMetaConfig", "AmplifyFeatureFlags"):
        assert answer[member] == json.dumps(json.loads(answer[member]), separators=(",", ":"), ensure_ascii=False)
    assert '"auth":{"main":{"service":"Cognito"' in answer["AmplifyMetaConfig"]


def test_a_literal_segment_wins_over_a_label() -> None:
    router = Wire().router
    operation, labels = router.match("POST", "/backend/d1/api/dev/remove") or (None, {})
    assert operation is not None
    assert (operation.name, labels) == ("DeleteBackendAPI", {"appId": "d1", "backendEnvironmentName": "dev"})
    assert router.match("GET", "/backend/d1/api/dev/remove") is None
    assert router.match("POST", "/backend/d1/api/dev/remove/") is None


def test_state_is_per_account_and_region(backend: LocalAmplifyBackend) -> None:
    backend.control.seed_app("dfar", "dev", account="999988887777", region="eu-west-1")
    far = backend.client(aws_access_key_id="999988887777", region_name="eu-west-1")
    assert far.get_backend(AppId="dfar")["BackendEnvironmentList"] == ["dev"]
    meta = json.loads(far.get_backend(AppId="dfar", BackendEnvironmentName="dev")["AmplifyMetaConfig"])
    assert ":eu-west-1:999988887777:" in meta["providers"]["awscloudformation"]["StackId"]
    for other in (backend.client(region_name="eu-west-1"), backend.client(aws_access_key_id="999988887777")):
        with pytest.raises(other.exceptions.NotFoundException):
            other.get_backend(AppId="dfar")
    assert backend.control.journal("GetBackend")[0]["account"] == "999988887777"


def test_another_service_without_moto_says_what_to_do(backend: LocalAmplifyBackend) -> None:
    config = Config(retries={"total_max_attempts": 1})
    calls: list[Callable[[], Any]] = [
        lambda: backend.client("sts", config=config).get_caller_identity(),
        lambda: backend.client("s3", config=config).list_buckets(),
        lambda: backend.client("dynamodb", config=config).list_tables(),
        lambda: backend.client("lambda", config=config).list_functions(),
    ]
    for call in calls:
        with pytest.raises(Exception, match="--with-moto") as refusal:
            call()
        assert refusal.value.response["Error"]["Code"] == "ServiceNotAvailable"  # type: ignore[attr-defined]
