"""What a request on the wire says: its operation by its address, its names by address and body."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks._wire import names_on_the_wire, operation_on_the_wire
from airflow_provider_amplifybackend.parameters.service_model import operation_names, service_model

NAMES = {"appId": "d1", "backendEnvironmentName": "staging", "sessionId": "s1", "jobId": "j1"}
HOSTS = ["https://amplifybackend.us-east-1.amazonaws.com", "http://127.0.0.1:5000/some/path", "http://gate/backend/x"]


def request(operation: str, host: str = HOSTS[0], body: Any = None, **names: str) -> Any:
    http = service_model().operation_model(operation).http
    path = http["requestUri"].format(**NAMES | names)
    return SimpleNamespace(method=http["method"], url=f"{host}{path}", body=json.dumps(body).encode())


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("operation", list(operation_names()))
def test_an_address_is_that_of_its_operation_whatever_the_event_says(operation: str, host: str) -> None:
    for event in (operation, "GetBackend", "DeleteBackend", "Unheard"):
        assert operation_on_the_wire(event, request(operation, host)) == operation


def test_an_address_that_is_nobodys_is_that_of_the_event() -> None:
    odd = SimpleNamespace(method="POST", url="https://x/v2/other", body=None)
    assert operation_on_the_wire("MeltBackend", odd) == "MeltBackend"
    assert operation_on_the_wire("GetBackendJob", SimpleNamespace(method="PUT", url=request("GetBackendJob").url)) == (
        "GetBackendJob"
    )


@pytest.mark.parametrize("host", HOSTS)
def test_names_come_from_the_address_and_from_the_body(host: str) -> None:
    sent = request("CloneBackend", host, {"targetEnvironmentName": "pr"}, backendEnvironmentName="main%20one")
    assert names_on_the_wire("CloneBackend", sent) == {
        "AppId": "d1",
        "BackendEnvironmentName": "main one",
        "TargetEnvironmentName": "pr",
    }
    sent = request("RemoveAllBackends", host, {"cleanAmplifyApp": True, "other": 1})
    assert names_on_the_wire("RemoveAllBackends", sent) == {"AppId": "d1", "CleanAmplifyApp": True}


@pytest.mark.parametrize("body", [None, b"", b"no JSON", b"[1]", b"\xff"])
def test_a_body_that_says_nothing_leaves_the_address(body: Any) -> None:
    sent = request("RemoveAllBackends")
    sent.body = body
    assert names_on_the_wire("RemoveAllBackends", sent) == {"AppId": "d1"}


def test_a_flag_that_is_none_is_seen() -> None:
    sent = request("RemoveAllBackends", body={"cleanAmplifyApp": 1})
    assert names_on_the_wire("RemoveAllBackends", sent) == {"AppId": "d1", "CleanAmplifyApp": 1}


def test_a_body_that_has_a_member_twice_says_two_things_and_is_refused() -> None:
    sent = request("CloneBackend")
    sent.body = b'{"targetEnvironmentName": "production", "targetEnvironmentName": "pr"}'
    with pytest.raises(BackendParameterError, match="its body has 'targetEnvironmentName' twice"):
        names_on_the_wire("CloneBackend", sent)


@pytest.mark.parametrize("name", ["remove", "config", "details", "backend", "api"])
def test_a_name_that_looks_like_a_part_of_an_address_leads_to_no_other_operation(name: str) -> None:
    for operation in operation_names():
        sent = request(operation, backendEnvironmentName=name, jobId=name, sessionId=name)
        found = operation_on_the_wire("ListBackendJobs", sent)
        assert names_on_the_wire(operation, sent).get("AppId", "d1") == "d1"
        assert found == operation, (operation, name)
