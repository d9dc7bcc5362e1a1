"""Whom a request is for, what the journal keeps of it, and the Query protocol where no client writes it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urlencode

import pytest

from airflow_provider_amplifybackend.local.control import LocalControl
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP

FORM = "application/x-www-form-urlencoded; charset=utf-8"


def signature(service: str) -> dict[str, str]:
    scope = f"AKID/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def ask_cloudformation(service: LocalAmplifyBackend, body: bytes, target: str = "/") -> raw.Answer:
    headers = {**signature("cloudformation"), "Content-Type": FORM}
    return raw.ask(service, "POST", target, body, headers)


def error_of(answer: raw.Answer) -> tuple[int, str, str]:
    root = ET.fromstring(answer.body)
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    return answer.status, found["Code"], found["Message"]


# Who it is


def test_the_service_says_who_it_is_before_anything_is_sent_to_it(backend: LocalAmplifyBackend) -> None:
    answer = raw.ask(backend, "GET", "/_amplifybackend/health")
    assert answer.status == 200
    assert answer.content["service"] == "amplifybackend-local"
    assert answer.content["answers"] == ["amplifybackend", "amplify", "cloudformation"]
    assert LocalControl(backend.endpoint_url).health()["service"] == "amplifybackend-local"
    assert backend.control.journal() == []


# Dispatch


def test_the_signature_says_whose_a_path_is(backend: LocalAmplifyBackend) -> None:
    path = f"/apps/{APP}"
    assert raw.ask(backend, "GET", path, headers=signature("amplify")).content["app"]["appId"] == APP
    assert raw.ask(backend, "GET", path, headers=signature("amplifybackend")).status == 404
    assert raw.ask(backend, "GET", path, headers=signature("s3")).status == 501
    assert raw.ask(backend, "POST", f"/backend/{APP}/details", b"{}", signature("amplify")).status == 404


def test_without_a_signature_the_path_says_whose_it_is(backend: LocalAmplifyBackend) -> None:
    assert raw.ask(backend, "GET", f"/apps/{APP}/backendenvironments").content["backendEnvironments"]
    assert raw.ask(backend, "POST", f"/backend/{APP}/details", b"{}").content["appId"] == APP
    assert raw.ask(backend, "GET", "/elsewhere").status == 501


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..", "%252e%252e"])
def test_no_path_of_the_neighbours_has_dot_segments(backend: LocalAmplifyBackend, name: str) -> None:
    answer = raw.ask(backend, "DELETE", f"/apps/{APP}/backendenvironments/{name}", headers=signature("amplify"))
    assert answer.status == 400
    assert "dot segments" in answer.content["message"]
    assert backend.control.state()[0]["apps"][0]["environments"]


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("GET", "/apps?maxResults=x", "maxResults must be an integer"),
        ("GET", "/apps?maxResults=101", "maxResults must be between 0 and 100"),
        ("GET", "/apps?maxResults=" + "9" * 5_000, "maxResults must be an integer"),
        ("GET", "/apps?nextToken=%ff", "nextToken in the query is not valid UTF-8"),
        ("GET", "/apps/" + "d" * 21, "appId must be between 1 and 20"),
        ("DELETE", f"/tags/arn%3Aaws%3Aamplify%3Aus-east-1%3A123456789012%3Aapps%2F{APP}", "tagKeys"),
        ("GET", "/tags/nonsense", "resourceArn must be the ARN"),
    ],
)
def test_a_malformed_request_to_amplify_is_refused_by_name(
    backend: LocalAmplifyBackend, method: str, path: str, says: str
) -> None:
    answer = raw.ask(backend, method, path, headers=signature("amplify"))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert says in answer.content["message"]


# The journal


def test_the_journal_has_the_neighbours_requests_with_their_service(backend: LocalAmplifyBackend, client: Any) -> None:
    client.get_backend(AppId=APP)
    backend.client("amplify").get_backend_environment(appId=APP, environmentName="staging")
    backend.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    read = backend.control.journal
    assert [(entry["service"], entry["operation"]) for entry in read()] == [
        ("amplifybackend", "GetBackend"),
        ("amplify", "GetBackendEnvironment"),
        ("cloudformation", "ListStacks"),
    ]
    assert [entry["operation"] for entry in read(service="amplify")] == ["GetBackendEnvironment"]
    assert len(read(app_id=APP)) == 2
    assert [entry["operation"] for entry in read(environment="staging")] == ["GetBackendEnvironment"]
    (listed,) = read(service="cloudformation")
    assert listed["parameters"] == {"StackStatusFilter": ["CREATE_COMPLETE"]}
    assert (listed["status_code"], listed["effective"], listed["error_code"]) == (200, True, None)


def test_a_refused_request_is_in_the_journal_too(backend: LocalAmplifyBackend) -> None:
    ask_cloudformation(backend, b"Action=DescribeStacks&StackName=none")
    (entry,) = backend.control.journal(service="cloudformation")
    assert (entry["operation"], entry["error_code"], entry["effective"]) == ("DescribeStacks", "ValidationError", False)


# The Query protocol


def test_a_form_may_be_in_the_query_as_well(backend: LocalAmplifyBackend) -> None:
    answer = ask_cloudformation(backend, b"", "/?" + urlencode({"Action": "ListStacks"}))
    assert answer.status == 200
    assert ET.fromstring(answer.body).tag.endswith("}ListStacksResponse")


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "MissingAction", "no Action"),
        (b"Action=", "MissingAction", "no Action"),
        (b"Action=Nonsense", "InvalidAction", "'Nonsense'"),
        (b"Action=%ff", "InvalidAction", "Could not find operation"),
        (b'{"Action": "ListStacks"}', "MissingAction", "no Action"),
        (b"Action=UpdateTerminationProtection", "ValidationError", "EnableTerminationProtection"),
        (
            b"Action=UpdateTerminationProtection&EnableTerminationProtection=perhaps&StackName=a",
            "ValidationError",
            "must be a boolean",
        ),
        (b"Action=DescribeStacks&StackName=%ff", "ValidationError", "StackName is not valid UTF-8"),
        (b"Action=ListStacks&StackStatusFilter.member.1=ODD", "ValidationError", "StackStatusFilter"),
        (b"Action=DescribeStacks&" + b"a=b&" * 20_000, "ValidationError", "more than 10000 fields"),
        (b"Action=GetStackPolicy", "ValidationError", "Missing required member StackName"),
        (b"Action=DescribeStackResources", "ValidationError", "StackName must be given"),
        (b"Action=SetStackPolicy&StackName=a", "ValidationError", "StackPolicyBody must be given"),
    ],
)
def test_a_malformed_form_is_refused_in_xml(backend: LocalAmplifyBackend, body: bytes, code: str, says: str) -> None:
    status, found, message = error_of(ask_cloudformation(backend, body))
    assert (status, found) == (400, code)
    assert says in message


def test_odd_forms_break_nothing(backend: LocalAmplifyBackend) -> None:
    bodies = [
        b"Action=ListStacks&StackStatusFilter=&StackStatusFilter.member.x=a&StackStatusFilter.member.-1=b",
        b"Action=ListStacks&" + b"StackStatusFilter." * 5_000 + b"=x",
        b"Action=ListStacks&....=x&=y&.=z",
        b"Action=ListStacks&Action=Nonsense",
        b"Action=ListStacks&Action.member.1=x",
    ]
    for body in bodies:
        assert ask_cloudformation(backend, body).status == 200, body


def test_texts_that_xml_cannot_hold_are_replaced(backend: LocalAmplifyBackend) -> None:
    backend.control.seed(stacks=[{"name": "odd\x00\ud800\r\n<&>'\"", "outputs": {"a": "]]>\x0b"}}])
    (stack,) = [
        one
        for one in backend.client("cloudformation").describe_stacks()["Stacks"]
        if one["StackName"].startswith("odd")
    ]
    assert stack["StackName"] == "odd\ufffd\ufffd\r\n<&>'\""
    assert stack["Outputs"] == [{"OutputKey": "a", "OutputValue": "]]>\ufffd"}]
