"""The service says what a script makes it say, as the real one would: half surrogate pairs, NUL, any length."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
DELETE = f"/backend/{APP}/environments/staging/remove"
ODD = ["\ud800", "a\udfff\ud800b", "stack\x00trace", "\ufeff\u202e\u2028", "x" * 1_000_000, "", "\x1b[31m\r\n"]


def sent(text: str) -> bytes:
    """The text as it must stand in the answer: in ASCII, with JSON's escapes."""
    return json.dumps(text).encode()


@pytest.mark.parametrize("text", ODD)
def test_a_failed_jobs_error(backend: LocalAmplifyBackend, client: Any, text: str) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_fails", error=text)
    job_id = client.delete_backend(**STAGING)["JobId"]
    backend.control.advance(60)
    answer = raw.ask(backend, "GET", f"/backend/{APP}/job/staging/{job_id}")
    assert b'"error":' + sent(text) in answer.body
    assert raw.ask(backend, "POST", f"/backend/{APP}/job/staging", b"{}").content["jobs"][0]["error"] == text
    assert client.get_backend_job(**STAGING, JobId=job_id)["Error"] == text
    assert backend.control.jobs()[0]["Error"] == text
    assert backend.control.faults()[0]["error"] == text


def test_the_escape_is_on_the_wire_as_the_real_service_writes_it(backend: LocalAmplifyBackend, client: Any) -> None:
    body = rb'{"operation": "DeleteBackend", "kind": "job_fails", "error": "\ud800"}'
    assert raw.control(backend, "POST", "/faults", body).status == 201
    job_id = client.delete_backend(**STAGING)["JobId"]
    backend.control.advance(60)
    assert rb'"error":"\ud800"' in raw.ask(backend, "GET", f"/backend/{APP}/job/staging/{job_id}").body
    for path in ("/jobs", "/faults"):
        assert rb'"\ud800"' in raw.control(backend, "GET", path).body


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    "script",
    [
        {"kind": "error", "status": 400, "code": "SomethingNew"},
        {"kind": "error", "status": 400, "code": "BadRequestException"},
        {"kind": "error", "status": 404, "code": "NotFoundException"},
        {"kind": "throttle"},
        {"kind": "timeout_before"},
        {"kind": "timeout_after"},
    ],
)
def test_an_errors_message(backend: LocalAmplifyBackend, client: Any, script: dict[str, Any], text: str) -> None:
    backend.control.add_fault("DeleteBackend", times=1, **script, message=text)
    with pytest.raises(ClientError) as refusal:
        client.delete_backend(**STAGING)
    assert refusal.value.response["Error"]["Message"] == text
    assert backend.control.journal()[-1]["operation"] == "DeleteBackend"


@pytest.mark.parametrize("text", ODD)
def test_a_status_that_nobody_knows(backend: LocalAmplifyBackend, client: Any, text: str) -> None:
    for kind in ("job_stuck", "job_status"):
        backend.control.clear_faults()
        backend.control.add_fault("CloneBackend", kind=kind, status=text or "?")
        where = {"AppId": APP, "BackendEnvironmentName": kind.replace("_", "")}
        answer = client.clone_backend(**STAGING, TargetEnvironmentName=where["BackendEnvironmentName"])
        backend.control.advance(60)
        assert client.get_backend_job(**where, JobId=answer["JobId"])["Status"] == (text or "?")


@pytest.mark.parametrize("text", ODD)
def test_a_row_shows_any_text_in_any_member(backend: LocalAmplifyBackend, client: Any, text: str) -> None:
    members = {"Operation": text, "Status": text, "CreateTime": text, "UpdateTime": None, "Error": text}
    backend.control.add_fault("DeleteBackend", kind="job_row", members=members)
    job_id = client.delete_backend(**STAGING)["JobId"]
    for row in (client.get_backend_job(**STAGING, JobId=job_id), *client.list_backend_jobs(**STAGING)["Jobs"]):
        assert {name: row.get(name) for name in members} == members
    assert client.list_backend_jobs(**STAGING, Operation=text)["Jobs"]
    assert client.list_backend_jobs(**STAGING, Status="PENDING")["Jobs"] == []
    assert backend.control.jobs()[0]["Operation"] == "DeleteBackend", "what is so stays readable"
    backend.control.advance(60)
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []


def test_a_seeded_row_shows_any_text(backend: LocalAmplifyBackend, client: Any) -> None:
    job = {"environment": "staging", "status": "FAILED", "error": "\ud800", "job_id": "a", "row": {"Operation": "\x00"}}
    backend.control.seed(apps=[{"app_id": APP, "jobs": [job]}])
    (row,) = client.list_backend_jobs(**STAGING)["Jobs"]
    assert (row["Operation"], row["Error"]) == ("\x00", "\ud800")


@pytest.mark.parametrize("text", ODD)
def test_any_member_of_an_answer(backend: LocalAmplifyBackend, client: Any, text: str) -> None:
    backend.control.add_fault(
        "GetBackend", kind="answer", members={"AppName": text, "Error": text, "AmplifyMetaConfig": text}
    )
    answer = client.get_backend(**STAGING)
    assert [answer[name] for name in ("AppName", "Error", "AmplifyMetaConfig")] == [text] * 3
    assert answer["BackendEnvironmentList"] == ["staging"]


def test_members_can_be_missing_and_of_any_form(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("DeleteBackend", kind="answer", members={"JobId": None, "Status": 5, "somethingNew": [1]})
    answer = raw.ask(backend, "POST", DELETE, b"").content
    assert answer == {"appId": APP, "backendEnvironmentName": "staging", "status": 5, "somethingNew": [1]}
    assert backend.control.journal()[-1]["effective"] is True


def test_an_answer_that_is_an_error_has_no_members_to_change(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.add_fault("GetBackend", kind="answer", members={"AppName": "x"})
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend(AppId="dnone")


def test_a_quota_is_an_error_like_others(backend: LocalAmplifyBackend, client: Any) -> None:
    code = "LimitExceededException"
    backend.control.add_fault("CloneBackend", kind="error", status=400, code=code, message="Too many environments")
    with pytest.raises(ClientError, match="Too many environments") as refusal:
        client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    assert refusal.value.response["Error"]["Code"] == code
    assert backend.control.jobs() == []


def test_odd_names_in_requests_break_neither_state_nor_journal(backend: LocalAmplifyBackend) -> None:
    body = json.dumps({"appId": "d2", "appName": "\ud800", "backendEnvironmentName": "\udfff\x00"}).encode()
    assert raw.ask(backend, "POST", "/backend", body).status == 200
    backend.control.advance(60)
    assert backend.control.journal(environment="\udfff\x00")[0]["parameters"]["AppName"] == "\ud800"
    assert [app["app_name"] for store in backend.control.state() for app in store["apps"]] == ["shop", "\ud800"]
    body = json.dumps({"backendEnvironmentName": "\udfff\x00"}).encode()
    assert raw.ask(backend, "POST", "/backend/d2/details", body).status == 200
    (job,) = backend.control.jobs()
    assert job["Status"] == "COMPLETED"


@pytest.mark.parametrize("text", ["\ud800", "\x00", "y" * 300])
def test_a_job_can_have_an_odd_id(backend: LocalAmplifyBackend, client: Any, text: str) -> None:
    job = {"environment": "staging", "status": "RUNNING", "job_id": text}
    if len(text) > 255:
        with pytest.raises(ControlError, match="255"):
            backend.control.seed(apps=[{"app_id": APP, "jobs": [job]}])
        return
    backend.control.seed(apps=[{"app_id": APP, "jobs": [job, {"environment": "staging"}]}])
    pages = client.get_paginator("list_backend_jobs").paginate(**STAGING, PaginationConfig={"PageSize": 1})
    assert text in [row["JobId"] for page in pages for row in page["Jobs"]]
