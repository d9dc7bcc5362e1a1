"""Each of the 31 operators runs in a DAG: it succeeds, it meets the service's refusal, and it is used wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters import service_model
from tests.dag_run import DagRunner
from tests.operators import requests_by_operation as requests
from tests.operators.requests_by_operation import APPS, CASES, IMPORTS, JOBS, shared_botocore_data  # noqa: F401

QUICK = {"waiter_delay": 0.1, "waiter_max_attempts": 300}


def _dag(*lines: str) -> str:
    return IMPORTS + "\n".join(lines)


def _options(operation: str) -> dict[str, Any]:
    return dict(QUICK) if operation in JOBS else {}


def _journal(service: LocalAmplifyBackend, operation: str) -> list[dict[str, Any]]:
    """What was asked of an operation in its own app."""
    app_id = APPS[operation]
    entries = service.control.journal(operation)
    return [entry for entry in entries if entry["parameters"].get("AppId", app_id) == app_id]


@pytest.fixture
def apps(service: LocalAmplifyBackend) -> LocalAmplifyBackend:
    """An app for each operation, with what its request needs."""
    service.control.set(job_seconds=0.1)
    requests.seed(service)
    return service


def test_every_operation_of_the_service_has_a_case() -> None:
    assert set(CASES) == set(service_model.operation_names())


def test_every_operation_succeeds_with_exactly_the_request_that_its_parameters_say(
    dags: DagRunner, apps: LocalAmplifyBackend, result_keys: set[str]
) -> None:
    ids = requests.real_ids(apps)
    apps.control.clear_journal()
    run = dags.run(_dag(*(requests.task(operation, ids[operation], **_options(operation)) for operation in CASES)))
    assert run.states == dict.fromkeys(CASES, "success")
    results = run.xcoms()
    for operation, case in CASES.items():
        app = {"AppId": APPS[operation]} if operation != "ListS3Buckets" else {}
        asked = [entry["parameters"] for entry in _journal(apps, operation) if entry["effective"]]
        sent = requests.filled(case.request, ids[operation]) | app
        if operation == "GetBackendJob":  # waiting asks for jobs too, but for others
            asked = [request for request in asked if request["JobId"] == sent["JobId"]]
        assert asked == [sent]

        result = results[operation, -1, "return_value"]
        assert isinstance(result, dict)
        assert "ResponseMetadata" not in result
        expected = requests.filled(case.answer, ids[operation])
        assert {name: result[name] for name in expected} == expected
        if operation in JOBS:
            assert set(result) == result_keys
            assert (result["Status"], result["outcome"], result["Operation"]) == ("COMPLETED", "started", operation)
            assert result["AppId"] == APPS[operation]
            assert result["JobId"]
            assert result["BackendEnvironmentName"]


def test_a_refusal_of_the_service_is_reported_with_its_words(dags: DagRunner, apps: LocalAmplifyBackend) -> None:
    for operation, app_id in APPS.items():
        # Only for the operation's own app: the same reads serve to look before a start elsewhere.
        where = {} if operation == "ListS3Buckets" else {"app_id": app_id}
        refusal = {"status": 400, "code": "BadRequestException", "message": "not today"}
        apps.control.add_fault(operation, kind="error", **refusal, **where)
    run = dags.run(_dag(*(requests.task(operation, **_options(operation)) for operation in CASES)))
    assert run.states == dict.fromkeys(CASES, "failed")
    for operation in CASES:
        place = f"AppId={APPS[operation]}" if operation != "ListS3Buckets" else "this account"
        error = run.error(operation)
        assert error.startswith(f"BackendRequestError: {operation} failed (BadRequestException) for {place}")
        assert error.endswith("not today")
        assert len(_journal(apps, operation)) == 1


def test_an_app_that_the_service_does_not_know_is_named(dags: DagRunner, apps: LocalAmplifyBackend) -> None:
    known_without_app = {"ListS3Buckets", "CreateBackend"}  # has no app; makes it known
    operations = [operation for operation in CASES if operation not in known_without_app]
    run = dags.run(
        _dag(*(requests.task(operation, **_options(operation)) for operation in operations)).replace("'dop", "'dno")
    )
    assert run.states == dict.fromkeys(operations, "failed")
    for operation in operations:
        error, app = run.error(operation), APPS[operation].replace("dop", "dno")
        if operation in JOBS and operation.startswith(("Delete", "Remove")):
            assert error.startswith(f"BackendStartError: {operation} (app {app}")
            assert "does not exist" in error
        else:
            assert error.startswith(f"BackendRequestError: {operation} failed (NotFoundException) for AppId={app}")
    assert not [entry for entry in apps.control.journal(effective=True) if entry["parameters"].get("AppId")]


def test_a_bad_parameter_is_named_and_nothing_is_sent(dags: DagRunner, apps: LocalAmplifyBackend) -> None:
    apps.control.clear_journal()
    run = dags.run(_dag(*(requests.task(operation, retries=2, **case.wrong) for operation, case in CASES.items())))
    assert run.states == dict.fromkeys(CASES, "failed")
    assert apps.control.journal() == []
    for operation, case in CASES.items():
        # One error and one try: what cannot be sent is not tried again.
        error = run.error(operation)
        assert error.startswith("BackendParameterError: ")
        for complaint in case.complaints:
            assert complaint in error
        assert run.tries[operation] == 1


def test_what_a_template_left_empty_never_names_an_app(dags: DagRunner, apps: LocalAmplifyBackend) -> None:
    apps.control.clear_journal()
    operations = [operation for operation in CASES if operation != "ListS3Buckets"]
    run = dags.run(
        _dag(*(requests.task(operation, app_id="{{ params.nothing }}") for operation in operations)),
        options='params={"nothing": None}',
    )
    assert run.states == dict.fromkeys(operations, "failed")
    assert all("app_id='None' is missing a value: it is required" in run.error(operation) for operation in operations)
    assert apps.control.journal() == []


def test_what_cannot_be_seen_to_exist_cannot_be_skipped(dags: DagRunner, apps: LocalAmplifyBackend) -> None:
    with pytest.raises(AssertionError, match="if_exists"):
        dags.load(_dag(requests.task("CreateBackendConfig", if_exists="skip")))
    apps.control.seed_app("dconfigured", config={})
    run = dags.run(_dag('CreateBackendConfigOperator(task_id="again", app_id="dconfigured")'))
    assert "already exists" in run.error("again")
