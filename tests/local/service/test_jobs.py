"""Jobs: their statuses and times, who waits for whom, how they are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


def test_a_job_goes_from_pending_over_running_to_completed(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(job_seconds=10)
    job = {**STAGING, "JobId": client.delete_backend_auth(**STAGING, ResourceName="main")["JobId"]}
    seen = []
    for _ in range(4):
        seen.append(client.get_backend_job(**job)["Status"])
        backend.control.advance(4)
    assert seen == ["PENDING", "RUNNING", "RUNNING", "COMPLETED"]


def test_times_are_epoch_milliseconds_of_the_services_clock(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(job_seconds=10)
    now = backend.control.set_clock(skew_seconds=-3600)["time"]
    job_id = client.delete_backend(**STAGING)["JobId"]
    backend.control.advance(30)
    row = client.get_backend_job(**STAGING, JobId=job_id)
    assert row["CreateTime"] == str(round(now * 1000))
    assert int(row["UpdateTime"]) - int(row["CreateTime"]) == 10_000
    assert "Error" not in row


def test_a_second_start_is_refused_with_the_real_words(client: Any) -> None:
    client.delete_backend_auth(**STAGING, ResourceName="main")
    with pytest.raises(ClientError) as refusal:
        client.delete_backend(**STAGING)
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"] == (
        f"There is already a pending job for the requested appId: {APP} and backendEnvironmentName: staging, "
        "wait for it to complete before creating a new job."
    )


def test_a_refused_start_is_in_the_journal_as_without_effect(backend: LocalAmplifyBackend, client: Any) -> None:
    accepted = client.delete_backend(**STAGING)
    with pytest.raises(ClientError):
        client.delete_backend(**STAGING)
    first, second = backend.control.journal("DeleteBackend")
    assert (first["effective"], first["job_id"]) == (True, accepted["JobId"])
    assert (second["effective"], second["job_id"], second["error_code"]) == (False, None, "ValidationException")


def test_a_clone_keeps_its_source_from_change_but_not_from_other_clones(client: Any) -> None:
    client.clone_backend(**STAGING, TargetEnvironmentName="one")
    client.clone_backend(**STAGING, TargetEnvironmentName="two")
    with pytest.raises(ClientError, match="backendEnvironmentName: staging"):
        client.delete_backend(**STAGING)


@pytest.mark.parametrize(("holds", "refused"), [("exclusive", True), ("no", False)])
def test_what_a_clone_holds_is_a_switch(backend: LocalAmplifyBackend, client: Any, holds: str, refused: bool) -> None:
    backend.control.set(clone_holds_source=holds)
    client.clone_backend(**STAGING, TargetEnvironmentName="one")
    if refused:
        with pytest.raises(ClientError, match="pending job"):
            client.clone_backend(**STAGING, TargetEnvironmentName="two")
    else:
        client.delete_backend(**STAGING)


def test_a_clone_whose_source_went_fails(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(clone_holds_source="no", job_seconds={"CloneBackend": 10, "DeleteBackend": 1})
    job_id = client.clone_backend(**STAGING, TargetEnvironmentName="copy")["JobId"]
    client.delete_backend(**STAGING)
    backend.control.advance(20)
    row = client.get_backend_job(AppId=APP, BackendEnvironmentName="copy", JobId=job_id)
    assert row["Status"] == "FAILED"
    assert "staging" in row["Error"]


def test_jobs_of_other_apps_and_environments_do_not_hinder(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.seed_app(APP, "other")
    backend.control.seed_app("dother", "staging")
    client.delete_backend(**STAGING)
    client.delete_backend(AppId=APP, BackendEnvironmentName="other")
    client.delete_backend(AppId="dother", BackendEnvironmentName="staging")


@pytest.fixture
def many(backend: LocalAmplifyBackend) -> set[str]:
    jobs = [{"environment": "staging", "operation": "UpdateBackendAPI", "age_seconds": age} for age in range(57)]
    backend.control.seed(apps=[{"app_id": APP, "jobs": jobs}])
    return {job["JobId"] for job in backend.control.jobs()}


def test_boto3s_paginator_sees_each_job_once(client: Any, many: set[str]) -> None:
    pages = client.get_paginator("list_backend_jobs").paginate(**STAGING, PaginationConfig={"PageSize": 10})
    rows = [row for page in pages for row in page["Jobs"]]
    assert len(rows) == 57
    assert {row["JobId"] for row in rows} == many


def test_a_page_has_at_most_25_rows_and_no_time_order(client: Any, many: set[str]) -> None:
    page = client.list_backend_jobs(**STAGING)
    times = [row["CreateTime"] for row in page["Jobs"]]
    assert len(times) == 25
    assert times != sorted(times)
    assert times != sorted(times, reverse=True)


def test_the_last_page_has_no_token_even_when_it_is_full(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.seed(apps=[{"app_id": APP, "jobs": [{"environment": "staging"}] * 2}])
    page = client.list_backend_jobs(**STAGING, MaxResults=2)
    assert len(page["Jobs"]) == 2
    assert "NextToken" not in page


def test_the_list_filters(backend: LocalAmplifyBackend, client: Any) -> None:
    jobs = [
        {"environment": "staging", "operation": "UpdateBackendAPI", "status": "FAILED", "error": "why", "job_id": "a"},
        {"environment": "staging", "operation": "DeleteBackend", "status": "COMPLETED", "job_id": "b"},
    ]
    backend.control.seed(apps=[{"app_id": APP, "jobs": jobs}])

    def listed(**filters: str) -> list[str]:
        return [row["JobId"] for row in client.list_backend_jobs(**STAGING, **filters)["Jobs"]]

    assert listed() == ["a", "b"]
    assert listed(Operation="DeleteBackend") == ["b"]
    assert listed(Status="FAILED") == ["a"]
    assert listed(JobId="b") == ["b"]
    assert listed(JobId="b", Status="FAILED") == []


def test_a_seeded_job_can_run_and_end(backend: LocalAmplifyBackend, client: Any) -> None:
    job = {"environment": "staging", "status": "RUNNING", "seconds": 30, "job_id": "theirs"}
    backend.control.seed(apps=[{"app_id": APP, "jobs": [job]}])
    with pytest.raises(ClientError, match="pending job"):
        client.delete_backend(**STAGING)
    backend.control.advance(31)
    client.delete_backend(**STAGING)


def test_a_test_can_end_a_job_itself(backend: LocalAmplifyBackend, client: Any) -> None:
    job_id = client.clone_backend(**STAGING, TargetEnvironmentName="copy")["JobId"]
    backend.control.end_job(job_id, "FAILED", error="because")
    row = client.get_backend_job(AppId=APP, BackendEnvironmentName="copy", JobId=job_id)
    assert (row["Status"], row["Error"]) == ("FAILED", "because")


def test_no_time_passes_between_request_and_effect_with_jobs_of_no_length(
    backend: LocalAmplifyBackend, client: Any
) -> None:
    backend.control.set(job_seconds=0)
    assert client.delete_backend(**STAGING)["Status"] == "PENDING"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []
